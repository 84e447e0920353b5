"""`Source`: the device side of a sensor. It opens, reads and closes one device, and knows nothing of threads or masks.

One class a device. `ThreadedSensor` calls all three methods from one thread, makes a new source for every attempt, and
decides what happens when a method raises, gives nothing, or does not come back.
"""

from ...perception.errors import SenseweaveError
from .clock import Clock
from .reading import Reading


class SourceError(SenseweaveError, RuntimeError):
    """A device cannot be opened or read now; it is opened again later."""


class SourceEndedError(SourceError):
    """A source has nothing more to give, a file at its end, say; it is not opened again."""


class Source:
    """One device. Subclass it, and give `ThreadedSensor` a function that makes one.

    A source is made anew for every attempt, so `__init__` only remembers its arguments: what can fail or block belongs
    into `open`. All methods are called from the same thread.
    """

    clock: Clock
    """The rig's clock: set before `open`; every capture time is of it, and every wait goes through it."""

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

    def take_notes(self) -> list[tuple[str, str]]:
        """What is worth reporting since the last call, as (event kind, detail); asked for after each `open` and `read`.

        A "warning" becomes an event once in a sensor's life, however often its source is made anew.
        """
        return []
