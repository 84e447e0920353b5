"""`TickRecord`: one tick as a recording keeps it; how it, and events, are read out of messages of anybody's."""

import dataclasses
import math
from typing import Any

from ....perception.spec import Spec
from ..reading import EVENT_KINDS, Event
from .format import whole_ns


@dataclasses.dataclass(frozen=True)
class TickRecord:
    """One tick as it was recorded.

    Attributes:
        time_ns: when it was, in the recorded rig's clock.
        captured_ns: sense -> capture time of the reading that stood in its observation; None where it was absent.
        ages_s: sense -> age of its newest reading; infinite where there was none.
        action: what was sent, as plain JSON values; None if nothing was.
        info: everything else: "tick", "name", "is_safe", "safe_reason", "chosen", "gates", "instruction", "actuator",
            "overruns".
    """

    time_ns: int
    captured_ns: dict[str, int | None]
    ages_s: dict[str, float]
    action: Any
    info: dict[str, Any]


_OPTIONAL_TEXTS, _TEXTS = ("name",), ("safe_reason", "instruction")


def read_tick(message: dict[str, Any], spec: Spec) -> TickRecord:
    """The tick of a message.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is none.
    """
    captured = {name: message["captured_ns"].get(name) for name in spec}
    ages = {name: message["ages_s"].get(name) for name in spec}
    info = {key: value for key, value in message.items() if key not in ("time_ns", "captured_ns", "ages_s", "action")}
    for name in (*_TEXTS, *_OPTIONAL_TEXTS):
        if not isinstance(info[name], str) and not (name in _OPTIONAL_TEXTS and info[name] is None):
            raise ValueError(f"`{name}` is no text")
    if not isinstance(info["is_safe"], bool) or not isinstance(info["actuator"], dict):
        raise ValueError("`is_safe` or `actuator` is of another sort")
    for name in ("tick", "sent_ns"):
        if info[name] is not None:
            whole_ns(info[name])
    gates, _ = info["gates"], info["chosen"]
    if gates is not None:
        info["gates"] = {name: _number(gate) for name, gate in gates.items()}
    return TickRecord(
        time_ns=whole_ns(message["time_ns"]),
        captured_ns={name: None if time_ns is None else whole_ns(time_ns) for name, time_ns in captured.items()},
        ages_s={name: math.inf if age_s is None else _number(age_s) for name, age_s in ages.items()},
        action=message["action"],
        info=info,
    )


def read_event(message: dict[str, Any]) -> Event | None:
    """The event of a message; None for one of a kind that this release does not know.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    if not isinstance(message["kind"], str):
        raise ValueError("`kind` is no text")
    if message["kind"] not in EVENT_KINDS:
        return None
    return Event(whole_ns(message["time_ns"]), str(message["sense"]), message["kind"], str(message["detail"]))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e15:
        raise ValueError(f"{value!r:.40} is no number")
    return float(value)
