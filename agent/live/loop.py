"""The loop of `senseweave live`: observe, act, wait for the next tick; and what it needs of the process to be punctual.

It knows the rig, the player and the observers. Which sensors there are and what is shown or kept is decided elsewhere.
"""

import collections
import contextlib
import ctypes
import gc
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...envs.live.align import Moment
from ...envs.live.clock import NS_PER_S
from ...envs.live.reading import Event
from ...envs.live.rig import LiveRig
from ...envs.live.tick import Tick
from ...perception.spec import PRESENT

if TYPE_CHECKING:
    from ..play.players import Player

SWITCH_S = 0.0005
"""How long a thread may hold the interpreter while the loop wants it; 5 ms by default, more than a tick may be late."""

MAX_HEAPS = 2
"""How many heaps the C library may have, see `limit_heaps`."""

_M_ARENA_MAX = -8
"""The name of that number in glibc's malloc.h."""

WARM_UP_CALLS = 3
"""How often the policy is asked before the first tick: its first answers take ten times as long."""


class Tally:
    """Counts of a session.

    Attributes:
        ticks: observations that were acted on.
        safe_ticks: how many of them were answered by the safe action, or by none because something was wrong.
        events: how often each kind of event happened.
        seconds: from the first observation to the last.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.ticks = 0
        self.safe_ticks = 0
        self.events: collections.Counter[str] = collections.Counter()
        self.seconds = 0.0
        self._names = tuple(names)
        self._present = np.zeros(len(self._names), np.int64)

    def add(self, tick: Tick) -> None:
        """Counts one tick."""
        self.ticks += 1
        self.safe_ticks += bool(tick.safe_reason)
        self.count_events(tick.moment)
        self._present += tick.moment.observation[PRESENT]

    def count_events(self, moment: Moment) -> None:
        """Counts the events of a moment."""
        self.events.update(event.kind for event in moment.events)

    @property
    def presence(self) -> dict[str, float]:
        """Sense -> the share of the ticks in which it was present, 0..1."""
        return {
            name: count / max(1, self.ticks) for name, count in zip(self._names, self._present.tolist(), strict=True)
        }


def run_loop(
    rig: LiveRig,
    player: "Player | None",
    *,
    seconds: float = math.inf,
    seed: int = 0,
    wants_to_stop: Callable[[], bool] = lambda: False,
    observers: Sequence[Callable[[Tick], object]] = (),
    on_end: Callable[[Sequence[Event]], object] = lambda events: None,
) -> Tally:
    """Lets a player act on a rig until the time is over or somebody wants to stop.

    Args:
        rig: it is reset here, and left open.
        player: who acts; None looks on and sends nothing.
        seconds: of the rig's clock, from the first observation.
        seed: for the player and the body.
        wants_to_stop: asked at every tick.
        observers: called with every `Tick`, when its action is out; each must return at once.
        on_end: called with the events of the last observation, which nobody acted on.

    Returns:
        What was counted.
    """
    tally = Tally(rig.senses.names)
    if player is not None:
        _warm_up(rig, player)
    with punctual():
        observation, _ = rig.reset(seed=seed)
        if player is not None:
            player.start(seed)
        start_ns = rig.clock.now_ns() if rig.moment is None else rig.moment.time_ns
        # The last tick is the one nearest to the end, whether the loop comes to it a little early or late.
        end_ns = start_ns + (seconds - rig.period_s / 2) * NS_PER_S
        while (moment := rig.moment) is not None and moment.time_ns < end_ns and not wants_to_stop():
            move = None if player is None else player.act(observation)
            if move is not None and move.missed:
                observation, _, _, _, info = rig.skip(move.missed)
            else:
                observation, _, _, _, info = rig.step(0 if move is None else move.action)
            report = info["actuator"]
            tick = Tick(moment, move, info["sent"] if move is not None else None, info["safe_reason"], report)
            tally.add(tick)
            for on_tick in observers:
                on_tick(tick)
            if player is not None and (report.get("terminated") or report.get("truncated")):
                player.start(seed)
    if rig.moment is not None:
        tally.seconds = (rig.moment.time_ns - start_ns) / NS_PER_S
        tally.count_events(rig.moment)
        on_end(rig.moment.events)
    return tally


def _warm_up(rig: LiveRig, player: "Player") -> None:
    player.start(0)
    for _ in range(WARM_UP_CALLS):
        player.act(rig.senses.placeholder())


@contextlib.contextmanager
def punctual() -> Iterator[None]:
    """Keeps this process from being late by its own doing: see the constants, and `gc.freeze`.

    What exists now (torch and all its modules) is never looked at again by the garbage collector, which would take some
    100 ms; what the loop itself makes is little, and is collected as usual.
    """
    switch_s = sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(switch_s)
        gc.unfreeze()


def limit_heaps() -> None:
    """Keeps the memory of this process from growing with every device that is opened again.

    glibc lets up to eight heaps a core grow, and gives each new thread any of them. Every attempt to open a device has
    threads of its own, so that in half an hour each heap had grown to what the largest attempt needs: 15 MB for
    nothing. Elsewhere, and where `MALLOC_ARENA_MAX` is set, nothing is changed.
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library, another system
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, MAX_HEAPS)
