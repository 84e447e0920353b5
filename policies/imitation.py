"""Imitation: a policy learns what an expert would do in the states that the policy itself meets.

The policy and the expert play together; who acts is drawn anew for every environment and step, the expert less and less
often. An expert may be disturbed, so that its way back from a mistake is seen where the policy does not play. Every
state is labelled with the expert's action. Only the newest rollout is kept: labels cost nothing, so that fresh states
need no store. The value head learns from the same rollouts, and PPO can go on from there. A memory learns from whole
rollouts. How a rollout is played and a minibatch learned from is `ppo/learner.py`, which PPO shares.

b environments, s width of the memory's state, k samples of a minibatch, r rows (samples, or environments with a
memory), f figures
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn
from torch.nn import functional

from ..perception.checks import require_whole
from ..perception.errors import ConfigError
from .policy import Observation, SensePolicy
from .ppo.learner import Act, Acted, Learner, Losses, Underway
from .ppo.minibatch import Minibatches, Samples
from .ppo.rewards import require_finite_rewards
from .ppo.rollout import Rollout
from .ppo.sources import Environments, StepOutcome, environments_of
from .ppo.workers import Workers
from .presets import ImitationSettings
from .processes import sum_over_world, world_size

Expert = Callable[[], Tensor | NDArray[Any]]
"""Gives the expert's action in each environment as it is now, (b, ...)."""

OnStep = Callable[[StepOutcome], bool]
"""Called after each step; False breaks off the rollout."""

LEAST_SPREAD = 1e-3
"""A head of continuous actions starts with at least this standard deviation: an expert may do one thing alone."""

FIGURES = ("loss", "value_loss", "agreement")


class Imitator:
    """Collects rollouts and learns from them, one at a time; `imitate` is the whole of it.

    Args:
        policy: its own optimiser is used.
        env: what it plays in, with the policy's observation space: a `VecEnv`, a vector environment, or
            `Environments`.
        expert: asked before every step; None asks the environment.
        steps: environment steps in all, which the schedules are stretched over.
        settings: how to imitate.
        seed: of who acts when; the policy's own actions and the minibatches draw from torch's generator.
        done: steps of `steps` that are behind it already.
        workers: share each minibatch; None works in this thread alone.
        auxiliary: auxiliary losses by name, whose weights the policy's optimiser has.
        auxiliary_weights: name -> weight in the loss.

    Attributes:
        done: environment steps so far.
        underway: where the episodes have got to; None resets the environments at the next rollout.
        rollout: the newest one; its `actions` are the expert's.

    Raises:
        ConfigError: `steps` is less than 1, the policy is no `SensePolicy`, or nobody is an expert.
    """

    def __init__(
        self,
        policy: SensePolicy,
        env: VecEnv | VectorEnv[Any, Any, Any] | Environments,
        expert: Expert | None,
        steps: int,
        settings: ImitationSettings | None = None,
        *,
        seed: int = 0,
        done: int = 0,
        workers: Workers | None = None,
        auxiliary: Mapping[str, nn.Module] | None = None,
        auxiliary_weights: Mapping[str, float] | None = None,
    ) -> None:
        require_whole("steps", steps, 1, of="imitation")
        if not isinstance(policy, SensePolicy):
            raise ConfigError(
                f"Imitation needs a SensePolicy; got {type(policy).__name__}. Make it with PPO(SensePolicy, ...)."
            )
        self.policy, self.steps = policy, steps
        self.environments = env if isinstance(env, Environments) else environments_of(env, policy.device)
        if expert is None and not self.environments.has_expert:
            raise ConfigError("The environment has no expert of its own; give one.")
        self.settings = settings or ImitationSettings()
        self.expert = expert or functools.partial(self.environments.expert_actions, self.settings.expert)
        self.seed, self.done = seed, done
        self.workers = workers or Workers(1)
        self.auxiliary, self.auxiliary_weights = dict(auxiliary or {}), dict(auxiliary_weights or {})
        self.underway: Underway | None = None
        num_envs = self.environments.num_envs
        steps_each = math.ceil(self.settings.rollout_size / (num_envs * world_size()))
        self.rollout = Rollout(steps_each, num_envs, policy.device, policy.perception, self.workers, policy.moved)
        self._learner = Learner(policy, self.rollout, self.workers, "imitate")

    @property
    def expert_share(self) -> float:
        """The share of the actions that are the expert's now, 1 at the start."""
        falls_for, last = self.settings.expert_share * self.steps, self.settings.last_expert_share
        return max(last, 1.0 - (1.0 - last) * self.done / falls_for) if falls_for > 0 else last

    @property
    def learning_rate(self) -> float:
        """The optimiser's step size now."""
        return self.settings.learning_rate * (1.0 - 0.9 * min(1.0, self.done / self.steps))

    def collect(self, on_step: OnStep = lambda outcome: True) -> Rollout | None:
        """Plays one rollout; the last one ends with `steps`.

        Returns:
            The rollout, or None where `on_step` broke it off.
        """
        environments, policy = self.environments, self.policy
        at_once = environments.num_envs * world_size()
        length = min(self.rollout.steps, math.ceil(max(1, self.steps - self.done) / at_once))
        underway = self.underway or self._begin()
        policy.set_training_mode(False)

        def after_step(_: Acted, outcome: StepOutcome, now: Underway) -> bool:
            self.underway = now
            self.done += at_once
            return on_step(outcome)

        if not self._learner.collect(environments, underway, length, self._who_acts(), after_step):
            return None
        steps_before = self.done // at_once - self.rollout.length
        require_finite_rewards(self.rollout.rewards[: self.rollout.length], steps_before)
        self._learner.finish(cast(Underway, self.underway), policy.perceive, self.settings.gamma, gae_lambda=1.0)
        return self.rollout

    def _begin(self) -> Underway:
        """An episode begins in every environment."""
        environments, device = self.environments, self.policy.device
        starts = torch.ones(environments.num_envs, dtype=torch.bool, device=device)
        return Underway(environments.reset(), self.policy.first_state(environments.num_envs), starts)

    def _who_acts(self) -> Act:
        """Draws for each step and environment whether the expert acts or the policy; the expert's wish is learned."""
        coins = np.random.default_rng([self.seed, self.done])
        share, device = self.expert_share, self.policy.device
        nothing = torch.zeros(self.environments.num_envs, device=device)

        def act(seen: Observation, underway: Underway) -> Acted:
            wanted = torch.as_tensor(self.expert(), device=device)
            by_expert = torch.as_tensor(coins.random(len(nothing)) < share, device=device)
            done, memory = self._mix(seen, self._disturbed(wanted, coins), by_expert, underway)
            return Acted(done, self.policy.as_learned(wanted), nothing, nothing, memory)

        return act

    def learn(self) -> dict[str, float]:
        """Learns from the newest rollout.

        Returns:
            Means over the minibatches: "loss" (the expert's action's negative log-likelihood), "value_loss",
            "agreement" (how often the policy's most probable action is the expert's, where actions are discrete),
            "auxiliary/NAME", "learning_rate" and "expert_share".
        """
        settings, policy = self.settings, self.policy
        if not policy.optimizer.state:
            self._settle_heads()
        rate = self.learning_rate
        for group in policy.optimizer.param_groups:
            group["lr"] = rate
        policy.set_training_mode(True)
        minibatches = Minibatches(self.rollout, max(1, settings.batch_size // world_size()))
        epochs = self._learner.learn(minibatches, settings.epochs, settings.max_grad_norm, self._losses_of)
        policy.set_training_mode(False)
        names = (*FIGURES, *(f"auxiliary/{name}" for name in self.auxiliary_weights))
        means = torch.stack([figures for epoch in epochs for figures in epoch]).mean(dim=0)
        figures = dict(zip(names, means.tolist(), strict=True))
        return figures | {"learning_rate": rate, "expert_share": self.expert_share}

    def measured(self) -> dict[str, float]:
        """The newest rollout's speed by phase, and the gradient's mean norm, by the logger's keys."""
        return self._learner.speeds() | self._learner.gradients_told()

    def _losses_of(self, rows: Int[Tensor, " r"]) -> Losses:
        """The losses of one minibatch: of the expert's actions, of the values, and the auxiliary ones."""
        samples_each = self.rollout.length if self.policy.memory is not None else 1
        count = sum_over_world(torch.tensor(float(len(rows) * samples_each), device=self.policy.device))
        weights = [1.0, self.settings.value_weight, 0.0, *self.auxiliary_weights.values()]

        def losses(samples: Samples) -> tuple[Float[Tensor, ""], Float[Tensor, " f"]]:
            figures = self._losses(samples).sum(dim=1) / count
            return (torch.tensor(weights, device=figures.device) * figures).sum(), figures

        return losses

    def _losses(self, samples: Samples) -> Float[Tensor, "f k"]:
        """The figures of each sample."""
        policy = self.policy
        percept = policy.perceive(samples.readings)
        judgement, _ = policy.judge(percept, samples.state, samples.starts)
        distribution = policy.distribution(judgement)
        loss = -cast(Tensor, distribution.log_prob(samples.actions))
        value_loss = functional.mse_loss(judgement.values, samples.returns, reduction="none")
        agrees = distribution.mode().reshape(samples.actions.shape) == samples.actions
        known = vars(samples) | {"percept": percept}
        extras = [self.auxiliary[name](judgement.features, known) for name in self.auxiliary_weights]
        return torch.stack([loss, value_loss, agrees.view(len(agrees), -1).all(dim=1).float(), *extras])

    @torch.no_grad()
    def _settle_heads(self) -> None:
        """Starts the heads at the mean: how often the expert does what, or how far and how differently, and its worth.

        Learned by gradients, that constant would be pushed through the perception below, which then hardly tells one
        state from another any more and does not recover: 65 % agreement in the place of 95 after 600 minibatches.
        A head whose biases are not all 0 has learned before, and stays as it is.
        """
        rollout, policy = self.rollout, self.policy
        action_bias, value_bias = cast(nn.Linear, policy.action_net).bias, policy.value_net.bias
        if isinstance(policy.action_space, spaces.Discrete) and not action_bias.any():
            counts = torch.bincount(rollout.actions[: rollout.length].flatten(), minlength=int(policy.action_space.n))
            counts = sum_over_world(counts + 1.0)
            action_bias.copy_((counts / counts.sum()).log())
        if isinstance(policy.action_space, spaces.Box) and not action_bias.any():
            done = rollout.actions[: rollout.length].flatten(0, 1).float()
            mean = sum_over_world(done.mean(dim=0) / world_size())
            spread = sum_over_world((done - mean).square().mean(dim=0) / world_size()).sqrt()
            action_bias.copy_(mean)
            cast(Tensor, policy.log_std).copy_(spread.clamp(min=LEAST_SPREAD).log())
        if self.settings.value_weight and not value_bias.any():
            mean = sum_over_world(rollout.returns[: rollout.length].mean() / world_size())
            value_bias.copy_(mean.expand(1))

    def _disturbed(self, wanted: Tensor, coins: np.random.Generator) -> Tensor:
        """What the expert does: what it wants to, or now and then what it wants to do in another environment."""
        if not self.settings.expert_noise:
            return wanted
        b, rollout = len(wanted), self.rollout
        others = wanted
        if b == 1 and rollout.length:
            others = rollout.actions[: rollout.length, 0].reshape(-1, *wanted.shape[1:]).to(wanted.dtype)
        is_disturbed = torch.as_tensor(coins.random(b) < self.settings.expert_noise, device=wanted.device)
        of = torch.as_tensor(coins.integers(len(others), size=b), device=wanted.device)
        return torch.where(is_disturbed.view(-1, *[1] * (wanted.ndim - 1)), others[of], wanted)

    def _mix(
        self, seen: Observation, wanted: Tensor, by_expert: Bool[Tensor, " b"], underway: Underway
    ) -> tuple[Tensor, Float[Tensor, "b s"] | None]:
        """The actions that are done, and the memory after them. Without one, the policy is only asked where it acts."""
        policy = self.policy
        if policy.memory is not None:
            own, _, _, memory = policy.act(policy.perceive(seen), underway.memory, underway.starts)
            own = policy.within_bounds(own).to(wanted.dtype)
            return torch.where(by_expert.view(-1, *[1] * (wanted.ndim - 1)), wanted, own), memory
        rows = (~by_expert).nonzero()[:, 0]
        if not len(rows):
            return wanted, None
        asked = seen if len(rows) == len(wanted) else {name: part[rows] for name, part in seen.items()}
        own, _, _, _ = policy.act(policy.perceive(asked), None, underway.starts[rows])
        return wanted.index_copy(0, rows, policy.within_bounds(own).to(wanted.dtype)), None


def imitate(
    policy: SensePolicy,
    env: VecEnv | VectorEnv[Any, Any, Any] | Environments,
    expert: Expert | None,
    steps: int,
    settings: ImitationSettings | None = None,
    *,
    seed: int = 0,
    on_rollout: Callable[[int, dict[str, float]], bool] = lambda done, figures: True,
) -> dict[str, float]:
    """Teaches a policy by an expert, in place.

    `imitate(model.policy, env, None, steps=100_000)`, and then `model.learn(...)`: the optimiser forgets its state at
    the end, so that what follows starts afresh. `model` is a PPO of ours or of SB3's, made with `SensePolicy`.

    Args:
        policy: see `Imitator`.
        env: see `Imitator`.
        expert: see `Imitator`.
        steps: environment steps, of all environments together; the last rollout is filled up.
        settings: how to imitate.
        seed: see `Imitator`.
        on_rollout: called after each rollout with the steps done and what `Imitator.learn` returned; False ends it.

    Returns:
        What the last `Imitator.learn` returned.

    Raises:
        ConfigError: see `Imitator`.
    """
    imitator = Imitator(policy, env, expert, steps, settings, seed=seed)
    figures: dict[str, float] = {}
    while imitator.done < steps:
        if imitator.collect() is None:
            break
        figures = imitator.learn()
        if not on_rollout(imitator.done, figures):
            break
    policy.optimizer.state.clear()
    return figures
