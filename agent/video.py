"""video.mp4: evaluation episodes as a person would want to watch them (picture.py draws, PyAV encodes).

A video is never worth a failed run: `try_to_record` says in one sentence why there is none, and goes on.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy

from ..envs import make
from ..perception.errors import ConfigError, MissingExtraError, SenseweaveError
from ..perception.perception import State
from ..perception.spec import PRESENT, Spec
from .build import watch_states
from .episodes import held_out_seed
from .picture import Moment, Picture, draw
from .progress import tell
from .sealed import writing

EPISODES = 4
LARGEST_FRAMES = 600
END_HOLD_S = 0.8
"""How long the last picture of an episode stands still."""


def try_to_record(
    policy: ActorCriticPolicy,
    env_id: str,
    options: dict[str, Any],
    path: Path,
    **how: Any,
) -> str | None:
    """Like `record`, but whatever goes wrong (a missing library, a full disk, a renderer's fault) is only told.

    Returns:
        The file's name, or None where there is no video.
    """
    try:
        record(policy, env_id, options, path, **how)
    except SenseweaveError as error:
        tell(f"There is no video: {error}")
        return None
    except Exception as error:  # drawing runs an environment's own code, which may raise anything
        tell(f"There is no video, because drawing it failed: {type(error).__name__}: {error}")
        return None
    return str(path)


def record(
    policy: ActorCriticPolicy,
    env_id: str,
    options: dict[str, Any],
    path: Path,
    *,
    seed_set: int = 0,
    greedy: bool = False,
    without: Sequence[str] = (),
    episodes: int = EPISODES,
) -> None:
    """Plays the first held-out episodes and writes them as one video.

    Raises:
        MissingExtraError: cv2 or av cannot be imported.
        CheckpointError: the file cannot be written.
    """
    env = _make_with_pictures(env_id, options)
    try:
        fps = min(30, max(4, round(1 / env.get_wrapper_attr("step_s"))))
        frames = _frames(policy, env, fps, seed_set, greedy, without, episodes)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, frames, fps)
    finally:
        env.close()


def _make_with_pictures(env_id: str, options: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    """The environment, drawing itself where it can."""
    if "render_mode" not in options:
        try:
            return make(env_id, **options, render_mode="rgb_array")
        except (ConfigError, TypeError, gymnasium.error.Error):
            pass  # an environment without pictures of its own
    return make(env_id, **options)


def _frames(
    policy: ActorCriticPolicy,
    env: gymnasium.Env[Any, Any],
    fps: int,
    seed_set: int,
    greedy: bool,
    without: Sequence[str],
    episodes: int,
) -> Iterator[Picture]:
    """Plays and draws; a recurrent policy remembers within an episode."""
    senses: Spec = env.get_wrapper_attr("senses")
    names: tuple[str, ...] = env.get_wrapper_attr("action_names")
    kept = senses.present(*without)
    drawn = 0
    states: deque[State] = deque(maxlen=1)
    with torch.random.fork_rng(devices=[]), watch_states(policy, states.append):
        torch.manual_seed(seed_set)
        for episode in range(episodes):
            observation, info = env.reset(seed=held_out_seed(seed_set, episode))
            memory, total, is_over, steps = None, 0.0, False, 0
            while drawn < LARGEST_FRAMES:
                observation[PRESENT] = observation[PRESENT] * kept
                batch = {key: np.asarray(value)[None] for key, value in observation.items()}
                actions, memory = policy.predict(batch, memory, np.array([steps == 0]), deterministic=greedy)
                gates = {name: float(gate[0]) for name, gate in states[-1].gates.items()}
                action = "" if is_over else _name_action(actions[0], names)
                told = [f"episode {episode + 1}", f"step {steps}", f"return {total:.2f}", action]
                if is_over and info.get("is_success") is not None:
                    told[-1] = "success" if info["is_success"] else "failure"
                picture = draw(senses, Moment(observation, info.get("instruction"), gates, _room(env), told))
                repeats = round(END_HOLD_S * fps) if is_over else 1
                drawn += repeats
                yield from [picture] * repeats
                if is_over:
                    break
                observation, reward, terminated, truncated, info = env.step(actions[0])
                total, steps, is_over = total + float(reward), steps + 1, bool(terminated or truncated)


def _name_action(action: Any, names: tuple[str, ...]) -> str:
    if np.ndim(action) == 0 and 0 <= int(action) < len(names):
        return names[int(action)]
    return np.array2string(np.asarray(action), precision=2)


def _room(env: gymnasium.Env[Any, Any]) -> Picture | None:
    if env.render_mode != "rgb_array":
        return None
    picture: Any = env.render()
    is_picture = isinstance(picture, np.ndarray) and picture.ndim == 3 and picture.shape[2] == 3
    return picture.astype(np.uint8) if is_picture else None


def write_video(path: Path, frames: Iterator[Picture], fps: int) -> None:
    """Encodes pictures of one size as H.264, or MPEG-4 where that is missing; the file appears whole or not at all.

    Raises:
        MissingExtraError: av cannot be imported.
        OSError: the file cannot be written.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(f"A video needs PyAV, which could not be imported ({error}); pip install av") from error
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        with av.open(str(temporary), "w") as container:
            stream = None
            for frame in frames:
                if stream is None:
                    stream = container.add_stream(codec, rate=fps)
                    stream.height, stream.width, stream.pix_fmt = *frame.shape[:2], "yuv420p"
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            if stream is not None:
                container.mux(stream.encode())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
