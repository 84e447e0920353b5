"""`Source`: the device side of a sensor. It opens, reads and closes one device, and knows nothing of threads or masks.

One class a device. `ThreadedSensor` calls all three methods from one thread, makes a new source for every attempt, and
decides what happens when a method raises, gives nothing, or does not come back.
"""

from typing import Any, ClassVar, Self

from ...perception.errors import SenseweaveError
from ...perception.spec import Kind
from .backoff import Backoff
from .clock import Clock
from .reading import Reading


class SourceError(SenseweaveError, RuntimeError):
    """A device cannot be opened or read now; it is opened again later."""


class SourceEndedError(SourceError):
    """A source has nothing more to give, a file at its end, say; it is not opened again."""


class Source:
    """One device. Subclass it, and `register_source` makes it an address; or give `ThreadedSensor` a function for it.

    A source is made anew for every attempt, so `__init__` only remembers its arguments: what can fail or block belongs
    into `open`. All methods are called from the same thread.
    """

    clock: Clock
    """The rig's clock: set before `open`; every capture time is of it, and every wait goes through it."""

    # Set these in SOME subclasses
    kinds: ClassVar[tuple[type[Kind], ...]] = ()
    """The kinds that it can give; any kind where there is none."""
    backoff: Backoff = Backoff()
    """How long it may be silent, and when it is opened again."""
    unchanged_s: float | None = None
    """After how many seconds of content that is equal bit for bit it counts as frozen or muted; None: never."""

    @classmethod
    def at(cls, address: str, kind: Kind, **options: Any) -> Self:
        """Makes one for an address that somebody typed; by default `cls(address, kind)`.

        Args:
            address: what stands behind the scheme: "0" of "zed:0".
            kind: what the sense wants; every reading's content must fit it.
            **options: for sources that have a use for them: `loop` (a file begins again at its end), `tap` (is to be
                given all sound that is heard, or gives it) and `phrases` (what may be said).

        Raises:
            SenseweaveError: the address cannot be.
        """
        make: Any = cls
        return make(address, kind)

    def open(self) -> None:
        """Opens the device. It may take its time, but no longer than the sensor's start-up deadline.

        Raises:
            SourceError: the device is not there, is busy, or refuses; it is tried again after a while.
            SenseweaveError: of any other class, such as MissingExtraError: to try again would be useless.
        """
        raise NotImplementedError

    def read(self) -> Reading | None:
        """Waits for something new, at most some 100 ms, so that the sensor can be stopped.

        Returns:
            A reading whose content fits the sensor's kind, captured later than the one before; None if there is
            nothing new yet. After a burst the newest is enough: what it skips need not be handed over.

        Raises:
            SourceError: the device failed; the source is closed, and another one is made after a while.
            SourceEndedError: there is nothing more to come.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Gives the device back. Called once after `open`, also after one that raised, and must bear that."""

    def kill(self) -> bool:
        """Makes a call that does not come back come back, if that can be; `close` follows, in the thread that called.

        Called by another thread, when the source has missed its deadline or the sensor is stopped. By default nothing:
        most drivers cannot be interrupted. Those that live in a process of their own end it.

        Returns:
            Whether the call comes back now.
        """
        return False

    def take_notes(self) -> list[tuple[str, str]]:
        """What is worth reporting since the last call, as (event kind, detail); asked for after each `open` and `read`.

        A "warning" becomes an event once in a sensor's life, however often its source is made anew.
        """
        return []
