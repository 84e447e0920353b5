"""The perception module: a dict of readings in, one state embedding out, whatever is missing.

    observation                     observation/      encoders/                fusion/
    camera       (b 64 64 3)  --+              +-- CameraEncoder ------- (b 64 d) --+
    audio        (b 2 1600)   --+--- clean ----+-- AudioEncoder -------- (b 6 d) ---+-- Fusion --- State
    instruction  (b 48)       --+      |       +-- InstructionEncoder -- (b 48 d) --+                embedding (b s)
    present      (b 3)        --+      |         a TokenGroup each: tokens, mask    |                gates, attention
                                       |                                            |                by modality
                                       +--- which of them are here (b m) -----------+

Raw input is made ready by `prepare` (prepare.py). Absence is decided in one place, `clean` (observation/absence.py),
before any network sees the readings, and enters the fusion only as masks over tokens. What is absent may be imputed
from the rest in between (objectives/imputation.py). Which keys an observation may have is said in
observation/layout.py.

b batch, m modalities, s state width, n tokens, d width of a token, l latents
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from .checks import choose_device
from .config import IMPUTATIONS, PerceptionConfig
from .encoders import ahead
from .encoders.alone import SenseEncoders, encode
from .encoders.base import way_to_encode
from .encoders.registry import build_encoder, token_counts
from .errors import SpecError
from .files import load_strictly, require_finite, require_fit, shapes_of, weights_of, write_atomically, write_tensors
from .fusion import FUSIONS, Fused
from .fusion.base import only_seen
from .modules import NamedModules
from .observation.brightness import BrightnessLooker
from .observation.layout import Layout
from .prepare import prepare
from .pretrained import FORMAT, VERSION, find
from .sharing.address import find_folder
from .spec import Spec
from .tokenizer import Tokenizer, default_tokenizer
from .tokens import TokenGroup


class State(NamedTuple):
    """What an agent perceives."""

    embedding: Float[Tensor, "b s"]
    gates: dict[str, Float[Tensor, " b"]]
    """How far each modality was let in: 0..1, mean over latents, heads and layers; exactly 0 where it is absent."""
    present: Bool[Tensor, "b m"]
    """Which modalities were used, in alphabetical order: present, in the dict, and finite."""
    non_finite: Bool[Tensor, "b m"]
    """Which modalities were said to be present but rejected, because their content holds NaN or inf."""
    attention: dict[str, Float[Tensor, "b l n"]] | None = None
    """Filled by `explain`: where each latent looked, mean over heads, last layer; {} for a fusion without any."""
    tokens: dict[str, TokenGroup] | None = None
    """What the fusion got, imputed tokens included, where `forward` was asked for it."""


class Perception(nn.Module):
    """Fuses camera frames, sound, instructions and any other senses into one state embedding.

    Args:
        spec: the senses.
        config: sizes and the fusion's name; the preset "laptop" by default.

    Example:
        perception = Perception(Spec(camera=Camera(64, 64), instruction=Instruction(48, 1024)))
        obs = perception.prepare({"camera": frame, "instruction": "go to the red ball"})
        state = perception(obs)  # state.embedding, state.gates["camera"]
    """

    def __init__(self, spec: Spec, config: PerceptionConfig | None = None) -> None:
        super().__init__()
        if not isinstance(spec, Spec):
            raise SpecError(
                f"A Perception needs a Spec; got {spec!r:.60}. Write Perception(Spec(camera=Camera(64, 64))), say, or "
                "read a saved one with Perception.from_pretrained(folder)."
            )
        self.spec = spec
        self.config = config or PerceptionConfig()
        width = self.config.width
        self.encoders = NamedModules({name: build_encoder(name, kind, width) for name, kind in spec.items()})
        self.fusion = FUSIONS[self.config.fusion](spec.names, **self.config.fusion_sizes)
        imputer = IMPUTATIONS[self.config.imputation]
        sizes = {} if imputer is None else token_counts(self.encoders, spec)
        self.imputer = None if imputer is None else imputer(sizes, width=width, heads=self.config.heads)
        self.layout = Layout(spec, ahead.stand_ins(self.encoders))
        self._looker = BrightnessLooker(spec)
        self._ways = {name: way_to_encode(encoder, spec[name]) for name, encoder in self.encoders.items()}

    @classmethod
    def from_space(
        cls, space: Any, config: PerceptionConfig | None = None, *, sample_rate_hz: int | None = None
    ) -> Self:
        """A perception for an environment's observation space; see `Spec.from_space`."""
        return cls(Spec.from_space(space, sample_rate_hz=sample_rate_hz), config)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    def prepare(
        self,
        raw: Mapping[str, Any],
        device: torch.device | str | None = None,
        *,
        tokenizer: Tokenizer | None = None,
    ) -> dict[str, Tensor]:
        """Makes raw readings ready for the network: see `perception.prepare.prepare`."""
        return prepare(self.spec, raw, device or self.device, tokenizer=tokenizer)

    def forward(self, obs: Mapping[str, Tensor], *, with_tokens: bool = False) -> State:
        """Perceives a batch.

        Args:
            obs: readings by modality, batch first, shaped and typed as the spec says; floats are welcome anywhere
                (cameras in 0..255; such within 0..1 are refused when the first ones come, but not in a compiled
                graph). `present` (b, m) may be missing: then everything in the dict is present. A
                modality that is not in the dict is absent for the whole batch. Padding at the end of all instructions
                may be left out, which saves its share of the work. What `digest` and `condense` make may stand in the
                place of readings.
            with_tokens: whether the state holds the tokens of every modality, for callers that need them again.

        Raises:
            ObservationError: an unknown key, a wrong shape or type, nothing to take the batch size from, or frames that
                would be black.
        """
        state = self._perceive(obs)._replace(attention=None)
        return state if with_tokens else state._replace(tokens=None)

    def explain(self, obs: Mapping[str, Tensor]) -> State:
        """The state of the same forward computation, with `attention`: by modality, (b, l, n), 0 where absent.

        Token i of a camera or grid is the patch `divmod(i, columns)` of `perception.encoders[name].grid_shape`.
        """
        return self._perceive(obs)._replace(tokens=None)

    def _perceive(self, obs: Mapping[str, Tensor]) -> State:
        groups, present, non_finite = encode(self.encoders, self._ways, self.layout, self._looker, obs)
        fused, groups = self.fuse(groups, present)
        return State(fused.embedding, fused.gates, present, non_finite, fused.attention, groups)

    def encode(self, obs: Mapping[str, Tensor]) -> dict[str, TokenGroup]:
        """The first half of `forward`: tokens and masks by modality, for a policy that fuses them in its own way.

        Args:
            obs: as for `forward`.

        Raises:
            ObservationError: see `forward`.
        """
        return encode(self.encoders, self._ways, self.layout, self._looker, obs).groups

    def encoders_alone(self) -> SenseEncoders:
        """A module that does `encode` and has no other parameters: the very encoders of this one, not a copy.

        A trainer that wants every parameter used, as DistributedDataParallel does, is given this.
        """
        return SenseEncoders(self.spec, self.encoders)

    def fuse(self, groups: dict[str, TokenGroup], present: Bool[Tensor, "b m"]) -> tuple[Fused, dict[str, TokenGroup]]:
        """The second half of `forward`: what is absent is imputed, where the configuration says so, and all is fused.

        Args:
            groups: tokens by modality, in the spec's order, masked where one is absent.
            present: which modalities are here.

        Returns:
            What the fusion made, with gates and attention of what is here alone, and the groups that it got.
        """
        if self.imputer is None:
            return self.fusion(groups), groups
        filled = self.imputer.fill(groups, present)
        return only_seen(self.fusion(filled), groups), filled

    @property
    def can_digest(self) -> bool:
        """Whether `digest` has anything to do."""
        return ahead.can_digest(self.encoders)

    def digest(self, obs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The observation with features of its sounds in the place of their waveforms.

        A Fourier transform learns nothing: callers that perceive an observation several times, as a trainer does, have
        it done once. `forward` takes what comes out, and gives the same state. A recording with a length stays.
        """
        return ahead.digest(self.encoders, self.layout, obs)

    def condense(self, obs: Mapping[str, Tensor], samples: int) -> dict[str, Tensor]:
        """The observation with `<grid>_numbers` (b, cells) and `<grid>_distinct` in the place of each grid.

        A view's cells are mostly alike; here each distinct one is listed, and later encoded, once. `forward` takes what
        comes out, or some rows of it beside the whole of what `layout.shared` names, and gives the same state but for
        rounding. Waits for the device, to learn how many distinct cells there are.

        Args:
            obs: readings; a grid of floats stays as it is.
            samples: how many will be perceived at a time; a grid stays where so few cells are alike that it does not
                pay.
        """
        return ahead.condense(self.encoders, obs, samples)

    def save_pretrained(self, directory: str | os.PathLike[str]) -> None:
        """Writes config.json (what this is) and model.safetensors (its weights, with the same description inside).

        Raises:
            CheckpointError: `from_pretrained` could not read it: weights in half precision or not finite, parts that
                `config` does not tell of. Or the folder cannot be written. What was there is still whole.
        """
        folder, weights = Path(directory).expanduser(), weights_of(self)
        description = json.dumps(self._description(), indent=2)
        require_fit(shapes_of(lambda: type(self)(self.spec, self.config)), weights, "What was to be saved")
        require_finite(weights, "What was to be saved")
        write_tensors(folder / "model.safetensors", weights, {"description": description})
        write_atomically(folder / "config.json", description.encode() + b"\n")

    @classmethod
    def from_pretrained(cls, directory: str | os.PathLike[str], *, device: torch.device | str | None = None) -> Self:
        """Reads what `save_pretrained` wrote, or the senses of a run, strictly and without running code from files.

        Args:
            directory: the folder; "~" is the home directory. A run directory of `senseweave train` or `PPO.save` gives
                the perception of its policy. So do an agent that ships with the package, "seek", and a repository of
                the Hugging Face Hub: "user/name@revision", "hf://user/name".
            device: of the weights: "cuda", "auto"; the CPU by default.

        Raises:
            CheckpointError: a file is missing, damaged, of another version, or does not fit.
            MissingExtraError: the address is of the Hub, and huggingface-hub is not installed.
            TokenizerMismatchError: the weights were trained with another tokenizer.
            SpecError: a modality is of a kind that is not registered.
            ConfigError: the device is not here.
        """
        folder = find_folder(directory).expanduser()
        target = None if device is None else choose_device(device)
        found = find(folder)

        def build() -> Self:
            return cls(*found.described())

        tensors = found.read(lambda outlines: require_fit(shapes_of(build), outlines, found.weights))
        perception = build()
        load_strictly(perception, tensors, found.weights)
        return perception if target is None else perception.to(target)

    def _description(self) -> dict[str, Any]:
        """What is needed to build the same network again."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "spec": self.spec.to_json(),
            "config": self.config.to_json(),
            "tokenizer": default_tokenizer().identity if self.spec.texts() else None,
        }
