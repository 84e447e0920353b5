"""Reads recorded sessions: `Session` for everything in them, `read_session` for imitation and pretraining.

A session that was cut off (kill -9, a full disk, a battery) is read up to where it ends: nothing here needs the summary
at the end of the file. recorder.py writes sessions, format.py knows their messages, replay.py plays them.

    for observation, action, info in read_session("runs/monday"):
        ...
"""

import dataclasses
import json
import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ....perception.errors import MissingExtraError, how_to_install
from ....perception.spec import PRESENT, Spec
from ...contract import Observation
from ..align import Moment
from ..bodies.actuators import Command
from ..reading import EVENT_KINDS, Event, Reading
from ..tick import Move, Tick
from .format import EVENTS, FORMAT, SENSES, TICKS, VERSION, Decoder, SessionError, Stored

MAX_RECORD_BYTES = 2**30
"""A record that claims to be larger is damage."""

MAX_HELD, MAX_HELD_PER_S = 256, 1000
"""How many readings of a sense are kept, and how many for each second of a tick, while a tick that used them may still
come: everything that is sensed during a tick stands before it in the file."""


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
        damage: why reading ended early, a sentence; "" while nothing was found. Known after everything was read.

    Raises:
        SessionError: there is no such file, or it is no session.
        MissingExtraError: mcap is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.damage = ""
        described = self._describe()
        try:
            self.spec = Spec.from_json(described["spec"])
            self.action_names = tuple(map(str, described["action_names"]))
            self.step_s, self.period_s = float(described["step_s"]), float(described["period_s"])
            ages = described["max_age_s"]
            self.max_age_s = {str(name): math.inf if age is None else float(age) for name, age in ages.items()}
            self.policy = dict(described["policy"])
            self.wall_ns, self.anchor_ns = int(described["wall_ns"]), int(described["anchor_ns"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SessionError(f"{self.path} does not describe a session of this release ({error}).") from error

    def _describe(self) -> dict[str, Any]:
        from_file = next((record for record in self._records() if type(record).__name__ == "Metadata"), None)
        header = from_file.metadata if from_file is not None and from_file.name == "session" else {}
        if header.get("format") != FORMAT:
            why = f" ({self.damage})" if self.damage else ""
            raise SessionError(f"{self.path} is no recorded session{why}; `senseweave live --record DIR` makes one.")
        if header.get("version") != str(VERSION):
            raise SessionError(
                f"{self.path} is a session of version {header.get('version')}, and this release reads version "
                f"{VERSION}; use the release that wrote it."
            )
        described = json.loads(header["session"])
        return described if isinstance(described, dict) else {}

    def __iter__(self) -> Iterator[Stored | TickRecord | Event]:
        """Everything in the order of the file: each tick comes after the readings that it used.

        Raises:
            SessionError: a message is not what it should be.
        """
        decoders = {SENSES + name: Decoder(name, kind) for name, kind in self.spec.items()}
        topics: dict[int, str] = {}
        for record in self._records():
            if type(record).__name__ == "Channel":
                topics[record.id] = record.topic
            elif type(record).__name__ == "Message":
                topic = topics.get(record.channel_id, "")
                try:
                    if topic in decoders:
                        yield decoders[topic].take_in(json.loads(record.data))
                    elif topic == TICKS:
                        yield _tick(json.loads(record.data), self.spec)
                    elif topic == EVENTS and (event := _event(json.loads(record.data))) is not None:
                        yield event
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    raise SessionError(f"{self.path} holds a message that cannot be read ({error}).") from error

    def ticks(self) -> Iterator[TickRecord]:
        """The ticks alone."""
        return (part for part in self if isinstance(part, TickRecord))

    def events(self) -> Iterator[Event]:
        """The events alone."""
        return (part for part in self if isinstance(part, Event))

    def __repr__(self) -> str:
        return f"Session({str(self.path)!r}, senses={', '.join(self.spec)})"

    def _records(self) -> Iterator[Any]:
        """The records of the file until its end, or until where it is cut off."""
        try:
            from mcap.exceptions import EndOfFile
            from mcap.stream_reader import StreamReader
        except ImportError as error:
            raise MissingExtraError(
                f"Recordings need mcap, which could not be imported ({error}); {how_to_install('data')}"
            ) from error
        try:
            with open(self.path, "rb") as file:
                reader = StreamReader(file, validate_crcs=True, record_size_limit=MAX_RECORD_BYTES)
                yield from reader.records
        except FileNotFoundError as error:
            raise SessionError(f"There is no recording {self.path}; give the .mcap file of a session.") from error
        except OSError as error:
            raise SessionError(f"{self.path} cannot be read ({error.strerror}).") from error
        except (EndOfFile, struct.error):
            self.damage = "It was cut off."
        except Exception as error:  # whatever the parsers of records and chunks make of damaged bytes
            self.damage = f"It is damaged ({error})."


def read_session(path: str | os.PathLike[str]) -> Iterator[tuple[Observation, Any, dict[str, Any]]]:
    """The ticks of a recorded session, or of all in a folder, as (observation, action, info).

    Args:
        path: an .mcap file, or a folder of them, which are read in the order of their names.

    Yields:
        The observation as the session's Spec says, with `present`: what the policy was given, bit for bit. The action
        that was sent: a number, a list, or None. And info: "time_ns", "ages_s", "captured_ns", "instruction", "session"
        (the `Session`), "events" (those since the tick before), "lost" (senses whose reading could not be recorded;
        they are absent in the observation), and what `TickRecord.info` holds.

    Raises:
        SessionError: there is no session; one that is cut off only ends early.
    """
    for file in session_files(path):
        yield from _read_file(Session(file))


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


def _read_file(session: Session) -> Iterator[tuple[Observation, Any, dict[str, Any]]]:
    for record, moment, lost in _play(session):
        times = {"time_ns": record.time_ns, "captured_ns": record.captured_ns, "ages_s": record.ages_s}
        more = {"events": moment.events, "lost": lost, "session": session}
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


def _tick(message: dict[str, Any], spec: Spec) -> TickRecord:
    captured = {name: message["captured_ns"].get(name) for name in spec}
    ages = {name: message["ages_s"].get(name) for name in spec}
    return TickRecord(
        time_ns=int(message.pop("time_ns")),
        captured_ns={name: None if captured_ns is None else int(captured_ns) for name, captured_ns in captured.items()},
        ages_s={name: math.inf if age_s is None else float(age_s) for name, age_s in ages.items()},
        action=message.pop("action"),
        info={key: value for key, value in message.items() if key not in ("captured_ns", "ages_s")},
    )


def _event(message: dict[str, Any]) -> Event | None:
    """None for an event of a kind that this release does not know."""
    if message["kind"] not in EVENT_KINDS:
        return None
    return Event(int(message["time_ns"]), str(message["sense"]), message["kind"], str(message["detail"]))
