"""`RoomsSenses`: from the true state to the observation of the contract, one batch at a time.

It chooses the senses and puts their tensors together; the camera, the ears and the symbolic view are made elsewhere.
Every tensor that it returns is new: nothing of the state and nothing of an earlier observation.

b environments
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ...perception.spec import PRESENT, Camera, Grid, Kind, Microphone, Spec, Vector
from ...perception.tokenizer import DEFAULT_MAX_TOKENS, default_tokenizer
from .camera.camera import RoomsCamera
from .codes import SIZES
from .levels.level import Level
from .missions import mission_tokens
from .settings import RoomsSettings
from .sound.ears import RoomsEars
from .sound.speech import Speech
from .state import RoomsState
from .view import SIDE, SymbolicView

STEP_S = 0.1
"""Duration of a step: what the ears hear in one window."""
SAMPLE_RATE_HZ = 16_000

Sense = Callable[[RoomsState], Tensor]


class RoomsSenses:
    """What an agent perceives of a batch of rooms.

    Args:
        level: for its size and its missions.
        settings: which senses, and how large; read for this level.
        device: where the states are.

    Attributes:
        spec: the senses that were chosen.
        instruction_was_truncated: for each of the level's missions, whether its tokens lost their end.
        speech: says the instruction; None where it is not spoken.
    """

    def __init__(self, level: Level, settings: RoomsSettings, device: torch.device) -> None:
        self.device = device
        self._level = level
        self._settings = settings
        self._parts: dict[str, Sense] = {}
        self.speech: Speech | None = None
        self.instruction_was_truncated = (False,) * len(level.missions)
        makers = {
            "audio": self._make_ears,
            "camera": self._make_camera,
            "compass": self._make_compass,
            "grid": self._make_view,
            "instruction": self._make_reader,
        }
        kinds: dict[str, Kind] = {}
        for name in settings.senses:
            kinds[name], self._parts[name] = makers[name]()
        self.spec = Spec(**kinds)

    def __call__(self, state: RoomsState) -> dict[str, Tensor]:
        """The observation, by name; `present` is all ones."""
        observation = {name: part(state) for name, part in self._parts.items()}
        observation[PRESENT] = torch.ones(len(state), len(self.spec), dtype=torch.int8, device=self.device)
        return observation

    def _make_ears(self) -> tuple[Kind, Sense]:
        level = self._level
        ears = RoomsEars(level.height, level.width, level.objects, one_room=not level.has_doors, device=self.device)
        kind = Microphone(2, round(STEP_S * SAMPLE_RATE_HZ), SAMPLE_RATE_HZ)
        if not self._settings.spoken:
            return kind, ears
        self.speech = speech = Speech(level.missions, self.device)
        return kind, lambda state: ears(state, speech.blocks(state))

    def _make_camera(self) -> tuple[Kind, Sense]:
        height, width = self._settings.height_and_width
        level = self._level
        camera = RoomsCamera(
            level.height,
            level.width,
            image_height=height,
            image_width=width,
            objects=level.objects,
            device=self.device,
            has_heights=level.has_heights,
        )
        return Camera(height, width), camera

    def _make_compass(self) -> tuple[Kind, Sense]:
        headings = torch.eye(4, device=self.device)
        return Vector(4), lambda state: headings.index_select(0, state.heading)

    def _make_view(self) -> tuple[Kind, Sense]:
        view = SymbolicView(self._level.height, self._level.width, self.device)
        return Grid(SIDE, SIDE, SIZES), view

    def _make_reader(self) -> tuple[Kind, Sense]:
        ids, was_truncated = mission_tokens(self._level.missions)
        self.instruction_was_truncated = tuple(was_truncated.tolist())
        tokens = ids.to(self.device)
        return default_tokenizer().instruction(DEFAULT_MAX_TOKENS), lambda state: tokens.index_select(0, state.mission)
