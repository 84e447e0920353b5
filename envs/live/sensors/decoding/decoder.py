"""The decoder: the program of the child that reads one camera, file or address. `Decoder` is its end in the parent.

Libraries that read what comes from outside crash, hang and eat memory; here they can, without harm to the loop. What
was asked for comes as one line; then messages go out until the parent has enough: see `pictures.py` and `sound.py`.
"""

import json
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any

from .....perception.errors import ConfigError, MissingExtraError, SenseweaveError
from ...source import SourceError
from ..child import Child, Message, end_with, in_mebibytes, obey_parent, tell
from .error import DecodingError, reason

MEMORY_BYTES = 1 << 30
"""How much memory a decoder may have for data. A 4K film takes some 400 MiB."""

START_S = 10.0
"""How long its process may take to start, on a machine that is busy."""


class Decoder:
    """One camera, file or address that is decoded in a child.

    Args:
        subject: what to call it in a sentence: `The camera's file "clip.mp4"`.
        request: what is to be decoded, and how: "mode", "source" and what the mode needs.
        open_s: how long it may take to open.

    Attributes:
        facts: what the child said of it when it was open.

    Raises:
        ConfigError: it can never be decoded.
        MissingExtraError: a package is missing.
        SourceError: it cannot be decoded now.
    """

    def __init__(self, subject: str, request: dict[str, Any], open_s: float) -> None:
        self.subject = subject
        self.facts: dict[str, Any] = {}
        self._child = Child(__name__, f"The decoder of {subject[0].lower()}{subject[1:]}", MEMORY_BYTES)
        self._open_s = open_s
        self._request = request

    def open(self) -> None:
        """Has it opened, and waits until it is."""
        self._child.send(self._request, START_S, "The decoder does not start.")
        message = self._receive(START_S + self._open_s)
        if message is None:
            raise SourceError(f"{self.subject} was not opened within {START_S + self._open_s:g} s.")
        self.facts = message[0]

    def receive(self, timeout_s: float) -> Message | None:
        """The next message; None if none comes within the time-out. Raises as `Decoder` does."""
        return self._receive(timeout_s)

    def kill(self) -> None:
        """Ends it at once; any thread may."""
        self._child.kill()

    def close(self) -> None:
        """Ends it, in a bounded time."""
        self._child.close()

    @property
    def process_id(self) -> int:
        """The child's number among the system's processes."""
        return self._child.process_id

    def _receive(self, timeout_s: float) -> Message | None:
        message = self._child.receive(timeout_s)
        if message is None or "problem" not in message[0]:
            return message
        problem, severity = message[0]["problem"], message[0]["severity"]
        if severity == "missing":
            raise MissingExtraError(problem)
        if severity == "final":
            raise ConfigError(f"{self.subject} cannot be played: {problem}; name another one.")
        joint = " " if problem[:1].islower() else " cannot be read: "
        raise SourceError(f"{self.subject}{joint}{problem}{'' if problem.endswith('?') else '.'}")


def _modes() -> dict[str, Callable[[dict[str, Any]], Iterator[Message]]]:
    from .pictures import file_pictures, live_pictures, sequence_pictures
    from .sound import file_sound

    return {
        "pictures": file_pictures,
        "sequence": sequence_pictures,
        "address": live_pictures,
        "device": live_pictures,
        "sound": file_sound,
    }


def main(requests: IO[bytes], answers: IO[bytes], memory_bytes: int) -> int:
    """Serves one parent.

    Args:
        requests: a line of JSON, and nothing more until the parent is gone.
        answers: gets the messages.
        memory_bytes: what this process may have, for a sentence.
    """
    request = json.loads(requests.readline())
    end_with(requests)
    try:
        for message, content in _modes()[request["mode"]](request):
            tell(answers, message, content)
        return 0
    except DecodingError as problem:
        told = problem
    except SenseweaveError as error:
        told = DecodingError(str(error), "missing" if isinstance(error, MissingExtraError) else "later")
    except BrokenPipeError:
        return 0
    except Exception as error:  # a library's own, of any class: what it is worth, the parent decides
        is_memory = isinstance(error, MemoryError) or "emory" in str(error) or getattr(error, "errno", None) == 12
        needs = f"It needs more memory than the {in_mebibytes(memory_bytes)} it may have"
        told = DecodingError(needs if is_memory else f"{type(error).__name__}: {reason(error)}", "later")
    tell(answers, told.as_message())
    return 1


if __name__ == "__main__":
    obey_parent(sys.argv[1:])
    sys.exit(main(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1])))
