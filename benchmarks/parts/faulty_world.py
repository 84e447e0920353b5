"""A small environment that goes wrong in one chosen way: `faulty_world:Faulty-v0`, as a user's own package has one.

The environment variable FAULTY_WORLD says how ("RuntimeError", "reward nan", ...), so that a run that resumes without
it goes on in a mended world. One of the environments of a process fails, at one of its steps, which FAULTY_STEP says.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

WHO, AT = 2, 300
"""The number of the environment that fails, and the step of its own where FAULTY_STEP does not say."""

EPISODE = 20


class DriverError(Exception):
    """An exception of a driver's own, which cannot be made again from its message."""

    def __init__(self, code: int, where: str) -> None:
        super().__init__(f"driver {where} says {code}")


def _raise(error: BaseException) -> None:
    raise error


def _recurse(depth: int = 0) -> int:
    return _recurse(depth + 1) + 1


def _exit(code: Any) -> Callable[[], None]:
    return lambda: sys.exit(code)


RAISED: dict[str, Callable[[], object]] = {
    "RuntimeError": lambda: _raise(RuntimeError("the motor driver is gone")),
    "ValueError": lambda: _raise(ValueError("bad reading")),
    "KeyError": lambda: {}["torque"],
    "IndexError": lambda: [][3],
    "ZeroDivisionError": lambda: 1 / 0,
    "AssertionError": lambda: _raise(AssertionError()),
    "AttributeError": lambda: None.torque,  # pyright: ignore
    "TypeError": lambda: 1 + "1",  # pyright: ignore
    "StopIteration": lambda: next(iter([])),
    "OSError": lambda: os.stat("/nowhere/at/all"),
    "ConnectionResetError": lambda: _raise(ConnectionResetError("the simulator closed the connection")),
    "TimeoutError": lambda: _raise(TimeoutError("no answer")),
    "RecursionError": _recurse,
    "MemoryError": lambda: _raise(MemoryError()),
    "an exception of its own": lambda: _raise(DriverError(7, "left")),
    "sys.exit(3)": _exit(3),
    "sys.exit(text)": _exit("no robot"),
    "KeyboardInterrupt": lambda: _raise(KeyboardInterrupt()),
    "GeneratorExit": lambda: _raise(GeneratorExit()),
}
"""What a step, or a reset, raises."""

REWARDS: dict[str, Any] = {
    "reward nan": float("nan"),
    "reward inf": float("inf"),
    "reward 1e300": 1e300,
    "reward None": None,
    "reward of two": np.ones(2),
}

DEATHS: dict[str, Callable[[], object]] = {
    "os._exit": lambda: os._exit(1),
    "segmentation fault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
}
"""After these no code of ours runs: what is kept is the newest checkpoint."""

ODD = ("returns None", "returns four things", "observation of another shape", "observation of words")

FAULTS = (*RAISED, "reset: RuntimeError", "reset: sys.exit(3)", *REWARDS, *ODD, *DEATHS)


class Faulty(gymnasium.Env[Any, Any]):
    """Four random numbers; the right one of two actions follows the first one's sign."""

    observation_space = spaces.Dict({"state": spaces.Box(-1.0, 1.0, (4,), np.float32)})
    action_space = spaces.Discrete(2)
    made = 0

    def __init__(self, render_mode: str | None = None) -> None:
        self.number, self.steps = Faulty.made, 0
        Faulty.made += 1
        self.fails_at = int(os.environ.get("FAULTY_STEP", AT))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        fault = os.environ.get("FAULTY_WORLD", "")
        if fault.startswith("reset: ") and self.number == WHO and self.steps >= self.fails_at:
            RAISED[fault.removeprefix("reset: ")]()
        self.left = EPISODE
        return self._look(), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        self.left -= 1
        reward: Any = float(int(action) == int(self.seen[0] > 0))
        outcome: Any = (self._look(), reward, self.left == 0, False, {"is_success": reward > 0})
        fault = os.environ.get("FAULTY_WORLD", "")
        if not fault or self.number != WHO or self.steps != self.fails_at:
            return outcome
        if fault in RAISED or fault in DEATHS:
            (RAISED | DEATHS)[fault]()
        if fault in REWARDS:
            return (outcome[0], REWARDS[fault], *outcome[2:])
        odd: dict[str, Any] = {
            "observation of another shape": {"state": np.zeros(5, np.float32)},
            "observation of words": {"state": "all well"},
        }
        if fault in odd:
            return (odd[fault], *outcome[1:])
        return {"returns None": None, "returns four things": outcome[:4]}.get(fault, outcome)

    def _look(self) -> dict[str, Any]:
        self.seen = self.np_random.uniform(-1.0, 1.0, 4).astype(np.float32)
        return {"state": self.seen}


if "Faulty-v0" not in gymnasium.registry:  # this file is `faulty_world` for a run and `parts.faulty_world` here
    gymnasium.register("Faulty-v0", entry_point=Faulty)  # type: ignore[arg-type]
