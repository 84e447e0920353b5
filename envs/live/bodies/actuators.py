"""Where actions go: a function, a file of JSON lines, a UDP port of this machine; simulated.py has a simulated body.

An actuator is called from the loop, so `send` must return at once. What it raises never stops the loop: the rig tells
an "unsent" event and goes on.
"""

import contextlib
import dataclasses
import json
import os
import socket
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np

from ....perception.checks import require_whole
from ....perception.errors import ConfigError
from ....perception.spec import Spec
from ..clock import Clock
from ..sensor import Sensor


@dataclasses.dataclass(frozen=True, eq=False)
class Command:
    """An action on its way to the body.

    Attributes:
        action: as the action space has it: a whole number, or an array.
        name: the action's name; "" where actions have none.
        time_ns: when it is sent, in the rig's clock.
        tick: of the observation that it answers; the first observation after a reset is of tick 0.
        is_safe: whether it is the declared safe action instead of the policy's.
    """

    action: Any
    name: str
    time_ns: int
    tick: int
    is_safe: bool

    def to_json(self) -> dict[str, Any]:
        """This command as plain JSON values."""
        action = self.action.tolist() if isinstance(self.action, (np.ndarray, np.generic)) else self.action
        return {
            "tick": self.tick,
            "time_ns": self.time_ns,
            "action": action,
            "name": self.name,
            "is_safe": self.is_safe,
        }


class Actuator:
    """Takes actions. This one drops them, for a rig that only looks and listens.

    Subclass it for a robot of your own: override `send`, and what else it needs of the methods below.
    """

    @classmethod
    def at(cls, address: str, **options: Any) -> "Actuator":
        """Makes one for an address that somebody typed; by default `cls(address, **options)`.

        Args:
            address: what stands behind the scheme: "10.0.0.7" of "arm:10.0.0.7".
            **options: for `--body`, what `--body-option` says.

        Raises:
            ConfigError: the address cannot be.
        """
        make: Any = cls
        return make(address, **options)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: a body cannot be doubled. Gymnasium copies what `make` was called with."""
        return self

    def open(self, clock: Clock) -> None:
        """Gets ready; called once, by the rig's first reset.

        Raises:
            SenseweaveError: it cannot work at all, which the user should fix before anything moves.
        """

    def reset(self, seed: int | None) -> None:
        """An episode begins."""

    def send(self, command: Command) -> None:
        """Passes one action on, at once.

        Raises:
            OSError: or anything else; the action is lost then, and the loop goes on.
        """

    def report(self) -> dict[str, Any]:
        """What the body says about the last action, for `info["actuator"]`."""
        return {}

    def close(self) -> None:
        """Gives everything back."""


class Body(Actuator):
    """An actuator that senses as well: a robot with its own cameras, a simulator.

    Attributes:
        senses: what it senses.
        action_names: the names of its actions; empty where they have none.
    """

    # Set these in ALL subclasses
    senses: Spec
    action_names: tuple[str, ...]

    def sensors(self, names: Iterable[str] | None = None, max_age_s: float | None = None) -> dict[str, Sensor]:
        """Sensors for a rig that see and hear what the body does.

        Args:
            names: which senses of the body; all of them where nothing is said.
            max_age_s: see `Sensor`.

        Raises:
            ConfigError: the body has no sense of that name.
        """
        raise NotImplementedError


class CallbackActuator(Actuator):
    """Calls a function with every command.

    Args:
        function: takes a `Command`; it must be quick, since the loop waits for it.
    """

    def __init__(self, function: Callable[[Command], object]) -> None:
        self._function = function

    def send(self, command: Command) -> None:
        self._function(command)


class JsonLinesActuator(Actuator):
    """Writes a JSON object for every command, a line each, to a file or a named pipe.

    A regular file is written anew. Lines are passed to the system at once, so that `tail -f` shows them; a pipe that is
    full loses them instead of holding the loop up.

    Args:
        path: the file, or a named pipe that somebody reads.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file: int | None = None

    def open(self, clock: Clock) -> None:
        """Opens the file.

        Raises:
            ConfigError: it cannot be written.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        try:
            if self.path.exists() and not stat.S_ISREG(self.path.stat().st_mode):
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
            self._file = os.open(self.path, flags, 0o644)
        except OSError as error:
            raise ConfigError(
                f"Actions cannot be written to {self.path} ({error.strerror}); choose another file, or start the "
                "reader of a pipe first."
            ) from error

    def send(self, command: Command) -> None:
        if self._file is not None:
            line = (json.dumps(command.to_json(), separators=(",", ":")) + "\n").encode()
            written = os.write(self._file, line)
            if written < len(line):
                os.write(self._file, b"\n")  # what is cut off stays a line of its own
                raise OSError(f"only {written} of {len(line)} bytes could be written")

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class UdpActuator(Actuator):
    """Sends a JSON object for every command as one datagram to a port of this machine.

    Args:
        port: 1..65535.
        host: "127.0.0.1", "::1" or "localhost": nothing of ours talks to a network unasked.

    Raises:
        ConfigError: the port cannot be, or the host is another machine.
    """

    @classmethod
    def at(cls, address: str, **options: Any) -> "UdpActuator":
        """The port that `address` names, "9000"."""
        return cls(int(address) if address.isdecimal() else -1, **options)

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        require_whole("port", port, 1, 65535)
        if host not in ("127.0.0.1", "::1", "localhost"):
            raise ConfigError(
                f"Actions are sent to this machine alone, 127.0.0.1 or ::1; got {host!r}. "
                "Send them on with a CallbackActuator of your own."
            )
        self._address = ("127.0.0.1" if host == "localhost" else host, port)
        self._socket: socket.socket | None = None

    def open(self, clock: Clock) -> None:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, command: Command) -> None:
        if self._socket is not None:
            # Nobody listening yet is no fault: the refusal of the datagram before this one is reported now.
            with contextlib.suppress(ConnectionRefusedError):
                self._socket.sendto(json.dumps(command.to_json()).encode(), self._address)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
