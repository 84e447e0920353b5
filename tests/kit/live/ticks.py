"""One turn of the live loop, made of the few things that a test is about."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from senseweave.envs.live.align import Moment
from senseweave.envs.live.bodies.actuators import Command
from senseweave.envs.live.reading import Event, Reading
from senseweave.envs.live.tick import Move, Tick


def tick_of(
    ages_s: Mapping[str, float],
    *,
    absent: Sequence[str] = (),
    time_ns: int = 0,
    observation: dict[str, Any] | None = None,
    gates: Mapping[str, float] | None = None,
    action: str = "",
    safe_reason: str = "",
    instruction: str = "",
    events: Sequence[Event] = (),
) -> Tick:
    """A tick; `action` is the name of what was sent, and nothing was without one."""
    readings = {
        name: None if name in absent else Reading(np.zeros(0), 0, 0, instruction if name == "instruction" else "")
        for name in ages_s
    }
    moment = Moment(time_ns, observation or {}, dict(ages_s), readings, list(events), instruction)
    sent = Command(0, action, time_ns, 0, bool(safe_reason)) if action else None
    return Tick(moment, move=None if gates is None else Move(0, gates), sent=sent, safe_reason=safe_reason)
