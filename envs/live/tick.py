"""`Tick`: one turn of the live loop, as recorders, pages and status lines see it; and `Move`, what a player chose.

Data alone: the rig makes the observation (align.py), a player chooses, the loop puts both together.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from .align import Moment
from .bodies.actuators import Command


@dataclasses.dataclass(frozen=True)
class Move:
    """What a player does, and, for a policy, how far it let each sense in (0..1)."""

    action: Any
    gates: Mapping[str, float] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Tick:
    """One tick as those who look on see it, when its action has been sent.

    Attributes:
        moment: the observation that was acted on, with its readings, ages and events.
        move: what the player chose, with gates; None where nobody plays.
        sent: the command that really went out; None if none did.
        safe_reason: why that was the safe action; "" if it was the player's.
        actuator: what the body reported.
    """

    moment: Moment
    move: Move | None
    sent: Command | None
    safe_reason: str
    actuator: Mapping[str, Any]
