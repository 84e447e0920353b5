"""How punctual the live loop is: `senseweave live` on a clip with sound, with a policy, a recording and a report.

    senseweave train --out runs/seek
    python benchmarks/live_jitter.py runs/seek --clip clip.mp4 --seconds 60

A tick's jitter is how long after its deadline the loop went on; a missed tick is a deadline that the loop's own work
overran. Each row is a process of its own: the rates asked for (0 is the policy's own), each bare and with everything
being recorded and reported. Beside each a process that only sleeps and wakes at the same rate, "timer", shows how late
the machine itself wakes a sleeper in that minute; "load" is the load average before it. With more runnable processes
than cores, the figures are about the machine. Without --clip one is made, grey and with a sine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from parts.result_rows import Result, add_option, write_results
from parts.tables import machine, print_json, print_table, tell

Row = dict[str, Any]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="run directory of the policy")
    parser.add_argument("--clip", type=Path, help="a video with sound; one is made where none is given")
    parser.add_argument("--rates", type=float, nargs="+", default=[30.0, 0.0], metavar="HZ", help="0: the policy's own")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each row")
    parser.add_argument("--bare", action="store_true", help="leave out the rows with recording and report")
    parser.add_argument("--quick", action="store_true", help="2 seconds a row; the figures mean nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args(arguments)
    if not (options.run / "config.json").exists():
        parser.error(f"{options.run} is not a run directory; make one with senseweave train")
    if options.clip is not None and not options.clip.is_file():
        parser.error(f"{options.clip} is not a file")
    if options.quick:
        options.seconds = 2.0
    return options


def make_clip(path: Path, seconds: int = 4) -> Path:
    """A grey video of 640 x 480 pixels at 30 Hz whose frames get brighter, with a sine of 440 Hz."""
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        picture, sound = container.add_stream("mpeg4", rate=30), container.add_stream("aac", rate=44_100)
        picture.width, picture.height, picture.pix_fmt = 640, 480, "yuv420p"
        for number in range(30 * seconds):
            pixels = np.full((480, 640, 3), number % 256, np.uint8)
            container.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(picture.encode(None))
        wave = (8000 * np.sin(2 * np.pi * 440 * np.arange(44_100 * seconds) / 44_100)).astype(np.int16)
        for start in range(0, len(wave), 1024):
            piece = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="s16", layout="mono")
            piece.sample_rate, piece.pts = 44_100, start
            container.mux(sound.encode(piece))
        container.mux(sound.encode(None))
    return path


TIMER = """
import sys, time, json
from senseweave.envs.live.clock import NS_PER_S, SystemClock
rate_hz, seconds = map(float, sys.argv[1:])
clock, late_ms = SystemClock(), []
start_ns = clock.now_ns()
for tick in range(1, int(rate_hz * seconds)):
    due_ns = start_ns + round(tick * NS_PER_S / rate_hz)
    clock.sleep_until_ns(due_ns)
    late_ms.append((clock.now_ns() - due_ns) / 1e6)
late_ms.sort()
print(json.dumps({"p50": late_ms[len(late_ms) // 2], "p99": late_ms[int(0.99 * len(late_ms))]}))
"""
"""A program that does nothing but be punctual."""


def run_live(options: argparse.Namespace, clip: Path, rate_hz: float, folder: Path | None) -> Row:
    """One session in a process of its own; `folder` takes its recording and its report, None keeps nothing."""
    words = [sys.executable, "-P", "-m", "senseweave.agent.cli", "live", "--json", "--policy", str(options.run)]
    words += ["--camera", str(clip), "--microphone", str(clip), "--instruction", "go to the red ball"]
    words += ["--seconds", str(options.seconds), "--device", "cpu"]
    words += ["--rate", str(rate_hz)] if rate_hz else []
    if folder is not None:
        words += ["--record", str(folder / "session"), "--report", str(folder / "report.html")]
    load = os.getloadavg()[0]
    timer_words = [sys.executable, "-P", "-c", TIMER, str(rate_hz or 10.0), str(options.seconds)]
    with subprocess.Popen(timer_words, stdout=subprocess.PIPE, text=True) as timer:
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        timer_ms = json.loads(timer.communicate()[0])
    return json.loads(done.stdout) | {"load": load, "keeps": folder is not None, "timer_ms": timer_ms}


def result_of(row: Row) -> Result:
    """A row of docs/results.md."""
    figures = {
        "ticks": row["ticks"],
        "missed": row["overruns"],
        "late p50 ms": row["jitter_p50_ms"],
        "late p99 ms": row["jitter_p99_ms"],
        "latest ms": row["jitter_max_ms"],
        "timer p99 ms": row["timer_ms"]["p99"],
        "work p50 ms": row["work_p50_ms"],
        "work p99 ms": row["work_p99_ms"],
    }
    how = "recorded and reported" if row["keeps"] else "bare"
    return Result(f"{row['rate_hz']:g} Hz, {how}", {name: [value] for name, value in figures.items()})


def main() -> None:
    """Runs every row and prints the table."""
    options = parse()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        clip = options.clip or make_clip(Path(scratch) / "clip.mp4")
        for number, rate_hz in enumerate(options.rates):
            for keeps in [False] if options.bare else [False, True]:
                folder = Path(scratch) / f"{number}" if keeps else None
                if folder is not None:
                    folder.mkdir()
                tell(f"{rate_hz or 'own'} Hz, {'recorded and reported' if keeps else 'bare'}, {options.seconds:g} s")
                rows.append(run_live(options, clip, rate_hz, folder))
    print_table(
        f"senseweave live, {options.run.name}, {clip.name}, {options.seconds:g} s each",
        (
            "",
            "Hz",
            "ticks",
            "missed",
            "jitter p50 ms",
            "p99",
            "max",
            "timer p50 ms",
            "p99",
            "work p50 ms",
            "p99",
            "here",
            "load",
        ),
        [
            (
                "recorded, reported" if row["keeps"] else "bare",
                f"{row['rate_hz']:.2f}",
                str(row["ticks"]),
                str(row["overruns"]),
                *(f"{row[key]:.2f}" for key in ("jitter_p50_ms", "jitter_p99_ms", "jitter_max_ms")),
                *(f"{row['timer_ms'][key]:.2f}" for key in ("p50", "p99")),
                *(f"{row[key]:.1f}" for key in ("work_p50_ms", "work_p99_ms")),
                f"{100 * min(row['presence'].values()):.1f} %",
                f"{row['load']:.1f}",
            )
            for row in rows
        ],
    )
    write_results(options, "live-jitter", [result_of(row) for row in rows])
    if options.json:
        print_json({"rows": rows, "machine": machine("senseweave", "torch", "opencv-python", "av")})


if __name__ == "__main__":
    main()
