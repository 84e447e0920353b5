"""Does `senseweave live` stay as it is for half an hour: no tick missed, no memory, threads or handles gathered?

    python benchmarks/live_soak.py runs/seek --clip clip.mp4

One session as a person has it, with camera, microphone, instruction, recording and report; the clip begins again at
its end. Every 40 s a device fails: it raises, is silent for 3 s or hangs for 4 s, the camera and the microphone in
turn. What is looked at is in soak_watch.py. The exit status is 1 when something is not as it should be. Linux alone.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from live_jitter import make_clip
from parts.result_rows import Result, add_option, write_results
from parts.soak_watch import WINDOW_S, Outsider, Watch
from parts.tables import machine, print_json, print_table, tell

from senseweave.agent.live.live import live
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.settings.live import LiveConfig
from senseweave.envs.live.sensors.cameras.camera import CameraSource
from senseweave.envs.live.sensors.microphones.feeds import FileFeed
from senseweave.envs.live.source import SourceError

MOST_GROWTH_MB = 5.0
FAILURE_EVERY_S = 40.0
SILENT_S, HANGING_S = 3.0, 4.0
FAILURES = ("raises", "is silent", "hangs")


class Saboteur:
    """Makes devices fail, one after the other, by standing before their `read`.

    Args:
        now_s: how long the session has lasted.
        seconds: how long it will.
        every_s: from one failure to the next.
        quiet_s: times around which nothing fails, since figures are taken there.

    Attributes:
        done: what failed how, with its second.
    """

    def __init__(
        self, now_s: Callable[[], float], seconds: float, every_s: float, quiet_s: tuple[float, ...] = ()
    ) -> None:
        self.done: list[tuple[float, str, str]] = []
        self._now_s = now_s
        times = itertools.takewhile(lambda at_s: at_s < seconds - 4.0, itertools.count(every_s, every_s))
        turns = zip(times, itertools.cycle((("camera", CameraSource), ("microphone", FileFeed))), strict=False)
        self._plan = [
            (at_s, name, FAILURES[(i // 2) % len(FAILURES)], whose)
            for i, (at_s, (name, whose)) in enumerate(turns)
            if not any(quiet - WINDOW_S - 15 < at_s < quiet + 5 for quiet in quiet_s)
        ]

    def stand_before(self, whose: Any) -> None:
        """Lets everything that a class reads pass through here."""
        whose.read = self._failing(whose, whose.read)

    def _failing(self, whose: Any, read: Callable[..., Any]) -> Callable[..., Any]:
        silent_until_s = 0.0

        def read_or_fail(source: Any, *arguments: Any) -> Any:
            nonlocal silent_until_s
            now_s = self._now_s()
            if now_s < silent_until_s:
                time.sleep(0.05)
                return None
            if self._plan and self._plan[0][0] <= now_s and self._plan[0][3] is whose:
                _, name, failure, _ = self._plan.pop(0)
                self.done.append((now_s, name, failure))
                if failure == "raises":
                    raise SourceError("It fails on purpose.")
                if failure == "hangs":
                    time.sleep(HANGING_S)
                silent_until_s = now_s + SILENT_S
                return None
            return read(source, *arguments)

        return read_or_fail


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="run directory of the policy")
    parser.add_argument("--clip", type=Path, help="a video with sound; one is made where none is given")
    parser.add_argument("--minutes", type=float, default=30.0, help="figures are compared after a sixth and at the end")
    parser.add_argument("--rate", type=float, metavar="HZ", help="the policy's own by default")
    parser.add_argument("--quick", action="store_true", help="20 seconds; the figures mean nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args(arguments)
    if not (options.run / "config.json").exists():
        parser.error(f"{options.run} is not a run directory; make one with senseweave train")
    if options.clip is not None and not options.clip.is_file():
        parser.error(f"{options.clip} is not a file")
    if options.quick:
        options.minutes = 1 / 3
    return options


def soak(options: argparse.Namespace, clip: Path, folder: Path) -> dict[str, Any]:
    """One session with everything that is looked at; see `verdict` for what should be."""
    seconds = 60 * options.minutes
    mark_s = seconds / 6
    config = LiveConfig(
        policy=str(options.run),
        camera=str(clip),
        microphone=str(clip),
        instruction="go to the red ball",
        rate_hz=options.rate,
        seconds=seconds,
        record=str(folder / "session"),
        report=str(folder / "report.html"),
        device="cpu",
    )
    period_s = RunDirectory.open(options.run).config.step_s if options.rate is None else 1 / options.rate
    with Outsider(period_s / 4) as outsider, Watch(period_s, outsider, max(5 * period_s, 0.5)) as watch:
        if options.quick:
            saboteur = Saboteur(watch.now_s, seconds, 4.0)
        else:
            saboteur = Saboteur(watch.now_s, seconds, FAILURE_EVERY_S, (mark_s, seconds))
        saboteur.stand_before(CameraSource)
        saboteur.stand_before(FileFeed)
        result = live(config, on_tick=watch.on_tick)
    return {
        "minutes": options.minutes,
        "rate_hz": result["rate_hz"],
        "ticks": result["ticks"],
        "overruns": result["overruns"],
        "missed": watch.missed,
        "silences": watch.silences,
        "longest_silence_s": watch.longest_silence_s,
        "jitter_p50_ms": result["jitter_p50_ms"],
        "jitter_p99_ms": result["jitter_p99_ms"],
        "work_p99_ms": result["work_p99_ms"],
        "machine_was_late": len(outsider.gaps),
        "failures": [f"{at_s:.0f} s: the {name} {failure}" for at_s, name, failure in saboteur.done],
        "events": watch.events,
        "presence": result["presence"],
        "mark_minute": mark_s / 60,
        "at_mark": watch.around(mark_s),
        "at_end": watch.around(seconds),
        "most": watch.most(),
        "recording_mb": sum(path.stat().st_size for path in (folder / "session").glob("*")) / 2**20,
        "recording_failure": result["recording"]["failure"],
        "recording_dropped": result["recording"]["dropped"],
        "report_failure": result["report"]["failure"],
    }


def verdict(row: dict[str, Any]) -> list[str]:
    """What is not as it should be, a sentence each."""
    wrong = []
    missed = row["missed"]["the loop's own work"] + row["missed"]["unexplained"]
    if missed:
        wrong.append(f"{missed} ticks were missed that the machine is not to blame for.")
    growth_mb = row["at_end"]["resident_mb"] - row["at_mark"]["resident_mb"]
    if growth_mb >= MOST_GROWTH_MB:
        wrong.append(f"Resident memory grew by {growth_mb:.1f} MB.")
    for what in ("threads", "handles"):
        if row["at_end"][what] != row["at_mark"][what]:
            wrong.append(f"There were {row['at_mark'][what]:g} {what}, and {row['at_end'][what]:g} at the end.")
    if row["events"].get("absent", 0) != row["events"].get("back", 0):
        wrong.append("A sense that was lost did not come back.")
    wrong += [told for told in (row["recording_failure"], row["report_failure"]) if told]
    return wrong


def results_of(row: dict[str, Any]) -> list[Result]:
    """The rows of docs/results.md."""
    times = {"after a sixth": "at_mark", "at the end": "at_end", "most": "most"}
    results = [
        Result(title, {column: [row[when][key]] for column, when in times.items()})
        for title, key in (("resident memory, MB", "resident_mb"), ("threads", "threads"), ("handles", "handles"))
    ]
    totals = {
        f"ticks missed, of {row['ticks']:,}": row["overruns"],
        "senses lost": row["events"].get("absent", 0),
        "senses back": row["events"].get("back", 0),
    }
    return results + [Result(title, {"at the end": [total]}) for title, total in totals.items()]


def main() -> int:
    """Runs the session, prints the table and what is wrong."""
    options = parse()
    with tempfile.TemporaryDirectory() as scratch:
        clip = options.clip or make_clip(Path(scratch) / "clip.mp4")
        tell(f"{options.minutes:g} minutes on {clip.name}")
        row = soak(options, clip, Path(scratch))
    wrong = row["wrong"] = verdict(row)
    print_table(
        f"senseweave live for {options.minutes:g} minutes, {options.run.name}, {clip.name}",
        ("", f"minute {row['mark_minute']:.1f}", "end", "most"),
        [
            (title, *(f"{row[when][key]:{shape}}" for when in ("at_mark", "at_end", "most")))
            for title, key, shape in (
                ("resident memory, MB", "resident_mb", ".1f"),
                ("threads", "threads", "g"),
                ("handles", "handles", "g"),
            )
        ],
    )
    missed = ", ".join(f"{cause}: {count}" for cause, count in row["missed"].items())
    print(f"\n{row['ticks']:,} ticks at {row['rate_hz']:.2f} Hz; {row['overruns']} missed ({missed})")
    silence_ms = 1000 * row["longest_silence_s"]
    print(f"longest silence {silence_ms:.0f} ms; the machine was late {row['machine_was_late']} times")
    jitter = " ".join(f"{name} {row[f'jitter_{name}_ms']:.2f} ms" for name in ("p50", "p99"))
    print(f"jitter {jitter}; recorded {row['recording_mb']:.0f} MB")
    lost, back = (row["events"].get(kind, 0) for kind in ("absent", "back"))
    print(f"{len(row['failures'])} failures; a sense was lost {lost} times, and came back {back} times")
    print("\n".join(wrong) or "As it should be.", flush=True)
    write_results(options, "live-soak", results_of(row))
    if options.json:
        print_json(row | {"machine": machine("senseweave", "torch", "opencv-python", "av")})
    return 1 if wrong and not options.quick else 0


if __name__ == "__main__":
    sys.exit(main())
