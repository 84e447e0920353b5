"""The imitation that may come before a training run, or be all of it: lessons from the environment's expert.

Steps, checkpoints, metrics and Ctrl-C are those of the whole run; what is learned is in policies/imitation.py.
"""

import dataclasses
from typing import Any, cast

import torch
from stable_baselines3.common.utils import safe_mean

from ...policies.imitation import ImitationSettings, Imitator
from ...policies.ppo.learner import Underway
from ...policies.ppo.sources import StepOutcome
from ...policies.processes import world_size
from ..play.experts import VectorExpert
from ..settings.train import TrainConfig
from .callback import Keeper
from .models import DevicePPO, Model

LESSONS = ImitationSettings(rollout_size=16_384, epochs=3, last_expert_share=1.0, expert_noise=0.3)
"""Of a policy without memory. The expert alone plays, disturbed now and then: where a policy that errs has got to, the
expert's way is often one that nobody could guess from what is sensed there. 16,384 states of Seek are 0.3 GB."""

SEQUENCE_STEPS = 64
"""A policy with memory imitates over so many steps at a time: an instruction that is spoken takes two seconds, and is
to be remembered after it."""

SEQUENCES = 4
"""How many such sequences make a minibatch."""


def imitation_settings(config: TrainConfig) -> ImitationSettings:
    """How to imitate: longer rollouts and larger minibatches for a memory, which learns whole environments.

    `learning_rate` is meant where imitation is all there is; before PPO it is PPO's.
    """
    if config.memory == "none":
        settings = LESSONS
    else:
        sequences = {"rollout_size": SEQUENCE_STEPS * config.num_envs, "batch_size": SEQUENCES * SEQUENCE_STEPS}
        settings = ImitationSettings(**sequences)
    if config.trainer == "imitation" and config.learning_rate is not None:
        settings = dataclasses.replace(settings, learning_rate=config.learning_rate)
    return settings


def learn_from_expert(
    model: Model, keeper: Keeper, expert: VectorExpert, config: TrainConfig, settings: ImitationSettings
) -> bool:
    """Imitates from `model.num_timesteps` on until `config.all_imitation_steps`, and writes a checkpoint then.

    Returns:
        Whether it came to its end; False where the person wanted to stop.
    """
    keeper.begin_with(model)
    on_device = model if isinstance(model, DevicePPO) else None
    if on_device is not None:
        on_device.compile_perception()

    def note(outcome: StepOutcome) -> bool:
        model.num_timesteps += len(outcome.reward) * world_size()
        if on_device is not None:
            on_device.tally.note(outcome)
            return keeper.note_step()
        dones = outcome.is_over.cpu().numpy()
        model._update_info_buffer(cast(Any, outcome.infos), dones)
        return keeper.note_step(dones)

    total = config.all_imitation_steps
    imitator = Imitator(
        cast(Any, model.policy),
        cast(Any, model.get_env()) if on_device is None else on_device.environments,
        expert,
        total,
        settings,
        seed=config.seed,
        done=model.num_timesteps,
        workers=None if on_device is None else on_device.workers,
        auxiliary=None if on_device is None else dict(on_device.auxiliary.items()),
        auxiliary_weights=config.auxiliary,
    )
    while imitator.done < total:
        keeper.start_rollout()
        if on_device is None:
            seen = imitator.environments.tensors(model._last_obs)
            imitator.underway = Underway(seen, None, torch.as_tensor(cast(Any, model._last_episode_starts)))
        else:
            imitator.underway = on_device.underway
        if imitator.collect(note) is None:
            return False
        if on_device is None:
            seen = cast(Underway, imitator.underway).observation
            model._last_obs = cast(Any, {name: part.cpu().numpy() for name, part in seen.items()})
        else:
            on_device.underway = cast(Underway, imitator.underway)
            on_device.record_episodes()
        _record(model, keeper, imitator.learn())
    model.policy.optimizer.state.clear()
    for episodes in (model.ep_info_buffer, model.ep_success_buffer):  # the expert's
        if episodes is not None:
            episodes.clear()
    keeper.end_imitation()
    return True


def _record(model: Model, keeper: Keeper, told: dict[str, float]) -> None:
    """One row of metrics.csv, and one point of each curve; without episodes where the expert alone played them."""
    keeper.record_times()
    keeper.note_imitation(told)
    figures = {f"imitation/{name}": value for name, value in told.items()}
    recent = model.ep_info_buffer
    has_played = told["expert_share"] < 1.0  # the policy, too
    if recent and has_played:
        figures["rollout/ep_rew_mean"] = safe_mean([info["r"] for info in recent])
        figures["rollout/ep_len_mean"] = safe_mean([info["l"] for info in recent])
    if model.ep_success_buffer and has_played:
        figures["rollout/success_rate"] = safe_mean(model.ep_success_buffer)
    for name, value in figures.items():
        model.logger.record(name, value)
    model.logger.record("time/total_timesteps", model.num_timesteps, exclude="tensorboard")
    model.logger.dump(model.num_timesteps)
