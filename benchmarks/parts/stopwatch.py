"""Times several contenders turn by turn, so that a machine whose speed drifts is as unfair to one as to the other.

No networks and no printing here: `perception_speed.py` says what is timed and shows the figures.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping

import torch

Job = Callable[[], object]


@dataclasses.dataclass(frozen=True)
class Timing:
    """What one contender took in each round, milliseconds a call, by the clock and by the process's CPU time.

    CPU time counts every thread and leaves out what other processes took, so on a busy machine it is the steadier of
    the two; by the clock alone shows what a second thread saves.
    """

    wall_ms: list[float]
    cpu_ms: list[float]

    @property
    def median_wall_ms(self) -> float:
        """Median over the rounds, by the clock."""
        return statistics.median(self.wall_ms)

    @property
    def median_cpu_ms(self) -> float:
        """Median over the rounds, CPU time."""
        return statistics.median(self.cpu_ms)

    def over(self, other: "Timing") -> dict[str, float]:
        """How many times as long as `other` this took: the median, least and greatest ratio within a round."""
        wall = [mine / theirs for mine, theirs in zip(self.wall_ms, other.wall_ms, strict=True)]
        cpu = [mine / max(theirs, 1e-9) for mine, theirs in zip(self.cpu_ms, other.cpu_ms, strict=True)]
        return {
            "wall": statistics.median(wall),
            "wall_least": min(wall),
            "wall_greatest": max(wall),
            "cpu": statistics.median(cpu),
            "cpu_least": min(cpu),
            "cpu_greatest": max(cpu),
        }


def take_turns(jobs: Mapping[str, Job], *, rounds: int, calls: int = 1, warm_up: int = 1) -> dict[str, Timing]:
    """Runs every job once in each round: A B C, A B C, ...

    Args:
        jobs: what to time, by name.
        rounds: how often each has its turn.
        calls: calls in a turn; more for jobs that take less than a few milliseconds.
        warm_up: turns of each that do not count.

    Returns:
        The timings by name, in the order given.
    """
    timings = {name: Timing([], []) for name in jobs}
    for number in range(-warm_up, rounds):
        for name, job in jobs.items():
            _finish()
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(calls):
                job()
            _finish()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if number >= 0:
                timings[name].wall_ms.append(1e3 * wall / calls)
                timings[name].cpu_ms.append(1e3 * cpu / calls)
    return timings


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
