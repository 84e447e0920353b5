"""Settings for `trainers.py --tuned`, chosen on seeds that it does not use: how soon does a contender get to 97 %?

    python benchmarks/trainer_search.py
    python benchmarks/trainer_search.py --contender sb3 --try '{"frames": 245760}' --try '{"frames": 368640}'

Each variant changes fields of `Task` in trainer_task.py; "{}" is what trainers.py has. A run ends where the goal is
reached. Runs go side by side, one a core, so seconds compare variants with each other and with nothing else; where the
goal was not reached, its median counts as beyond all others. Finished runs are kept in --out: Ctrl-C waits for those
that have begun, and the same command goes on. For Linux, which gives a run a core of its own.
"""

import argparse
import dataclasses
import hashlib
import json
import os
import queue
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from contenders.trainer_plan import CONTENDERS, SECTIONS
from contenders.trainer_process import Command, ContenderError, run_task
from contenders.trainer_task import Task
from parts.kept_rows import read_row, write_row
from parts.tables import each, print_table, tell

GOAL = 0.97
Facts = dict[str, Any]


def changes(text: str) -> Facts:
    """Fields of `Task` from a JSON object.

    Raises:
        argparse.ArgumentTypeError: it is none, or names no field.
    """
    known = {field.name for field in dataclasses.fields(Task)}
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON: {error}") from error
    if not isinstance(found, dict) or not known >= set(found):
        raise argparse.ArgumentTypeError(f"{text!r} must be an object with names of {', '.join(sorted(known))}")
    return found


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tasks = SECTIONS["tuned"].tasks
    parser.add_argument("--contender", choices=tasks, default=next(iter(tasks)))
    parser.add_argument("--try", dest="variants", action="append", type=changes, metavar="JSON", help="a variant")
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12, 13, 14, 15])
    parser.add_argument("--until", type=int, help="frames after which a run has failed (default: its schedule's end)")
    parser.add_argument("--minutes", type=float, default=20.0, help="a run that takes longer has failed")
    parser.add_argument("--out", type=Path, default=Path("runs/trainer-search"), help="folder of the finished runs")
    options = parser.parse_args(arguments)
    options.variants = options.variants or [{}]
    return options


def base_of(options: argparse.Namespace) -> Facts:
    """The task that variants change: that of trainers.py, without its evaluation, ended at the goal."""
    section = SECTIONS["tuned"]
    task: Facts = {"contender": options.contender, "threads": 1, "frames": section.frames}
    task |= section.tasks[options.contender] | {"evaluation_episodes": 0, "stop_at": GOAL}
    return task | ({"stop_after": options.until} if options.until else {})


def run(task: Facts, options: argparse.Namespace) -> Facts:
    """The figures of one run; those of a finished one are read."""
    name = hashlib.sha256(json.dumps(task, sort_keys=True).encode()).hexdigest()[:16]
    path = options.out / f"{name}.json"
    if finished := read_row(path):
        return finished
    command = Command(Path(sys.executable), CONTENDERS[task["contender"]].script, options.minutes * 60)
    try:
        row = run_task(command, task) | {"task": task}
    except ContenderError as error:
        tell(f"{task} failed: {error}")
        return {"error": str(error), "frames_to_97": None, "seconds_to_97": None, "frames_per_second": 0.0}
    write_row(path, row)
    changed = {name: value for name, value in task.items() if base_of(options).get(name) != value}
    tell(f"{task['contender']}, {changed}: {GOAL:.0%} after {row['frames_to_97']} frames")
    return row


def main() -> int:
    """Runs and reports; 130 after Ctrl-C."""
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    tasks = [base_of(options) | variant | {"seed": seed} for variant in options.variants for seed in options.seeds]
    cores: queue.Queue[int] = queue.Queue()
    for core in sorted(os.sched_getaffinity(0)):
        cores.put(core)

    def run_on_a_core(task: Facts) -> Facts:
        core = cores.get()
        os.sched_setaffinity(0, {core})  # of this thread, and of the process that it starts
        try:
            return run(task, options)
        finally:
            cores.put(core)

    try:
        with ThreadPoolExecutor(cores.qsize()) as pool:
            rows = list(pool.map(run_on_a_core, tasks))
    except KeyboardInterrupt:
        tell("stopped; the same command goes on with the runs that are missing")
        return 130
    lines = []
    for index, variant in enumerate(options.variants):
        mine = rows[index * len(options.seeds) : (index + 1) * len(options.seeds)]
        figures = [each([row[figure] for row in mine], ",.0f") for figure in ("frames_to_97", "seconds_to_97")]
        speed = statistics.median(row["frames_per_second"] for row in mine)
        lines.append([json.dumps(variant), *figures, f"{speed:,.0f}"])
    title = f"{options.contender}, seeds {' '.join(map(str, options.seeds))}: median (each)"
    print_table(title, ["changes", "frames to 97 %", "s to 97 %", "frames/s"], lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
