"""Does somebody's own environment learn with nothing said? `train --env ID` beside stable-baselines3's PPO by default.

    python benchmarks/own_environments.py                          six environments, 3 seeds, both; hours
    python benchmarks/own_environments.py reach fetch --seeds 0 --only senseweave --rows

The environments are those of parts/own_worlds.py. Ours is what `senseweave train --env ID` does, and no more steps than
that are given to either. stable-baselines3's PPO has its defaults: CombinedExtractor, a text as one-hot of all texts,
and rollouts of 2,048 steps, which as many environments as ours share. Held-out episodes are the same for both. A run
that is finished keeps its row in --out, so that the same command goes on after a stop.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium import spaces
from parts.kept_rows import kept_row
from parts.own_worlds import WORLDS, OwnWorld
from parts.result_rows import Result, add_option, write_results
from parts.tables import each, print_json, print_table, tell

TABLE = "own-environments"
CONTENDERS = ("senseweave", "sb3")
SB3_ROLLOUT = 2048
SIDE_BY_SIDE = 32
"""Held-out episodes of stable-baselines3's policy at a time."""
Row = dict[str, Any]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("worlds", nargs="*", metavar="WORLD", help=f"of {', '.join(WORLDS)}; default: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--only", choices=CONTENDERS, help="one contender")
    parser.add_argument("--steps", type=int, help="of each training; default: those of our recipe")
    parser.add_argument("--episodes", type=int, default=512, help="held-out episodes, sampled and greedy each")
    parser.add_argument("--out", type=Path, default=Path("runs/own-environments"), help="folder of finished rows")
    parser.add_argument("--set", nargs="+", default=[], dest="said", metavar="NAME=VALUE", help="as of `train --set`")
    parser.add_argument("--quick", action="store_true", help="512 steps, 1 seed, 4 episodes: a smoke test")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args(arguments)
    options.worlds = options.worlds or list(WORLDS)
    if unknown := [name for name in options.worlds if name not in WORLDS]:
        parser.error(f"there is no {unknown[0]!r}; choose of {', '.join(WORLDS)}")
    if options.quick:
        options.seeds, options.steps, options.episodes = options.seeds[:1], 512, 4
    if options.said and options.rows:
        parser.error("--rows are for what is trained with nothing said; leave --set out")
    return options


def train_ours(world: OwnWorld, seed: int, options: argparse.Namespace) -> Row:
    """`senseweave train --env ID --seed S`, without files."""
    from stable_baselines3.common.logger import Logger

    from senseweave.agent.play.environments import close_envs, make_envs
    from senseweave.agent.play.episodes import run_episodes
    from senseweave.agent.runs.machine import choose_device
    from senseweave.agent.train.start import build_training, make_training_env, resolve_perception
    from senseweave.policies.trainer import TRAINERS

    config, device = config_of(world, seed, options), choose_device("cpu")
    vector, facts = make_training_env(config, device)
    perception, _ = resolve_perception(config, facts.senses)
    settings = TRAINERS[config.trainer]().settings(config)
    training = build_training(config, settings, perception, facts.senses, vector, device)
    training.logger = Logger(None, [])
    began, cpu = time.monotonic(), time.process_time()
    training.learn(config.plan.total, Watch(lambda: (training.steps, training.progress)))
    spent = {"seconds": time.monotonic() - began, "CPU seconds": time.process_time() - cpu}
    vector.close()
    training.policy.set_training_mode(False)
    envs = make_envs(config.env, {}, options.episodes, None, device)
    played = {}
    for how in ("sampled", "greedy"):
        found = run_episodes(training.policy, envs, options.episodes, greedy=how == "greedy")
        played |= told(how, list(map(float, found.returns)), found.success_rate if world.has_success else None)
    close_envs(envs)
    return {"steps": training.steps, **spent, **played}


def settings_of(contender: str, world: OwnWorld, seed: int, options: argparse.Namespace) -> Row:
    """What decides a training beside its environment and its seed; a row of other settings is not taken up again."""
    from senseweave.policies.trainer import TRAINERS

    config = config_of(world, seed, options)
    own = TRAINERS[config.trainer]().settings(config) if contender == "senseweave" else {}
    return {"steps": config.steps, "num_envs": config.num_envs} | own


def config_of(world: OwnWorld, seed: int, options: argparse.Namespace) -> Any:
    """What `senseweave train` is started with."""
    from senseweave.agent.settings.several import Pairs
    from senseweave.agent.settings.train import TrainConfig

    given: Row = {"env": world.id, "seed": seed}
    given |= {} if options.steps is None else {"steps": options.steps}
    given |= {"overrides": Pairs(word="set", is_dotted=True).read(options.said)} if options.said else {}
    return TrainConfig.of_recipe(given)


class Watch:
    """Tells now and then how a training goes.

    Args:
        progress: steps, and a word on how well.
    """

    def __init__(self, progress: Callable[[], tuple[int, str]]) -> None:
        self._progress, self._told = progress, time.monotonic()

    def on_rollout_start(self) -> None:
        if time.monotonic() > self._told + 30:
            self._told = time.monotonic()
            tell("{:,} steps, {}".format(*self._progress()))

    def on_step(self) -> bool:
        return True

    def on_rollout_end(self) -> None:
        pass

    def on_phase_end(self) -> None:
        pass


class OneHotText(gymnasium.ObservationWrapper[Any, Any, Any]):
    """The text of a Dict as one-hot, for networks that cannot read.

    Args:
        env: has one under "text".
        texts: all that there are.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], texts: tuple[str, ...]) -> None:
        super().__init__(env)
        self._codes = dict(zip(texts, np.eye(len(texts), dtype=np.float32), strict=True))
        own = dict(cast(spaces.Dict, env.observation_space).spaces)
        self.observation_space = spaces.Dict(own | {"text": spaces.Box(0, 1, (len(texts),), np.float32)})

    def observation(self, observation: Row) -> Row:
        return observation | {"text": self._codes[observation["text"]]}


def make_for_sb3(world: OwnWorld) -> gymnasium.Env[Any, Any]:
    """An environment as stable-baselines3 takes it."""
    env = gymnasium.make(world.id.partition(":")[2] or world.id)
    return OneHotText(env, world.missions) if world.missions else env


def train_sb3(world: OwnWorld, seed: int, options: argparse.Namespace) -> Row:
    """stable-baselines3's PPO by its defaults."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv

    config = config_of(world, seed, options)
    vector = DummyVecEnv([lambda: make_for_sb3(world)] * config.num_envs)
    policy = "MultiInputPolicy" if isinstance(vector.observation_space, spaces.Dict) else "MlpPolicy"
    n_steps = max(2, min(SB3_ROLLOUT, config.steps) // config.num_envs)
    model = PPO(policy, vector, n_steps=n_steps, seed=seed, device="cpu")
    began, cpu = time.monotonic(), time.process_time()
    model.learn(config.steps)
    spent = {"seconds": time.monotonic() - began, "CPU seconds": time.process_time() - cpu}
    vector.close()
    played = {}
    for how in ("sampled", "greedy"):
        returns, successes = play(model.policy, world, options.episodes, greedy=how == "greedy")
        played |= told(how, returns, float(np.mean(successes)) if world.has_success else None)
    return {"steps": model.num_timesteps, **spent, **played}


def play(policy: Any, world: OwnWorld, episodes: int, *, greedy: bool) -> tuple[list[float], list[bool]]:
    """Returns and successes in the held-out episodes that `senseweave evaluate` plays."""
    from senseweave.agent.play.episodes import held_out_seed

    returns, successes = [0.0] * episodes, [False] * episodes
    envs = [make_for_sb3(world) for _ in range(min(SIDE_BY_SIDE, episodes))]
    for first in range(0, episodes, len(envs)):
        under_way = {
            first + place: (env, env.reset(seed=held_out_seed(0, first + place))[0])
            for place, env in enumerate(envs[: episodes - first])
        }
        while under_way:
            seen = [observation for _, observation in under_way.values()]
            batch = {name: np.stack([one[name] for one in seen]) for name in seen[0]} if world.missions else seen
            actions = policy.predict(batch if world.missions else np.stack(seen), deterministic=greedy)[0]
            for episode, action in zip(list(under_way), actions, strict=True):
                env = under_way[episode][0]
                observation, reward, terminated, truncated, info = env.step(action)
                returns[episode] += float(reward)
                under_way[episode] = env, observation
                if terminated or truncated:
                    successes[episode] = bool(info.get("success"))
                    del under_way[episode]
    for env in envs:
        env.close()
    return returns, successes


def told(how: str, returns: list[float], success: float | None) -> Row:
    """The figures of some episodes."""
    own = {} if success is None else {f"success, {how}": success}
    return own | {f"return, {how}": float(np.mean(returns))}


RUNS = {"senseweave": train_ours, "sb3": train_sb3}


def main(arguments: list[str] | None = None) -> int:
    """Runs what is not finished, and prints the table; 130 after Ctrl-C."""
    options = parse(arguments)
    import torch
    from stable_baselines3.common.utils import set_random_seed

    torch.set_num_threads(1)  # ours has threads of its own, and SB3 is fastest with one here
    found: dict[str, list[Row]] = {}
    status = 0
    try:
        for seed in options.seeds:
            for name in options.worlds:
                for contender in (options.only,) if options.only else CONTENDERS:
                    task = {"world": name, "contender": contender, "seed": seed}
                    task |= {"episodes": options.episodes} | settings_of(contender, WORLDS[name], seed, options)
                    set_random_seed(seed)
                    path = options.out / f"{name}-{contender}-{seed}.json".replace(" ", "")
                    row = kept_row(path, task, lambda c=contender, n=name, s=seed: RUNS[c](WORLDS[n], s, options))
                    found.setdefault(f"{name}, {contender}", []).append(row)
    except KeyboardInterrupt:
        tell("stopped; the same command goes on with the runs that are missing")
        status = 130
    show(options, found)
    return status


def show(options: argparse.Namespace, found: dict[str, list[Row]]) -> None:
    """Prints the table, and writes the rows of docs/results.md."""
    columns = [f"{what}, {how}" for what in ("success", "return") for how in ("sampled", "greedy")]
    columns += ["seconds", "CPU seconds"]
    order = [f"{name}, {contender}" for name in options.worlds for contender in CONTENDERS]
    found = {what: found[what] for what in order if what in found}
    table = [
        [what, *(each([row[name] for row in rows if name in row], ".3g") for name in columns)]
        for what, rows in found.items()
    ]
    print_table("held-out episodes: median (each seed)", ["", *columns], table)
    results = [
        Result(
            what,
            {name: [row[name] for row in rows] for name in columns if name in rows[0]},
            [row["task"]["seed"] for row in rows],
        )
        for what, rows in found.items()
    ]
    write_results(options, TABLE, results)
    if options.json:
        print_json({"rows": found})


if __name__ == "__main__":
    sys.exit(main())
