"""Learning in BabyAI with stable-baselines3's PPO: our perception beside what one would use instead.

    python benchmarks/babyai_sb3.py                                  3 models, 3 seeds, 450,000 frames each
    python benchmarks/babyai_sb3.py --level BabyAI-GoToLocal-v0 --frames 1000000 --seeds 0 1 --models senseweave plain

"senseweave" is `PerceptionExtractor`, preset "laptop"; "combined" is SB3's own `CombinedExtractor`, which flattens the
view and the token ids; "plain" is a CNN, a GRU and a concatenation. Same environments, same PPO settings. Each run has
a process and a thread of its own; two run side by side. A folder (--out) gets a CSV file with a row for every rollout
of every run as it goes, results.json and curves.png. The same command again goes on with the runs that are missing.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from parts.result_rows import Result, add_option, write_results
from parts.shares import LEGEND, each_share
from parts.tables import each, machine, print_json, print_table, tell

from senseweave.perception.errors import MissingExtraError

MODELS = ("senseweave", "plain", "combined")
GOAL, EPISODES_OF_GOAL = 0.95, 100
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
SETTINGS = ("model", "seed", "level", "frames", "num_envs", "episodes")
Row = dict[str, Any]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--level", default="BabyAI-GoToRedBallGrey-v0")
    parser.add_argument("--frames", type=int, default=450_000, help="frames of each run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--num-envs", type=int, default=16)
    parser.add_argument("--episodes", type=int, default=512, help="held-out episodes, sampled and greedy each")
    parser.add_argument("--side-by-side", type=int, default=2, help="runs at a time, one core each")
    parser.add_argument("--out", type=Path, help="folder of the results (default: runs/babyai-sb3-LEVEL)")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    parser.add_argument("--quick", action="store_true", help="512 frames, 1 seed, 8 episodes: a smoke test")
    options = parser.parse_args(arguments)
    if options.quick:
        options.frames, options.seeds, options.num_envs, options.episodes = 512, [0], 4, 8
    if min(options.frames, options.num_envs, options.episodes, options.side_by_side) < 1:
        parser.error("--frames, --num-envs, --episodes and --side-by-side must be at least 1")
    if min(options.seeds) < 0 or len(set(options.seeds)) < len(options.seeds):
        parser.error(f"--seeds must be different whole numbers from 0 up; got {options.seeds}")
    options.out = options.out or Path("runs") / f"babyai-sb3-{options.level}"
    if options.out.exists() and not options.out.is_dir():
        parser.error(f"--out must be a folder; got the file {options.out}")
    from senseweave.envs import make
    from senseweave.perception.errors import SenseweaveError

    try:
        make(options.level).close()
    except SenseweaveError as error:
        parser.error(str(error))
    return options


def plan(options: argparse.Namespace) -> list[Row]:
    """The runs, in an order in which the models of one seed run side by side."""
    return [
        {
            "model": model,
            "seed": seed,
            "level": options.level,
            "frames": options.frames,
            "num_envs": options.num_envs,
            "episodes": options.episodes,
            "out": str(options.out),
        }
        for seed in options.seeds
        for model in options.models
    ]


def path_of(run: Row, suffix: str) -> Path:
    """A file of a run; babyai_run.py names them the same way."""
    return Path(run["out"]) / f"{run['model']}-seed{run['seed']}{suffix}"


def result_of(run: Row) -> Row | None:
    """What a finished run with these very settings left, if there is one."""
    path = path_of(run, ".json")
    if not path.exists():
        return None
    result = json.loads(path.read_text(encoding="utf-8"))
    return result if all(result.get(name) == run[name] for name in SETTINGS) else None


def run_all(runs: list[Row], side_by_side: int) -> list[str]:
    """Runs what is not finished, some at a time; on Ctrl-C all end, and their rows stay.

    Returns:
        The names of runs that failed.
    """
    waiting = [run for run in runs if result_of(run) is None]
    for run in runs:
        if run not in waiting:
            tell(f"{path_of(run, '.json')} is finished already")
    running: dict[subprocess.Popen[bytes], Row] = {}
    failed = []
    try:
        while waiting or running:
            while waiting and len(running) < side_by_side:
                run = waiting.pop(0)
                for suffix in (".csv", ".json"):
                    path_of(run, suffix).unlink(missing_ok=True)
                tell(f"starting {run['model']}, seed {run['seed']}")
                command = [sys.executable, str(Path(__file__).with_name("babyai_run.py")), json.dumps(run)]
                running[subprocess.Popen(command, env=os.environ | ONE_THREAD)] = run
            for process in [process for process in running if process.poll() is not None]:
                run = running.pop(process)
                if process.returncode:
                    failed.append(f"{run['model']}, seed {run['seed']}")
            time.sleep(0.2)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
    return failed


def rows_of(run: Row) -> list[Row]:
    """The rows that a run has written so far; a last line that is not whole is left out."""
    path = path_of(run, ".csv")
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if None not in row.values()]
    return [
        {name: value if name == "model" else float(value) if value else None for name, value in row.items()}
        for row in rows
    ]


def frames_to_goal(rows: Iterable[Row]) -> int | None:
    """Frames at the first rollout after which `GOAL` of the last `EPISODES_OF_GOAL` episodes were successes."""
    for row in rows:
        if row["episodes"] >= EPISODES_OF_GOAL and row["success_rate"] is not None and row["success_rate"] >= GOAL:
            return int(row["frames"])
    return None


def speed_so_far(row: Row) -> Row:
    """Speeds of a run that is not finished, from its last row."""
    return {
        "frames_per_second": row["frames"] / row["seconds"],
        "frames_per_cpu_second": row["frames"] / row["cpu_seconds"],
    }


def summarise(runs: list[Row]) -> list[Row]:
    """One summary for each model over the seeds that have anything to tell."""
    summaries = []
    for model in dict.fromkeys(run["model"] for run in runs):
        mine = [run for run in runs if run["model"] == model and rows_of(run)]
        if not mine:
            continue
        results = [result for run in mine if (result := result_of(run))]
        last = [rows_of(run)[-1] for run in mine]
        speeds = [result_of(run) or speed_so_far(rows_of(run)[-1]) for run in mine]
        summaries.append(
            {
                "model": model,
                "seeds": [run["seed"] for run in mine],
                "frames": [int(row["frames"]) for row in last],
                "frames_to_goal": [frames_to_goal(rows_of(run)) for run in mine],
                "training_success": [row["success_rate"] for row in last],
                "frames_per_second": [speed["frames_per_second"] for speed in speeds],
                "frames_per_cpu_second": [speed["frames_per_cpu_second"] for speed in speeds],
                "parameters": results[0]["parameters"] if results else None,
                "embedding_parameters": results[0]["embedding_parameters"] if results else None,
                "sampled_success": [result["sampled_success"] for result in results],
                "greedy_success": [result["greedy_success"] for result in results],
                "sampled_length": [result["sampled_length"] for result in results],
            }
        )
    return summaries


def show(level: str, summaries: list[Row], episodes: int) -> None:
    """Prints one line for each model."""
    print_table(
        f"{level}: median (each seed); of a success {LEGEND}",
        ["model", "parameters", "of these embedding", "frames", f"frames to {GOAL:.0%}", "sampled success"]
        + ["greedy success", "steps", "frames/s", "frames/CPU s"],
        [
            [
                summary["model"],
                "-" if summary["parameters"] is None else f"{summary['parameters']:,}",
                "-" if summary["embedding_parameters"] is None else f"{summary['embedding_parameters']:,}",
                f"{max(summary['frames']):,}",
                each(summary["frames_to_goal"], ",.0f"),
                each_share(summary["sampled_success"], episodes),
                each_share(summary["greedy_success"], episodes),
                each(summary["sampled_length"], ".1f"),
                each(summary["frames_per_second"], ",.0f"),
                each(summary["frames_per_cpu_second"], ",.0f"),
            ]
            for summary in summaries
        ],
    )


def model_result(summary: Row) -> Result:
    """A row of docs/results.md."""
    columns = {
        "frames to 95 %": "frames_to_goal",
        "sampled": "sampled_success",
        "greedy": "greedy_success",
        "steps": "sampled_length",
        "frames/CPU s": "frames_per_cpu_second",
    }
    return Result(summary["model"], {name: summary[key] for name, key in columns.items()}, summary["seeds"])


def plot(level: str, runs: list[Row], path: Path) -> None:
    """Draws success against frames, one line for each run, one colour for each model."""
    from senseweave.agent.show import plots

    try:
        with plots.plot(path, 8, 4.5) as axes:
            for model, colour in zip(dict.fromkeys(run["model"] for run in runs), plots.SERIES, strict=False):
                label: str | None = model
                for run in runs:
                    points = [row for row in rows_of(run) if run["model"] == model and row["success_rate"] is not None]
                    if points:
                        frames, success = [row["frames"] for row in points], [row["success_rate"] for row in points]
                        axes.plot(frames, success, color=colour, linewidth=1.2, alpha=0.8, label=label)
                        label = None
            axes.axhline(GOAL, color=plots.CHANCE, linewidth=1, linestyle=":")
            axes.set(xlabel="frames", ylabel=f"success, last {EPISODES_OF_GOAL} episodes", title=level, ylim=(0, 1.02))
            if axes.lines[1:]:
                axes.legend(loc="lower right")
    except MissingExtraError as error:
        tell(f"curves.png is left out: {error}")


def report(options: argparse.Namespace, runs: list[Row]) -> Row:
    """Prints the table of what there is, writes results.json and curves.png."""
    summaries = summarise(runs)
    results: Row = {
        "level": options.level,
        "machine": machine("torch", "stable-baselines3", "gymnasium", "minigrid"),
        "models": summaries,
    }
    (options.out / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if summaries:
        show(options.level, summaries, options.episodes)
        plot(options.level, runs, options.out / "curves.png")
    tell(f"rows, results.json and curves.png are in {options.out}")
    return results


def main() -> int:
    """Runs, reports; 1 if a run failed, 130 after Ctrl-C."""
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    runs, status = plan(options), 0
    try:
        for name in run_all(runs, options.side_by_side):
            tell(f"{name} failed; its message is above")
            status = 1
    except KeyboardInterrupt:
        tell("stopped; the same command goes on with the runs that are missing")
        status = 130
    results = report(options, runs)
    write_results(options, options.level, [model_result(summary) for summary in results["models"]])
    if options.json:
        print_json(results)
    return status


if __name__ == "__main__":
    sys.exit(main())
