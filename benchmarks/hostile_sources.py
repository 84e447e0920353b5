"""Whether the live loop stays punctual, small and alive while its camera is a server that means no good.

    python benchmarks/hostile_sources.py --seconds 6

Each case is `senseweave live` in a process of its own, at 20 Hz, with one of the servers of
contenders/hostile_servers.py as its camera. A case has held if the process ends by itself with status 0, or with status
2 and one sentence; if it woke at the rate that was asked for; and if its memory, that of its decoder included, stayed
below --megabytes. A good camera is among the cases, so that a loop that senses nothing at all is noticed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from contenders.hostile_servers import BEHAVIOURS, serving
from parts.result_rows import Result, add_option, write_results
from parts.tables import machine, print_json, print_table, tell

RATE_HZ = 20.0
MIN_SHARE_OF_RATE = 0.95
HANG_S = 60.0

Row = dict[str, Any]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6.0, help="of each case")
    parser.add_argument("--cases", nargs="+", default=list(BEHAVIOURS), metavar="NAME", help="some of them alone")
    parser.add_argument("--megabytes", type=float, default=1500.0, help="what all its processes may take together")
    parser.add_argument("--quick", action="store_true", help="three cases of 2 seconds; the figures mean nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args(arguments)
    if options.quick:
        options.seconds, options.cases = 2.0, ["a good camera", "resets", "noise without end"]
    for name in options.cases:
        if name not in BEHAVIOURS:
            parser.error(f"there is no case {name!r}")
    return options


def memory_mb(process: int) -> float:
    """What a process and its descendants hold now, in MB; 0 where it has ended."""
    held = 0.0
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and process in _ancestors(int(folder.name)):
            held += _resident_mb(folder)
    return held


def _ancestors(process: int) -> list[int]:
    chain = [process]
    while chain[-1] > 1:
        try:
            chain.append(int(Path(f"/proc/{chain[-1]}/stat").read_text().rpartition(")")[2].split()[1]))
        except (OSError, IndexError):
            break
    return chain


def _resident_mb(folder: Path) -> float:
    try:
        return int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, IndexError):
        return 0.0


def run_case(name: str, seconds: float, megabytes: float) -> Row:
    """One session."""
    words = [sys.executable, "-P", "-m", "senseweave.agent.cli", "live", "--json", "--rate", str(RATE_HZ)]
    with serving(name) as address, tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as told:
        words += ["--camera", address, "--instruction", "go to the red ball", "--seconds", str(seconds)]
        begun_s, peak_mb = time.monotonic(), 0.0
        with subprocess.Popen(words, stdout=out, stderr=told) as process:
            while process.poll() is None:
                peak_mb = max(peak_mb, memory_mb(process.pid))
                if time.monotonic() - begun_s > seconds + HANG_S:
                    process.kill()
                time.sleep(0.1)
        took_s = time.monotonic() - begun_s
        out.seek(0)
        told.seek(0)
        result, sentences = out.read(), told.read()
    session = json.loads(result) if process.returncode == 0 and result.strip() else {}
    row = {
        "case": name,
        "status": process.returncode,
        "rate_hz": session.get("rate_hz", 0.0),
        "overruns": session.get("overruns", 0),
        "present": session.get("presence", {}).get("camera", 0.0),
        "peak_mb": peak_mb,
        "seconds": took_s,
        "said": sentences,
    }
    return row | {"held": holds(row, megabytes)}


def holds(row: Row, megabytes: float) -> bool:
    """Whether a session stayed small, and was punctual or refused in a sentence."""
    is_punctual = row["status"] == 0 and row["rate_hz"] >= MIN_SHARE_OF_RATE * RATE_HZ
    is_refused = row["status"] == 2 and row["said"].strip() and "Traceback" not in row["said"]
    return bool(row["peak_mb"] < megabytes and (is_punctual or is_refused))


def result_of(rows: list[Row]) -> Result:
    """The row of docs/results.md."""
    ran = [row for row in rows if row["status"] == 0]
    figures = {
        "cases": len(rows),
        "held": sum(row["held"] for row in rows),
        "slowest Hz": min((row["rate_hz"] for row in ran), default=0.0),
        "largest MB": max(row["peak_mb"] for row in rows),
        "longest s": max(row["seconds"] for row in rows),
    }
    return Result("hostile network sources as a camera", {name: [float(value)] for name, value in figures.items()})


def main(arguments: list[str] | None = None) -> int:
    """Runs every case and prints the table; returns 1 where one failed."""
    options = parse(arguments)
    rows = []
    for name in options.cases:
        rows.append(run_case(name, options.seconds, options.megabytes))
        tell(f"{name}: {'held' if rows[-1]['held'] else 'FAILED'}, {rows[-1]['rate_hz']:.2f} Hz")
    print_table(
        f"senseweave live at {RATE_HZ:g} Hz with a hostile camera, {options.seconds:g} s each",
        ("case", "held", "status", "Hz", "missed", "camera here", "peak MB", "s"),
        [
            (
                row["case"],
                "yes" if row["held"] else "NO",
                str(row["status"]),
                f"{row['rate_hz']:.2f}",
                str(row["overruns"]),
                f"{100 * row['present']:.0f} %",
                f"{row['peak_mb']:.0f}",
                f"{row['seconds']:.1f}",
            )
            for row in rows
        ],
    )
    write_results(options, "hostile-sources", [result_of(rows)])
    if options.json:
        print_json({"rows": rows, "machine": machine("senseweave", "torch", "opencv-python", "av")})
    return int(not all(row["held"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
