"""`Backoff` says how long a device may be silent and when it is tried again; `RetryTimer` does the arithmetic.

No threads, no clock, no device. Start-up and stall are separate: a camera may need seconds to give its first frame, and
is dead when the next ones take as long.
"""

import dataclasses
import math

from ...perception.errors import ConfigError
from .clock import to_ns


@dataclasses.dataclass(frozen=True)
class Backoff:
    """How long a sensor waits for its device, in seconds.

    Attributes:
        start_up_s: from the beginning of an attempt to open the device until its first reading.
        stall_s: from one reading to the next; infinite for a sense that speaks when it likes, such as an instruction.
        grace_s: how long the driver may take to return after a missed deadline; then its thread is abandoned.
        first_delay_s: from the end of the first attempt that failed to the next one.
        max_delay_s: the longest such delay; each is twice the one before it, without jitter.
        max_hung: how many abandoned threads may live at a time; beyond it nothing is opened until one returns.

    Raises:
        ConfigError: a number is not positive, or a delay not finite.
    """

    start_up_s: float = 15.0
    stall_s: float = 2.0
    grace_s: float = 0.5
    first_delay_s: float = 0.5
    max_delay_s: float = 5.0
    max_hung: int = 3

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ConfigError(f"`{field.name}` of Backoff must be above 0; got {value!r}.")
        if not self.first_delay_s <= self.max_delay_s < math.inf:
            raise ConfigError(
                f"`max_delay_s` must be finite and at least `first_delay_s`, {self.first_delay_s:g}; "
                f"got {self.max_delay_s:g}."
            )


def Patience(**limits: float) -> Backoff:  # noqa: N802  (a class in release 0.1)
    """A `Backoff`, under its name and with the words of release 0.1."""
    renamed = {"most_delay_s": "max_delay_s", "most_hung": "max_hung"}
    return Backoff(**{renamed.get(name, name): value for name, value in limits.items()})  # pyright: ignore[reportArgumentType]


class RetryTimer:
    """Deadlines and delays of one sensor, attempt by attempt; all times are nanoseconds of one clock.

    Args:
        backoff: the deadlines and delays.

    Attributes:
        attempts: how many attempts have begun.
    """

    def __init__(self, backoff: Backoff) -> None:
        self.backoff = backoff
        self.attempts = 0
        self._failures = 0
        self._began_ns = 0
        self._alive_ns: int | None = None

    def begin(self, now_ns: int) -> None:
        """An attempt begins."""
        self.attempts += 1
        self._began_ns = now_ns
        self._alive_ns = None

    def feed(self, now_ns: int) -> None:
        """A reading came."""
        self._alive_ns = now_ns

    @property
    def has_started(self) -> bool:
        """Whether this attempt has given a reading."""
        return self._alive_ns is not None

    @property
    def deadline_ns(self) -> int:
        """When this attempt has failed unless a reading comes before."""
        if self._alive_ns is None:
            return self._began_ns + to_ns(self.backoff.start_up_s)
        return self._alive_ns + to_ns(self.backoff.stall_s)

    def missed(self) -> str:
        """What to say when the deadline has passed."""
        if self._alive_ns is None:
            return f"It gave nothing within {self.backoff.start_up_s:g} s of being opened."
        return f"It gave nothing for {self.backoff.stall_s:g} s."

    def end(self) -> int:
        """The attempt has failed.

        Returns:
            How long to wait before the next one, in ns. The delays start anew after an attempt that gave readings for
            longer than its last delay would be.
        """
        lived_ns = 0 if self._alive_ns is None else self._alive_ns - self._began_ns
        if lived_ns > self._delay_ns():
            self._failures = 0
        delay_ns = self._delay_ns()
        self._failures += 1
        return delay_ns

    def _delay_ns(self) -> int:
        grown_s = self.backoff.first_delay_s * 2.0 ** min(self._failures, 60)
        return to_ns(min(grown_s, self.backoff.max_delay_s))
