"""Rewards before anything is learned from them: looked at and, where that is wanted, brought to one scale.

One that is not finite would turn every weight into NaN in the next update. `RewardScale` is for environments whose
rewards nobody has seen before: with returns of -1,500 the value head's loss would drown the policy's.

t steps, b environments
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ...perception.errors import EnvironmentFault
from ..processes import sum_over_world
from .rollout import Rollout

MAX_SCALED_REWARD = 10.0


def require_finite_rewards(rewards: Float[Tensor, "t b"], steps_before: int) -> None:
    """Checks the rewards of a rollout before anything is learned from them; waits for the device once.

    Args:
        rewards: of the rollout.
        steps_before: steps of each environment before it.

    Raises:
        EnvironmentFault: one of them is NaN, infinite, or too large for 32 bits.
    """
    finite = rewards.isfinite()
    if bool(finite.all()):
        return
    step, environment = (~finite).nonzero()[0].tolist()
    raise EnvironmentFault(
        f"Environment {environment} gave the reward {float(rewards[step, environment])} at its step "
        f"{steps_before + step + 1:,}; a reward must be a finite number that 32 bits can hold. Nothing was learned "
        "from that rollout."
    )


def as_rewards(rewards: object, num_envs: int, device: torch.device) -> Float[Tensor, " b"]:
    """The rewards of one step, as environments gave them.

    Raises:
        EnvironmentFault: they are no numbers, or not one for each environment.
    """
    try:
        given = torch.as_tensor(rewards, dtype=torch.float32, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _no_numbers(rewards, num_envs) from error
    if given.shape != (num_envs,):
        raise _no_numbers(rewards, num_envs)
    return given


def _no_numbers(rewards: object, num_envs: int) -> EnvironmentFault:
    shape, kind = getattr(rewards, "shape", None), getattr(rewards, "dtype", type(rewards).__name__)
    return EnvironmentFault(
        f"The rewards of a step must be {num_envs} numbers, one for each environment; got {kind} of shape {shape}."
    )


class RewardScale(nn.Module):
    """Divides rewards by the standard deviation of all discounted returns so far, once a rollout.

    The returns of a moment are the discounted sums of the rewards since the episode began. Their signs stay, and so
    does the zero: nothing is subtracted.

    Args:
        num_envs: environments side by side.
        gamma: discount.

    Attributes:
        underway: the discounted sum of each episode that has not ended; kept apart from `state_dict`, as episodes may
            begin anew where a training goes on.

    Source: Engstrom et al. 2020 (Implementation matters in deep policy gradients, arXiv 2005.12729), section 3, and
    `VecNormalize` of stable-baselines3, which rescales each step with what is known until then.
    """

    count: Float[Tensor, ""]
    mean: Float[Tensor, ""]
    squares: Float[Tensor, ""]
    underway: Float[Tensor, " b"]

    def __init__(self, num_envs: int, gamma: float) -> None:
        super().__init__()
        self._gamma = gamma
        for name in ("count", "mean", "squares"):
            self.register_buffer(name, torch.zeros((), dtype=torch.float64))
        self.register_buffer("underway", torch.zeros(num_envs), persistent=False)

    def restart(self) -> None:
        """All environments begin an episode."""
        self.underway.zero_()

    def rescale(self, rollout: Rollout, added: Float[Tensor, "t b"]) -> None:
        """Scales the rewards of a rollout, in place.

        Args:
            rollout: played to its end.
            added: what is added to the rewards afterwards; in their new scale already.
        """
        played = slice(rollout.length)
        scaled = self(rollout.rewards[played], rollout.starts[played])
        rollout.rewards[played] = scaled + added[played]

    @torch.no_grad()
    def forward(self, rewards: Float[Tensor, "t b"], starts: Bool[Tensor, "t b"]) -> Float[Tensor, "t b"]:
        """Notes the rewards of a rollout, and scales them.

        Args:
            rewards: as the environments gave them.
            starts: first steps of an episode.
        """
        sums, returns = self.underway, torch.zeros_like(rewards)
        for step in range(len(rewards)):
            sums = returns[step] = torch.where(starts[step], 0.0, self._gamma * sums) + rewards[step]
        self.underway.copy_(sums)
        self._note(returns.double())
        deviation = (self.squares / self.count.clamp(min=1.0) + 1e-8).sqrt()
        return (rewards / deviation.float()).clamp(-MAX_SCALED_REWARD, MAX_SCALED_REWARD)

    def _note(self, returns: Float[Tensor, "t b"]) -> None:
        """Adds the returns of all processes to mean and squares; Chan et al. 1979, equation 2.1."""
        count, total = sum_over_world(torch.stack([torch.ones_like(returns).sum(), returns.sum()]))
        mean = total / count
        squares = sum_over_world((returns - mean).square().sum())
        both, apart = self.count + count, mean - self.mean
        self.squares += squares + apart * apart * self.count * count / both
        self.mean += apart * count / both
        self.count.copy_(both)
