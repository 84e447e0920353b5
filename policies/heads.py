"""What is asked of any policy: ours, stable-baselines3's, sb3-contrib's with an LSTM, and one that was exported.

Who explains or plays a policy asks here, and need not know which of them it is.

b batch, e width of the embedding, a actions
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from jaxtyping import Bool, Float
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from torch import Tensor

from ..perception.perception import State
from ..perception.spec import Spec
from .export.acting import ExportedPolicy
from .extractor import PerceptionExtractor, watch_states
from .policy import SensePolicy
from .second_look import Percept


def senses_of(policy: BasePolicy | ExportedPolicy) -> Spec | None:
    """What it perceives; None where its features extractor is none of ours."""
    if isinstance(policy, ExportedPolicy):
        return policy.senses
    extractor = getattr(policy, "features_extractor", None)
    return extractor.perception.spec if isinstance(extractor, PerceptionExtractor) else None


def samples_each_row_alone(policy: BasePolicy | ExportedPolicy) -> bool:
    """Whether its sampled action can be drawn for each row by itself: it chooses one of several and has no memory."""
    if isinstance(policy, ExportedPolicy):
        return policy.samples_each_row_alone
    return (
        isinstance(policy, ActorCriticPolicy)
        and isinstance(policy.action_space, spaces.Discrete)
        and memory_shapes(policy, 1) is None
    )


def probabilities(policy: BasePolicy | ExportedPolicy, observation: Any) -> Float[np.ndarray, "b a"]:
    """Of each action, float64, where `samples_each_row_alone`."""
    if isinstance(policy, ExportedPolicy):
        return policy.probabilities(observation)
    own = cast(ActorCriticPolicy, policy)
    distribution = cast(Any, own.get_distribution(cast(Any, own.obs_to_tensor(observation)[0])))
    return distribution.distribution.probs.double().cpu().numpy()


def decide(
    policy: ActorCriticPolicy, observation: Any, memory: Any, starts: Bool[np.ndarray, " b"], greedy: bool
) -> tuple[Any, Any, dict[str, Tensor]]:
    """Actions and memory as `predict` gives them, and the gates of the very same call by modality."""
    states: deque[State] = deque(maxlen=1)
    with watch_states(policy, states.append):
        actions, memory = policy.predict(observation, memory, starts, deterministic=greedy)
    return actions, memory, states[-1].gates


def memory_shapes(policy: BasePolicy, rows: int) -> Sequence[tuple[int, ...]] | None:
    """The shapes of the arrays that `predict` carries from step to step; None where it remembers nothing."""
    if isinstance(policy, RecurrentActorCriticPolicy):
        lstm = policy.lstm_actor
        return [(lstm.num_layers, rows, lstm.hidden_size)] * 2
    if isinstance(policy, SensePolicy) and policy.memory is not None:
        return [(1, rows, policy.state_width)]
    return None


def action_logits(
    policy: ActorCriticPolicy,
    percept: Percept,
    memory: tuple[Tensor, ...] | None,
    starts: Bool[Tensor, " b"],
) -> Float[Tensor, "b a"]:
    """What its distribution of actions is made of: logits, or means where actions are continuous.

    Args:
        policy: whose.
        percept: the state embedding (b, e), and the tokens for a second look.
        memory: what it carried here, shaped as `memory_shapes` says.
        starts: whose episode begins with this step.
    """
    if isinstance(policy, SensePolicy):
        return policy.judge(percept, None if memory is None else memory[0][0], starts[None])[0].logits
    latent = percept.embedding
    if isinstance(policy, RecurrentActorCriticPolicy):
        with torch.backends.cudnn.flags(enabled=False):  # its recurrent networks have gradients in training alone
            own: Any = cast(Any, memory)
            latent, _ = policy._process_sequence(latent, own, starts.to(latent.dtype), policy.lstm_actor)
    return policy.action_net(policy.mlp_extractor.forward_actor(latent))
