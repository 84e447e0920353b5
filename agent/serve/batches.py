"""`Batches`: observations of several clients that wait at one moment are answered in one forward pass.

Nobody waits for company: a pass takes what came while the one before it ran, one observation of each client. Memory is
each client's own. What a client may send is checked before (messages.py); sockets are in server.py.
"""

import asyncio
import concurrent.futures
import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...envs.live.remote.messages import Answer, Asked
from ...envs.live.timing import Spans
from ...perception.errors import EnvironmentFault
from ...perception.spec import Spec

Memory = tuple[NDArray[Any], ...]
"""Arrays (layers, 1, width) of one client; none without a memory."""

Decide = Callable[[dict[str, NDArray[Any]], Memory | None, NDArray[np.bool_]], tuple[Any, Any, dict[str, Any]]]
"""A batch of observations, the memory, which rows begin -> actions, memory, sense -> gates."""

WARM_UP_PASSES = 3
"""Passes before the first client: they take ten times as long."""

MAX_ROWS = 64
"""The most observations in one pass."""


@dataclasses.dataclass(eq=False)
class Remembered:
    """What the policy remembers for one client."""

    memory: Memory = ()
    is_new: bool = True


@dataclasses.dataclass(eq=False)
class _Waiting:
    asked: Asked
    remembered: Remembered
    answer: asyncio.Future[Answer]


class Batches:
    """Answers observations. An asynchronous context manager, whose passes run in a thread of their own.

    Args:
        decide: the policy.
        senses: what it perceives.

    Attributes:
        memory: shapes of what is remembered for one client.
        answers: how many were given.
        passes: in how many forward passes.
        largest: how many were answered in one pass, at most.
        times: how long passes took.
    """

    def __init__(self, decide: Decide, senses: Spec) -> None:
        self._decide, self._senses = decide, senses
        self.answers = self.passes = self.largest = 0
        self.times = Spans()
        self._none: Memory = ()
        nothing = Asked(0, True, senses.placeholder(), dict.fromkeys(senses))
        for _ in range(WARM_UP_PASSES):
            remembered = Remembered()
            self._pass([(nothing, remembered)])
            self._none = tuple(np.zeros_like(part) for part in remembered.memory)
        self.memory = tuple(part.shape for part in self._none)
        self._waiting: list[_Waiting] = []
        self._has_work = asyncio.Event()
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "policy")
        self._task: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked, remembered: Remembered) -> Answer:
        """The answer to an observation; a client asks for one at a time.

        Raises:
            EnvironmentFault: the policy fails for it, and for it alone.
        """
        waiting = _Waiting(asked, remembered, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._has_work.set()
        return await waiting.answer

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._answer_on())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
        for waiting in self._waiting:
            waiting.answer.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _answer_on(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._has_work.wait()
            taken, self._waiting = self._waiting[:MAX_ROWS], self._waiting[MAX_ROWS:]
            if not self._waiting:
                self._has_work.clear()
            taken = [waiting for waiting in taken if not waiting.answer.done()]  # who left asks no more
            if not taken:
                continue
            began_ns = time.monotonic_ns()
            results = await loop.run_in_executor(self._thread, self._answered, taken)
            self.times.add(time.monotonic_ns() - began_ns)
            self.passes, self.largest = self.passes + 1, max(self.largest, len(taken))
            for waiting, result in zip(taken, results, strict=True):
                if waiting.answer.done():
                    continue
                if isinstance(result, Answer):
                    self.answers += 1
                    waiting.answer.set_result(result)
                else:
                    waiting.answer.set_exception(result)

    def _answered(self, taken: Sequence[_Waiting]) -> list[Answer | EnvironmentFault]:
        """The answers of one pass; where it fails, each is asked alone, so that nobody fails for another one."""
        try:
            return list(self._pass([(waiting.asked, waiting.remembered) for waiting in taken]))
        except Exception as error:  # a network of anybody's making may raise anything
            if len(taken) == 1:
                return [EnvironmentFault(f"The policy failed ({type(error).__name__}: {error}).")]
        return [answer for waiting in taken for answer in self._answered([waiting])]

    def _pass(self, rows: Sequence[tuple[Asked, Remembered]]) -> list[Answer]:
        batch = {key: np.stack([asked.observation[key] for asked, _ in rows]) for key in rows[0][0].observation}
        starts = np.array([asked.is_first or own.is_new for asked, own in rows])
        held = [own.memory or self._none for _, own in rows]
        memory = tuple(np.concatenate(parts, axis=1) for parts in zip(*held, strict=True)) or None
        actions, after, gates = self._decide(batch, memory, starts)
        answers = []
        for i, (asked, own) in enumerate(rows):
            own.memory = tuple(part[:, i : i + 1].copy() for part in after or ())
            own.is_new = False
            shares = {name: min(1.0, max(0.0, float(gate[i]))) for name, gate in gates.items()}
            answers.append(Answer(asked.number, actions[i], shares))
        return answers
