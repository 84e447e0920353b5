"""`RemotePolicy`: a player whose policy is on another machine. It never keeps the loop waiting beyond a tick.

What is not answered before the next tick is due is a missed tick: nothing is sent for it, and an answer that comes
later is never acted on. When ticks are missed for as long as a policy may hang, the rig's watchdog sends the safe
action (rig.py, `LiveRig.skip`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..clock import NS_PER_S
from ..event_limiter import EventLimiter
from ..rig import LiveRig
from ..tick import Move
from .link import Link
from .messages import pack_observation

MARGIN_S, MARGIN_TICKS = 0.002, 0.1
"""How long before the next tick the loop stops waiting for an answer: so much, or that share of a tick if it is less.
Then there is time to wake up and to send."""

PATIENT_S = 5.0
"""How long an answer may take where no tick is waiting: before the first one, and on a clock that stands still."""


class RemotePolicy:
    """Plays a rig by what a server answers. The server remembers within an episode, and within a connection.

    Args:
        link: it was opened.
        rig: whose ticks these are; senses that the policy does not know are not sent.

    Attributes:
        missed: observations that had no answer in time.

    Raises:
        ConfigError: the link is not open, or its policy does not fit the rig.
        TokenizerMismatchError: its texts are encoded in another way.
    """

    has_gates = True

    def __init__(self, link: Link, rig: LiveRig) -> None:
        self.link, self.missed = link, 0
        hello = link.hello or link.connect()
        self._hello, self._rig = hello, rig
        for name in hello.require_fit(rig.senses, rig.action_names, rig.action_space, link.url):
            rig.note("warning", f"The policy at {link.url} was trained with {name}, which is absent here.")
        self._number = 0
        self._late = EventLimiter(False)
        self.start(0)

    def start(self, seed: int) -> None:
        """An episode begins: the next observation that the server gets says so."""
        self._is_first = True

    def act(self, observation: Mapping[str, np.ndarray]) -> Move:
        """What to do now; a `Move` without an action where no answer came in time, with the reason."""
        move = self._asked(observation)
        for kind, detail in self.link.take_events():
            self._rig.note(kind, detail)
        self.missed += bool(move.missed)
        return move

    def facts(self) -> dict[str, Any]:
        """How it went, as plain JSON values."""
        trips = self.link.round_trips
        return {
            "url": self.link.url,
            "run": self._hello.run,
            "greedy": self._hello.is_greedy,
            "answers": self.link.answers,
            "missed": self.missed,
            "connections": self.link.connections,
            "round_trip_p50_ms": trips.percentile_ms(50),
            "round_trip_p99_ms": trips.percentile_ms(99),
            "round_trip_max_ms": trips.percentile_ms(100),
        }

    def _asked(self, observation: Mapping[str, np.ndarray]) -> Move:
        moment = self._rig.moment
        self._number += 1
        packed = pack_observation(
            self._number,
            observation,
            {} if moment is None else moment.ages_s,
            senses=self._hello.senses,
            own=self._rig.senses,
            is_first=self._is_first,
        )
        if problem := self.link.ask(self._number, packed):
            return Move(None, missed=problem)
        self._is_first = False
        answer = self.link.wait(self._number, self._patience_s())
        if answer is not None and not self._is_over():
            self._tell_whether_late(False)
            return Move(answer.action, answer.gates)
        if not self.link.is_up:
            return Move(None, missed="The connection to the server broke.")
        self._tell_whether_late(True)
        return Move(None, missed=f"No answer within a tick, {1000 * self._rig.period_s:.0f} ms.")

    def _patience_s(self) -> float:
        rig = self._rig
        if rig.moment is None or not rig.clock.passes_by_itself:
            return PATIENT_S
        margin_s = min(MARGIN_S, MARGIN_TICKS * rig.period_s)
        return (rig.next_due_ns - rig.clock.now_ns()) / NS_PER_S - margin_s

    def _is_over(self) -> bool:
        """Whether the next tick is due already: a loop that was held up has no time for an answer that was not."""
        rig = self._rig
        return rig.moment is not None and rig.clock.passes_by_itself and rig.clock.now_ns() >= rig.next_due_ns

    def _tell_whether_late(self, is_late: bool) -> None:
        change = self._late.update(is_late, self._rig.clock.now_ns())
        usual_ms = self.link.round_trips.percentile_ms(50)
        if change == "unsteady":
            self._rig.note("late", f"Answers come late again and again; the median is {usual_ms:.0f} ms.")
        elif change and is_late:
            tick_ms = 1000 * self._rig.period_s
            told = f"the median of those before was {usual_ms:.0f} ms" if self.link.answers else "it is the first one"
            self._rig.note("late", f"There was no answer within a tick of {tick_ms:.0f} ms; {told}.")
