"""Seek needs its senses: an agent with all of them and without each, beside the expert and chance, on held-out rooms.

    senseweave train --env senseweave/Seek-v0 --env-option split=train --seed 0 --out runs/seek0     # and seeds 1, 2
    python benchmarks/seek_senses.py runs/seek0 runs/seek1 runs/seek2

Each agent plays three levels: Seek, of whose instructions half name a look and half a sound, and the two halves
alone, SeekSeen (camera and instruction decide) and SeekHeard (sound and instruction decide, all things look alike).
There are three things in a room and facing a wrong one ends the episode, so guessing gives at most 1/3. The last rows
take rooms whose target has a combination of colour, kind and sound that training never showed (`split=test`).
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from parts.result_rows import Result, add_option, write_results
from parts.shares import LEGEND, each_share
from parts.tables import each, machine, print_json, print_table, tell

LEVELS = ("Seek", "SeekSeen", "SeekHeard")
REMOVED = ((), ("audio",), ("camera",), ("instruction",), ("audio", "camera"))
HELD_OUT_SEED = 1_000_000_000
Row = dict[str, Any]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", type=Path, help="run directories, one for each seed")
    parser.add_argument("--size", default="small", choices=("small", "medium", "large"))
    parser.add_argument("--episodes", type=int, default=512, help="held-out episodes of each cell of the table")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args(arguments)
    if options.episodes < 1:
        parser.error(f"--episodes must be at least 1; got {options.episodes}")
    for run in options.runs:
        if not (run / "config.json").exists():
            parser.error(f"{run} is not a run directory; make one with senseweave train")
    return options


def play_without_policy(level: str, who: str, episodes: int, size: str) -> Row:
    """The expert, who knows the true state, or uniformly random actions; one episode in each environment."""
    import torch

    from senseweave.envs.rooms.vector_env import RoomsVectorEnv

    env = RoomsVectorEnv(level, num_envs=episodes, senses=("instruction",), device="cpu", size=size)
    env.reset(seed=[HELD_OUT_SEED + number for number in range(episodes)])
    generator = torch.Generator().manual_seed(0)
    is_over, is_success = torch.zeros(2, episodes, dtype=torch.bool)
    length = torch.zeros(episodes)
    while not is_over.all():
        actions = env.expert_actions() if who == "expert" else torch.randint(7, (episodes,), generator=generator)
        _, _, terminated, truncated, infos = env.step(actions)
        length += ~is_over
        is_success |= infos["is_success"] & ~is_over
        is_over |= terminated | truncated
    return {"success": float(is_success.float().mean()), "length": float(length.mean())}


def play_policy(run: Path, level: str, without: tuple[str, ...], options: argparse.Namespace, split: str | None) -> Row:
    """A trained agent's sampled actions, on seeds that training never uses."""
    from senseweave.agent.evaluate.evaluate import summary
    from senseweave.agent.play.environments import close_envs, make_envs
    from senseweave.agent.play.episodes import run_episodes
    from senseweave.agent.runs.policies import open_run
    from senseweave.agent.settings.evaluate import EvaluateConfig

    env_options: dict[str, Any] = {"size": options.size} | ({} if split is None else {"split": split})
    config = EvaluateConfig(str(run), f"senseweave/{level}-v0", env_options, episodes=options.episodes, without=without)
    _, policy, _, env_id, env_options = open_run(config)
    envs = make_envs(env_id, env_options, options.episodes, None, policy.device)
    try:
        played = summary(run_episodes(policy, envs, options.episodes, without=without))
    finally:
        close_envs(envs)
    return {"success": played["success_rate"], "length": played["mean_length"]}


def measure(options: argparse.Namespace) -> list[Row]:
    """Every row of the table: who, without what, and for each level one entry for each run."""
    rows: list[Row] = []
    for who in ("expert", "random"):
        tell(f"{who}")
        played = {level: [play_without_policy(level, who, options.episodes, options.size)] for level in LEVELS}
        rows.append({"who": who, "without": [], "split": None, "levels": played})
    cases = [(without, None) for without in REMOVED] + [((), "train"), ((), "test")]
    for without, split in cases if options.runs else ():
        tell(("all senses" if not without else f"without {' and '.join(without)}") + (f", {split}" if split else ""))
        played = {level: [play_policy(run, level, without, options, split) for run in options.runs] for level in LEVELS}
        rows.append({"who": "agent", "without": list(without), "split": split, "levels": played})
    return rows


def name_of(row: Row) -> str:
    """Who plays, without what, in which combinations."""
    if row["who"] != "agent":
        return row["who"]
    removed = f"without {' and '.join(row['without'])}" if row["without"] else "all senses"
    return f"agent, {removed}" + (f", combinations of {row['split']}" if row["split"] else "")


def results_of(rows: list[Row]) -> list[Result]:
    """The rows of docs/results.md."""
    return [
        Result(
            name_of(row),
            {level: [one["success"] for one in row["levels"][level]] for level in LEVELS}
            | {"steps in Seek": [one["length"] for one in row["levels"]["Seek"]]},
        )
        for row in rows
    ]


def show(rows: list[Row], options: argparse.Namespace) -> None:
    """Prints one line for each row: the median over the runs and, in parentheses, every run."""

    def success(played: list[Row]) -> str:
        return each_share([one["success"] for one in played], options.episodes)

    print_table(
        f'success, size "{options.size}", {options.episodes} held-out episodes, sampled actions: median (each seed), '
        f"{LEGEND}",
        ["who", *LEVELS, "steps in Seek"],
        [
            [name_of(row), *(success(row["levels"][level]) for level in LEVELS)]
            + [each([one["length"] for one in row["levels"]["Seek"]], ".1f")]
            for row in rows
        ],
    )


def main() -> int:
    """Plays everything and prints the table."""
    options = parse()
    rows = measure(options)
    show(rows, options)
    write_results(options, "seek-senses", results_of(rows))
    if options.json:
        print_json({"machine": machine("torch", "stable-baselines3", "gymnasium"), "size": options.size, "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
