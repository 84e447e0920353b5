"""video.mp4: episodes as a person would want to see and hear them (picture.py draws, film.py encodes).

A video is never worth a failed run: `try_to_record` says in one sentence why there is none, and goes on.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy

from ...envs import make
from ...perception.errors import ConfigError, SenseweaveError
from ...perception.spec import PRESENT, Microphone, Spec
from ...policies.saving.random_state import cuda_devices
from ...policies.saving.sealed import writing
from ..play.episodes import held_out_seed
from ..play.players import Player, PolicyPlayer
from ..terminal.progress import tell
from .film import Shot, write_video
from .moment import PANEL_PX, Moment, Picture, draw

EPISODES = 4
LARGEST_FRAMES = 600
END_HOLD_S = 0.8
"""How long the last picture of an episode stands still, in silence."""


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
    policy: ActorCriticPolicy,
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
    episodes: int = EPISODES,
    largest_frames: int = LARGEST_FRAMES,
) -> list[Filmed]:
    """Plays the first held-out episodes and writes them as one video, with the sound of the first microphone.

    Args:
        player: who plays.
        env: see `make_with_pictures`.
        path: where the video goes.
        seed_set: which set of held-out seeds.
        without: senses that are taken away.
        episodes: how many.
        largest_frames: pictures after which the video ends.

    Returns:
        What happened in each episode.

    Raises:
        MissingExtraError: cv2 or av cannot be imported.
        CheckpointError: the file cannot be written.
    """
    camera_man = _CameraMan(player, env, without)
    with writing(path), torch.random.fork_rng(devices=cuda_devices()):
        torch.manual_seed(seed_set)
        path.parent.mkdir(parents=True, exist_ok=True)
        shots = camera_man.shots(seed_set, episodes, largest_frames)
        write_video(path, shots, camera_man.fps, camera_man.microphone)
    return camera_man.filmed


def make_with_pictures(env_id: str, options: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    """The environment, drawing itself where it can."""
    if "render_mode" not in options:
        try:
            return make(env_id, **options, render_mode="rgb_array")
        except (ConfigError, TypeError, gymnasium.error.Error):
            pass  # an environment without pictures of its own
    return make(env_id, **options)


class _CameraMan:
    """Plays episodes and makes shots of them."""

    def __init__(self, player: Player, env: gymnasium.Env[Any, Any], without: Sequence[str]) -> None:
        self._player, self._env = player, env
        self._senses: Spec = env.get_wrapper_attr("senses")
        self._names: tuple[str, ...] = env.get_wrapper_attr("action_names")
        self._kept = self._senses.present(*without)
        microphones = [name for name, kind in self._senses.items() if isinstance(kind, Microphone)]
        self._ear = microphones[0] if microphones else None
        kind = self._senses[self._ear] if self._ear is not None else None
        self.microphone = kind if isinstance(kind, Microphone) else None
        self.fps = _frames_a_second(env.get_wrapper_attr("step_s"), is_heard=self.microphone is not None)
        self._top_view = _top_view_of(env)
        self.filmed: list[Filmed] = []

    def shots(self, seed_set: int, episodes: int, largest_frames: int) -> Iterator[Shot]:
        """The film of some episodes, one shot a step."""
        drawn = 0
        for episode in range(episodes):
            for shot in self._episode(
                held_out_seed(seed_set, episode), f"episode {episode + 1}", largest_frames - drawn
            ):
                yield shot
                drawn += 1
            if drawn >= largest_frames:
                return

    def _episode(self, seed: int, title: str, largest_frames: int) -> Iterator[Shot]:
        observation, info = self._env.reset(seed=seed)
        self._player.start(seed)
        instruction, steps, total, is_over = info.get("instruction"), 0, 0.0, False
        success: bool | None = None
        while steps < largest_frames:
            observation[PRESENT] = observation[PRESENT] * self._kept
            move = None if is_over and not self._player.has_gates else self._player.act(observation)
            gates = None if move is None else move.gates
            if is_over or move is None:
                action = {None: "", True: "success", False: "failure"}[success]
            else:
                action = name_action(move.action, self._names)
            told = [title, f"step {steps}", f"return {total:.2f}", action]
            moment = Moment(observation, info.get("instruction", instruction), gates, self._room(), told)
            shot = Shot(draw(self._senses, moment), self._heard(observation))
            yield shot
            if is_over or move is None:
                yield from [Shot(shot.picture)] * (round(END_HOLD_S * self.fps) - 1)
                break
            observation, reward, terminated, truncated, info = self._env.step(move.action)
            total, steps, is_over = total + float(reward), steps + 1, bool(terminated or truncated)
            if is_over and info.get("is_success") is not None:
                success = bool(info["is_success"])
        self.filmed.append(Filmed(seed, instruction, steps, total, success, is_over))

    def _heard(self, observation: dict[str, np.ndarray]) -> np.ndarray | None:
        """What the first microphone took in this step, or None where it is absent."""
        if self._ear is None or not observation[PRESENT][self._senses.names.index(self._ear)]:
            return None
        return observation[self._ear]

    def _room(self) -> Picture | None:
        if self._top_view is not None:
            return self._top_view()
        if self._env.render_mode != "rgb_array":
            return None
        picture: Any = self._env.render()
        is_picture = isinstance(picture, np.ndarray) and picture.ndim == 3 and picture.shape[2] == 3
        return picture.astype(np.uint8) if is_picture else None


def _top_view_of(env: gymnasium.Env[Any, Any]) -> Callable[[], Picture] | None:
    """Draws a room of ours from above; its own picture repeats what the other panels show."""
    simulation = getattr(env.unwrapped, "simulation", None)
    if simulation is None:
        return None
    from ...envs.rooms.render.top_view import TopView

    height, width = simulation.level.height, simulation.level.width
    view = TopView(height, width, tile=max(8, PANEL_PX // max(height, width)))
    return lambda: view.draw(simulation.state)


def _frames_a_second(step_s: float, *, is_heard: bool) -> Fraction:
    """One picture a step; where nothing is heard, a speed that people can follow."""
    if is_heard:
        return 1 / Fraction(step_s).limit_denominator(10_000)
    return Fraction(min(30, max(4, round(1 / step_s))))


def name_action(action: Any, names: tuple[str, ...]) -> str:
    """What an action is called; its number or numbers where it has no name."""
    if np.ndim(action) == 0 and 0 <= int(action) < len(names):
        return names[int(action)]
    return np.array2string(np.asarray(action), precision=2)
