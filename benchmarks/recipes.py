"""How well does `senseweave train --env ID` do with nothing else said? Every recipe, in the environments it is for.

    python benchmarks/recipes.py --rows                             all 38 levels of BabyAI with a batched twin; hours
    python benchmarks/recipes.py PutNextLocal GoToDoor --seeds 0 1 2 --rows
    python benchmarks/recipes.py senseweave/Seek-v0 --cores 0,1 --rows

Each training has the cores of one entry of --cores to itself (given twice or more, trainings go side by side), and ends
with held-out episodes, sampled and greedy: those of a BabyAI level in minigrid itself. Minutes are those of the whole
training without that evaluation. With --rows, what was measured also goes into policies/data/tuned.json, which
`senseweave envs` shows; an environment whose row has these steps, seeds and episodes already is left out, so that the
same command goes on after a stop. For Linux, which gives a process cores of its own.
"""

import argparse
import contextlib
import datetime
import fnmatch
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from parts.result_rows import RESULTS, Result, add_option, read_results, write_results
from parts.tables import each, print_table, tell

TABLE = "recipes"
TUNED = RESULTS.parents[1] / "policies" / "data" / "tuned.json"
PAPERS = {
    "GoToRedBallGrey": (16, 8.4),
    "GoToRedBall": (155, 49.7),
    "GoToLocal": (242, 148.5),
    "PickupLoc": (710, 204.3),
    "PutNextLocal": (876, 244.6),
    "GoTo": (454, 341.1),
}
"""Published thousands of episodes (PPO), and of demonstrations (imitation), to 99 % success: the lowest of each.

Source: Chevalier-Boisvert et al. 2018 (1810.08272), Hui et al. 2020 (2007.12770).
"""

Row = dict[str, Any]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ids", nargs="*", metavar="ID", help='ids, or levels of BabyAI ("GoTo*"); default: all twins')
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--episodes", type=int, default=1000, help="held-out episodes after each training")
    parser.add_argument("--cores", nargs="+", default=["0"], metavar="N,N", help="cores of a training, one entry each")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the run directories here")
    parser.add_argument("--set", nargs="+", default=[], dest="words", metavar="WORD", help="more words for train")
    add_option(parser)
    options = parser.parse_args(arguments)
    options.ids = chosen(options.ids)
    if not options.ids:
        parser.error("no environment has such an id; `senseweave envs` lists them")
    if options.words and options.rows:
        parser.error("--rows are for recipes as they are; leave --set out")
    return options


def chosen(names: list[str]) -> list[str]:
    """The ids that are meant: those that were given whole, and the twins whose level is like one of the names."""
    from senseweave.envs.rooms.levels.twins import TWINS

    patterns = names or ["*"]
    found = [name for name in names if "/" in name]
    for env_id in TWINS:
        if any(fnmatch.fnmatch(level_of(env_id), pattern) or env_id == pattern for pattern in patterns):
            found.append(env_id)
    return found


def level_of(env_id: str) -> str:
    """The name of a level of BabyAI, GoToLocal of BabyAI-GoToLocal-v0 say; other ids stay as they are."""
    return env_id.removeprefix("BabyAI-").rsplit("-v", 1)[0]


def run(env_id: str, seed: int, cores: str, options: argparse.Namespace, folder: Path) -> Row:
    """The figures of one training.

    Raises:
        RuntimeError: it failed.
    """
    out = folder / f"{level_of(env_id).replace('/', '-')}-{seed}"
    log = folder / f"{out.name}.log"
    words = ["train", "--env", env_id, "--seed", str(seed), "--no-video", "--json", *options.words]
    command = [sys.executable, "-m", "senseweave.agent.cli", *words]
    command += ["--evaluation-episodes", str(options.episodes), "--out", str(out)]
    allowed = {int(core) for core in cores.split(",")}
    with log.open("wb") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:
        os.sched_setaffinity(process.pid, allowed)
        printed = process.stdout.read() if process.stdout is not None else b""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{env_id}, seed {seed}, ended with status {process.returncode}; {log} says why.")
    told = json.loads(printed.splitlines()[-1])
    evaluation = told["evaluation"]
    return {
        "sampled": evaluation["sampled_success_rate"],
        "greedy": evaluation["greedy_success_rate"],
        "thousand steps": told["steps"] / 1000,
        "thousand episodes": told["episodes"] / 1000,
        "minutes": told["seconds"] / 60,
        "processor minutes, all in all": (used.ru_utime + used.ru_stime) / 60,
    }


def result_of(env_id: str, rows: list[Row], options: argparse.Namespace) -> Result:
    """The row of docs/results.md."""
    figures: dict[str, list[float | None]] = {name: [row[name] for row in rows] for name in rows[0]}
    papers = PAPERS.get(level_of(env_id))
    if papers:
        figures |= {"papers: thousand episodes": [papers[0]], "papers: thousand demonstrations": [papers[1]]}
    return Result(env_id, figures, options.seeds)


def is_measured(env_id: str, options: argparse.Namespace) -> bool:
    """Whether the row that is kept has the recipe's steps, and these seeds."""
    from senseweave.agent.settings.train import TrainConfig

    path = options.rows / f"{TABLE}.json" if options.rows else None
    kept = {row.what: row for row in read_results(path)} if path is not None and path.exists() else {}
    if env_id not in kept or list(kept[env_id].seeds) != options.seeds:
        return False
    wanted = TrainConfig.of_recipe({"env": env_id}).plan.total / 1000
    steps = kept[env_id].figures["thousand steps"]
    return all(step is not None and wanted <= step < wanted + 20 for step in steps)  # the last rollout is finished


def write_tuned(env_id: str, rows: list[Row], options: argparse.Namespace) -> None:
    """Puts what was measured beside the recipe."""
    from senseweave.agent.settings.train import TrainConfig
    from senseweave.perception.files import write_atomically

    table = json.loads(TUNED.read_text(encoding="utf-8"))
    row = table.setdefault(env_id, {"recipe": TrainConfig.of_recipe({"env": env_id}).recipe})
    row["measured"] = {
        "sampled": round(statistics.fmean(row["sampled"] for row in rows), 4),
        "greedy": round(statistics.fmean(row["greedy"] for row in rows), 4),
        "episodes": options.episodes,
        "seeds": options.seeds,
        "steps": round(statistics.fmean(row["thousand steps"] for row in rows) * 1000),
        "minutes": round(statistics.fmean(row["minutes"] for row in rows), 1),
        "cores": len(options.cores[0].split(",")),
        "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(table[name])}" for name in sorted(table)]
    write_atomically(TUNED, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def main(arguments: list[str] | None = None) -> int:
    """Runs what is missing and prints the table; each environment's rows are written as soon as it is done."""
    options = parse(arguments)
    todo = [env_id for env_id in options.ids if not is_measured(env_id, options)]
    tell(f"{len(todo)} of {len(options.ids)} environments are to be measured")
    free: queue.Queue[str] = queue.Queue()
    for cores in options.cores:
        free.put(cores)
    writing, found, failed = threading.Lock(), dict[str, list[Row]](), list[str]()

    def measure(env_id: str) -> None:
        cores = free.get()
        try:
            rows = [run(env_id, seed, cores, options, folder) for seed in options.seeds]
        except RuntimeError as error:
            failed.append(str(error))
            tell(str(error))
            return
        finally:
            free.put(cores)
        with writing:
            found[env_id] = rows
            tell(f"{env_id}: " + ", ".join(f"{name} {each([row[name] for row in rows], '.3g')}" for name in rows[0]))
            write_results(options, TABLE, [result_of(env_id, rows, options)])
            if options.rows == RESULTS:
                write_tuned(env_id, rows, options)

    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(len(options.cores)) as pool:
            list(pool.map(measure, todo))
    if found:
        columns = list(next(iter(found.values()))[0])
        cells = [
            [env_id, *(each([row[name] for row in rows], ".3g") for name in columns)] for env_id, rows in found.items()
        ]
        print_table("train --env ID, nothing else said", ["environment", *columns], cells)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
