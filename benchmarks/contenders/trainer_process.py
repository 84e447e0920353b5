"""Runs one contender of trainers.py in a process of its own, weighs it, and turns its log of events into figures."""

import collections
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

GOALS = (0.95, 0.97, 0.99)
EPISODES_OF_GOAL = 200
"""Success is the share of the last 200 training episodes that brought a reward, actions drawn from the policy."""

LOOK_EVERY_S = 0.25
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
Event = dict[str, Any]


class ContenderError(Exception):
    """A contender did not come to its end; the message is its own last word."""


@dataclasses.dataclass(frozen=True)
class Command:
    """How a contender is started.

    Args:
        python: the interpreter of its virtual environment.
        script: a file of this folder.
        limit_s: after that many seconds it is ended, and has failed.
    """

    python: Path
    script: str
    limit_s: float


def run_task(command: Command, task: dict[str, Any]) -> dict[str, Any]:
    """Runs a contender to its end.

    Args:
        command: how it is started.
        task: the fields of `Task` in trainer_task.py, `log` left out.

    Returns:
        Figures; see `figures_of`, and "peak_mb", the greatest sum of the resident memory of all its processes.

    Raises:
        ContenderError: it failed, or took too long.
    """
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="trainers-") as folder:
        log, words = Path(folder, "events.jsonl"), Path(folder, "words.txt")
        script = Path(__file__).resolve().parent / command.script
        arguments = [str(command.python), str(script), json.dumps(task | {"log": str(log)})]
        began = time.monotonic()
        with words.open("wb") as out:
            # a session of its own, so that processes that it leaves behind can be found and ended
            process = subprocess.Popen(
                arguments, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=folder,
                start_new_session=True,
            )  # fmt: skip
        try:
            peak = _watch(process, began + command.limit_s)
        finally:
            _end(process)
        if peak is None:
            raise ContenderError(f"it was ended after {command.limit_s / 60:.0f} minutes")
        if process.returncode:
            raise ContenderError(_last_word(words))
        events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
    return figures_of(events, began, task.get("uncounted", 0)) | {"peak_mb": peak or None, "load": load}


def figures_of(events: Iterable[Event], began: float, uncounted: int = 0) -> dict[str, Any]:
    """Speed and learning, from the log of events.

    Returns:
        "frames_per_second" between the first update and the last, of those after `uncounted` frames,
        "first_update_s" from the start of the process to the first of these,
        "train_s" from the start of the training, for each goal "seconds_to_95" and "frames_to_95", None where it was
        not reached; "success" at the end, "episodes", "frames", and the facts that the contender told.

    Raises:
        ContenderError: there are fewer than two updates.
    """
    events = sorted(events, key=lambda event: event["time"])
    marks = [event for event in events if event["event"] == "mark" and event["frames"] >= uncounted]
    start = next((event["time"] for event in events if event["event"] == "start"), began)
    if len(marks) < 2:
        raise ContenderError(f"its log tells of {len(marks)} updates, and a speed needs two: train for more --frames")
    figures: dict[str, Any] = {
        "frames_per_second": (marks[-1]["frames"] - marks[0]["frames"]) / (marks[-1]["time"] - marks[0]["time"]),
        "first_update_s": marks[0]["time"] - began,
        "train_s": marks[-1]["time"] - start,
        "frames": marks[-1]["frames"],
    }
    for event in events:
        if event["event"] == "facts":
            figures |= {name: value for name, value in event.items() if name not in ("event", "time")}
    recent: collections.deque[bool] = collections.deque(maxlen=EPISODES_OF_GOAL)
    figures |= {f"{what}_to_{goal:.0%}".rstrip("%"): None for goal in GOALS for what in ("seconds", "frames")}
    frames = episodes = 0
    for event in events:
        if event["event"] != "episode":
            continue
        frames, episodes = frames + event["steps"], episodes + 1
        recent.append(event["success"])
        for goal in GOALS:
            name = f"{goal:.0%}".rstrip("%")
            is_reached = len(recent) == EPISODES_OF_GOAL and sum(recent) >= goal * EPISODES_OF_GOAL
            if is_reached and figures[f"seconds_to_{name}"] is None:
                figures |= {f"seconds_to_{name}": event["time"] - start, f"frames_to_{name}": frames}
    return figures | {"episodes": episodes, "success": sum(recent) / len(recent) if recent else None}


def resident_mb(root: int) -> float:
    """Resident memory of a process and all its descendants; pages that several of them share count for each."""
    children: dict[int, list[int]] = {}
    resident: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            resident[int(folder.name)] = int((folder / "statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            continue  # it ended while we looked
        children.setdefault(parent, []).append(int(folder.name))
    waiting, total = [root], 0
    while waiting:
        number = waiting.pop()
        total += resident.get(number, 0)
        waiting += children.get(number, [])
    return total * PAGE_BYTES / 2**20


def _watch(process: "subprocess.Popen[bytes]", until: float) -> float | None:
    """The greatest memory until the process ended; None if it did not in time."""
    peak = 0.0
    while process.poll() is None:
        if time.monotonic() > until:
            return None
        peak = max(peak, resident_mb(process.pid))
        time.sleep(LOOK_EVERY_S)
    return peak


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ends a contender with all processes of its session."""
    with contextlib.suppress(ProcessLookupError):  # none is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_word(words: Path) -> str:
    """The reason that a contender gave: its last line that names an error, or its last one."""
    lines = [line.strip() for line in words.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    reasons = [line for line in lines if "Error" in line or "error:" in line]
    return (reasons or lines or ["it ended without a word"])[-1][:300]
