"""Films of episodes, as a person would want to see and hear them (frame.py draws, film.py encodes).

A video is never worth a failed run: `try_to_record` says in one sentence why there is none, and goes on.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy

from ...envs import make
from ...envs.contract import text_in
from ...envs.rooms.render.canvas import Picture
from ...perception.errors import ConfigError, SenseweaveError
from ...perception.spec import PRESENT, Camera, Grid, Microphone, Spec
from ...policies.export import ExportedPolicy
from ...policies.saving.random_state import cuda_devices
from ...policies.saving.sealed import writing
from ..play.episodes import held_out_seed
from ..play.players import Player, PolicyPlayer
from ..terminal.progress import tell
from .film import Shot, is_loop, write_film
from .frame import PANEL_PX, Ending, Frame, draw
from .room_view import view_of

EPISODES = 4
MAX_FRAMES = 600
"""Steps that are drawn of each film, if nobody says otherwise."""


@dataclasses.dataclass(frozen=True)
class Pace:
    """How fast a film goes.

    Args:
        fps: steps a second.
        begin_s: how long an episode's first picture stands.
        unplug_s: how much longer the first picture without a sense stands.
        end_s: how long the last picture stands, in silence.
    """

    fps: Fraction
    begin_s: float = 0.0
    unplug_s: float = 0.0
    end_s: float = 1.0


SLOW = Pace(Fraction(3), begin_s=1.0, unplug_s=1.0, end_s=2.0)
"""Of silent loops: slow enough to be followed by somebody who sees it for the first time."""


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


def try_to_record(
    policy: ActorCriticPolicy | ExportedPolicy,
    env_id: str,
    options: dict[str, Any],
    path: Path,
    *,
    greedy: bool = False,
    **how: Any,
) -> str | None:
    """Films a policy, but whatever goes wrong (a missing library, a full disk, a renderer's fault) is only told.

    Returns:
        The file's name, or None where there is no video.
    """
    try:
        env = make_with_pictures(env_id, options)
        try:
            record(PolicyPlayer(policy, greedy=greedy), env, path, **how)
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
    *,
    seed_set: int = 0,
    without: Sequence[str] = (),
    unplug: Mapping[str, int] | None = None,
    episodes: int = EPISODES,
    max_frames: int = MAX_FRAMES,
) -> list[Filmed]:
    """Plays the first held-out episodes and writes them as one film, with the sound of the first microphone.

    Args:
        player: who plays.
        env: see `make_with_pictures`.
        path: where the film goes; a .webp is silent, slow, and begins again at its end.
        seed_set: which set of held-out seeds.
        without: senses that are taken away throughout.
        unplug: sense -> the step from which on it is gone, in each episode.
        episodes: how many.
        max_frames: steps after which the film ends.

    Returns:
        What happened in each episode.

    Raises:
        MissingExtraError: cv2 or av cannot be imported.
        CheckpointError: the file cannot be written.
        ObservationError: there is no sense of that name to take away.
    """
    filming = _Filming(player, env, dict.fromkeys(without, 0) | dict(unplug or {}), is_silent=is_loop(path))
    with writing(path), torch.random.fork_rng(devices=cuda_devices()):
        torch.manual_seed(seed_set)
        path.parent.mkdir(parents=True, exist_ok=True)
        shots = filming.shots(seed_set, episodes, max_frames)
        write_film(path, shots, filming.pace.fps, filming.microphone)
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
        gone_from: sense -> the step from which on it is absent.
        is_silent: whether the film has no sound, and may be slow.
    """

    def __init__(
        self, player: Player, env: gymnasium.Env[Any, Any], gone_from: Mapping[str, int], *, is_silent: bool
    ) -> None:
        self._player, self._env, self._gone_from = player, env, gone_from
        self._senses: Spec = env.get_wrapper_attr("senses")
        self._senses.present(*gone_from)  # raises for an unknown one
        self._names: tuple[str, ...] = env.get_wrapper_attr("action_names")
        self._ear, self.microphone = _first_microphone(self._senses)
        self.pace = SLOW if is_silent else _real_time(env.get_wrapper_attr("step_s"), self.microphone)
        self._view = view_of(env.unwrapped, PANEL_PX)
        self.filmed: list[Filmed] = []

    def shots(self, seed_set: int, episodes: int, max_frames: int) -> Iterator[Shot]:
        """The film of some episodes, a shot a step, and more where a picture stands."""
        left = max_frames
        for episode in range(episodes):
            yield from self._episode(held_out_seed(seed_set, episode), f"episode {episode + 1}", left)
            left -= self.filmed[-1].steps + 1
            if left <= 0:
                return

    def _episode(self, seed: int, title: str, max_frames: int) -> Iterator[Shot]:
        observation, info = self._env.reset(seed=seed)
        self._player.start(seed)
        if self._view is not None:
            self._view.start()
        instruction, steps, total, ending = text_in(info), 0, 0.0, None
        while steps < max_frames:
            observation[PRESENT] = observation[PRESENT] * self._kept(steps)
            move = None if ending and not self._player.has_gates else self._player.act(observation)
            moment = Frame(
                observation,
                text_in(info) or instruction,
                gates=None if move is None else move.gates,
                room=self._room(observation),
                status=[title, f"step {steps}", f"return {total:.2f}"],
                state="" if move is None else name_action(move.action, self._names),
                ending=ending,
                room_title="the room, which it does not see" if self._view else "the environment's own picture",
                absence={name: "unplugged" for name, step in self._gone_from.items() if step > 0},
            )
            shot = Shot(draw(self._senses, moment), self._heard(observation))
            yield shot
            yield from self._still(shot, steps, ending)
            if ending is not None or move is None:
                break
            observation, reward, terminated, truncated, info = self._env.step(move.action)
            total, steps = total + float(reward), steps + 1
            if terminated or truncated:
                ending = Ending.of(info.get("is_success"), is_out_of_time=not terminated)
        success = None if ending is None else ending.is_success
        self.filmed.append(Filmed(seed, instruction, steps, total, success, ending is not None))

    def _kept(self, step: int) -> np.ndarray:
        """The mask of the senses that nobody takes away in a step."""
        return self._senses.present(*(name for name, begin in self._gone_from.items() if step >= begin))

    def _still(self, shot: Shot, step: int, ending: Ending | None) -> Iterator[Shot]:
        """The same picture again, in silence, where it has to stand."""
        seconds = self.pace.begin_s if step == 0 else self.pace.unplug_s if step in self._gone_from.values() else 0.0
        if ending is not None:
            seconds = self.pace.end_s
        yield from [Shot(shot.picture)] * (round(seconds * self.pace.fps) - 1)

    def _heard(self, observation: dict[str, np.ndarray]) -> np.ndarray | None:
        """What the first microphone took in this step, or None where it is absent."""
        if self._ear is None or not observation[PRESENT][self._senses.names.index(self._ear)]:
            return None
        return observation[self._ear]

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


def _real_time(step_s: float, microphone: Microphone | None) -> Pace:
    """One picture a step; where nothing is heard, a speed that people can follow."""
    if microphone is not None:
        return Pace(1 / Fraction(step_s).limit_denominator(10_000))
    return Pace(Fraction(min(30, max(4, round(1 / step_s)))))


def name_action(action: Any, names: tuple[str, ...]) -> str:
    """What an action is called; its number or numbers where it has no name."""
    if np.ndim(action) == 0 and 0 <= int(action) < len(names):
        return names[int(action)]
    return np.array2string(np.asarray(action), precision=2)
