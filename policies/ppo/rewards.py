"""Rewards are looked at once a rollout: one that is not finite would turn every weight into NaN in the next update.

t steps, b environments
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ...perception.errors import EnvironmentFault


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
