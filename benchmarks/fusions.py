"""Every fusion, side by side: the same encoders, about the same number of parameters, the same lessons.

    python benchmarks/fusions.py                                   behaviour cloning in Seek, 3 seeds; two hours
    python benchmarks/fusions.py --only concat late --seeds 0      some of it
    python benchmarks/fusions.py --level SeekGrounded --only gated_cross_attention concat
    python benchmarks/fusions.py --reinforce gated_cross_attention concat additive_attention

Each fusion learns from one dataset of the expert's actions and then plays held-out rooms: with all senses, with each
sense removed, with every sense failing half the time, and rooms whose combinations were never shown. --reinforce lets
`senseweave train` teach them instead, by imitation and then PPO, 5 to 7 minutes a row on one core. Rows are kept in
--out, and the same command goes on with those that are missing; several processes may share the folder.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from parts.fusion_lessons import EPOCHS, STATES, Lesson, learn, new_policy, shared_play
from parts.fusion_speed import relative_times
from parts.kept_rows import kept_row
from parts.result_rows import Result, add_option, write_results
from parts.shares import LEGEND, each_share
from parts.tables import machine, print_json, print_markdown, print_table, tell

from senseweave.perception import FUSIONS, Perception, PerceptionConfig
from senseweave.perception.budget import config_within, count_parameters

SEEDS = (0, 1, 2)
DEFAULT = "gated_cross_attention"
TOLERANCE = 0.1
"""A fusion's network has as many parameters as the default's, give or take this share."""
IMITATION_STEPS, STEPS = 200_000, 100_000
"""What `senseweave train` does for --reinforce; the rest is the main job's recipe."""
FAILING = {"outages": 0.5, "outage_steps": 10.0}
"""Every sense is gone half of the time, for a second at a time on average, each by itself."""
CHANCE = {"Seek": 1 / 3, "SeekGrounded": 1 / 5}
TABLES = {
    ("Seek", False): "fusions",
    ("Seek", True): "fusions-reinforced",
    ("SeekGrounded", False): "fusions-grounded",
    ("SeekGrounded", True): "fusions-grounded-reinforced",
}
"""Level, whether `senseweave train` taught -> the table of docs/results.md."""
Row = dict[str, Any]
Case = tuple[str, dict[str, Any], tuple[str, ...]]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--level", default="Seek", choices=CHANCE, help="of Rooms (default: Seek)")
    parser.add_argument("--only", nargs="+", metavar="FUSION", help="default: all")
    parser.add_argument("--reinforce", nargs="+", metavar="FUSION", help="these learn by `senseweave train` instead")
    parser.add_argument("--imitation-steps", type=int, default=IMITATION_STEPS, help=f"default: {IMITATION_STEPS:,}")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of PPO (default: {STEPS:,})")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--states", type=int, default=STATES, help=f"of the dataset (default: {STATES:,})")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"default: {EPOCHS}")
    parser.add_argument("--episodes", type=int, default=512, help="held-out episodes of each cell (default: 512)")
    parser.add_argument("--out", type=Path, default=Path("runs/fusions"), help="folder of finished rows")
    parser.add_argument("--plot", type=Path, help="a PNG of the table")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    parser.add_argument("--quick", action="store_true", help="two fusions, 512 states, 1 seed: a smoke test")
    options = parser.parse_args(arguments)
    if options.quick:
        options.states, options.epochs, options.episodes, options.seeds = 512, 1, 8, options.seeds[:1]
        options.imitation_steps = options.steps = 256
        options.only = options.only or [DEFAULT, "concat"]
    lengths = (options.states, options.epochs, options.episodes, options.imitation_steps, options.steps)
    if min(lengths) < 1 or min(options.seeds) < 0:
        parser.error("--states, --epochs, --episodes and steps must be at least 1, --seeds at least 0")
    asked = options.reinforce or options.only or sorted(FUSIONS, key=lambda name: (name != DEFAULT, name))
    if unknown := [name for name in asked if name not in FUSIONS]:
        parser.error(f"there is no fusion {', '.join(unknown)}; choose from {', '.join(sorted(FUSIONS))}")
    options.fusions = asked
    return options


def level_options(level: str) -> dict[str, Any]:
    """What training shows: held-out combinations are left out."""
    return {"split": "train"} | ({"size": "small"} if level == "Seek" else {})


def cases_of(level: str, senses: tuple[str, ...]) -> list[Case]:
    """Name, options of the level, and removed senses of every column."""
    options = level_options(level)
    cases: list[Case] = [("all", options, ())]
    cases += [(f"without {name}", options, (name,)) for name in senses]
    return [*cases, ("failing", options | FAILING, ()), ("never shown", options | {"split": "test"}, ())]


def config_of(fusion: str, lesson: Lesson) -> PerceptionConfig:
    """A fusion at the default's number of parameters."""
    senses = lesson.rooms(1).senses
    wanted = count_parameters(senses, PerceptionConfig())
    return config_within(senses, PerceptionConfig(fusion=fusion), wanted, TOLERANCE)


def times_of(fusions: list[str], options: argparse.Namespace) -> dict[str, float]:
    """How long each takes to learn from a minibatch, as a multiple of the default's time."""
    lesson = Lesson(options.level, level_options(options.level), 0, Lesson.batch_size, 1)
    configs = {fusion: config_of(fusion, lesson) for fusion in {DEFAULT, *fusions}}
    return relative_times(lesson, configs, DEFAULT)


def run_cloning(fusion: str, seed: int, options: argparse.Namespace) -> Row:
    """One fusion, one seed: learns from the dataset and plays."""
    torch.set_num_threads(1)
    lesson = Lesson(options.level, level_options(options.level), seed, options.states, options.epochs)
    config = config_of(fusion, lesson)
    policy = new_policy(lesson, config)
    told: Row = {"parameters": count_parameters(lesson.rooms(1).senses, config)}
    return told | learn(lesson, policy, *shared_play(lesson, policy)) | play_cases(policy, options)


def run_reinforcement(fusion: str, seed: int, options: argparse.Namespace) -> Row:
    """One fusion, one seed, by `senseweave train`."""
    from senseweave.agent.runs.policies import open_run
    from senseweave.agent.settings.evaluate import EvaluateConfig
    from senseweave.agent.settings.train import TrainConfig
    from senseweave.agent.train.train import resume, train

    env, level = f"senseweave/{options.level}-v0", level_options(options.level)
    lengths = f"{options.imitation_steps}-{options.steps}"
    folder = options.out / f"run-{options.level}-{fusion}-{lengths}-seed{seed}"
    lesson = Lesson(options.level, level, seed, 1, 1)
    config, start = config_of(fusion, lesson), folder.with_name(f"start-{folder.name}")
    torch.manual_seed(seed)
    Perception(lesson.rooms(1).senses, config).save_pretrained(start)
    given: Row = {"recipe": "seek", "env": env, "env_options": level, "seed": seed, "perception": str(start)}
    given |= {"imitation_steps": options.imitation_steps, "steps": options.steps}
    given |= {"evaluation_episodes": 0, "video": False}
    told = resume(folder) if folder.exists() else train(TrainConfig.of_recipe(given), folder)
    _, policy, _, _, _ = open_run(EvaluateConfig(str(folder), env, level))
    row = {name: told[name] for name in ("steps", "seconds")}
    return row | {"parameters": count_parameters(lesson.rooms(1).senses, config)} | play_cases(policy, options)


def play_cases(policy: Any, options: argparse.Namespace) -> Row:
    """Success in each case: held-out seeds, sampled actions."""
    from senseweave.agent.play.environments import close_envs, make_envs
    from senseweave.agent.play.episodes import run_episodes

    success = {}
    for name, level, without in cases_of(options.level, policy.senses.names):
        envs = make_envs(f"senseweave/{options.level}-v0", level, options.episodes, None, policy.device)
        try:
            success[name] = run_episodes(policy, envs, options.episodes, without=without).success_rate
        finally:
            close_envs(envs)
    return {"success": success}


def row_of(fusion: str, seed: int, options: argparse.Namespace) -> Row:
    """A finished row, from the folder or from a run."""
    kind, run = ("ppo", run_reinforcement) if options.reinforce else ("clone", run_cloning)
    task = {"fusion": fusion, "seed": seed, "level": options.level, "kind": kind, "episodes": options.episodes}
    lengths = ("imitation_steps", "steps") if options.reinforce else ("states", "epochs")
    task |= {name: getattr(options, name) for name in lengths}
    path = options.out / f"{kind}-{options.level}-{fusion}-seed{seed}.json"
    return kept_row(path, task, lambda: run(fusion, seed, options))


def results_of(by_fusion: list[tuple[str, list[Row]]], times: dict[str, float], seeds: Sequence[int]) -> list[Result]:
    """The rows of docs/results.md."""
    results = []
    for fusion, rows in by_fusion:
        figures = {
            ("all senses" if case == "all" else case): [row["success"][case] for row in rows]
            for case in rows[0]["success"]
        }
        figures |= {"time": [times[fusion]]} if times else {}
        results.append(Result(fusion, figures, seeds))
    return results


def show(rows: list[Row], options: argparse.Namespace) -> None:
    """One line for each fusion, the best first: the median over the seeds and, in parentheses, every seed."""
    by_fusion: dict[str, list[Row]] = {}
    for row in rows:
        by_fusion.setdefault(row["task"]["fusion"], []).append(row)
    best_first = sorted(by_fusion.items(), key=lambda item: -statistics.mean(row["success"]["all"] for row in item[1]))
    cases = list(rows[0]["success"])
    table = [
        [name, *(each_share([row["success"][case] for row in of], options.episodes) for case in cases)]
        for name, of in best_first
    ]
    columns = ["fusion", *cases, "parameters"]
    table = [[*line, f"{of[0]['parameters']:,}"] for line, (_, of) in zip(table, best_first, strict=True)]
    times: dict[str, float] = {}
    if not options.reinforce:
        times = times_of([name for name, _ in best_first], options)
        table = [[*line, f"{times[name]:.2f}"] for line, (name, _) in zip(table, best_first, strict=True)]
        columns += ["time to learn, x the default's"]
    title = f"success in {options.level}, {options.episodes} held-out episodes, sampled: median (each seed)"
    (print_markdown if options.markdown else print_table)(f"{title}, {LEGEND}", columns, table)
    results = results_of(best_first, times, options.seeds)
    write_results(options, TABLES[options.level, bool(options.reinforce)], results)
    if options.plot:
        from result_pictures import draw_fusions

        draw_fusions(results, title, options.plot, CHANCE[options.level])
        tell(f"wrote {options.plot}")


def main() -> int:
    """Runs what is missing and prints the table."""
    options = parse()
    rows = [row_of(fusion, seed, options) for seed in options.seeds for fusion in options.fusions]
    show(rows, options)
    if options.json:
        print_json({"machine": machine("torch", "stable-baselines3", "gymnasium"), "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
