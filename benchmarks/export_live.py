"""What a robot saves by an exported policy: the live loop on a clip, with torch and without it.

    python benchmarks/export_live.py runs/seek --clip clip.mp4              two minutes
    python benchmarks/export_live.py runs/seek --clip clip.mp4 --seconds 60

The run's policy is exported, and `senseweave live` acts on the clip at 30 Hz, once with the run and once with the
exported folder in a Python that has no torch. Shown are how late the loop woke, what a tick took, how much memory the
process had at most, how long it took until the first tick, and the size of the installed packages that each needs.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from parts.result_rows import Result, add_option, write_results
from parts.tables import print_json, print_table, tell

ROOT = Path(__file__).resolve().parents[1]
RATE_HZ = 30
WITHOUT_TORCH = ("numpy", "gymnasium", "jaxtyping", "tokenizers", "onnxruntime", "opencv-python", "av", "tyro", "tqdm")
"""What the loop needs beside senseweave itself; docs/how/export.md tells it."""
COLUMNS = ("late p99 ms", "work p50 ms", "work p99 ms", "peak MB", "start s", "installed MB")


def session(policy: Path, clip: str, seconds: float, *, has_torch: bool) -> dict[str, float]:
    """One session in a process of its own."""
    words = ["--policy", str(policy), "--camera", clip, "--microphone", clip, "--instruction", "go to the red ball"]
    words += ["--rate", str(RATE_HZ), "--seconds", str(seconds), "--device", "cpu", "--json"]
    hidden = {} if has_torch else {"PYTHONPATH": str(ROOT / "tests" / "kit" / "without_torch")}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "senseweave.agent.cli", "live", *words],
        env=os.environ | hidden,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    peak_mb = 0.0
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        time.sleep(0.2)
        if found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text() if status.exists() else ""):
            peak_mb = int(found[1]) / 1024
    out, errors = process.communicate()
    if process.returncode:
        sys.exit(errors)
    told: dict[str, Any] = json.loads(out.splitlines()[-1])
    return {
        "late p99 ms": told["jitter_p99_ms"],
        "work p50 ms": told["work_p50_ms"],
        "work p99 ms": told["work_p99_ms"],
        "peak MB": peak_mb,
        "start s": time.monotonic() - began - told["seconds"],
    }


def installed_mb(names: tuple[str, ...]) -> float:
    """Megabytes of distributions and of all that they need."""
    waiting, seen, size = [*names], set(), 0
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # for another system or an extra
            continue
        files = [Path(str(file.locate())) for file in found.files or []]
        size += sum(path.stat().st_size for path in files if path.is_file())
        needed = [need.partition(";") for need in found.requires or []]
        waiting += [re.split(r"[^\w.-]", need)[0] for need, _, marker in needed if "extra" not in marker]
    return size / 2**20


def main() -> None:
    """Exports, runs both, prints, writes rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run directory of an agent with a camera and instructions")
    parser.add_argument("--clip", required=True, help="video with sound")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args()
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        tell("exporting")
        command = [sys.executable, "-P", "-m", "senseweave.agent.cli", "export", str(options.run), "--out", folder]
        subprocess.run(command, check=True, capture_output=True)
        for name, policy, has_torch in (("torch", options.run, True), ("exported, no torch", Path(folder), False)):
            tell(name)
            rows[name] = session(policy, options.clip, options.seconds, has_torch=has_torch)
    rows["torch"]["installed MB"] = installed_mb(("senseweave",))
    rows["exported, no torch"]["installed MB"] = installed_mb(WITHOUT_TORCH)
    print_table(
        f"live at {RATE_HZ} Hz on a clip",
        ["", *COLUMNS],
        [[name, *(f"{row[column]:.1f}" for column in COLUMNS)] for name, row in rows.items()],
    )
    results = [Result(name, {column: [row[column]] for column in COLUMNS}) for name, row in rows.items()]
    write_results(options, "export-live", results)
    if options.json:
        print_json({"rows": rows})


if __name__ == "__main__":
    main()
