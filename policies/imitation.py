"""Imitation: a policy of stable-baselines3 learns what an expert would do in the states that the policy itself meets.

The policy and the expert play together; who acts is drawn anew for every environment and step, the expert less and less
often. Every state is labelled with the expert's action. Only the newest rollout is kept: labels cost nothing, so fresh
states are better than old ones. The value head learns from the same rollouts, so that PPO can go on from there.

b environments, t steps, n = t * b samples
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn
from torch.nn import functional as F

from ..perception.errors import ConfigError

Expert = Callable[[], NDArray[Any]]
"""Gives the expert's action in each environment as it is now, (b, ...)."""

OnStep = Callable[[NDArray[np.bool_], list[dict[str, Any]]], bool]
"""Called after each step with `dones` and `infos`; False breaks off the rollout."""


@dataclasses.dataclass(frozen=True)
class ImitationSettings:
    """How to imitate.

    Args:
        learning_rate: at the start; it falls linearly to a tenth.
        rollout_size: samples between updates, at least; of all environments together.
        batch_size: samples of a minibatch; on a CPU 64 to 512 are equally fast, and the smaller ones learn sooner.
        epochs: how often each sample is learned from.
        expert_share: the part of all steps after which the policy plays alone, 0..1; until then the expert's share of
            the actions falls linearly from 1 to 0.
        value_weight: of the value head's squared error in the loss; 0 leaves the value head alone.
        gamma: discount of the returns that the value head learns.
        max_grad_norm: longer gradients are shortened to this.

    Raises:
        ConfigError: a value is out of its range.

    Source: Ross et al. 2011, "A reduction of imitation learning and structured prediction to no-regret online
    learning" (DAgger), algorithm 3.1, with the newest rollout in the place of the aggregated data.
    """

    learning_rate: float = 1e-3
    rollout_size: int = 2048
    batch_size: int = 128
    epochs: int = 1
    expert_share: float = 0.5
    value_weight: float = 0.1
    gamma: float = 0.99
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        for name in ("rollout_size", "batch_size", "epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"`{name}` must be at least 1; got {getattr(self, name)!r}.")
        for name in ("expert_share", "gamma"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"`{name}` must be in 0..1; got {getattr(self, name)!r}.")
        for name in ("learning_rate", "max_grad_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"`{name}` must be above 0; got {getattr(self, name)!r}.")
        if not 0 <= self.value_weight < math.inf:
            raise ConfigError(f"`value_weight` must be at least 0; got {self.value_weight!r}.")


@dataclasses.dataclass(frozen=True)
class Demonstrations:
    """One rollout, flat: sample `step * b + environment`.

    Args:
        observations: as the policy's networks take them, on its device.
        actions: the expert's.
        returns: discounted returns of the mixed play.
    """

    observations: dict[str, Tensor]
    actions: Tensor
    returns: Float[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.actions)


class Imitator:
    """Collects rollouts and learns from them, one at a time; `imitate` is the whole of it.

    Args:
        policy: an actor-critic policy without memory; its own optimiser is used.
        env: what it plays in, with the policy's observation space.
        expert: asked before every step.
        steps: environment steps in all, which the schedules are stretched over.
        settings: how to imitate.
        seed: of who acts when, and of the minibatches; the policy's own actions draw from torch's generator.
        done: steps of `steps` that are behind it already.

    Attributes:
        done: environment steps so far.
        observation: what the environments show now; None resets them at the next rollout.

    Raises:
        ConfigError: `steps` is less than 1, or the policy is recurrent.
    """

    def __init__(
        self,
        policy: ActorCriticPolicy,
        env: VecEnv,
        expert: Expert,
        steps: int,
        settings: ImitationSettings | None = None,
        *,
        seed: int = 0,
        done: int = 0,
    ) -> None:
        if steps < 1:
            raise ConfigError(f"`steps` of imitation must be at least 1; got {steps!r}.")
        if hasattr(policy, "lstm_actor"):
            raise ConfigError('Imitation needs a policy without memory; take memory "none", or leave imitation out.')
        self.policy, self.env, self.expert, self.steps = policy, env, expert, steps
        self.settings = settings or ImitationSettings()
        self.seed, self.done = seed, done
        self.observation: Any = None

    @property
    def expert_share(self) -> float:
        """The share of the actions that are the expert's now, 1 at the start."""
        alone_after = self.settings.expert_share * self.steps
        return max(0.0, 1.0 - self.done / alone_after) if alone_after > 0 else 0.0

    @property
    def learning_rate(self) -> float:
        """The optimiser's step size now."""
        return self.settings.learning_rate * (1.0 - 0.9 * min(1.0, self.done / self.steps))

    def collect(self, on_step: OnStep = lambda dones, infos: True) -> Demonstrations | None:
        """Plays one rollout; the last one ends with `steps`.

        Returns:
            The rollout, or None where `on_step` broke it off.
        """
        b = self.env.num_envs
        length = math.ceil(min(self.settings.rollout_size, max(1, self.steps - self.done)) / b)
        coins = np.random.default_rng([self.seed, self.done])
        if self.observation is None:
            self.observation = self.env.reset()
        self.policy.set_training_mode(False)
        seen, labels, rewards, ends = [], [], [], []
        share = self.expert_share
        for _ in range(length):
            tensors = self._tensors(self.observation)
            wanted = np.asarray(self.expert())
            actions = self._mix(tensors, wanted, coins.random(b) < share)
            self.observation, reward, dones, infos = self.env.step(actions)
            seen.append(tensors)
            labels.append(wanted)
            rewards.append(reward)
            ends.append(dones)
            self.done += b
            if not on_step(dones, infos):
                return None
        device = self.policy.device
        observations = {name: torch.cat([part[name] for part in seen]) for name in seen[0]}
        returns = self._returns(np.stack(rewards), np.stack(ends))
        actions = torch.as_tensor(np.concatenate(labels), device=device)
        return Demonstrations(observations, actions, torch.as_tensor(returns.ravel(), device=device))

    def learn(self, rollout: Demonstrations) -> dict[str, float]:
        """Learns from one rollout.

        Returns:
            Means over the minibatches: "loss" (the expert's action's negative log-likelihood), "value_loss",
            "agreement" (how often the policy's most probable action is the expert's, where actions are discrete),
            "learning_rate" and "expert_share".
        """
        settings, policy = self.settings, self.policy
        if not policy.optimizer.state:
            self._settle_heads(rollout)
        told = {"loss": 0.0, "value_loss": 0.0, "agreement": 0.0}
        rate, count = self.learning_rate, len(rollout)
        for group in policy.optimizer.param_groups:
            group["lr"] = rate
        policy.set_training_mode(True)
        shuffled = np.random.default_rng([self.seed, self.done, 1])
        batches = max(1, round(count / settings.batch_size))
        for _ in range(settings.epochs):
            for rows in np.array_split(shuffled.permutation(count), batches):
                for name, value in self._improve(rollout, torch.as_tensor(rows, device=policy.device)).items():
                    told[name] += value / (batches * settings.epochs)
        policy.set_training_mode(False)
        return told | {"learning_rate": rate, "expert_share": self.expert_share}

    def _improve(self, rollout: Demonstrations, rows: Int[Tensor, " k"]) -> dict[str, float]:
        """One step of the optimiser."""
        policy, wanted = self.policy, rollout.actions[rows]
        observations = {name: part[rows] for name, part in rollout.observations.items()}
        latent_pi, latent_vf = policy.mlp_extractor(policy.extract_features(cast(Any, observations)))
        distribution = policy._get_action_dist_from_latent(latent_pi)
        loss = -distribution.log_prob(wanted).mean()
        value_loss = F.mse_loss(policy.value_net(latent_vf)[:, 0], rollout.returns[rows])
        policy.optimizer.zero_grad()
        (loss + self.settings.value_weight * value_loss).backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), self.settings.max_grad_norm)
        policy.optimizer.step()
        with torch.no_grad():
            agrees = (distribution.mode().reshape(wanted.shape) == wanted).float().mean()
        return {"loss": loss.item(), "value_loss": value_loss.item(), "agreement": agrees.item()}

    @torch.no_grad()
    def _settle_heads(self, rollout: Demonstrations) -> None:
        """Starts the heads at the mean: how often the expert does what, and what that is worth.

        Learned by gradients, that constant would be pushed through the perception below, which then hardly tells one
        state from another any more and does not recover: 65 % agreement in the place of 95 after 600 minibatches.
        """
        if isinstance(self.policy.action_space, spaces.Discrete):
            counts = torch.bincount(rollout.actions, minlength=int(self.policy.action_space.n)) + 1.0
            cast(nn.Linear, self.policy.action_net).bias.copy_((counts / counts.sum()).log())
        if self.settings.value_weight:
            self.policy.value_net.bias.copy_(rollout.returns.mean())

    @torch.no_grad()
    def _mix(self, tensors: dict[str, Tensor], wanted: NDArray[Any], by_expert: Bool[np.ndarray, " b"]) -> NDArray[Any]:
        """The actions that are done; the policy is only asked where it acts."""
        if by_expert.all():
            return wanted
        own = np.flatnonzero(~by_expert)
        rows = torch.as_tensor(own, device=self.policy.device)
        asked = tensors if len(own) == len(wanted) else {name: part[rows] for name, part in tensors.items()}
        actions = wanted.copy()
        actions[own] = self.policy.get_distribution(cast(Any, asked)).get_actions().cpu().numpy()
        return actions

    @torch.no_grad()
    def _returns(self, rewards: Float[np.ndarray, "t b"], ends: Bool[np.ndarray, "t b"]) -> Float[np.ndarray, "t b"]:
        """Discounted returns; what comes after the rollout is what the value head expects."""
        following = self.policy.predict_values(cast(Any, self._tensors(self.observation)))[:, 0].cpu().numpy()
        returns = np.zeros(rewards.shape, np.float32)
        for step in reversed(range(len(rewards))):
            following = rewards[step] + self.settings.gamma * np.where(ends[step], 0.0, following)
            returns[step] = following
        return returns

    def _tensors(self, observation: Any) -> dict[str, Tensor]:
        return cast(dict[str, Tensor], self.policy.obs_to_tensor(observation)[0])


def imitate(
    policy: ActorCriticPolicy,
    env: VecEnv,
    expert: Expert,
    steps: int,
    settings: ImitationSettings | None = None,
    *,
    seed: int = 0,
    on_rollout: Callable[[int, dict[str, float]], bool] = lambda done, told: True,
) -> dict[str, float]:
    """Teaches a policy by an expert, in place.

    `imitate(model.policy, model.get_env(), lambda: experts(...), steps=100_000)`, and then `model.learn(...)`: the
    optimiser forgets its state at the end, so that what follows starts afresh.

    Args:
        policy: an actor-critic policy of stable-baselines3 without memory, `model.policy`, say; Dict observations.
        env: any `VecEnv` with the policy's observation space.
        expert: gives the best action in each environment, as it is now.
        steps: environment steps, of all environments together; the last rollout is filled up.
        settings: how to imitate.
        seed: of everything drawn here; the policy's own actions draw from torch's generator.
        on_rollout: called after each rollout with the steps done and what `Imitator.learn` returned; False ends it.

    Returns:
        What the last `Imitator.learn` returned.

    Raises:
        ConfigError: a setting is out of its range, or the policy is recurrent.
    """
    imitator = Imitator(policy, env, expert, steps, settings, seed=seed)
    told: dict[str, float] = {}
    while imitator.done < steps:
        rollout = imitator.collect()
        if rollout is None:
            break
        told = imitator.learn(rollout)
        if not on_rollout(imitator.done, told):
            break
    policy.optimizer.state.clear()
    return told
