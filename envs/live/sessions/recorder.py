"""`Recorder`: writes everything that a live rig senses and does into a session file, and never holds the loop up.

The loop and the sensors' threads put what they have into a bounded queue; a thread of the recorder's own compresses and
writes. What does not fit is dropped and counted, pictures first. When the disk is full the recording ends with one
sentence, the file stays readable, and the loop goes on. envs/live/sessions/session.py reads the files.
"""

import dataclasses
import datetime
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from ....perception.checks import require_whole
from ....perception.spec import Camera, Spec
from ..clock import Clock, SystemClock
from ..reading import Event, Reading
from ..rig import LiveRig
from ..sensor import Sensor
from ..tick import Tick
from .file import RecordingFile
from .format import EVENTS, SENSES, TICKS, Encoder, as_json
from .queue import RecordingQueue

MAX_BYTES = 64 * 2**20
"""How much may wait for the disk: 170 s of 64 x 64 pictures at 30 Hz, 2 s of 640 x 360."""

FLUSH_S = 0.5
"""How often what was written is handed over to the system."""

LOOK_S = 0.05
"""How often the thread looks into the queue; to wake it for every item would cost the loop more."""

CLOSE_S = 10.0
"""How long `close` waits for a disk that does not answer."""

TELL_AGAIN_S = 5.0
"""Losses are reported again after so long."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Job:
    """What waits to be written: a reading, a tick or an event, not yet encoded."""

    topic: str
    content: Reading | dict[str, Any] | Event
    time_ns: int


class Recorder:
    """Records one session. A context manager; leaving it writes what waits and closes the file.

    Args:
        path: an .mcap file that does not exist, or a folder, where a file named by the present time is made.
        senses: what the rig senses.
        action_names: the names of its actions.
        step_s: how long a step was in the policy's training.
        period_s: how long a tick is.
        max_age_s: sense -> how old a reading may be.
        policy: who acts, as plain JSON values: its run directory and identity, say.
        clock: the rig's.
        tell: called, from the recorder's thread, with a sentence when something is lost or the recording ends early.
        max_bytes: how much may wait for the disk.

    Attributes:
        path: the file.
        failure: why the recording ended early, a sentence; "" while it goes on.

    Raises:
        ConfigError: the file exists, or cannot be made.
        MissingExtraError: mcap is not installed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        senses: Spec,
        *,
        action_names: tuple[str, ...] = (),
        step_s: float = 0.1,
        period_s: float | None = None,
        max_age_s: Mapping[str, float] | None = None,
        policy: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        tell: Callable[[str], object] = lambda sentence: None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        require_whole("max_bytes", max_bytes, 1)
        self.path = _file(Path(path))
        self.failure = ""
        self._clock = clock or SystemClock()
        self._tell = tell
        self._queue: RecordingQueue[_Job] = RecordingQueue(max_bytes)
        self._reported: dict[str, int] = {}
        self._reported_s = -math.inf
        self._encoders = {SENSES + name: Encoder(name, kind) for name, kind in senses.items()}
        self._frames = frozenset(senses.of_kind(Camera))
        self._newest_ns: dict[str, int] = {}
        self._lock = threading.Lock()
        self._written = 0
        anchor_ns, wall_ns = self._clock.now_ns(), time.time_ns()
        described = {
            "spec": senses.to_json(),
            "action_names": list(action_names),
            "step_s": float(step_s),
            "period_s": float(step_s if period_s is None else period_s),
            "max_age_s": {name: _or_none(age_s) for name, age_s in (max_age_s or {}).items()},
            "policy": dict(policy or {}),
            "anchor_ns": anchor_ns,
            "wall_ns": wall_ns,
        }
        self._file = RecordingFile(self.path, senses, described)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="recorder", daemon=True)
        self._thread.start()

    @classmethod
    def of(
        cls,
        rig: LiveRig,
        path: str | os.PathLike[str],
        *,
        policy: Mapping[str, Any] | None = None,
        tell: Callable[[str], object] = lambda sentence: None,
    ) -> Self:
        """A recorder of a rig: give its `on_tick` to the loop. Every reading of a device is recorded, not only those
        that stood in an observation. See the class.
        """  # noqa: D205
        recorder = cls(
            path,
            rig.senses,
            action_names=rig.action_names,
            step_s=rig.step_s,
            period_s=rig.period_s,
            max_age_s=rig.max_age_s,
            policy=policy,
            clock=rig.clock,
            tell=tell,
        )
        for name, sensor in rig.sensors.items():
            recorder.listen(name, sensor)
        return recorder

    def listen(self, name: str, sensor: Sensor) -> None:
        """Records every reading of a sensor that has an inbox, from now on."""
        inbox = getattr(sensor, "inbox", None)
        if inbox is not None and hasattr(inbox, "listener"):
            inbox.listener = lambda reading: self.offer(name, reading)

    def offer(self, name: str, reading: Reading) -> None:
        """Records a reading unless it is known already; returns at once. Any thread may call it.

        Args:
            name: its sense.
            reading: it; nobody may write into its content afterwards.
        """
        with self._lock:  # in the order of time, whoever comes first with it
            if reading.captured_ns <= self._newest_ns.get(name, reading.captured_ns - 1):
                return
            self._newest_ns[name] = reading.captured_ns
            self._put(SENSES + name, reading, self._clock.now_ns(), reading.content.nbytes, name in self._frames)

    def on_tick(self, tick: Tick) -> None:
        """Records a tick, its events, and those of its readings that are not recorded yet; returns at once."""
        moment = tick.moment
        for name, reading in moment.readings.items():
            if reading is not None:
                self.offer(name, reading)
        self.note(moment.events)
        sent = tick.sent
        record = {
            "time_ns": moment.time_ns,
            "captured_ns": {name: None if part is None else part.captured_ns for name, part in moment.readings.items()},
            "ages_s": {name: _or_none(age_s) for name, age_s in moment.ages_s.items()},
            "action": None if sent is None else sent.action,
            "name": tick.action_name,
            "tick": None if sent is None else sent.tick,
            "sent_ns": None if sent is None else sent.time_ns,
            "is_safe": bool(sent is not None and sent.is_safe),
            "safe_reason": tick.safe_reason,
            "chosen": None if tick.move is None else tick.move.action,
            "gates": None if tick.gates is None else dict(tick.gates),
            "instruction": moment.instruction,
            "actuator": dict(tick.actuator),
        }
        self._put(TICKS, record, moment.time_ns, 500)

    def note(self, events: Iterable[Event]) -> None:
        """Records events alone; returns at once."""
        for event in events:
            self._put(EVENTS, event, event.time_ns, len(event.detail))

    @property
    def dropped(self) -> dict[str, int]:
        """What did not fit so far: sense, "ticks" or "events" -> how many."""
        dropped = dict(self._queue.dropped)  # a copy at once: other threads count on
        return {topic.removeprefix(SENSES).lstrip("/"): count for topic, count in dropped.items()}

    def close(self) -> dict[str, Any]:
        """Writes what waits and closes the file; within `CLOSE_S`, whatever the disk does. May be called twice.

        Returns:
            The file, how much was written and dropped, and why it ended early, as plain JSON values.
        """
        self._queue.end()
        self._ending.set()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive() and not self.failure:
            self.failure = f"{self.path} could not be closed within {CLOSE_S:g} s; its last seconds may be missing."
        return {
            "file": str(self.path),
            "messages": self._written,
            "dropped": self.dropped,
            "failure": self.failure,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(
        self, topic: str, content: Reading | dict[str, Any] | Event, time_ns: int, size: int, is_frame: bool = False
    ) -> None:
        self._queue.put(topic, _Job(topic, content, time_ns), size, is_frame=is_frame)

    def _write_on(self) -> None:
        try:
            flushed_s = time.monotonic()
            while True:
                is_last = self._ending.wait(LOOK_S)
                while (job := self._queue.take()) is not None:
                    self._write(job)
                    if time.monotonic() - flushed_s >= FLUSH_S:
                        break
                if time.monotonic() - flushed_s >= FLUSH_S or is_last:
                    self._report_losses(is_last=is_last and job is None)
                    self._file.flush()
                    flushed_s = time.monotonic()
                if is_last and job is None:
                    break
            self._file.finish()
        except Exception as error:  # a disk may fail in any way, and the loop must survive all of it
            reason = error.strerror if isinstance(error, OSError) and error.strerror else f"{error}"
            self.failure = f"Recording into {self.path} has ended ({reason}); what was written before can be read."
            self._queue.end(forget=True)
            self._file.abandon()
            self._tell(self.failure)

    def _write(self, job: _Job) -> None:
        if isinstance(job.content, Reading):
            data, publish_ns = self._encoders[job.topic].encode(job.content), job.content.captured_ns
        elif isinstance(job.content, Event):
            data, publish_ns = as_json(dataclasses.asdict(job.content)), job.time_ns
        else:
            data, publish_ns = as_json(job.content), job.time_ns
        self._file.add(job.topic, data, job.time_ns, publish_ns)
        self._written += 1

    def _report_losses(self, *, is_last: bool) -> None:
        """Puts what was lost since the last time into the file, and reports it."""
        now_s = time.monotonic()
        losses = {name: count - self._reported.get(name, 0) for name, count in self.dropped.items()}
        losses = {name: count for name, count in losses.items() if count > 0}
        if not losses or (not is_last and now_s - self._reported_s < TELL_AGAIN_S):
            return
        self._reported, self._reported_s = self.dropped, now_s
        now_ns = self._clock.now_ns()
        for name, count in losses.items():
            sense = name if SENSES + name in self._encoders else ""
            detail = f"{count} {'readings' if sense else name} could not be recorded: the disk is too slow."
            self._write(_Job(EVENTS, Event(now_ns, sense, "overflow", detail), now_ns))
            self._tell(f"{name}: {detail}")


def _or_none(seconds: float) -> float | None:
    return float(seconds) if math.isfinite(seconds) else None


def _file(path: Path) -> Path:
    if path.suffix == ".mcap":
        return path
    now = datetime.datetime.now(datetime.UTC)
    return path / f"session-{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z.mcap"
