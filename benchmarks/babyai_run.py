"""Trains one model with one seed, writes a row for every rollout and the result; `babyai_sb3.py` starts these.

The three models see the same observations through the same PPO settings (policies/presets.py); they differ in the
features extractor alone, and SB3's own in its two hidden layers, which are SB3's default.
"""

import csv
import dataclasses
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contenders.plain_extractor import PlainExtractor
from parts.kept_rows import write_row
from parts.tables import tell
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import CombinedExtractor
from torch import nn

from senseweave.agent.play.environments import make_vector_env
from senseweave.agent.play.episodes import run_episodes
from senseweave.envs import make
from senseweave.perception.spec import Spec
from senseweave.policies.presets import PPOPreset, ppo_settings

COLUMNS = ("model", "seed", "frames", "seconds", "cpu_seconds", "episodes", "success_rate", "mean_return", "ent_coef")
TELL_EVERY_S = 15.0
EVALUATION_ENVS = 16


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run: what to train, on what, for how long, and where its files go."""

    model: str
    seed: int
    level: str
    frames: int
    num_envs: int
    episodes: int
    out: str

    @property
    def name(self) -> str:
        """The stem of its files."""
        return f"{self.model}-seed{self.seed}"

    @property
    def rows_path(self) -> Path:
        """The CSV file with a row for each rollout."""
        return Path(self.out) / f"{self.name}.csv"

    @property
    def result_path(self) -> Path:
        """The JSON file that exists once the run is over."""
        return Path(self.out) / f"{self.name}.json"


def _ours(spec: Spec) -> dict[str, Any]:
    return {}


def _combined(spec: Spec) -> dict[str, Any]:
    # with `normalize_images=False` SB3 takes the 7 x 7 view for a picture, and its CNN for pictures does not fit it
    stock = {"normalize_images": True, "net_arch": None}
    return {"features_extractor_class": CombinedExtractor, "features_extractor_kwargs": {}} | stock


def _plain(spec: Spec) -> dict[str, Any]:
    return {"features_extractor_class": PlainExtractor, "features_extractor_kwargs": {"spec": spec}}


MODELS: dict[str, Callable[[Spec], dict[str, Any]]] = {"senseweave": _ours, "plain": _plain, "combined": _combined}
"""Model -> what it changes in the `policy_kwargs` of `ppo_settings`."""


class _Rows(BaseCallback):
    """Lets the entropy coefficient fall linearly to 0 and writes a row after each rollout."""

    def __init__(self, run: Run, preset: PPOPreset) -> None:
        super().__init__()
        self._run, self._preset = run, preset
        self._file = run.rows_path.open("w", newline="")
        self._writer = csv.DictWriter(self._file, COLUMNS)
        self._writer.writeheader()
        self._episodes = 0
        self._began = self._told = time.perf_counter()
        self._cpu_began = time.process_time()

    @property
    def seconds(self) -> float:
        """Since training began."""
        return time.perf_counter() - self._began

    @property
    def cpu_seconds(self) -> float:
        """CPU time of this process since training began."""
        return time.process_time() - self._cpu_began

    def _on_step(self) -> bool:
        self._episodes += int(np.count_nonzero(self.locals["dones"]))
        return True

    def _on_rollout_end(self) -> None:
        remaining = max(0.0, 1.0 - self.model.num_timesteps / self._run.frames)
        self.model.ent_coef = self._preset.ent_coef * remaining
        successes = self.model.ep_success_buffer or []
        returns = [info["r"] for info in self.model.ep_info_buffer or []]
        row = {
            "model": self._run.model,
            "seed": self._run.seed,
            "frames": self.model.num_timesteps,
            "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "episodes": self._episodes,
            "success_rate": round(float(np.mean(successes)), 4) if successes else "",
            "mean_return": round(float(np.mean(returns)), 4) if returns else "",
            "ent_coef": self.model.ent_coef,
        }
        self._writer.writerow(row)
        self._file.flush()
        if time.perf_counter() - self._told >= TELL_EVERY_S:
            self._told = time.perf_counter()
            tell(
                f"{self._run.name}: {self.model.num_timesteps:,}/{self._run.frames:,} frames, "
                f"success {row['success_rate']}, {self.model.num_timesteps / self.seconds:,.0f} frames/s"
            )


def train(run: Run) -> None:
    """Trains, evaluates on held-out seeds and writes the result; every row is on disk before the next rollout."""
    torch.set_num_threads(1)
    preset = PPOPreset()
    vector, facts = make_vector_env(run.level, {}, run.num_envs)
    settings = ppo_settings(facts.senses, preset=preset)
    settings["policy_kwargs"] |= MODELS[run.model](facts.senses)
    model = PPO("MultiInputPolicy", vector, seed=run.seed, device="cpu", **settings)
    rows = _Rows(run, preset)
    model.learn(run.frames, callback=rows)
    result = dataclasses.asdict(run) | {
        "parameters": sum(parameter.numel() for parameter in model.policy.parameters()),
        "embedding_parameters": sum(
            module.weight.numel() for module in model.policy.modules() if isinstance(module, nn.Embedding)
        ),
        "frames_trained": model.num_timesteps,
        "seconds": round(rows.seconds, 3),
        "cpu_seconds": round(rows.cpu_seconds, 3),
        "frames_per_second": round(model.num_timesteps / rows.seconds, 1),
        "frames_per_cpu_second": round(model.num_timesteps / rows.cpu_seconds, 1),
    }
    vector.close()
    tell(f"{run.name}: trained in {rows.seconds:.0f} s; {run.episodes} held-out episodes, sampled and greedy")
    model.policy.set_training_mode(False)
    envs = [make(run.level) for _ in range(min(EVALUATION_ENVS, run.episodes))]
    for how in ("sampled", "greedy"):
        played = run_episodes(model.policy, envs, run.episodes, greedy=how == "greedy")
        result |= {f"{how}_success": played.success_rate, f"{how}_interval": played.success_interval}
        result |= {f"{how}_length": float(np.mean(played.lengths)), f"{how}_return": float(np.mean(played.returns))}
    for env in envs:
        env.close()
    write_row(run.result_path, result)


if __name__ == "__main__":
    try:
        train(Run(**json.loads(sys.argv[1])))
    except KeyboardInterrupt:
        sys.exit(130)
