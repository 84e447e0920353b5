"""Work on a batch, divided: among the threads of this process, and among processes that torch.distributed connects.

Each thread computes the gradients of its own rows; they are added in a fixed order, so that the same division gives the
same bits. A network of laptop size gains more from this than from threads inside of each operation, which wait for each
other thousands of times in an update.
"""

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from ..processes import sum_over_world, world_size

Part = TypeVar("Part")
Result = TypeVar("Result")


class Workers:
    """Threads that work side by side.

    Args:
        count: how many, this one included.
        alone_at_first: whether they wait for each other the first time that work of some shape is given to them: what
            torch compiles would be compiled by each of them.
    """

    def __init__(self, count: int, *, alone_at_first: bool = False) -> None:
        self.count = count
        self._alone_at_first, self._known = alone_at_first, set[Hashable]()
        self._pool = ThreadPoolExecutor(count - 1, "senseweave") if count > 1 else None

    def map(self, work: Callable[[Part], Result], parts: Sequence[Part], shape: Hashable | None = None) -> list[Result]:
        """Does the work on each part; the first one in this thread.

        Args:
            work: done on each part.
            parts: one for each thread, at most.
            shape: tells work of different shapes apart, for `alone_at_first`; None is never new.
        """
        if self._pool is None or len(parts) == 1 or self._is_new(shape):
            return [work(part) for part in parts]
        waiting = [self._pool.submit(work, part) for part in parts[1:]]
        own = work(parts[0])
        return [own, *(future.result() for future in waiting)]

    def _is_new(self, shape: Hashable | None) -> bool:
        """Whether work of this shape is new, so that the threads have to wait for each other."""
        if not self._alone_at_first or shape is None or shape in self._known:
            return False
        self._known.add(shape)
        return True

    def over_rows(
        self, work: Callable[[dict[str, Tensor]], dict[str, Tensor]], tensors: Mapping[str, Tensor], min_rows: int
    ) -> dict[str, Tensor]:
        """Does the work on rows of tensors that belong together, and joins what comes out."""
        count = len(next(iter(tensors.values())))
        pieces = [len(rows) for rows in self.split(torch.arange(count), min_rows)]
        parts = zip(*(tensor.split(pieces) for tensor in tensors.values()), strict=True)
        made = self.map(work, [dict(zip(tensors, part, strict=True)) for part in parts])
        return made[0] if len(made) == 1 else {name: torch.cat([part[name] for part in made]) for name in made[0]}

    def split(self, rows: Tensor, min_rows: int) -> list[Tensor]:
        """Divides rows into as many parts as there are threads, none of them smaller than `min_rows`."""
        return list(rows.chunk(max(1, min(self.count, len(rows) // max(1, min_rows)))))


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def add_gradients(parameters: Sequence[nn.Parameter], parts: Sequence[Sequence[Tensor | None]]) -> None:
    """Sets each parameter's gradient to the sum over the parts, and over all processes.

    Args:
        parameters: those that the parts belong to.
        parts: for each thread, a gradient for each parameter, or None where the parameter was not used.
    """
    used: list[nn.Parameter] = []
    rows: list[list[Tensor]] = []  # of one parameter each, a gradient from each thread
    for parameter, gradients in zip(parameters, zip(*parts, strict=True), strict=True):
        parameter.grad = None
        if world_size() > 1 or any(gradient is not None for gradient in gradients):
            used.append(parameter)
            rows.append([torch.zeros_like(parameter) if given is None else given for given in gradients])
    sums = [row[0] for row in rows]
    for number in range(1, len(parts)):
        added = [row[number] for row in rows]
        sums = list(torch._foreach_add(sums, added))  # pyright: ignore[reportPrivateImportUsage]  (one call for all)
    if world_size() > 1:
        flat = sum_over_world(torch.cat([total.flatten() for total in sums]))
        sums = [part.view_as(total) for part, total in zip(flat.split([t.numel() for t in sums]), sums, strict=True)]
    for parameter, total in zip(used, sums, strict=True):
        parameter.grad = total


def broadcast_parameters(modules: Sequence[nn.Module]) -> None:
    """Gives every process the weights of the first one."""
    if world_size() > 1:
        for module in modules:
            state: dict[str, Any] = module.state_dict()
            for tensor in state.values():
                distributed.broadcast(tensor, 0)
