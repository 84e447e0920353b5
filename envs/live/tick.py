"""`Tick`: one turn of the live loop, as recorders, pages and status lines see it; and `Move`, what a player chose.

Data alone: the rig makes the moment (align.py), a player chooses, the loop puts both together; `read_ticks` gives those
of a recording (sessions/session.py).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from .align import Moment
from .bodies.actuators import Command


@dataclasses.dataclass(frozen=True)
class Move:
    """What a player does, and, for a policy, how far it let each sense in (0..1).

    Attributes:
        action: one of the action space.
        gates: sense -> 0..1; None where nobody knows them.
        missed: why there is no action, which is None then: it did not come in time. "" if there is one.
    """

    action: Any
    gates: Mapping[str, float] | None = None
    missed: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Tick:
    """One tick as observers see it, when its action has been sent.

    Attributes:
        moment: the observation that was acted on, with its readings, ages and events.
        move: what the player chose, with gates; None where nobody plays.
        sent: the command that really went out; None if none did.
        safe_reason: why that was the safe action, or none; "" if it was the player's.
        actuator: what the body reported.
    """

    moment: Moment
    move: Move | None = None
    sent: Command | None = None
    safe_reason: str = ""
    actuator: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def gates(self) -> Mapping[str, float] | None:
        """Sense -> how far the policy let it in, 0..1; None without a policy."""
        return None if self.move is None else self.move.gates

    @property
    def action_name(self) -> str:
        """The name of the action that went out; "" if none did, or it has none."""
        return "" if self.sent is None else self.sent.name

    @property
    def is_safe(self) -> bool:
        """Whether the safe action went out, or none, because something was wrong."""
        return bool(self.safe_reason)
