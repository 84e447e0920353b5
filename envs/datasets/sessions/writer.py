"""`SessionsWriter`: episodes as recorded sessions, a file each, which every reader of recordings understands.

A tick holds what one of a rig holds. Its report of the body ("actuator") has the reward and the end of the step, as
that of a simulated body. Two keys are new: "episode" and "actor". A tick without an action is the last observation.
"""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from ....perception.errors import ConfigError
from ....perception.spec import PRESENT, Microphone
from ...live.reading import Reading, misfit
from ...live.sessions.file import RecordingFile
from ...live.sessions.format import SENSES, TICKS, Encoder, as_json
from ..episode import Episode
from ..errors import DatasetError
from ..facts import DatasetFacts
from ..registry import Writer

EPISODE, ACTOR = "episode", "actor"
"""Keys of a tick that recordings of a rig do not have."""


class SessionsWriter(Writer):
    """Writes a folder of sessions. Each episode is on the disk when `add` returns, whatever happens then.

    Args:
        path: a new or empty folder.
        facts: of all episodes.
    """

    def __init__(self, path: Path, facts: DatasetFacts) -> None:
        self.path, self.facts = path, facts
        self._count = 0
        self._unfit: dict[str, int] = {}
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatasetError(f"{path} cannot be made ({error.strerror}); choose another folder.") from error

    def add(self, episode: Episode) -> None:
        facts = self.facts
        described = {
            "spec": facts.spec.to_json(),
            "action_names": list(facts.action_names),
            "step_s": facts.step_s,
            "period_s": facts.step_s,
            "max_age_s": {},
            "policy": {},
            "anchor_ns": int(episode.times_ns[0]),
            "wall_ns": time.time_ns(),
            "dataset": facts.to_json() | {"seed": episode.seed},
        }
        try:
            file = RecordingFile(self.path / f"episode-{self._count:06d}.mcap", facts.spec, described)
            try:
                self._write(file, episode)
                file.finish()
            except BaseException:
                file.abandon()
                raise
        except (OSError, ConfigError) as error:
            raise DatasetError(f"An episode could not be written into {self.path} ({error}); free space.") from error
        self._count += 1

    def _write(self, file: RecordingFile, episode: Episode) -> None:
        senses = [_Sense(name, kind, number) for number, (name, kind) in enumerate(self.facts.spec.items())]
        for row, time_ns in enumerate(episode.times_ns.tolist()):
            captured: dict[str, int | None] = {}
            for sense in senses:
                reading, is_new = sense.reading(episode, row)
                captured[sense.name] = None if reading is None else reading.captured_ns
                if reading is not None and is_new:
                    file.add(SENSES + sense.name, sense.encoder.encode(reading), time_ns, reading.captured_ns)
            file.add(TICKS, as_json(_tick(self.facts, episode, row, captured)), time_ns, time_ns)
        for sense in senses:
            if sense.unfit:
                self._unfit[sense.name] = self._unfit.get(sense.name, 0) + sense.unfit

    def finish(self) -> None:
        if not self._count:
            raise DatasetError("A dataset needs at least one episode; got none.")

    def losses(self) -> list[str]:
        return [
            f'{count:,} readings of "{name}" were not finite or outside the limits of their kind; they are absent.'
            for name, count in self._unfit.items()
        ]


class _Sense:
    """One sense of an episode that is being written."""

    def __init__(self, name: str, kind: Any, number: int) -> None:
        self.name, self.kind, self._number = name, kind, number
        self.encoder = Encoder(name, kind)
        self.unfit = self._count = 0
        self._last: Reading | None = None

    def reading(self, episode: Episode, row: int) -> tuple[Reading | None, bool]:
        """The reading in an observation, and whether it is another one than before."""
        if not episode.observations[PRESENT][row, self._number]:
            return None, False
        content = np.ascontiguousarray(episode.observations[self.name][row])
        if misfit(self.kind, content):
            self.unfit += 1
            return None, False
        text = episode.texts[row] if self.kind.is_text else ""
        captured_ns, last = int(episode.captured_ns[row, self._number]), self._last
        if last is not None and captured_ns <= last.captured_ns:
            if text == last.text and last.content.tobytes() == content.tobytes():
                return last, False
            captured_ns = last.captured_ns + 1  # every reading has a time of its own
        self._count += self.kind.samples if isinstance(self.kind, Microphone) else 1
        self._last = Reading(content, captured_ns, self._count, text)
        return self._last, True


def _tick(facts: DatasetFacts, episode: Episode, row: int, captured: dict[str, int | None]) -> dict[str, Any]:
    names, steps = facts.spec.names, len(episode)
    done = None if episode.actions is None or row >= steps else episode.actions[row].tolist()
    name = facts.action_names[done] if isinstance(done, int) and done < len(facts.action_names) else None
    body: dict[str, Any] = {}
    if row < steps:
        is_last = row == steps - 1
        reward = float(episode.rewards[row])
        body = {
            "reward": reward if math.isfinite(reward) else None,
            "terminated": is_last and episode.terminated,
            "truncated": is_last and episode.truncated,
        } | ({"is_success": episode.success} if is_last and episode.success is not None else {})
    time_ns = int(episode.times_ns[row])
    ages = {name: float(age_s) for name, age_s in zip(names, episode.ages_s[row], strict=True)}
    return {
        "time_ns": time_ns,
        "captured_ns": captured,
        "ages_s": {name: age_s if math.isfinite(age_s) else None for name, age_s in ages.items()},
        "action": done,
        "name": name,
        "tick": None if done is None else row,
        "sent_ns": None if done is None else time_ns,
        "is_safe": row < steps and episode.actors[row] == "safe",
        "safe_reason": "",
        "chosen": done,
        "gates": None,
        "instruction": episode.texts[row],
        "actuator": body,
        EPISODE: 0,
        ACTOR: episode.actors[row] if row < steps else "",
    }
