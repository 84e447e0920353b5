"""Films of episodes, as a person would want to see and hear them.

programme.py chooses, frame.py arranges and painting.py paints what is seen, film.py encodes; this plays and keeps time.

A video is never worth a failed run: `try_to_record` says in one sentence why there is none, and goes on.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy

from ...envs import make
from ...envs.contract import text_in
from ...envs.live.tick import Move
from ...envs.rooms.render.canvas import Picture
from ...perception.errors import ConfigError, SenseweaveError
from ...perception.spec import PRESENT, Camera, Grid, Microphone, Spec
from ...policies.export import ExportedPolicy
from ...policies.saving.random_state import cuda_devices
from ...policies.saving.sealed import writing
from ..play.players import Player, PolicyPlayer
from ..play.takes import kind_of
from ..terminal.progress import tell
from .film import Shot, is_loop, write_film
from .frame import OWN_PICTURE, PANEL_PX, ROOM, Ending, Frame
from .painting import draw
from .programme import Part, Programme, fitted, for_policy
from .room_view import view_of

EPISODES = 4
MAX_FRAMES = 600
"""Steps that are drawn of the first episodes, if nobody says otherwise."""

MOST_S = 60
"""How long a film of chosen episodes is at most."""


@dataclasses.dataclass(frozen=True)
class Pace:
    """How fast a film goes: slow enough to be followed by somebody who sees it for the first time.

    Args:
        fps: steps a second.
        begin_s: how long an episode's first picture stands, and the first one after a gap.
        unplug_s: how long the first picture without a sense stands.
        end_s: how long the last picture stands, in silence.
    """

    fps: Fraction = Fraction(3)
    begin_s: float = 1.0
    unplug_s: float = 1.0
    end_s: float = 2.0

    @classmethod
    def of(cls, step_s: float, *, has_sound: bool) -> "Pace":
        """Three steps a second, or fewer where a step's sound takes longer than that."""
        own = 1 / Fraction(step_s).limit_denominator(10_000)
        return cls(min(cls.fps, own) if has_sound else cls.fps)

    def pictures(self, seconds: float) -> int:
        """How many pictures stand for so long; one at least."""
        return max(1, round(seconds * self.fps))

    @property
    def held(self) -> int:
        """How many pictures an episode has beyond its steps, at most: its begin, two gaps, a lost sense, its end."""
        stands = (self.begin_s, self.begin_s, self.begin_s, self.unplug_s, self.end_s)
        return sum(self.pictures(seconds) - 1 for seconds in stands)


@dataclasses.dataclass(frozen=True)
class Filmed:
    """What happened in one episode of a video."""

    seed: int
    instruction: str | None
    steps: int
    total_return: float
    is_success: bool | None
    is_whole: bool
    """False where the video ends before the episode."""
    title: str = ""
    kind: str | None = None
    """Of the instruction; None where all are of one kind."""
    unplugged: dict[str, int] = dataclasses.field(default_factory=dict)
    """Sense -> the step from which on it is gone."""


def try_to_record(
    policy: ActorCriticPolicy | ExportedPolicy,
    env_id: str,
    options: dict[str, Any],
    path: Path,
    *,
    seed_set: int = 0,
    greedy: bool = False,
    without: Sequence[str] = (),
) -> str | None:
    """Films chosen episodes of a policy (see programme.py).

    Whatever goes wrong (a missing library, a full disk, a renderer's fault) is only told.

    Returns:
        The file's name, or None where there is no video.
    """
    try:
        how: dict[str, Any] = {"seed_set": seed_set, "without": without}
        env = make_with_pictures(env_id, options)
        try:
            programme = for_policy(policy, env, env_id, options, greedy=greedy, **how)
            record(PolicyPlayer(policy, greedy=greedy), env, path, programme, seed_set=seed_set)
        finally:
            env.close()
    except SenseweaveError as error:
        tell(f"There is no video: {error}")
        return None
    except Exception as error:  # drawing runs an environment's own code, which may raise anything
        tell(f"There is no video, because drawing it failed: {type(error).__name__}: {error}")
        return None
    return str(path)


def record(
    player: Player,
    env: gymnasium.Env[Any, Any],
    path: Path,
    programme: Programme,
    *,
    seed_set: int = 0,
    max_frames: int = MAX_FRAMES,
) -> list[Filmed]:
    """Plays the episodes of a programme and writes them as one film, with the sound of the first microphone.

    Args:
        player: who plays, or, in a take, whose gates are shown.
        env: see `make_with_pictures`.
        path: where the film goes; a .webp is silent, and begins again at its end.
        programme: what is shown; takes are cut to `MOST_S` seconds together.
        seed_set: of torch's generator, from which a policy draws its actions.
        max_frames: steps after which a film of other episodes ends.

    Returns:
        What happened in each episode.

    Raises:
        MissingExtraError: cv2 or av cannot be imported.
        CheckpointError: the file cannot be written.
        ObservationError: there is no sense of that name to take away.
    """
    filming = _Filming(player, env, programme, is_silent=is_loop(path))
    with writing(path), torch.random.fork_rng(devices=cuda_devices()):
        torch.manual_seed(seed_set)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_film(path, filming.shots(max_frames), filming.pace.fps, filming.microphone)
    return filming.filmed


def make_with_pictures(env_id: str, options: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    """The environment, drawing itself where it can."""
    if "render_mode" not in options:
        try:
            return make(env_id, **options, render_mode="rgb_array")
        except (ConfigError, TypeError, gymnasium.error.Error):
            pass  # an environment without pictures of its own
    return make(env_id, **options)


class _Filming:
    """Plays episodes and makes shots of them.

    Args:
        player: who plays.
        env: where.
        programme: which episodes.
        is_silent: whether the film has no sound.
    """

    def __init__(self, player: Player, env: gymnasium.Env[Any, Any], programme: Programme, *, is_silent: bool) -> None:
        self._player, self._env = player, env
        self._senses: Spec = env.get_wrapper_attr("senses")
        for part in programme.parts:
            self._senses.present(*part.gone_from)  # raises for an unknown one
        self._names: tuple[str, ...] = env.get_wrapper_attr("action_names")
        self._ear, self.microphone = _first_microphone(self._senses)
        self._step_s: float = env.get_wrapper_attr("step_s")
        self.pace = Pace.of(self._step_s, has_sound=self.microphone is not None and not is_silent)
        self._programme = fitted(programme, self.pace.pictures(MOST_S), self.pace.held)
        self._view = view_of(env.unwrapped, PANEL_PX)
        self.filmed: list[Filmed] = []

    def shots(self, max_frames: int) -> Iterator[Shot]:
        """The film, a shot a step, and more where a picture stands."""
        left = max_frames
        for part in self._programme.parts:
            yield from self._episode(part, left if part.actions is None else len(part.actions) + 1)
            left -= self.filmed[-1].steps + 1
            if left <= 0 and part.actions is None:
                return

    def _episode(self, part: Part, max_frames: int) -> Iterator[Shot]:
        observation, info = self._env.reset(seed=part.seed)
        self._player.start(part.seed)
        if self._view is not None:
            self._view.start()
        instruction, kind, steps, total, ending = text_in(info), kind_of(self._env), 0, 0.0, None
        last_shown = -1
        while steps < max_frames:
            observation[PRESENT] = observation[PRESENT] * self._kept(part, steps)
            move = self._move(part, steps, observation, is_over=ending is not None)
            if part.steps is None or steps in part.steps or ending is not None:
                skipped, last_shown = steps - last_shown - 1, steps
                moment = Frame(
                    observation,
                    text_in(info) or instruction,
                    gates=None if move is None else move.gates,
                    room=self._room(observation),
                    status=[f"step {steps}", f"return {total:.2f}", *([f"{skipped} steps later"] if skipped else [])],
                    state="" if move is None or ending is not None else name_action(move.action, self._names),
                    ending=ending,
                    room_title=ROOM if self._view else OWN_PICTURE,
                    absence={name: "unplugged" for name, step in part.gone_from.items() if step > 0},
                    title=part.title + (f", told by {kind}" if kind else ""),
                    note=f"seed {part.seed:,}" + (f", {self._programme.note}" if self._programme.note else ""),
                )
                shot = Shot(draw(self._senses, moment), self._heard(observation))
                yield shot
                yield from self._still(shot, part, steps, ending, is_after_gap=steps == 0 or skipped > 0)
            elif self._view is not None:
                self._view.follow()
            if ending is not None or move is None:
                break
            observation, reward, terminated, truncated, info = self._env.step(move.action)
            total, steps = total + float(reward), steps + 1
            if terminated or truncated:
                ending = Ending.of(info.get("is_success"), is_out_of_time=not terminated)
        success = None if ending is None else ending.is_success
        self.filmed.append(
            Filmed(
                part.seed,
                instruction,
                steps,
                total,
                success,
                ending is not None,
                part.title,
                kind,
                {name: step for name, step in part.gone_from.items() if step > 0},
            )
        )

    def _move(self, part: Part, step: int, observation: dict[str, np.ndarray], *, is_over: bool) -> Move | None:
        """What is done now, with the player's gates; None where nothing is left to do or to show."""
        if part.actions is None or self._player.has_gates:
            move = None if is_over and not self._player.has_gates else self._player.act(observation)
        else:
            move = None
        if part.actions is None or step >= len(part.actions):
            return move
        return Move(part.actions[step], None if move is None else move.gates)

    def _kept(self, part: Part, step: int) -> np.ndarray:
        """The mask of the senses that nobody takes away in a step."""
        return self._senses.present(*(name for name, begin in part.gone_from.items() if step >= begin))

    def _still(self, shot: Shot, part: Part, step: int, ending: Ending | None, *, is_after_gap: bool) -> Iterator[Shot]:
        """The same picture again, in silence, where it has to stand."""
        seconds = self.pace.begin_s if is_after_gap else 0.0
        if step > 0 and step in part.gone_from.values():
            seconds = self.pace.unplug_s
        if ending is not None:
            seconds = self.pace.end_s
        yield from [Shot(shot.picture)] * (self.pace.pictures(seconds) - 1)

    def _heard(self, observation: dict[str, np.ndarray]) -> np.ndarray | None:
        """What the first microphone took in this step, or None where it is absent."""
        if self._ear is None or not observation[PRESENT][self._senses.names.index(self._ear)]:
            return None
        newest = round(self._step_s * self.microphone.sample_rate_hz) if self.microphone else 0
        return observation[self._ear][:, -newest:]

    def _room(self, observation: dict[str, np.ndarray]) -> Picture | None:
        if self._view is not None:
            eyes = [i for i, kind in enumerate(self._senses.values()) if isinstance(kind, Camera | Grid)]
            return self._view.draw(sees=bool(observation[PRESENT][eyes].any()))
        if self._env.render_mode != "rgb_array":
            return None
        picture: Any = self._env.render()
        is_picture = isinstance(picture, np.ndarray) and picture.ndim == 3 and picture.shape[2] == 3
        return picture.astype(np.uint8) if is_picture else None


def _first_microphone(senses: Spec) -> tuple[str | None, Microphone | None]:
    return next(iter(senses.of_kind(Microphone).items()), (None, None))


def name_action(action: Any, names: tuple[str, ...]) -> str:
    """What an action is called; its number or numbers where it has no name."""
    if np.ndim(action) == 0 and 0 <= int(action) < len(names):
        return names[int(action)]
    return np.array2string(np.asarray(action), precision=2)
