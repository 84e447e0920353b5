"""How soon is a level of BabyAI solved? `train --env ID` with nothing else said, beside stable-baselines3's best.

    python benchmarks/to_97.py                                       GoToRedBallGrey and GoToLocal, 3 seeds
    python benchmarks/to_97.py GoToLocal --seeds 0 --minutes 5 --rows

Solved is .97 of 512 held-out episodes, greedy, played now and then while it trains; no clock counts that. Ours learns
in the batched twin by its recipe, expert included; stable-baselines3's PPO has the settings of `trainers.py --tuned`, a
plain CNN beside a GRU over the mission, in minigrid, and no expert. Runs go one after the other, each with all cores.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from parts.result_rows import Result, add_option, write_results
from parts.tables import each, print_json, print_table, tell

sys.path.append(str(Path(__file__).with_name("contenders")))  # whose files are scripts that import each other

GOAL = 0.97
EVERY = 16_384
"""Steps between two looks."""
CONTENDERS = ("senseweave", "sb3")
Row = dict[str, Any]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("levels", nargs="*", metavar="LEVEL", help="default: GoToRedBallGrey GoToLocal")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--only", choices=CONTENDERS, help="one contender")
    parser.add_argument("--episodes", type=int, default=512, help="held-out episodes of a look")
    parser.add_argument("--minutes", type=float, default=15.0, help="give up after so much training")
    parser.add_argument("--frames", type=int, default=4_000_000, help="of SB3's schedule in GoToLocal and others")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args(arguments)
    options.levels = options.levels or ["GoToRedBallGrey", "GoToLocal"]
    return options


class Race:
    """The clock of one run, which stands still while the policy is judged.

    Args:
        level: of BabyAI.
        options: of the command line.
    """

    def __init__(self, level: str, options: argparse.Namespace) -> None:
        self.env_id, self.options = f"BabyAI-{level}-v0", options
        self.seconds, self.best, self.looked_at = 0.0, 0.0, 0
        self.reached: Row = {"seconds": None, "thousand steps": None}
        self._began = time.monotonic()

    def start(self) -> None:
        """The training begins."""
        self._began = time.monotonic()

    def look(self, policy: Any, steps: int) -> bool:
        """Judges the policy, if it is time; whether the race goes on."""
        if steps < self.looked_at + EVERY:
            return True
        self.seconds += time.monotonic() - self._began
        self.looked_at = steps
        success = self.judge(policy)
        self.best = max(self.best, success)
        tell(f"{self.env_id}: {steps:,} steps, {self.seconds:.0f} s, {success:.3f}")
        if success >= GOAL:
            self.reached = {"seconds": self.seconds, "thousand steps": steps / 1000}
        self._began = time.monotonic()
        return success < GOAL and self.seconds < 60 * self.options.minutes

    def judge(self, policy: Any) -> float:
        """Greedy success in held-out episodes of minigrid itself; random generators are put back."""
        from senseweave.agent.play.environments import close_envs, make_envs
        from senseweave.agent.play.episodes import run_episodes
        from senseweave.policies.saving import random_state

        before, was_training = random_state.capture(), policy.training
        envs = make_envs(self.env_id, {}, self.options.episodes, None, policy.device)
        policy.set_training_mode(False)
        try:
            return float(run_episodes(policy, envs, self.options.episodes, greedy=True).success_rate or 0.0)
        finally:
            policy.set_training_mode(was_training)
            close_envs(envs)
            random_state.restore(*before)


def race_ours(level: str, seed: int, options: argparse.Namespace) -> Race:
    """`senseweave train --env ID --seed S`."""
    from stable_baselines3.common.logger import Logger

    from senseweave.agent.runs.machine import choose_device
    from senseweave.agent.settings.train import TrainConfig
    from senseweave.agent.train.start import build_training, make_training_env, resolve_perception
    from senseweave.policies.trainer import TRAINERS

    race = Race(level, options)
    config = TrainConfig.of_recipe({"env": race.env_id, "seed": seed})
    device = choose_device("cpu")
    vector, facts = make_training_env(config, device)
    perception, _ = resolve_perception(config, facts.senses)
    settings = TRAINERS[config.trainer]().settings(config)
    training = build_training(config, settings, perception, facts.senses, vector, device)
    training.logger = Logger(None, [])

    class Watch:
        """Looks between two rollouts."""

        goes_on = True

        def on_rollout_start(self) -> None:
            self.goes_on = race.look(training.policy, training.steps)

        def on_step(self) -> bool:
            return self.goes_on

        def on_rollout_end(self) -> None:
            pass

        def on_phase_end(self) -> None:
            pass

    race.start()
    try:
        training.learn(config.plan.total, Watch())
    finally:
        vector.close()
    return race


def race_sb3(level: str, seed: int, options: argparse.Namespace) -> Race:
    """stable-baselines3's PPO with the best settings that are known for it."""
    from stable_baselines3.common.callbacks import BaseCallback
    from trainer_plan import PLAIN
    from trainer_sb3 import build
    from trainer_task import Task

    race = Race(level, options)
    task: Row = {"contender": "sb3", "level": race.env_id, "seed": seed, "log": "/dev/null"} | PLAIN
    if level != "GoToRedBallGrey":
        task["frames"] = options.frames
    model = build(Task(**task))

    class Watch(BaseCallback):
        """Looks between two rollouts."""

        goes_on = True

        def _on_rollout_start(self) -> None:
            self.goes_on = race.look(self.model.policy, self.num_timesteps)

        def _on_step(self) -> bool:
            return self.goes_on

    race.start()
    try:
        model.learn(task["frames"], callback=Watch())
    finally:
        if model.env is not None:
            model.env.close()
    return race


def main(arguments: list[str] | None = None) -> int:
    """Runs one contender after the other, seed by seed, and prints the table."""
    options = parse(arguments)
    import torch
    from stable_baselines3.common.utils import set_random_seed

    torch.set_num_threads(1)  # ours has threads of its own, and SB3 is fastest with one here
    runs = {"senseweave": race_ours, "sb3": race_sb3}
    found: dict[str, list[Row]] = {}
    for level in options.levels:
        for seed in options.seeds:
            for name in (options.only,) if options.only else CONTENDERS:
                set_random_seed(seed)
                tell(f"{level}, seed {seed}: {name}")
                race = runs[name](level, seed, options)
                row = race.reached | {"best": race.best, "seconds of training": race.seconds}
                found.setdefault(f"{level}, {name}", []).append(row)
    columns = list(next(iter(found.values()))[0])
    table = [[what, *(each([row[name] for row in rows], ".3g") for name in columns)] for what, rows in found.items()]
    print_table(f"held-out success of {GOAL}, greedy, in minigrid", ["", *columns], table)
    results = [
        Result(what, {name: [row[name] for row in rows] for name in columns}, options.seeds)
        for what, rows in found.items()
    ]
    write_results(options, "to-97", results)
    if options.json:
        print_json({"rows": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
