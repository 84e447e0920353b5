"""Imitation: a policy learns what an expert would do in the states that the policy itself meets.

The policy and the expert play together; who acts is drawn anew for every environment and step, the expert less and less
often. An expert may be disturbed, so that its way back from a mistake is seen where the policy does not play. Every
state is labelled with the expert's action. Only the newest rollout is kept: labels cost nothing, so that fresh states
need no store. The value head learns from the same rollouts, and PPO can go on from there. A memory learns from whole
rollouts.

b environments, t steps, k samples of a minibatch, r rows (samples, or environments with a memory), f figures
"""

import dataclasses
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

from ..perception.errors import ConfigError
from .policy import Observation, SensePolicy
from .ppo.minibatch import Minibatches, Samples
from .ppo.rollout import Rollout
from .ppo.sources import Outcome, Source, source_of
from .ppo.workers import Workers, add_gradients
from .processes import sum_over_world, world_size

Expert = Callable[[], Tensor | NDArray[Any]]
"""Gives the expert's action in each environment as it is now, (b, ...)."""

OnStep = Callable[[Outcome], bool]
"""Called after each step; False breaks off the rollout."""

FIGURES = ("loss", "value_loss", "agreement")


@dataclasses.dataclass(frozen=True)
class ImitationSettings:
    """How to imitate.

    Args:
        learning_rate: at the start; it falls linearly to a tenth.
        rollout_size: samples between updates, at least; of all environments, and all processes, together.
        batch_size: samples of a minibatch, of all processes together; on a CPU 64 to 512 are equally fast, and the
            smaller ones learn sooner.
        epochs: how often each sample is learned from.
        expert_share: the part of all steps during which the expert's share of the actions falls linearly from 1, 0..1.
        last_expert_share: what it falls to, 0..1; 0 lets the policy play alone, 1 the expert.
        expert_noise: the part of the expert's steps in which it is disturbed, 0..1: it does what it would do now in
            another environment of the batch, drawn at random, or, where there is one alone, what it wanted earlier in
            the rollout. What is learned is what it wanted to do.
        value_weight: of the value head's squared error in the loss; 0 leaves the value head alone.
        gamma: discount of the returns that the value head learns.
        max_grad_norm: longer gradients are shortened to this.

    Raises:
        ConfigError: a value is out of its range.

    Source: Ross et al. 2011, "A reduction of imitation learning and structured prediction to no-regret online
    learning" (DAgger), algorithm 3.1, with the newest rollout in the place of the aggregated data. Disturbed experts:
    Laskey et al. 2017, "DART: Noise injection for robust imitation learning", with a noise that is not fitted.
    """

    learning_rate: float = 1e-3
    rollout_size: int = 2048
    batch_size: int = 128
    epochs: int = 1
    expert_share: float = 0.5
    last_expert_share: float = 0.0
    expert_noise: float = 0.0
    value_weight: float = 0.1
    gamma: float = 0.99
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        for name in ("rollout_size", "batch_size", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"`{name}` must be at least 1; got {getattr(self, name)!r}.")
        for name in ("expert_share", "last_expert_share", "expert_noise", "gamma"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"`{name}` must be in 0..1; got {getattr(self, name)!r}.")
        for name in ("learning_rate", "max_grad_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"`{name}` must be above 0; got {getattr(self, name)!r}.")
        if not 0 <= self.value_weight < math.inf:
            raise ConfigError(f"`value_weight` must be at least 0; got {self.value_weight!r}.")


class Imitator:
    """Collects rollouts and learns from them, one at a time; `imitate` is the whole of it.

    Args:
        policy: its own optimiser is used.
        env: what it plays in, with the policy's observation space: a `VecEnv`, a vector environment, or a `Source`.
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
        observation: what the environments show now; None resets them at the next rollout.
        state: the policy's memory now.
        starts: whether an episode begins there now.
        rollout: the newest one; its `actions` are the expert's.

    Raises:
        ConfigError: `steps` is less than 1, the policy is no `SensePolicy`, or nobody is an expert.
    """

    def __init__(
        self,
        policy: SensePolicy,
        env: VecEnv | VectorEnv[Any, Any, Any] | Source,
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
        if steps < 1:
            raise ConfigError(f"`steps` of imitation must be at least 1; got {steps!r}.")
        if not isinstance(policy, SensePolicy):
            raise ConfigError(
                f"Imitation needs a SensePolicy; got {type(policy).__name__}. Make it with PPO(SensePolicy, ...)."
            )
        self.policy, self.steps = policy, steps
        self.source = env if isinstance(env, Source) else source_of(env, policy.device)
        if expert is None and not self.source.has_expert:
            raise ConfigError("The environment has no expert of its own; give one.")
        self.expert = expert or self.source.expert_actions
        self.settings = settings or ImitationSettings()
        self.seed, self.done = seed, done
        self.workers = workers or Workers(1)
        self.auxiliary, self.auxiliary_weights = dict(auxiliary or {}), dict(auxiliary_weights or {})
        self.observation: Observation | None = None
        self.state: Tensor | None = None
        self.starts = torch.ones(self.source.num_envs, dtype=torch.bool, device=policy.device)
        length = math.ceil(self.settings.rollout_size / (self.source.num_envs * world_size()))
        self.rollout = Rollout(
            length, self.source.num_envs, policy.device, policy.perception, self.workers, policy.moved
        )

    @property
    def expert_share(self) -> float:
        """The share of the actions that are the expert's now, 1 at the start."""
        falls_for, last = self.settings.expert_share * self.steps, self.settings.last_expert_share
        return max(last, 1.0 - (1.0 - last) * self.done / falls_for) if falls_for > 0 else last

    @property
    def learning_rate(self) -> float:
        """The optimiser's step size now."""
        return self.settings.learning_rate * (1.0 - 0.9 * min(1.0, self.done / self.steps))

    @torch.no_grad()
    def collect(self, on_step: OnStep = lambda outcome: True) -> Rollout | None:
        """Plays one rollout; the last one ends with `steps`.

        Returns:
            The rollout, or None where `on_step` broke it off.
        """
        source, rollout, b = self.source, self.rollout, self.source.num_envs
        joint = b * world_size()
        length = min(rollout.steps, math.ceil(max(1, self.steps - self.done) / joint))
        coins = np.random.default_rng([self.seed, self.done])
        if self.observation is None:
            self.observation = source.reset()
            self.state = self.policy.first_state(b)
            self.starts = torch.ones_like(self.starts)
        self.policy.set_training_mode(False)
        rollout.begin(self.state)
        share, nothing = self.expert_share, torch.zeros(b, device=self.policy.device)
        while rollout.length < length:
            seen = rollout.see(self.observation, source.missions)
            wanted = torch.as_tensor(self.expert(), device=self.policy.device)
            by_expert = torch.as_tensor(coins.random(b) < share, device=self.policy.device)
            outcome = source.step(self._mix(seen, self._disturbed(wanted, coins), by_expert))
            rollout.add(wanted, nothing, nothing, self.starts, outcome.reward)
            self.observation, self.starts = outcome.observation, outcome.is_over
            self.done += joint
            if not on_step(outcome):
                return None
        percept = self.policy.perceive(rollout.cut(rollout.pack(self.observation)))
        following = self.policy.judge(percept, self.state, self.starts[None])[0].values
        rollout.finish(following, self.starts, self.settings.gamma, 1.0)
        return rollout

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
        parameters = [p for group in policy.optimizer.param_groups for p in group["params"] if p.requires_grad]
        policy.set_training_mode(True)
        minibatches = Minibatches(self.rollout, max(1, settings.batch_size // world_size()))
        told = []
        for _ in range(settings.epochs):
            for rows in minibatches.shuffled():
                told.append(self._gradients(parameters, minibatches, rows))
                used = [p for p in parameters if p.grad is not None]
                nn.utils.clip_grad_norm_(used, settings.max_grad_norm, foreach=True)
                policy.optimizer.step()
        policy.set_training_mode(False)
        names = (*FIGURES, *(f"auxiliary/{name}" for name in self.auxiliary_weights))
        figures = dict(zip(names, torch.stack(told).mean(dim=0).tolist(), strict=True))
        return figures | {"learning_rate": rate, "expert_share": self.expert_share}

    def _gradients(
        self, parameters: list[nn.Parameter], minibatches: Minibatches, rows: Int[Tensor, " r"]
    ) -> Float[Tensor, " f"]:
        """Sets the gradients of one minibatch, over all processes; returns its figures."""
        samples = len(rows) * (self.rollout.length if minibatches.by_environment else 1)
        count = sum_over_world(torch.tensor(float(samples), device=self.policy.device))

        def work(part: Int[Tensor, " r"]) -> tuple[list[Tensor | None], Float[Tensor, " f"]]:
            with torch.enable_grad():
                figures = self._losses(minibatches.samples(part)).sum(dim=1) / count
                weights = [1.0, self.settings.value_weight, 0.0, *self.auxiliary_weights.values()]
                loss = (torch.tensor(weights, device=figures.device) * figures).sum()
                return list(torch.autograd.grad(loss, parameters, allow_unused=True)), figures.detach()

        parts = self.workers.split(rows, minibatches.least_rows)
        worked = self.workers.map(work, parts, ("imitate", minibatches.shape_of(rows)))
        add_gradients(parameters, [gradients for gradients, _ in worked])
        return sum_over_world(torch.stack([figures for _, figures in worked]).sum(dim=0))

    def _losses(self, samples: Samples) -> Float[Tensor, "f k"]:
        policy = self.policy
        percept = policy.perceive(samples.readings)
        judgement, _ = policy.judge(percept, samples.state, samples.starts)
        distribution = policy.distribution(judgement)
        loss = -cast(Tensor, distribution.log_prob(samples.actions))
        value_loss = functional.mse_loss(judgement.values, samples.returns, reduction="none")
        agrees = distribution.mode().reshape(samples.actions.shape) == samples.actions
        known = vars(samples) | {"percept": percept}
        told = [self.auxiliary[name](judgement.features, known) for name in self.auxiliary_weights]
        return torch.stack([loss, value_loss, agrees.view(len(agrees), -1).all(dim=1).float(), *told])

    @torch.no_grad()
    def _settle_heads(self) -> None:
        """Starts the heads at the mean: how often the expert does what, and what that is worth.

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
        if self.settings.value_weight and not value_bias.any():
            mean = sum_over_world(rollout.returns[: rollout.length].mean() / world_size())
            value_bias.copy_(mean.expand(1))

    def _disturbed(self, wanted: Tensor, coins: np.random.Generator) -> Tensor:
        """What the expert does: what it wants to, or now and then what it wants to do in another environment."""
        if not self.settings.expert_noise:
            return wanted
        b, rollout = len(wanted), self.rollout
        others = wanted if b > 1 or not rollout.length else rollout.actions[: rollout.length, 0].to(wanted.dtype)
        is_disturbed = torch.as_tensor(coins.random(b) < self.settings.expert_noise, device=wanted.device)
        of = torch.as_tensor(coins.integers(len(others), size=b), device=wanted.device)
        return torch.where(is_disturbed.view(-1, *[1] * (wanted.ndim - 1)), others[of], wanted)

    def _mix(self, seen: Observation, wanted: Tensor, by_expert: Bool[Tensor, " b"]) -> Tensor:
        """The actions that are done. Without a memory, the policy is only asked where it acts."""
        policy = self.policy
        if policy.memory is not None:
            own, _, _, self.state = policy.act(policy.perceive(seen), self.state, self.starts)
            own = policy.within_bounds(own).to(wanted.dtype)
            return torch.where(by_expert.view(-1, *[1] * (wanted.ndim - 1)), wanted, own)
        rows = (~by_expert).nonzero()[:, 0]
        if not len(rows):
            return wanted
        asked = seen if len(rows) == len(wanted) else {name: part[rows] for name, part in seen.items()}
        own, _, _, _ = policy.act(policy.perceive(asked), None, self.starts[rows])
        return wanted.index_copy(0, rows, policy.within_bounds(own).to(wanted.dtype))


def imitate(
    policy: SensePolicy,
    env: VecEnv | VectorEnv[Any, Any, Any] | Source,
    expert: Expert | None,
    steps: int,
    settings: ImitationSettings | None = None,
    *,
    seed: int = 0,
    on_rollout: Callable[[int, dict[str, float]], bool] = lambda done, told: True,
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
    told: dict[str, float] = {}
    while imitator.done < steps:
        if imitator.collect() is None:
            break
        told = imitator.learn()
        if not on_rollout(imitator.done, told):
            break
    policy.optimizer.state.clear()
    return told
