"""How long a fusion takes to learn from a minibatch, as a multiple of the default's time: for fusions.py.

All fusions take turns within a round and the median of the rounds is told, by CPU time, so that whatever else the
machine does hits all of them alike.
"""

import statistics
import time
from collections.abc import Mapping

import torch
from torch.nn import functional

from senseweave.perception import PerceptionConfig

from .fusion_lessons import Lesson, new_policy, play

ROUNDS = 15


def relative_times(lesson: Lesson, configs: Mapping[str, PerceptionConfig], default: str) -> dict[str, float]:
    """Forward and backward of one minibatch by each, divided by the default's.

    Args:
        lesson: its batch size counts, and its level.
        configs: by fusion, the default's among them.
        default: its name.
    """
    torch.set_num_threads(1)
    policies = {name: new_policy(lesson, config) for name, config in configs.items()}
    seen, wanted = play(lesson, policies[default])
    times: dict[str, list[float]] = {name: [] for name in policies}
    for _ in range(ROUNDS + 1):
        for name, policy in policies.items():
            began = time.process_time()
            functional.cross_entropy(policy.judge(policy.perceive(seen))[0].logits, wanted).backward()
            times[name].append(time.process_time() - began)
    rounds = {name: part[1:] for name, part in times.items()}  # the first one is slow
    return {
        name: statistics.median(one / ours for one, ours in zip(part, rounds[default], strict=True))
        for name, part in rounds.items()
    }
