"""Whose fault it was: what a training raised, as one sentence that names the environment, its step, and whose code.

The number of the environment stands in the frames of the vector environment that called it, so that naming it costs
nothing while nothing goes wrong.
"""

import sysconfig
import traceback
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv

from ...perception.errors import EnvironmentFault, SenseweaveError

OURS = tuple(Path(__file__).resolve().parents[2] / name for name in ("agent", "envs", "perception", "policies"))
OTHERS = tuple({Path(path).resolve() for path in sysconfig.get_paths().values()})
"""Where Python and what is installed live."""

NUMBERED = (
    (DummyVecEnv, ("step_wait", "reset"), "env_idx"),
    (SyncVectorEnv, ("step", "reset"), "i"),
    (AsyncVectorEnv, ("_raise_if_errors",), "index"),
)
"""Vector environment -> its methods that call one environment after the other, and the variable that counts them."""

MAX_FRAMES = 4
"""So many frames of somebody's own code are shown, the innermost ones."""


class _Call(NamedTuple):
    """One frame of a traceback."""

    frame: FrameType
    line: int

    @property
    def file(self) -> Path:
        return Path(self.frame.f_code.co_filename)

    @property
    def name(self) -> str:
        return self.frame.f_code.co_name

    @property
    def is_somebodys_own(self) -> bool:
        """Whether it is neither ours nor Python's nor an installed package's."""
        file = self.file
        if not file.is_absolute() or not file.exists():
            return not file.name.startswith("<frozen")  # a notebook's cell, or text that was executed
        file = file.resolve()
        if "site-packages" in file.parts or "dist-packages" in file.parts:
            return False
        return not any(file.is_relative_to(folder) for folder in OURS + OTHERS)

    def __str__(self) -> str:
        return f'  File "{self.file}", line {self.line}, in {self.name}'


def explained(error: BaseException, env_step: int, moment: str, advice: str) -> EnvironmentFault | None:
    """The fault as one sentence, where code that senseweave was given raised it; None where it is ours.

    Args:
        error: what learning raised.
        env_step: the step that each environment was at.
        moment: when it was, where it was no environment: "at step 1,200 of the training".
        advice: what to do next, a sentence or two.
    """
    if isinstance(error, EnvironmentFault):
        fault = EnvironmentFault(f"{error} {advice}")
        for note in getattr(error, "__notes__", ()):
            fault.add_note(note)
        return fault
    calls = [_Call(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    number, method = _environment(calls)
    own = [call for call in calls if call.is_somebodys_own]
    is_told_by_us = isinstance(error, SenseweaveError) and not calls[-1].is_somebodys_own
    if number is None and (is_told_by_us or not own):
        return None
    what = f"called sys.exit({error.code!r})" if isinstance(error, SystemExit) else f"raised {_told(error)}"
    if number is None:
        fault = EnvironmentFault(f"Code of your own ({own[-1].file.name}) {what}, {moment}. {advice}")
    else:
        when = f"at its step {env_step:,}"
        when = f"as it began an episode, {when}" if method == "reset" else when
        fault = EnvironmentFault(f"Environment {number} {what}, {when}. {advice}")
    if own:
        fault.add_note("\n".join(["Where that happened:", *map(str, own[-MAX_FRAMES:])]))
    return fault


def _environment(calls: list[_Call]) -> tuple[int | None, str]:
    """The number of the environment that was called, and the method."""
    for place, call in enumerate(calls):
        held = call.frame.f_locals
        for kind, methods, counter in NUMBERED:
            if isinstance(held.get("self"), kind) and call.name in methods and isinstance(held.get(counter), int):
                inner = calls[place + 1].name if place + 1 < len(calls) else ""
                return held[counter], inner
    return None, ""


def _told(error: BaseException) -> str:
    message = error.args[0] if isinstance(error, KeyError) and error.args else error
    words = " ".join(str(message).split())
    return f"{type(error).__name__}: {words[:300].rstrip('.')}" if words else type(error).__name__
