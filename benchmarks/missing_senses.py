"""How well a policy carries on as senses fail more and more often, and what in its training helps.

    python benchmarks/missing_senses.py --plot docs/pictures/missing-senses.png       about 100 minutes on one core
    python benchmarks/missing_senses.py --only "modality dropout" --seeds 0

Five policies learn by heart what the expert does in Seek, each state three times, with every sense there unless said:
with nothing else; with copies beside the states of the last epoch, from which each sense is dropped once in ten; with
each sense missing in a tenth of the episodes from the start; and with an imputer that fills in the tokens of absent
senses, trained beside as an autoencoder or as a conditional GAN. Then they play held-out rooms in which each sense is
gone for a growing part of the time, for a second at a time on average.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parts.fusion_lessons import EPOCHS, MISSING_SHARE, STATES, Lesson, learn, new_policy, shared_play
from parts.kept_rows import Row, kept_row
from parts.result_rows import Result, add_option, write_results
from parts.shares import LEGEND, each_share
from parts.tables import machine, print_json, print_markdown, print_table, tell

RATES = (0.0, 0.1, 0.25, 0.5, 0.75)
VARIANTS: dict[str, dict[str, Any]] = {
    "no dropout": {"missing": 0.0},
    "modality dropout": {"missing": 0.0, "dropout": MISSING_SHARE},
    "dropout throughout": {"missing": MISSING_SHARE},
    "autoencoder imputation": {"missing": 0.0, "imputation": "autoencoder"},
    "GAN imputation": {"missing": 0.0, "imputation": "translation"},
}
OUTAGE_STEPS = 10.0


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=VARIANTS, metavar="VARIANT", help=", ".join(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--states", type=int, default=STATES, help=f"of the dataset (default: {STATES:,})")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"default: {EPOCHS}")
    parser.add_argument("--episodes", type=int, default=512, help="held-out episodes of each cell (default: 512)")
    parser.add_argument("--out", type=Path, default=Path("runs/missing-senses"), help="folder of finished rows")
    parser.add_argument("--plot", type=Path, help="a PNG of the curves")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    parser.add_argument("--quick", action="store_true", help="512 states, 8 episodes, 1 seed: a smoke test")
    options = parser.parse_args(arguments)
    if options.quick:
        options.states, options.epochs, options.episodes, options.seeds = 512, 1, 8, options.seeds[:1]
    if min(options.states, options.epochs, options.episodes) < 1 or min(options.seeds) < 0:
        parser.error("--states, --epochs and --episodes must be at least 1, --seeds at least 0")
    return options


def run(variant: str, seed: int, options: argparse.Namespace) -> Row:
    """Trains one policy and plays it at every rate."""
    import torch

    from senseweave.agent.play.environments import close_envs, make_envs
    from senseweave.agent.play.episodes import run_episodes
    from senseweave.perception import PerceptionConfig

    torch.set_num_threads(1)
    how, level = VARIANTS[variant], {"size": "small", "split": "train"}
    imputation = how.get("imputation", "none")
    lesson = Lesson(
        "Seek",
        level,
        seed,
        options.states,
        options.epochs,
        missing=how["missing"],
        dropout=how.get("dropout", 0.0),
        objectives={} if imputation == "none" else {imputation: 1.0},
    )
    policy = new_policy(lesson, PerceptionConfig(imputation=imputation))
    told = learn(lesson, policy, *shared_play(lesson, policy))
    success = {}
    for rate in RATES:
        outages = {"outages": rate, "outage_steps": OUTAGE_STEPS} if rate else {}
        envs = make_envs("senseweave/Seek-v0", level | outages, options.episodes, None, policy.device)
        try:
            success[str(rate)] = run_episodes(policy, envs, options.episodes).success_rate
        finally:
            close_envs(envs)
    return told | {"success": success}


def results_of(rows: list[Row], seeds: Sequence[int]) -> list[Result]:
    """The rows of docs/results.md."""
    by_variant: dict[str, list[Row]] = {}
    for row in rows:
        by_variant.setdefault(row["task"]["variant"], []).append(row)
    return [
        Result(variant, {f"{100 * rate:g} %": [row["success"][str(rate)] for row in mine] for rate in RATES}, seeds)
        for variant, mine in by_variant.items()
    ]


def main() -> int:
    """Runs what is missing, prints the table, draws the curves."""
    options = parse()
    rows: list[Row] = []
    for seed in options.seeds:
        for variant in options.only or VARIANTS:
            task = {"variant": variant, "seed": seed, "states": options.states, "epochs": options.epochs}
            task |= {"episodes": options.episodes} | VARIANTS[variant]
            path = options.out / f"{variant.replace(' ', '-')}-seed{seed}.json"
            rows.append(kept_row(path, task, lambda variant=variant, seed=seed: run(variant, seed, options)))
    table = []
    for variant in options.only or VARIANTS:
        mine = [row for row in rows if row["task"]["variant"] == variant]
        cells = [each_share([row["success"][str(rate)] for row in mine], options.episodes) for rate in RATES]
        table.append([variant, *cells])
    title = f"success in Seek by the part of the time that each sense is gone, {options.episodes} held-out episodes"
    columns = ["training", *(f"{rate:.0%}" for rate in RATES)]
    (print_markdown if options.markdown else print_table)(f"{title}: median (each seed), {LEGEND}", columns, table)
    results = results_of(rows, options.seeds)
    write_results(options, "missing-senses", results)
    if options.plot:
        from result_pictures import draw_missing_senses

        draw_missing_senses(results, options.plot)
        tell(f"wrote {options.plot}")
    if options.json:
        print_json({"machine": machine("torch", "stable-baselines3", "gymnasium"), "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
