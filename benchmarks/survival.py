"""What is left when training goes wrong: faults of an environment, and signals at random moments, again and again.

    python benchmarks/survival.py --kills 100

Faults: a small environment fails in each of the ways of parts/faulty_world.py. Wanted are a sentence that names the
environment and its step, and a checkpoint that is no more than a rollout old; the run that goes on in a mended world
must end with the bits of the one in which nothing failed.

Kills: SIGKILL, SIGINT, SIGTERM, SIGHUP and SIGUSR1 in turn, at random moments of short trainings, pretrainings and
recordings, each resumed until it is done; the end must be that of the run that nobody disturbed, bit for bit. The exit
status is 1 when something is lost.
"""

import argparse
import dataclasses
import itertools
import multiprocessing
import os
import random
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
from live_jitter import make_clip
from parts.faulty_world import AT, DEATHS, FAULTS, WHO
from parts.result_rows import Result, add_option, write_results
from parts.tables import print_json, print_table, tell

from senseweave.agent.cli.main import main as command_line
from senseweave.agent.live import live  # noqa: F401  (imported before it is forked, as the next two are)
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.train import pretrain, train  # noqa: F401
from senseweave.envs.live.sessions.session import read_session
from senseweave.perception.files import read_tensors
from senseweave.policies.saving.checkpoint import folders

PARTS = Path(__file__).resolve().parent / "parts"
SIGNALS = ("SIGKILL", "SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
HANG_S = 600.0
QUIET = ("--evaluation-episodes", "0", "--no-video", "--device", "cpu")
FAULTY = ("--env", "faulty_world:Faulty-v0", "--num-envs", "4")
ROLLOUT = 1024  # steps of a rollout of four environments
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
        ("train", *SYMBOLS, "--memory", "gru", "--imitation-steps", "2048", "--steps", "6144", *QUIET)
        + ("--modality-dropout", "0.1", "--checkpoint-every", "1024"),
        1024,
        8192,
    ),
    Job(
        "PPO with a GRU in an environment of one's own (--exact)",
        ("train", *FAULTY, "--memory", "gru", "--steps", "12288", *QUIET, "--checkpoint-every", "2048"),
        2048,
        12288,
        ("--exact", "--env", "faulty_world:Faulty-v0"),
    ),
    Job(
        "stable-baselines3's PPO in an environment of one's own (--exact)",
        ("train", *FAULTY, "--trainer", "sb3", "--steps", "12288", *QUIET, "--checkpoint-every", "2048"),
        2048,
        12288,
        ("--exact", "--env", "faulty_world:Faulty-v0"),
    ),
    Job(
        "pretraining, contrastive and translation",
        ("pretrain", *SYMBOLS, "--objective", "contrastive", "--objective", "translation=0.5", "--steps", "240")
        + ("--batch-size", "32", "--checkpoint-every", "30", "--device", "cpu"),
        30,
        240,
    ),
)
RECORDING = "recording of a live session, read to within a second"


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
    plain = [{key: value for key, value in end.state.items() if key != "seconds"} for end in (once, twice)]
    return found + [f"state {key}" for key in plain[0] if plain[0][key] != plain[1].get(key)]


class Campaign:
    """Everything that is tried, in one folder.

    Args:
        folder: for the runs.
        seed: of the moments.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.told = folder, folder / "told.txt"
        self.moments, self.signals = random.Random(seed), itertools.cycle(SIGNALS)
        self.lost: list[str] = []

    def faults(self, faults: Sequence[str]) -> dict[str, int]:
        """Fails in each way, and goes on in a mended world."""
        words = ("train", *FAULTY, "--steps", str(2 * ROLLOUT), *QUIET, "--checkpoint-every", str(ROLLOUT // 2))
        whole = self.folder / "whole"
        assert run([*words, "--out", str(whole)], self.told) == 0, self.told.read_text()
        counts = {"faults": 0, "named": 0, "kept": 0, "same end": 0}
        for number, fault in enumerate(faults):
            path, told = self.folder / f"fault-{number}", self.folder / f"fault-{number}.txt"
            status = run([*words, "--out", str(path)], told, FAULTY_WORLD=fault)
            said, kept = told.read_text(), reached(path)
            is_named = f"Environment {WHO} " in said and f"its step {AT}" in said or fault == "KeyboardInterrupt"
            is_named = is_named and ("Go on with: senseweave train --resume" in said) and "Traceback" not in said
            is_kept = kept == ROLLOUT
            resumed = run(["train", "--resume", str(path), "--env", FAULTY[1]], told)
            is_same = resumed == 0 and not difference(whole, path)
            counts["faults"] += 1
            counts["named"] += is_named
            counts["kept"] += is_kept
            counts["same end"] += is_same
            tell(f"{fault}: exit {status}, kept step {kept}, named {is_named}, the same end {is_same}")
            if not (is_named or fault in DEATHS) or not is_kept or not is_same:
                self.lost.append(f"{fault}: {said.splitlines()[-1:]}")
            shutil.rmtree(path, ignore_errors=True)
        return counts

    def kills(self, job: Job, kills: int, runs: int) -> dict[str, int]:
        """Kills a job again and again, in several runs that share the kills."""
        whole = self.folder / "whole-job"
        shutil.rmtree(whole, ignore_errors=True)
        began = time.monotonic()
        assert run([*job.words, "--out", str(whole)], self.told) == 0, self.told.read_text()
        period_s = (time.monotonic() - began) / (job.total / job.every)
        done, equal = 0, 0
        for number in range(runs):
            share = kills // runs + (number < kills % runs)
            path, told = self.folder / f"job-{number}", self.folder / f"job-{number}.txt"
            words = [*job.words, "--out", str(path)]
            for kill in range(share):
                goal = (1 + kill * (job.total // job.every - 3) // share) * job.every
                done += self._kill_once(words, told, lambda path=path, goal=goal: reached(path) >= goal, period_s)
                words = [job.command, "--resume", str(path), *job.resume]
            status = run(words, told)
            found = [f"exit {status}"] if status else difference(whole, path)
            equal += share if not found else 0
            if found:
                self.lost.append(f"{job.name}, run {number}: {', '.join(found[:5])}: {told.read_text()[-300:]}")
            tell(f"{job.name}, run {number}: {share} kills, {'the same end' if not found else found[:5]}")
            shutil.rmtree(path, ignore_errors=True)
        return {"kills": done, "recovered": equal}

    def _kill_once(self, words: Sequence[str], told: Path, is_time: Callable[[], bool], period_s: float) -> int:
        process, began = start(words, told), time.monotonic()
        while not is_time():
            if not process.is_alive() or time.monotonic() - began > HANG_S:
                self.lost.append(f"ended by itself: {told.read_text()[-300:]}")
                process.kill()
                return 0
            time.sleep(0.01)
        time.sleep(self.moments.uniform(0.0, period_s))
        name, was_alive = next(self.signals), process.is_alive()
        if was_alive:
            os.kill(process.pid or 0, getattr(signal, name))
        status = wait(process)
        if name != "SIGKILL" and status != 0:
            self.lost.append(f"{name}: exit {status}: {told.read_text()[-300:]}")
        return int(was_alive)

    def recordings(self, kills: int) -> dict[str, int]:
        """Kills sessions that record, and reads what is left of them."""
        clip = self.folder / "clip.mp4"
        make_clip(clip, 10)
        read = 0
        for number in range(kills):
            path, told = self.folder / f"recorded-{number}", self.folder / f"recorded-{number}.txt"
            words = ["live", "--camera", str(clip), "--microphone", str(clip), "--rate", "10", "--record", str(path)]
            process, began = start([*words, "--seconds", "60"], told), time.monotonic()
            while not any(file.stat().st_size for file in path.glob("**/*.mcap")):
                assert process.is_alive() and time.monotonic() - began < HANG_S, told.read_text()
                time.sleep(0.01)
            first = time.monotonic()
            time.sleep(self.moments.uniform(2.0, 5.0))
            lasted_s = time.monotonic() - first
            os.kill(process.pid or 0, getattr(signal, next(self.signals)))
            wait(process)
            ticks = sum(1 for _ in read_session(path))
            is_read = ticks >= 10 * (lasted_s - LOST_S)
            read += is_read
            if not is_read:
                self.lost.append(f"recording {number}: {ticks} ticks of {lasted_s:.1f} s")
            shutil.rmtree(path, ignore_errors=True)
        tell(f"recordings: {kills} kills, {read} read")
        return {"kills": kills, "recovered": read}


def main() -> None:
    """Tries everything, and prints what is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="signals in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--quick", action="store_true", help="three faults, and one kill of one job")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args()
    jobs, recordings = (JOBS[-1:], 0) if options.quick else (JOBS, max(1, options.kills // 10))
    kills = 1 if options.quick else (options.kills - recordings) // len(jobs)
    with tempfile.TemporaryDirectory() as name:
        campaign = Campaign(Path(name), options.seed)
        faults = campaign.faults(FAULTS[::11] if options.quick else FAULTS)
        rows = {job.name: campaign.kills(job, kills, max(1, kills // 5)) for job in jobs}
        if recordings:
            rows[RECORDING] = campaign.recordings(recordings)
    print_table(
        "Kills", ("what", "kills", "recovered"), [(what, *map(str, row.values())) for what, row in rows.items()]
    )
    print_table("Faults of an environment", tuple(faults), [tuple(map(str, faults.values()))])
    for lost in campaign.lost:
        tell(f"LOST {lost}")
    results = [Result(f"{what}; {', '.join(SIGNALS)}", _figures(row)) for what, row in rows.items()]
    write_results(options, "killed", results)
    write_results(options, "faults", [Result("one environment of four fails", _figures(faults))])
    if options.json:
        print_json({"faults": faults, "kills": rows, "lost": campaign.lost})
    sys.exit(1 if campaign.lost else 0)


def _figures(row: dict[str, int]) -> dict[str, list[Any]]:
    return {column: [value] for column, value in row.items()}


if __name__ == "__main__":
    main()
