"""Whether this checkout trains and senses as fast as another one, the release before say, and to the same bits.

    git worktree add ../before v0.1; make -C ../before .venv/.installed
    python benchmarks/two_checkouts.py ../before --live runs/seek

Both take turns, and the order changes every round, so that what else the machine does hits both. A round trains the
same job with the same seed in each, and with --live runs `senseweave live` in each, on a clip as camera and microphone.
Processor time is that of the process and all that it starts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from live_jitter import make_clip
from parts.result_rows import Result, add_option, write_results
from parts.tables import each, machine, print_json, print_table, tell
from safetensors.torch import load_file

TRAIN = (
    "--env senseweave/Seek-v0 --imitation-steps 24576 --steps 8192 --num-envs 64 --evaluation-episodes 64 --no-video"
)
QUICK = "--env senseweave/Seek-v0 --imitation-steps 2048 --steps 2048 --num-envs 16 --evaluation-episodes 2 --no-video"


class Done(NamedTuple):
    """A command that ended well."""

    seconds: float
    cpu_seconds: float
    said: str


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, help="the other checkout, with its own .venv")
    parser.add_argument("--train", default=TRAIN, metavar="WORDS", help="what follows `senseweave train`; '' for none")
    parser.add_argument("--live", type=Path, metavar="RUN", help="run directory of a policy that both can read")
    parser.add_argument("--clip", type=Path, help="a video with sound; one is made where none is given")
    parser.add_argument("--rate", type=float, default=30.0, help="of the live loop, in Hz")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each live session")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one short round; the figures mean nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args(arguments)
    if options.quick:
        options.train, options.seconds, options.rounds = options.train and QUICK, 2.0, 1
    if not python_of(options.before).exists():
        parser.error(f"{options.before} has no .venv; make one there with: make .venv/.installed")
    return options


def python_of(checkout: Path) -> Path:
    """The Python of a checkout's own virtual environment."""
    return checkout.absolute() / ".venv" / "bin" / "python"


def run(python: Path, words: Sequence[str]) -> Done:
    """Runs `senseweave` with these words; its processor time includes its children's."""
    command = [str(python), "-P", "-m", "senseweave.agent.cli", *words]
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as told:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=said, stderr=told)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        told.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {told.read()[-1000:]}")
        return Done(seconds, used.ru_utime + used.ru_stime, said.read())


def differing(one: Path, other: Path) -> int:
    """How many tensors of two trained policies are not the same bits."""
    first, second = (load_file(folder / "policy.safetensors") for folder in (one, other))
    copies = ("pi_features_extractor.", "vf_features_extractor.")  # of release 0.1, which wrote the perception thrice
    names = {name for name in first.keys() | second.keys() if not name.startswith(copies)}
    return sum(name not in first or name not in second or not torch.equal(first[name], second[name]) for name in names)


Figures = dict[str, tuple[list[float], list[float]]]
"""What was measured -> the figures of the other checkout and of this one, one for each round."""


def train_round(pythons: Sequence[Path], words: str, number: int, scratch: Path, figures: Figures) -> None:
    """Trains in both, in the order of the round."""
    runs = [scratch / f"{which}-{number}" for which in range(2)]
    for which in (0, 1) if number % 2 == 0 else (1, 0):
        done = run(pythons[which], ["train", *words.split(), "--out", str(runs[which])])
        figures["training, s"][which].append(done.seconds)
        figures["training, CPU s"][which].append(done.cpu_seconds)
    count = float(differing(*runs))
    for side, value in zip(figures["training, tensors that differ"], (0.0, count), strict=True):
        side.append(value)


def live_round(pythons: Sequence[Path], options: argparse.Namespace, clip: Path, number: int, figures: Figures) -> None:
    """Senses in both, in the order of the round."""
    words = ["live", "--json", "--policy", str(options.live), "--camera", str(clip), "--microphone", str(clip)]
    words += ["--instruction", "go to the red ball", "--seconds", str(options.seconds), "--rate", str(options.rate)]
    for which in (0, 1) if number % 2 == 0 else (1, 0):
        done = run(pythons[which], [*words, "--device", "cpu"])
        session = json.loads(done.said)
        figures["live, missed ticks"][which].append(session["overruns"])
        figures["live, late p99 ms"][which].append(session["jitter_p99_ms"])
        figures["live, work p99 ms"][which].append(session["work_p99_ms"])
        figures["live, CPU s"][which].append(done.cpu_seconds)


def results_of(figures: Figures) -> list[Result]:
    """The rows of docs/results.md."""
    rows = []
    for what, (before, now) in figures.items():
        ratios = [after / earlier if earlier else None for earlier, after in zip(before, now, strict=True)]
        columns = {"before": before, "now": now} | ({"now / before": ratios} if None not in ratios else {})
        rows.append(Result(what, columns))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs all rounds and prints the table."""
    options = parse(arguments)
    pythons = [python_of(options.before), Path(sys.executable)]
    wanted = ["training, s", "training, CPU s", "training, tensors that differ"] if options.train else []
    if options.live:
        wanted += [f"live, {name}" for name in ("missed ticks", "late p99 ms", "work p99 ms", "CPU s")]
    figures: Figures = {what: ([], []) for what in wanted}
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        clip = options.clip or make_clip(Path(folder) / "clip.mp4")
        for number in range(options.rounds):
            if options.train:
                train_round(pythons, options.train, number, Path(folder), figures)
            if options.live:
                live_round(pythons, options, clip, number, figures)
            results = results_of(figures)
            write_results(options, "two-checkouts", results)  # after every round, as they are long
            tell(f"round {number + 1} of {options.rounds} is done")
    print_table(
        f"this checkout beside {options.before.name}, {options.rounds} rounds",
        ("", "before", "now", "now / before"),
        [
            (row.what, *(each(row.figures.get(name, ()), ".2f") for name in ("before", "now", "now / before")))
            for row in results
        ],
    )
    if options.json:
        print_json({"figures": figures, "machine": machine("senseweave", "torch")})
    return 0


if __name__ == "__main__":
    sys.exit(main())
