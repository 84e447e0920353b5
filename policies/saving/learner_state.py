"""What a learner has beside weights, environments and generators: its optimiser, its counters, its latest episodes.

Checkpoints of `senseweave train` and of `PPO.save` hold it in the same form. It works for SB3's learners too.
"""

import math
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch import Tensor

from ...perception.errors import CheckpointError, ConfigError
from ...perception.files import load_strictly
from . import optimizer_state
from .checkpoint import Checkpoint
from .json_values import encode


def describe(model: OnPolicyAlgorithm) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimiser's tensors, and the rest as plain JSON values."""
    optimizer, groups = optimizer_state.to_parts(model.policy.optimizer)
    return optimizer, {
        "optimizer": groups,
        "updates": model._n_updates,
        "episodes": model._episode_num,
        "recent": [_described(info) for info in model.ep_info_buffer or []],
        "recent_success": [float(value) for value in model.ep_success_buffer or []],
    }


def _described(episode: Mapping[str, Any]) -> dict[str, Any]:
    """One episode as plain JSON values: rewards and length, and what a monitor told; None for what no file can hold."""
    described: dict[str, Any] = {}
    for name, value in episode.items():
        if name in ("r", "l"):
            number = float(value)
            described[name] = number if math.isfinite(number) else str(number)
            continue
        try:
            described[name] = encode(value.tolist() if isinstance(value, np.ndarray) else value, name)
        except ConfigError:
            described[name] = None
    return described


def restore(model: OnPolicyAlgorithm, checkpoint: Checkpoint, source: Path) -> None:
    """Puts back the policy, and what `describe` gave.

    Raises:
        CheckpointError: the checkpoint does not fit; the model is as it was.
    """
    state = checkpoint.state
    try:
        updates, episodes, groups = int(state["updates"]), int(state["episodes"]), state["optimizer"]
        recent = [{**info, "r": float(info["r"]), "l": float(info["l"])} for info in state["recent"]]
        recent_success = [float(value) for value in state["recent_success"]]
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"The newest checkpoint in {source} lacks {error}; remove it to go on from the one before."
        ) from error
    optimizer = optimizer_state.from_parts(model.policy.optimizer, checkpoint.optimizer, groups)
    load_strictly(model.policy, checkpoint.policy, source)
    model.policy.optimizer.load_state_dict(optimizer)
    model.num_timesteps, model._n_updates, model._episode_num = checkpoint.steps, updates, episodes
    model.ep_info_buffer = deque(recent, maxlen=model._stats_window_size)
    model.ep_success_buffer = deque(recent_success, maxlen=model._stats_window_size)
