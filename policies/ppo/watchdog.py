"""`Watchdog`: processes that play environments are looked after while they are waited for.

stable-baselines3's `SubprocVecEnv` and Gymnasium's `AsyncVectorEnv` wait in a pipe for ever where a worker was stopped,
and also where it died and a sibling, forked from the same process, holds the pipe open. A thread sees the end of a
process at once, and that nobody answered for too long; it then closes the pipes, so that whoever waits goes on.
"""

import contextlib
import os
import signal
import socket
import threading
import time
import traceback
import weakref
from collections.abc import Iterator, Sequence
from multiprocessing import connection
from typing import Any, Self

from gymnasium.vector import AsyncVectorEnv, VectorEnv
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv

from ...perception.errors import EnvironmentFault

MAX_WAIT_S = 600.0
"""An answer may take so long; the attribute `max_wait_s` of a vector environment says otherwise."""

LOOK_EVERY_S = 1.0
REAP_S = 2.0
"""A process whose pipe has ended is given so long to be gone."""


class Watchdog:
    """Watches the workers of one vector environment.

    Args:
        env: it, which must outlive the watch; unusable after a fault, and its workers are ended.
        processes: its workers.
        pipes: this process's ends, in the same order.
        outermost: it with everything that is wrapped around it, which may say `max_wait_s`.
    """

    def __init__(self, env: Any, processes: Sequence[Any], pipes: Sequence[Any], outermost: Any) -> None:
        self._env, self._processes, self._pipes, self._outermost = env, list(processes), list(pipes), outermost
        self._waits_since: float | None = None
        self._is_silent = False
        threading.Thread(target=_watch, args=(weakref.ref(self),), daemon=True, name="senseweave workers").start()

    @classmethod
    def of(cls, env: VecEnv | VectorEnv[Any, Any, Any]) -> Self | None:
        """The watchdog of an environment whose workers are processes; None for all others."""
        inner: Any = env
        while inner is not None:
            if isinstance(inner, SubprocVecEnv):
                return cls(inner, inner.processes, inner.remotes, env)
            if isinstance(inner, AsyncVectorEnv):
                return cls(inner, inner.processes, inner.parent_pipes, env)
            inner = getattr(inner, "venv", None) or inner.__dict__.get("env")
        return None

    @property
    def max_wait_s(self) -> float:
        """How long an answer may take."""
        said = (getattr(env, "max_wait_s", None) for env in (self._outermost, self._env))
        return float(next((seconds for seconds in said if seconds is not None), MAX_WAIT_S))

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Around everything that asks the workers.

        Raises:
            EnvironmentFault: one of them died, or did not answer for too long.
        """
        self._waits_since = time.monotonic()
        try:
            yield
        except (EOFError, OSError) as error:  # a pipe that ended; what an environment raises itself comes as it is
            told = self._told(error)
            if told is None:
                raise
            raise EnvironmentFault(told) from error
        finally:
            self._waits_since = None

    def look(self, ended: Sequence[Any]) -> bool:
        """Looks whether everything is well, and lets nobody wait any longer where it is not.

        Args:
            ended: sentinels of processes that have ended.

        Returns:
            Whether the watch goes on.
        """
        since = self._waits_since
        if getattr(self._env, "closed", False):
            return False
        if since is None:
            return True
        if not ended and time.monotonic() - since <= self.max_wait_s:
            return True
        self._is_silent = not ended
        for pipe in self._pipes:
            _shut(pipe)
        return False

    def _waited_for(self, error: BaseException) -> int:
        """The number of the worker whose answer was being read; those before it had answered."""
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        read = [frame.f_locals.get("self") for frame in frames]
        return next((number for number, pipe in enumerate(self._pipes) if any(pipe is one for one in read)), 0)

    @property
    def sentinels(self) -> list[Any]:
        """Become ready when a process ends."""
        return [process.sentinel for process in self._processes]

    def _told(self, error: BaseException) -> str | None:
        """Which worker failed how, after the others were ended as well; None where all are well."""
        deadline = time.monotonic() + REAP_S
        while not self._is_silent and time.monotonic() < deadline and all(p.is_alive() for p in self._processes):
            time.sleep(0.01)
        dead = [number for number, process in enumerate(self._processes) if not process.is_alive()]
        if not dead and not self._is_silent:
            return None
        if dead:
            number = dead[0]
            told = f"Worker {number}, which plays environment {number}, {_ended(self._processes[number].exitcode)}"
        else:
            number = self._waited_for(error)
            told = f"Worker {number}, which plays environment {number}, did not answer for {self.max_wait_s:g} s"
        for process in self._processes:
            if process.is_alive():
                process.kill()  # a worker that was stopped hears nothing else
            process.join(REAP_S)
        self._env.closed, self._env.waiting = True, False
        advice = "" if dead else " If it is only slow, give the vector environment a larger `max_wait_s`."
        return f"{told}; the other workers are ended.{advice}"


def _watch(of: "weakref.ref[Watchdog]") -> None:
    """The thread: it holds no environment alive."""
    ended: list[Any] = []
    while True:
        watchdog = of()
        if watchdog is None or not watchdog.look(ended):
            return
        sentinels = watchdog.sentinels
        del watchdog
        if ended:
            time.sleep(LOOK_EVERY_S / 20)  # it ended while nobody waited; the next who waits is told
            continue
        ended = list(connection.wait(sentinels, LOOK_EVERY_S))


def _shut(pipe: Any) -> None:
    """Ends a pipe under somebody who reads from it: closing would not wake them."""
    with contextlib.suppress(OSError, ValueError, AttributeError), socket.socket(fileno=os.dup(pipe.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


def _ended(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"was ended by {signal.Signals(-exitcode).name}"
    return f"ended with exit status {exitcode}; what it raised stands above"
