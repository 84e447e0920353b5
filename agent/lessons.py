"""The imitation that may come before a training run: lessons from the environment's expert, watched by the keeper.

Steps, checkpoints, metrics and Ctrl-C are those of the whole run; what is learned is in policies/imitation.py.
"""

from typing import Any

import numpy as np
from stable_baselines3.common.utils import safe_mean

from ..policies.imitation import ImitationSettings, Imitator
from .build import Model
from .config import TrainConfig
from .experts import VectorExpert
from .keeper import Keeper


def learn_from_expert(
    model: Model, keeper: Keeper, expert: VectorExpert, config: TrainConfig, settings: ImitationSettings
) -> bool:
    """Imitates from `model.num_timesteps` on until `config.all_imitation_steps`, and writes a checkpoint then.

    Returns:
        Whether it came to its end; False where the person wanted to stop.
    """
    vector: Any = model.get_env()
    keeper.begin_with(model)

    def note(dones: np.ndarray, infos: list[dict[str, Any]]) -> bool:
        model.num_timesteps += len(dones)
        model._update_info_buffer(infos, dones)
        return keeper.note_step(dones)

    total = config.all_imitation_steps
    imitator = Imitator(model.policy, vector, expert, total, settings, seed=config.seed, done=model.num_timesteps)
    while imitator.done < total:
        keeper.start_rollout()
        imitator.observation = model._last_obs
        rollout = imitator.collect(note)
        if rollout is None:
            return False
        model._last_obs = imitator.observation
        _record(model, keeper, imitator.learn(rollout))
    model.policy.optimizer.state.clear()
    keeper.end_imitation()
    return True


def _record(model: Model, keeper: Keeper, told: dict[str, float]) -> None:
    """One row of metrics.csv, and one point of each curve."""
    keeper.record_times()
    figures = {f"imitation/{name}": value for name, value in told.items()}
    recent = model.ep_info_buffer
    if recent:
        figures["rollout/ep_rew_mean"] = safe_mean([info["r"] for info in recent])
        figures["rollout/ep_len_mean"] = safe_mean([info["l"] for info in recent])
    if model.ep_success_buffer:
        figures["rollout/success_rate"] = safe_mean(model.ep_success_buffer)
    for name, value in figures.items():
        model.logger.record(name, value)
    model.logger.record("time/total_timesteps", model.num_timesteps, exclude="tensorboard")
    model.logger.dump(model.num_timesteps)
