"""What is left when training goes wrong: faults of an environment, and signals at random moments, again and again.

    python benchmarks/survival.py --kills 100 --rows

Faults: a small environment fails in each of the ways of parts/faulty_world.py. Wanted are a sentence that names the
environment and its step, and a checkpoint that is no more than a rollout old; the run that goes on in a mended world
must end with the bits of the one in which nothing failed.

Kills: SIGKILL, SIGINT, SIGTERM, SIGHUP and SIGUSR1 in turn, at random moments of short trainings, pretrainings and
recordings, each resumed until it is done; the end must be that of the run that nobody disturbed, bit for bit. The exit
status is 1 when something is lost. What is finished is kept in --out, and its rows are written as it goes, so that the
same command goes on after a stop.
"""

import argparse
import dataclasses
import functools
import math
import multiprocessing
import os
import random
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # noqa: F401  (the first optimiser imports it, for seconds: once here, not in every process)
from live_jitter import make_clip
from parts.faulty_world import DEATHS, EPISODE, FAULTS, WHO
from parts.kept_rows import Row, kept_row
from parts.result_rows import Result, add_option, write_results
from parts.tables import print_json, print_table, tell

from senseweave.agent.cli.main import main as command_line
from senseweave.agent.live import live  # noqa: F401  (imported before it is forked, as the next two are)
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.train import pretrain, train  # noqa: F401
from senseweave.envs.live.sessions.session import read_session
from senseweave.perception.errors import SenseweaveError
from senseweave.perception.files import read_tensors
from senseweave.policies.saving.checkpoint import folders

PARTS = Path(__file__).resolve().parent / "parts"
SIGNALS = ("SIGKILL", "SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
HANG_S = 600.0
QUIET = ("--evaluation-episodes", "0", "--no-video", "--device", "cpu")
FAULTY = ("--env", "faulty_world:Faulty-v0", "--num-envs", "4")
ROLLOUT, FAILS_AT = 160, 50  # steps of a rollout of four environments with a memory; the second one fails
COLUMNS = {"killed": ("kills", "recovered"), "faults": ("faults", "named", "kept", "same end")}
"""Table -> its columns."""

FAILS = "one environment of four fails"
RATE_HZ = 10
BROKEN = (
    "train",
    *FAULTY,
    "--memory",
    "gru",
    "--steps",
    str(2 * ROLLOUT),
    *QUIET,
    "--checkpoint-every",
    str(ROLLOUT // 2),
)
LOST_S = 1.0
"""A recording may lack so much of what was recorded last."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A command that is killed and resumed.

    Args:
        name: of the row.
        words: of the command, without --out.
        every: steps between its checkpoints.
        total: its steps.
        resume: what to give with `--resume`.
    """

    name: str
    words: tuple[str, ...]
    every: int
    total: int
    resume: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        return self.words[0]


SYMBOLS = ("--env", "senseweave/GoToLocal-v0", "--env-option", "senses=grid,instruction", "--num-envs", "16")
JOBS = (
    Job(
        "imitation, then PPO with a GRU, in GoToLocal",
        ("train", *SYMBOLS, "--memory", "gru", "--imitation-steps", "1280", "--steps", "3840", *QUIET)
        + ("--modality-dropout", "0.1", "--checkpoint-every", "640"),
        640,
        5120,
    ),
    Job(
        "PPO with a GRU in an environment of one's own (--exact)",
        ("train", *FAULTY, "--memory", "gru", "--steps", "2560", *QUIET, "--checkpoint-every", "320"),
        320,
        2560,
        ("--exact", "--env", "faulty_world:Faulty-v0"),
    ),
    Job(
        "stable-baselines3's PPO in an environment of one's own (--exact)",
        (
            "train",
            *FAULTY[:2],
            "--num-envs",
            "2",
            "--trainer",
            "sb3",
            "--steps",
            "3072",
            *QUIET,
            "--checkpoint-every",
            "512",
        ),
        512,
        3072,
        ("--exact", "--env", "faulty_world:Faulty-v0"),
    ),
    Job(
        "pretraining, contrastive and translation",
        ("pretrain", *SYMBOLS, "--objective", "contrastive", "--objective", "translation=0.5", "--steps", "120")
        + ("--batch-size", "32", "--checkpoint-every", "15", "--device", "cpu"),
        15,
        120,
    ),
)
RECORDING = "recording of a live session, read to within a second"
KILLS_IN_A_RUN = 5


def start(words: Sequence[str], told: Path, **environment: str) -> ForkProcess:
    """Starts a command in a process of its own, forked so that nothing is imported again; it tells a file."""
    process = multiprocessing.get_context("fork").Process(target=_command, args=(words, told, environment))
    process.start()
    return process


def _command(words: Sequence[str], told: Path, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    descriptor = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.path.insert(0, str(PARTS))
    torch.set_num_threads(1)
    try:
        status = command_line(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def run(words: Sequence[str], told: Path, **environment: str) -> int:
    """Runs a command to its end, and gives its exit status."""
    return wait(start(words, told, **environment))


def wait(process: ForkProcess) -> int:
    """The exit status of a process; it is killed where it hangs."""
    process.join(HANG_S)
    process.kill()
    process.join()
    return process.exitcode or 0


def reached(path: Path) -> int:
    """Steps of the newest checkpoint; 0 where there is none yet."""
    found = folders(path / "checkpoints")
    return int(found[0].name.removeprefix("step-")) if found else 0


def difference(one: Path, other: Path) -> list[str]:
    """What differs between the ends of two runs, but the time that they took."""
    if not (one / "policy.safetensors").exists():
        ends = [read_tensors(path / "model.safetensors")[0] for path in (one, other)]
        return [name for name in ends[0] if not torch.equal(ends[0][name], ends[1][name])]
    once, twice = (RunDirectory.open(path).load_checkpoint(tell) for path in (one, other))
    found = [] if once.steps == twice.steps else ["steps"]
    for part in ("policy", "optimizer", "random", "world"):
        tensors, others = getattr(once, part), getattr(twice, part)
        found += [part] if tensors.keys() != others.keys() else []
        shared = tensors.keys() & others.keys()
        found += [f"{part} {name}" for name in sorted(shared) if not torch.equal(tensors[name], others[name])]
    plain = [_timeless(end.state) for end in (once, twice)]
    return found + [f"state {key}" for key in plain[0] if plain[0][key] != plain[1].get(key)]


def _timeless(state: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint's state without the clock: neither its own nor the `t` of a `Monitor`."""
    recent = [{key: value for key, value in episode.items() if key != "t"} for episode in state["recent"]]
    return {key: value for key, value in state.items() if key != "seconds"} | {"recent": recent}


def _ticks(path: Path) -> int:
    """How many ticks can be read of a recording, which may still be written."""
    try:
        return sum(1 for _ in read_session(path))
    except SenseweaveError:
        return 0


class Campaign:
    """Everything that is tried, in one folder.

    Args:
        folder: for the runs; they are gone when it is.
        kept: folder of what is finished.
        seed: of the moments.
    """

    def __init__(self, folder: Path, kept: Path, seed: int) -> None:
        self.folder, self.kept, self.seed = folder, kept, seed
        kept.mkdir(parents=True, exist_ok=True)

    @functools.cache  # noqa: B019  (there is one campaign)
    def whole(self, words: tuple[str, ...]) -> tuple[Path, float]:
        """A run that nobody disturbs, and how many seconds it takes."""
        path, told = self.folder / f"whole-{abs(hash(words))}", self.folder / "told.txt"
        began = time.monotonic()
        assert run([*words, "--out", str(path)], told) == 0, told.read_text()
        return path, time.monotonic() - began

    def fault(self, fault: str) -> Row:
        """Fails in one way, and goes on in a mended world."""
        task = {"fault": fault, "command": shlex.join(BROKEN)}
        return kept_row(self.kept / f"fault-{FAULTS.index(fault)}.json", task, lambda: self._fail(fault))

    def _fail(self, fault: str) -> Row:
        whole, _ = self.whole(BROKEN)
        path, told = self.folder / "failed", self.folder / "failed.txt"
        told.unlink(missing_ok=True)
        status = run([*BROKEN, "--out", str(path)], told, FAULTY_WORLD=fault, FAULTY_STEP=str(FAILS_AT))
        said, kept = told.read_text(), reached(path)
        step = math.ceil(FAILS_AT / EPISODE) * EPISODE if fault.startswith("reset: ") else FAILS_AT
        is_named = f"Environment {WHO} " in said and f"its step {step}" in said or fault == "KeyboardInterrupt"
        is_named = is_named and ("Go on with: senseweave train --resume" in said) and "Traceback" not in said
        is_kept = kept == ROLLOUT
        resumed = run(["train", "--resume", str(path), "--env", FAULTY[1]], told)
        found = [f"exit {resumed}"] if resumed else difference(whole, path)
        is_lost = not (is_named or fault in DEATHS) or not is_kept or bool(found)
        tell(f"exit {status}, kept step {kept}, named {is_named}, the same end {not found}")
        shutil.rmtree(path, ignore_errors=True)
        return {
            "faults": 1,
            "named": int(is_named),
            "kept": int(is_kept),
            "same end": int(not found),
            "lost": [f"{fault}: {found[:5]} {said[-300:]}"] if is_lost else [],
        }

    def kill(self, job: Job, number: int, kills: int) -> Row:
        """Kills one run of a job again and again, each time at a later moment, and resumes it."""
        task = {"job": job.name, "number": number, "kills": kills, "command": shlex.join(job.words), "seed": self.seed}
        path = self.kept / f"job-{JOBS.index(job)}-{number}.json"
        return kept_row(path, task, lambda: self._kill(job, number, kills))

    def _kill(self, job: Job, number: int, kills: int) -> Row:
        whole, seconds = self.whole(job.words)
        moments = random.Random(f"{self.seed} {job.name} {number}")
        path, told = self.folder / "killed", self.folder / "killed.txt"
        told.unlink(missing_ok=True)
        words, done, lost, checkpoints = [*job.words, "--out", str(path)], 0, [], job.total // job.every
        for kill in range(kills):
            goal = (1 + kill * (checkpoints - 3) // kills) * job.every
            process, began = start(words, told), time.monotonic()
            while process.is_alive() and reached(path) < goal and time.monotonic() - began < HANG_S:
                time.sleep(0.01)
            time.sleep(moments.uniform(0.0, seconds / checkpoints))
            if not process.is_alive():
                if process.exitcode:
                    lost.append(f"ended by itself: exit {process.exitcode}: {told.read_text()[-300:]}")
                break
            name = SIGNALS[(number * kills + kill) % len(SIGNALS)]
            os.kill(process.pid or 0, getattr(signal, name))
            status, done = wait(process), done + 1
            if name != "SIGKILL" and status != 0:
                lost.append(f"{name}: exit {status}: {told.read_text()[-300:]}")
            words = [job.command, "--resume", str(path), *job.resume]
        status = run(words, told)
        found = [f"exit {status}: {told.read_text()[-300:]}"] if status else difference(whole, path)
        lost += [f"{job.name}, run {number}: {', '.join(found[:5])}"] if found else []
        tell(f"{done} kills, {'the same end' if not found else found[:5]}")
        shutil.rmtree(path, ignore_errors=True)
        return {"kills": done, "recovered": 0 if found else done, "lost": lost}

    def recording(self, number: int) -> Row:
        """Kills a session that records, and reads what is left of it."""
        task = {"recording": number, "seed": self.seed}
        return kept_row(self.kept / f"recording-{number}.json", task, lambda: self._record(number))

    def _record(self, number: int) -> Row:
        moments = random.Random(f"{self.seed} recording {number}")
        clip, path, told = (self.folder / name for name in ("clip.mp4", "recorded", "recorded.txt"))
        if not clip.exists():
            make_clip(clip, 10)
        sources = ["--camera", str(clip), "--microphone", str(clip), "--rate", str(RATE_HZ)]
        words = ["live", *sources, "--record", str(path), "--seconds", "60"]
        process, began = start(words, told), time.monotonic()
        while not _ticks(path):  # the file is there long before the loop begins to tick on a busy machine
            assert process.is_alive() and time.monotonic() - began < HANG_S, told.read_text()
            time.sleep(0.05)
        first = time.monotonic()
        time.sleep(moments.uniform(2.0, 5.0))
        lasted_s = time.monotonic() - first
        os.kill(process.pid or 0, getattr(signal, SIGNALS[number % len(SIGNALS)]))
        wait(process)
        ticks = _ticks(path)
        is_read = ticks >= RATE_HZ * (lasted_s - LOST_S)
        tell(f"{ticks} ticks of {lasted_s:.1f} s")
        shutil.rmtree(path, ignore_errors=True)
        lost = [] if is_read else [f"recording {number}: {ticks} ticks of {lasted_s:.1f} s"]
        return {"kills": 1, "recovered": int(is_read), "lost": lost}


Trial = tuple[str, str, Callable[[], Row]]
"""The table, the row, and what adds to it."""


def trials(campaign: Campaign, kills: int, faults: Sequence[str], jobs: Sequence[Job]) -> list[Trial]:
    """Everything to try; every job and some faults come early, so that a stop leaves some of each."""
    recordings = kills // 10
    runs: list[Trial] = []
    for place, job in enumerate(jobs):
        left, number = (kills - recordings) // len(jobs) + (place < (kills - recordings) % len(jobs)), 0
        while left > 0:
            share = min(left, KILLS_IN_A_RUN)
            runs.append(("killed", job.name, functools.partial(campaign.kill, job, number, share)))
            left, number = left - share, number + 1
    runs += [("killed", RECORDING, functools.partial(campaign.recording, number)) for number in range(recordings)]
    runs += [("faults", FAILS, functools.partial(campaign.fault, fault)) for fault in faults]
    random.Random(0).shuffle(runs)
    return runs


def main(arguments: Sequence[str] | None = None) -> int:
    """Tries everything, and prints what is left.

    Args:
        arguments: of the command line, by default the process's own.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--kills",
        type=int,
        default=100,
        help="signals in all (default: 100); a few come after the end of a short run, and do not count",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, default=Path("runs/survival"), help="folder of what is finished")
    parser.add_argument("--quick", action="store_true", help="three faults, and one kill of one job")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args(arguments)
    kills, faults, jobs = (1, FAULTS[::15], JOBS[-1:]) if options.quick else (options.kills, FAULTS, JOBS)
    tables: dict[str, dict[str, Row]] = {"killed": {}, "faults": {}}
    lost: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        for table, row, attempt in trials(Campaign(Path(name), options.out, options.seed), kills, faults, jobs):
            figures = attempt()
            lost += figures["lost"]
            sums = tables[table].setdefault(row, {})
            for column in figures.keys() - {"task", "lost"}:
                sums[column] = sums.get(column, 0) + figures[column]
            write_results(options, table, [Result(row, {column: [sums[column]] for column in COLUMNS[table]})])
    for table, title in (("killed", "Kills"), ("faults", "Faults of an environment")):
        columns = COLUMNS[table]
        rows = [(what, *(str(sums[column]) for column in columns)) for what, sums in tables[table].items()]
        print_table(title, ("what", *columns), rows)
    for sentence in lost:
        tell(f"LOST {sentence}")
    if options.json:
        print_json(tables | {"lost": lost})
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
