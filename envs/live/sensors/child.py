"""`Child`: a process of ours that does what may crash, hang, need much memory or hold the GIL, such as decoding.

It is a module of this package, run by `python -m` when somebody needs it: a fresh interpreter, never a fork. Both ways
go messages, each a line of JSON that may have bytes behind it. The child ends when its parent does, whatever happens to
the parent, and Ctrl-C in a terminal reaches the parent alone.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from typing import IO, Any

from ..source import SourceError

MAX_BYTES = 1 << 28
"""More than that stands behind no message; a child that says so has lost its mind."""

MAX_LINE = 1 << 20
"""No message's line is longer."""

LEAVES_S = 1.0
"""How long a child that was killed may take to be gone; the system takes longer only where a driver hangs in it."""

_PIECE = 1 << 16
_PR_SET_PDEATHSIG = 1

Message = tuple[dict[str, Any], bytes]
"""What the line says, and the bytes behind it."""


class Child:
    """A child process, seen by its parent. One thread sends and receives; any thread may kill.

    Args:
        module: its full name; run as a program, it calls `obey_parent` first.
        what: it is, the subject of a sentence: "The speech recogniser".
        memory_bytes: how much memory it may have for data; None does not limit it.
    """

    def __init__(self, module: str, what: str, memory_bytes: int | None = None) -> None:
        self.what = what
        self._memory_bytes = memory_bytes
        self._received = bytearray()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(memory_bytes or 0), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for us
        )
        self._end = weakref.finalize(self, _end, self._process)  # also when it is forgotten, or this process ends

    @property
    def process_id(self) -> int:
        """Its number among the system's processes."""
        return self._process.pid

    def send(self, message: Mapping[str, Any], timeout_s: float, if_late: str) -> None:
        """Sends a message without bytes; see `send_bytes`."""
        self.send_bytes(json.dumps(message).encode() + b"\n", timeout_s, if_late)

    def send_bytes(self, data: bytes, timeout_s: float, if_late: str) -> None:
        """Sends bytes as they are.

        Args:
            data: the bytes.
            timeout_s: how long the child may be busy with something else.
            if_late: what to say when it is for longer.

        Raises:
            SourceError: it is, or it has died.
        """
        into = self._process.stdin
        if into is None or into.closed:
            raise SourceError(self._obituary())
        left = memoryview(data)
        while left:
            if not select.select([], [into], [], timeout_s)[1]:
                raise SourceError(if_late)
            try:
                left = left[os.write(into.fileno(), left[: select.PIPE_BUF]) :]
            except OSError:
                raise SourceError(self._obituary()) from None

    def receive(self, timeout_s: float) -> Message | None:
        """The next message; None if no whole one comes within the time-out.

        Raises:
            SourceError: it has died, and there is nothing more of it.
        """
        while (message := self._next_message()) is None:
            out = self._process.stdout
            if out is None or out.closed:
                raise SourceError(self._obituary())
            if not select.select([out], [], [], timeout_s)[0]:
                return None
            received = os.read(out.fileno(), _PIECE)
            if not received:
                raise SourceError(self._obituary())
            self._received += received
        return message

    def kill(self) -> None:
        """Ends it at once; whoever waits for it gets a SourceError. May be called by any thread, and twice."""
        self._process.kill()

    def close(self) -> None:
        """Ends it and forgets it, in a bounded time whatever it does."""
        self._end()

    def _next_message(self) -> Message | None:
        """A message that is here already, taken out of what was received."""
        end = self._received.find(b"\n")
        if end < 0:
            if len(self._received) > MAX_LINE:
                raise SourceError(f"{self.what} sends what makes no sense.")
            return None
        try:
            header = json.loads(self._received[:end])
            size = header.get("bytes", 0)
        except (ValueError, AttributeError):
            raise SourceError(f"{self.what} sends what makes no sense.") from None
        if not isinstance(size, int) or not 0 <= size <= MAX_BYTES:
            raise SourceError(f"{self.what} sends what makes no sense.")
        whole = end + 1 + size
        if len(self._received) < whole:
            return None
        content = bytes(self._received[end + 1 : whole])
        del self._received[:whole]
        return header, content

    def _obituary(self) -> str:
        """A sentence about its death."""
        try:
            status = self._process.wait(LEAVES_S)
        except subprocess.TimeoutExpired:
            return f"{self.what} does not answer any more."
        if status >= 0:
            return f"{self.what} has ended by itself (exit status {status})."
        with contextlib.suppress(ValueError):
            name = signal.Signals(-status).name
            hint = ""
            if self._memory_bytes and name in ("SIGABRT", "SIGKILL"):
                hint = f", perhaps for want of memory: it may have {in_mebibytes(self._memory_bytes)}"
            return f"{self.what} was ended by {name}{hint}."
        return f"{self.what} was ended by signal {-status}."


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(LEAVES_S)
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):  # what had not been written yet is not wanted any more
            if pipe is not None:
                pipe.close()


def in_mebibytes(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 2**20:,.0f} MiB"


def obey_parent(arguments: list[str]) -> None:
    """Makes this process the child of whoever started it: first thing of a child's program.

    Its memory is limited, no core is dumped, and it ends with its parent: on Linux the system sees to that, even if a
    library never comes back; elsewhere a child ends when it next reads or writes.

    Args:
        arguments: those that `Child` gave, `sys.argv[1:]`.
    """
    memory_bytes, parent = map(int, arguments)
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if memory_bytes:
            resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the system was told
        os._exit(0)


def end_with(pipe: IO[bytes]) -> None:
    """Ends this process as soon as a pipe is closed, for children that read nothing more from it."""

    def wait() -> None:
        while pipe.read(_PIECE):
            continue
        os._exit(0)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()


def tell(answers: IO[bytes], message: Mapping[str, Any], content: bytes | memoryview = b"") -> None:
    """Sends a message to the parent; waits while it has enough to read."""
    header = dict(message) | ({"bytes": len(content)} if content else {})
    answers.write(json.dumps(header).encode() + b"\n" + content)
    answers.flush()
