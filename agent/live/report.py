"""The report of a live session: one HTML page that needs nothing else, and `Reporter`, which makes it beside the loop.

    write("report.html", "runs/monday/session.mcap")            of a recording
    with Reporter.of(rig, "report.html") as reporter: ...       of a rig, while it runs

What is shown is collected in bounded memory by digest.py; page.py makes the page.
"""

import collections
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from ...envs.live.reading import Event
from ...envs.live.rig import LiveRig
from ...envs.live.sessions.session import Session, only_file, read_ticks
from ...envs.live.tick import Tick
from ...perception.errors import ConfigError
from .digest import Digest
from .page import page

MAX_WAITING = 600
"""Ticks that wait to be looked at; then the oldest are skipped, and counted."""

LOOK_S = 0.25
WRITE_EVERY_S = 60.0
"""The page is written anew so often, so that something is there when the session is cut off."""

CLOSE_S = 20.0


class Reporter:
    """Writes a page about a session while it runs, and at its end. A context manager; leaving it writes the page.

    The loop only puts ticks into a bounded queue; a thread looks at them, draws and writes.

    Args:
        path: the .html file; it is replaced if it exists.
        digest: what is collected into; nobody else may feed it.
        facts: title -> text, above everything else.
        timing: asked for the loop's own figures, see `Timing.summary`.
        tell: called with a sentence when the page cannot be written.

    Attributes:
        path: the file.
        failure: why the page could not be written, a sentence; "" if it could.

    Raises:
        ConfigError: the folder of `path` does not exist or cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        digest: Digest,
        *,
        facts: Mapping[str, str] | None = None,
        timing: Callable[[], Mapping[str, Any]] = dict,
        tell: Callable[[str], object] = lambda sentence: None,
    ) -> None:
        self.path, self.failure = Path(path), ""
        self._digest, self._facts, self._timing, self._tell = digest, dict(facts or {}), timing, tell
        self._waiting: collections.deque[Tick] = collections.deque(maxlen=MAX_WAITING)
        self._added = self._taken = 0
        self._noted: list[Event] = []
        if self.path.is_dir() or not os.access(self.path.parent, os.W_OK):
            raise ConfigError(f"A report cannot be written to {self.path}; choose a file in a folder that exists.")
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look_at_all, name="reporter", daemon=True)
        self._thread.start()

    @classmethod
    def of(
        cls,
        rig: LiveRig,
        path: str | os.PathLike[str],
        *,
        facts: Mapping[str, str] | None = None,
        tell: Callable[[str], object] = lambda sentence: None,
    ) -> Self:
        """A reporter of a rig: give its `on_tick` to the loop. See the class."""
        digest = Digest(rig.senses, rig.action_names, rig.period_s, rig.max_age_s)
        return cls(path, digest, facts=facts, timing=rig.timing.summary, tell=tell)

    def on_tick(self, tick: Tick) -> None:
        """Takes note of a tick; returns at once."""
        self._added += 1
        self._waiting.append(tick)

    def note(self, events: Iterable[Event]) -> None:
        """Takes note of events that belong to no tick any more; returns at once."""
        self._noted += events

    def add_facts(self, facts: Mapping[str, str]) -> None:
        """Adds lines to the page's head, as long as it is not closed."""
        self._facts = {**self._facts, **facts}

    def close(self) -> dict[str, Any]:
        """Looks at what waits and writes the page; within `CLOSE_S`. May be called twice.

        Returns:
            The file, and why it could not be written, as plain JSON values.
        """
        self._ending.set()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive() and not self.failure:
            self.failure = f"The report could not be written to {self.path} within {CLOSE_S:g} s."
        return {"file": str(self.path), "failure": self.failure}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look_at_all(self) -> None:
        written_s = time.monotonic()
        try:
            while True:
                is_last = self._ending.wait(LOOK_S)
                while self._waiting:
                    self._digest.add(self._waiting.popleft())
                    self._taken += 1
                lost = self._added - self._taken - len(self._waiting)
                if lost > self._digest.skipped:
                    self._digest.skip(lost - self._digest.skipped)
                if is_last:
                    self._digest.note(self._noted)
                if is_last or time.monotonic() - written_s >= WRITE_EVERY_S:
                    _write(self.path, page(self._digest, self._facts, self._timing()))
                    written_s = time.monotonic()
                if is_last:
                    return
        except Exception as error:  # a report may fail in any way, and the loop must survive all of it
            reason = error.strerror if isinstance(error, OSError) and error.strerror else f"{error}"
            self.failure = f"The report could not be written to {self.path} ({reason})."
            self._waiting.clear()
            self._tell(self.failure)


def write(path: str | os.PathLike[str], source: Digest | str | os.PathLike[str], **facts: str) -> Digest:
    """Writes the page about a recording, or about what was collected.

    Args:
        path: the .html file; it is replaced if it exists.
        source: an .mcap file, a folder with one, or a `Digest`.
        **facts: more lines for the page's head.

    Returns:
        What the page shows.

    Raises:
        SessionError: there is no such recording.
        ConfigError: the file cannot be written.
    """
    told: dict[str, str] = {}
    if isinstance(source, Digest):
        digest = source
    else:
        session = Session(only_file(source))
        digest = digest_of(session)
        told = {"Recording": str(session.path), **facts_of(session)}
    try:
        _write(Path(path), page(digest, told | facts, {}))
    except OSError as error:
        raise ConfigError(f"A report cannot be written to {path} ({error.strerror}); choose another file.") from error
    return digest


def digest_of(session: Session) -> Digest:
    """Looks at a whole recording."""
    digest = Digest(session.spec, session.action_names, session.period_s, session.max_age_s)
    for tick in read_ticks(session):
        digest.add(tick)
    return digest


def facts_of(session: Session) -> dict[str, str]:
    """What a person should know of a recording that was read: whether it is damaged, or its description unchecked."""
    damage = {"Damage": f"{session.damage} {100 * session.share_read:.1f} % of its bytes were read."}
    unsealed = {"Description": "without a checksum, as releases before this one wrote it"}
    return (damage if session.damage else {}) | ({} if session.is_sealed else unsealed)


def _write(path: Path, content: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.write_text(content, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
