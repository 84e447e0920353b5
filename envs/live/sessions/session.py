"""Reads recorded sessions: `Session` for everything in them, `read_session` for imitation and pretraining.

A session that was cut off (kill -9, a full disk, a battery) is read up to where it ends: nothing here needs the summary
at the end of the file. What is damaged in the middle is left out, and told. recorder.py writes sessions, records.py
finds what is whole in a file, format.py and ticks.py know the messages, replay.py plays them.

    for observation, action, info in read_session("runs/monday"):
        ...
"""

import contextlib
import math
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ....perception.checks import shown
from ....perception.checks.files import RECORDING_BYTES, open_regular
from ....perception.checks.plain_json import parse_object
from ....perception.spec import PRESENT, Spec
from ...contract import Observation
from ..align import Moment
from ..bodies.actuators import Command
from ..reading import Event, Reading
from ..tick import Move, Tick
from .format import EVENTS, FORMAT, SENSES, TICKS, VERSION, Decoder, SessionError, Stored, seal, topics, whole_ns
from .records import Records, require_mcap
from .ticks import TickRecord as TickRecord
from .ticks import read_event, read_tick

MAX_PERIOD_S = 86_400.0
"""A step or a tick that is longer is damage."""

MAX_HELD, MAX_HELD_PER_S = 256, 1000
"""How many readings of a sense are kept, and how many for each second of a tick, while a tick that used them may still
come: everything that is sensed during a tick stands before it in the file."""


class DamagedRecording(UserWarning):
    """A recording that was read as far as it is whole."""


MAX_ACTIONS = 10_000
"""So many names of actions a description may hold."""


class Session:
    """A recorded session.

    Args:
        path: an .mcap file.

    Attributes:
        path: that file.
        spec: the senses.
        action_names: the names of the actions 0, 1, 2...; empty where they have none.
        step_s: how long a step was in the policy's training.
        period_s: how long a tick was.
        max_age_s: sense -> how old a reading could be.
        policy: who acted, as given to the recorder; empty if nobody did.
        wall_ns: the wall-clock time, nanoseconds since 1970, at the clock's `anchor_ns`.
        anchor_ns: see `wall_ns`.
        dataset: what a writer of datasets says of its episodes, as plain JSON; empty in recordings of a rig.
        is_sealed: whether the description has a checksum; recordings of earlier releases have none.
        damage: what is wrong with the file, a sentence; "" while nothing was found. Known after everything was read.
        share_read: of the file's bytes, 0..1; known then too.

    Raises:
        SessionError: there is no such file, or it is no session.
        MissingExtraError: mcap is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.damage, self.share_read, self.is_sealed = "", 1.0, False
        described = self._describe()
        try:
            self.spec = Spec.from_json(described["spec"])
            self.action_names = _names(described["action_names"])
            self.step_s, self.period_s = (_period_s(described[name]) for name in ("step_s", "period_s"))
            ages = described["max_age_s"]
            self.max_age_s = {str(name): math.inf if age is None else float(age) for name, age in ages.items()}
            self.policy = dict(described["policy"])
            self.dataset = dict(described.get("dataset", {}))
            self.wall_ns, self.anchor_ns = whole_ns(described["wall_ns"]), whole_ns(described["anchor_ns"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            told = shown(error, 120)
            raise SessionError(f"{self.path} does not describe a session of this release ({told}).") from error

    def _describe(self) -> dict[str, Any]:
        with self._opened() as records:
            first = next((record for record in records if type(record).__name__ in ("Metadata", "Message")), None)
            self._note(records)
        header = getattr(first, "metadata", {}) if getattr(first, "name", "") == "session" else {}
        if header.get("format") != FORMAT:
            why = f" ({self.damage.rstrip('.')})" if self.damage else ""
            raise SessionError(f"{self.path} is no recorded session{why}; `senseweave live --record DIR` makes one.")
        if header.get("version") != str(VERSION):
            raise SessionError(
                f"{self.path} is a session of version {shown(header.get('version'), 40)}, and this release reads "
                f"version {VERSION}; use the release that wrote it."
            )
        damaged = SessionError(f"The description in {self.path} is damaged, so its readings cannot be understood.")
        if not {"session"} <= header.keys() <= {"format", "version", "session", "sha256"}:
            raise damaged
        try:
            described = parse_object(header["session"])
            self.is_sealed = "sha256" in header
            if self.is_sealed and header["sha256"] != seal(header):
                raise damaged
        except ValueError as error:
            raise damaged from error
        return described

    def __iter__(self) -> Iterator[Stored | TickRecord | Event]:
        """Everything in the order of the file: each tick comes after the readings that it used.

        What is damaged is left out, and told by `damage` at the end.

        Raises:
            SessionError: a message is not what it should be.
        """
        return self._parts({SENSES + name: Decoder(name, kind) for name, kind in self.spec.items()})

    def _parts(self, decoders: dict[str, Decoder]) -> Iterator[Stored | TickRecord | Event]:
        """Ticks, events, and the readings of those senses that have a decoder."""
        order = _Order(topics(self.spec))
        with self._opened() as records:
            for record in records:
                if type(record).__name__ == "Channel":
                    order.topics[record.id] = record.topic
                elif type(record).__name__ == "Message":
                    topic, is_new, follows = order.place(record)
                    if not is_new:
                        continue
                    try:
                        part = self._read(decoders, topic, record.data, follows=follows)
                    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                        told = shown(error, 120)
                        raise SessionError(f"{self.path} holds a message that cannot be read ({told}).") from error
                    if part is not None:
                        yield part
            if order.missing:
                records.faults.append(f"{order.missing:,} messages are missing")
            if order.repeated:
                records.faults.append(f"{order.repeated:,} messages stand in it twice")
            self._note(records)

    def _read(
        self, decoders: dict[str, Decoder], topic: str, data: bytes, *, follows: bool
    ) -> Stored | TickRecord | Event | None:
        if topic in decoders:
            return decoders[topic].take_in(parse_object(data), follows=follows)
        if topic == TICKS:
            return read_tick(parse_object(data), self.spec)
        return read_event(parse_object(data)) if topic == EVENTS else None

    def ticks(self) -> Iterator[TickRecord]:
        """The ticks alone; readings are not looked at."""
        return (part for part in self._parts({}) if isinstance(part, TickRecord))

    def events(self) -> Iterator[Event]:
        """The events alone; readings are not looked at."""
        return (part for part in self._parts({}) if isinstance(part, Event))

    def __repr__(self) -> str:
        return f"Session({str(self.path)!r}, senses={', '.join(self.spec)})"

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Records]:
        """The records of the file."""
        require_mcap()
        try:
            file = open_regular(self.path, RECORDING_BYTES)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SessionError(f"There is no recording {self.path}; give the .mcap file of a session.") from error
        except OSError as error:
            raise SessionError(f"{self.path} cannot be read ({error.strerror}).") from error
        with file:
            try:
                yield Records(file)
            except OSError as error:
                raise SessionError(f"{self.path} cannot be read ({error.strerror}).") from error

    @property
    def damage_told(self) -> str:
        """`damage` with the file and the share of it that was read, for people; "" while nothing was found."""
        return self.damage and f"{self.path}: {self.damage} {100 * self.share_read:.1f} % of its bytes were read."

    def _note(self, records: Records) -> None:
        if records.faults or records.is_cut_off:
            self.share_read = min(1.0, max(0, records.read) / max(1, records.size))
            told = f"It is damaged ({'; '.join(records.faults)})." if records.faults else ""
            self.damage = " ".join(part for part in (told, "It was cut off." if records.is_cut_off else "") if part)


class _Order:
    """Which messages are missing, and which stand there twice: each sort of them is numbered from 0.

    Args:
        known: topics in the order in which recordings have them, for files whose own list of them is damaged.
    """

    def __init__(self, known: list[str]) -> None:
        self.topics = dict(enumerate(known, 1))
        self.missing = self.repeated = 0
        self._next: dict[int, int] = {}

    def place(self, message: Any) -> tuple[str, bool, bool]:
        """A message's topic, whether it comes after those that were there, and at once after the last of them."""
        expected = self._next.get(message.channel_id, 0)
        ahead = (message.sequence - expected) % 2**32
        topic = self.topics.get(message.channel_id, "")
        if ahead >= 2**31:
            self.repeated += 1
            return topic, False, False
        self._next[message.channel_id] = (message.sequence + 1) % 2**32
        self.missing += ahead
        return topic, True, ahead == 0


def read_session(
    path: str | os.PathLike[str] | Session,
) -> Iterator[tuple[Observation, Any, dict[str, Any]]]:
    """The ticks of a recorded session, or of all in a folder, as (observation, action, info).

    Args:
        path: an .mcap file, or a folder of them, which are read in the order of their names; or a `Session`.

    Yields:
        The observation as the session's Spec says, with `present`: what the policy was given, bit for bit. The action
        that was sent: a number, a list, or None. And info: "time_ns", "ages_s", "captured_ns", "instruction_text",
        "session" (the `Session`), "events" (those since the tick before), "lost" (senses whose reading could not be
        recorded; they are absent in the observation), and what `TickRecord.info` holds.

    Raises:
        SessionError: there is no session, or a message is not what it should be.

    Warns:
        DamagedRecording: a file was cut off, or some of it is damaged; what is whole was read.
    """
    for session in [path] if isinstance(path, Session) else map(Session, session_files(path)):
        yield from observations_of(session)
        if session.damage:
            warnings.warn(session.damage_told, DamagedRecording, stacklevel=2)


def session_files(path: str | os.PathLike[str]) -> list[Path]:
    """The recordings in a folder, in the order of their names; or the one file itself.

    Raises:
        SessionError: the folder holds none.
    """
    folder = Path(path)
    if not folder.is_dir():
        return [folder]
    files = sorted(folder.glob("*.mcap"))
    if not files:
        raise SessionError(f"{folder} holds no recording (*.mcap); `senseweave live --record {folder}` makes one.")
    return files


def only_file(path: str | os.PathLike[str]) -> Path:
    """The one recording in a folder, or the file itself.

    Raises:
        SessionError: the folder holds none, or several.
    """
    files = session_files(path)
    if len(files) > 1:
        raise SessionError(f"{path} holds {len(files)} recordings; give one of them, {files[-1].name}, say.")
    return files[0]


def read_ticks(session: Session) -> Iterator[Tick]:
    """The ticks of a session as observers saw them when it was recorded; the senses that `read_session` calls lost are
    absent.

    Raises:
        SessionError: a message is not what it should be.
    """  # noqa: D205
    for record, moment, _ in _play(session):
        info = record.info
        chosen, gates = info["chosen"], info["gates"]
        sent = None
        if record.action is not None:
            sent = Command(record.action, info["name"] or "", info["sent_ns"], info["tick"], bool(info["is_safe"]))
        yield Tick(
            moment,
            move=None if chosen is None and gates is None else Move(chosen, gates),
            sent=sent,
            safe_reason=info["safe_reason"],
            actuator=info["actuator"],
        )


def observations_of(session: Session) -> Iterator[tuple[Observation, Any, dict[str, Any]]]:
    """What `read_session` gives, of one session and without the warning: `damage` tells afterwards."""
    for record, moment, lost in _play(session):
        times = {"time_ns": record.time_ns, "captured_ns": record.captured_ns, "ages_s": record.ages_s}
        more = {"events": moment.events, "lost": lost, "session": session, "instruction_text": moment.instruction}
        yield moment.observation, record.action, record.info | times | more


def _play(session: Session) -> Iterator[tuple[TickRecord, Moment, tuple[str, ...]]]:
    """Each tick, what was known then, and the senses whose readings could not be recorded."""
    held: dict[str, dict[int, Stored]] = {name: {} for name in session.spec}
    max_held = max(MAX_HELD, math.ceil(MAX_HELD_PER_S * session.period_s))
    events: list[Event] = []
    for part in session:
        if isinstance(part, Stored):
            kept = held[part.decoder.name]
            kept[part.captured_ns] = part
            if len(kept) > max_held:
                del kept[next(iter(kept))]
        elif isinstance(part, Event):
            events.append(part)
        else:
            readings, lost = _readings(part, held)
            observation = _observation(session.spec, readings)
            instruction = part.info["instruction"]
            yield part, Moment(part.time_ns, observation, part.ages_s, readings, events, instruction), lost
            events = []


def _readings(
    tick: TickRecord, held: dict[str, dict[int, Stored]]
) -> tuple[dict[str, Reading | None], tuple[str, ...]]:
    """What stood in the observation of a tick, and the senses of which it is not there; forgets what no later tick can
    use.
    """  # noqa: D205
    readings: dict[str, Reading | None] = dict.fromkeys(held)
    lost = []
    for name, stored in held.items():
        captured_ns = tick.captured_ns.get(name)
        if captured_ns is None:
            continue
        for older_ns in [stored_ns for stored_ns in stored if stored_ns < captured_ns]:
            del stored[older_ns]
        if captured_ns in stored:
            readings[name] = stored[captured_ns].reading()
        else:
            lost.append(name)
    return readings, tuple(lost)


def _observation(spec: Spec, readings: dict[str, Reading | None]) -> Observation:
    observation = spec.placeholder()
    for i, (name, reading) in enumerate(readings.items()):
        if reading is not None:
            np.copyto(observation[name], reading.content)
        observation[PRESENT][i] = reading is not None
    return observation


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"actions named {value!r:.40}")
    if len(value) > MAX_ACTIONS:
        raise ValueError(f"{len(value):,} actions")
    return tuple(value)


def _period_s(value: Any) -> float:
    if isinstance(value, bool) or not 1e-6 <= float(value) <= MAX_PERIOD_S:
        raise ValueError(f"a period of {value!r:.40} s")
    return float(value)
