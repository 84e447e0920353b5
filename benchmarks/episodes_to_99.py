"""Episodes until a level of BabyAI is solved in 99 % of the training episodes, as BabyAI's papers count them.

    python benchmarks/episodes_to_99.py GoToRedBallGrey GoToRedBall --seeds 0 1 2 --out runs/episodes
    python benchmarks/episodes_to_99.py GoToLocal --out runs/episodes

Trained in Rooms with the symbolic view and a memory, 64 environments of 40 steps between updates; then the policy
plays 1,000 held-out episodes in minigrid itself, the original BabyAI, sampled and greedy. "99 %" is the mean over 100
log rows (10 for GoToRedBallGrey, as there), one row for each update: the share of the episodes that ended since the
last row with a return above 0. The papers' figures (1810.08272, 2007.12770) stand beside.
"""

import argparse
import json
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from parts.result_rows import Result, add_option, write_results
from parts.shares import LEGEND, each_share
from parts.tables import machine, print_json, print_table, tell

PAPERS = {
    "GoToRedBallGrey": "16-21",
    "GoToRedBall": "155",
    "GoToLocal": "242",
    "PickupLoc": "710",
    "PutNextLocal": "876",
    "GoTo": "454",
}
"""Thousand episodes to 99 %, by reinforcement learning."""

ROWS = {"GoToRedBallGrey": 10}
"""Log rows that the mean is over, where they are not 100."""

SETTINGS: dict[str, dict[str, Any]] = {
    "GoToRedBallGrey": {"learning_rate": 1e-3, "batch_size": 320},
}
"""What differs from `MEMORY_PRESET`, by level."""

Row = dict[str, Any]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("levels", nargs="+", choices=tuple(PAPERS), metavar="LEVEL", help=", ".join(PAPERS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--frames", type=int, default=20_000_000, help="give up after so many")
    parser.add_argument("--episodes", type=int, default=1000, help="held-out episodes in minigrid")
    parser.add_argument("--envs", type=int, default=64)
    parser.add_argument("--workers", type=int, default=1, help="threads of a run")
    parser.add_argument("--compile", action="store_true", help="have torch compile the perception; needs g++")
    parser.add_argument("--out", type=Path, required=True, help="folder for the curves, one JSON line every 10 rows")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args(arguments)
    for name in ("frames", "episodes", "envs", "workers"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1; got {getattr(options, name)}")
    return options


def train(level: str, seed: int, options: argparse.Namespace, curve: Path) -> tuple[Any, Row]:
    """Trains until the mean over the rows is 99 %; returns the model and how long it took."""
    import dataclasses

    from stable_baselines3.common.callbacks import BaseCallback

    from senseweave.envs.rooms.vector_env import RoomsVectorEnv
    from senseweave.policies import PPO
    from senseweave.policies.presets import MEMORY_PRESET, ppo_settings

    env = RoomsVectorEnv(level, num_envs=options.envs, device="cpu", senses=("grid", "instruction"))
    preset = dataclasses.replace(MEMORY_PRESET, **SETTINGS.get(level, {}))
    settings = ppo_settings(env.senses, preset=preset)
    settings["policy_kwargs"]["memory"] = "gru"
    settings["learning_rate"] = preset.learning_rate  # nobody knows the end before it is reached: it does not fall
    settings |= {"workers": options.workers, "compile": options.compile}
    model = PPO("MultiInputPolicy", env, seed=seed, device="cpu", **settings)
    rows: deque[float] = deque(maxlen=ROWS.get(level, 100))
    reached: Row = {"level": level, "seed": seed, "frames": None, "episodes": None, "seconds": None}
    began = time.monotonic()

    class Curve(BaseCallback):
        """Ends the training once the mean is reached, and writes the curve."""

        episodes = 0
        updates = 0

        def _on_step(self) -> bool:
            return reached["frames"] is None

        def note(self, ended: list[Any]) -> None:
            self.episodes += len(ended)
            self.updates += 1
            if ended:
                rows.append(sum(episode.reward > 0 for episode in ended) / len(ended))
            mean = sum(rows) / max(1, len(rows))
            told = {"frames": model.num_timesteps, "episodes": self.episodes, "mean": round(mean, 4)}
            told["seconds"] = round(time.monotonic() - began, 1)
            is_there = mean >= 0.99 and len(rows) == rows.maxlen
            if is_there:
                reached.update({name: told[name] for name in ("frames", "episodes", "seconds")})
            if is_there or self.updates % 10 == 0:
                with open(curve, "a") as file:
                    file.write(json.dumps(told) + "\n")

    callback = Curve()
    read = model.tally.read

    def read_and_note() -> list[Any]:
        ended = read()
        callback.note(ended)
        return ended

    model.tally.read = read_and_note
    model.learn(options.frames, callback=callback)
    return model, reached


def evaluate_in_minigrid(model: Any, level: str, episodes: int) -> Row:
    """Success on held-out seeds of the original environment, sampled and greedy."""
    from senseweave.agent.evaluate.evaluate import evaluate_policy

    result = evaluate_policy(model.policy, f"BabyAI-{level}-v0", {}, episodes=episodes)
    return {name: result[f"{name}_success_rate"] for name in ("sampled", "greedy")}


def results_of(rows: list[Row], options: argparse.Namespace) -> list[Result]:
    """The rows of docs/results.md."""
    results = []
    for level in options.levels:
        own = [row for row in rows if row["level"] == level]
        figures = {
            "thousand episodes": [None if row["episodes"] is None else row["episodes"] / 1000 for row in own],
            "frames": [row["frames"] for row in own],
            "minigrid, sampled": [row["sampled"] for row in own],
            "minigrid, greedy": [row["greedy"] for row in own],
        }
        results.append(Result(f"{level}; papers {PAPERS[level]}", figures, options.seeds))
    return results


def main(arguments: list[str] | None = None) -> int:
    """Runs all levels and seeds, one after the other, and prints the table after each."""
    options = parse(arguments)
    import torch

    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    done: list[Row] = []
    for level in options.levels:
        for seed in options.seeds:
            curve = options.out / f"{level}-{seed}.jsonl"
            curve.unlink(missing_ok=True)
            model, row = train(level, seed, options, curve)
            torch.set_num_threads(1)
            row |= evaluate_in_minigrid(model, level, options.episodes)
            (options.out / f"{level}-{seed}.json").write_text(json.dumps(row) + "\n")
            tell(json.dumps(row))
            done.append(row)
    cells = []
    for level in options.levels:
        own = [row for row in done if row["level"] == level]
        episodes = [row["episodes"] for row in own]
        reached = "not reached" if None in episodes else " ".join(f"{count / 1000:.1f}" for count in episodes)
        success = [each_share([row[name] for row in own], options.episodes) for name in ("sampled", "greedy")]
        seconds = [row["seconds"] for row in own if row["seconds"] is not None]
        cells.append([level, PAPERS[level], reached, f"{max(seconds):.0f}" if seconds else "-", *success])
    columns = ("level", "papers, k episodes", "ours, k episodes", "longest, s", "minigrid, sampled", "greedy")
    print_table(f"Episodes to 99 % of the training episodes; of a success {LEGEND}", columns, cells)
    write_results(options, "episodes-to-99", results_of(done, options))
    if options.json:
        print_json({"rows": done, "machine": machine("torch", "senseweave", "minigrid")})
    return 0


if __name__ == "__main__":
    sys.exit(main())
