"""How a policy's choices change when senses are taken from single decisions, and which tokens moved them.

The value of a subset of senses is minus the divergence of what the policy would do with that subset from what it would
do with all. Each decision is judged by itself, with the memory that was carried into it when all senses were there: a
sense counts for what it says now, not for what it said earlier and the memory knows.

e episodes, n decisions
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float

from ...perception.attribution import Attribution, integrated_gradients, usual_tokens
from ...perception.tokens import TokenGroup
from .decisions import Decision
from .policy_head import PolicyHead, divergence, kept
from .shapley import Subset, subsets

BATCH = 256


@dataclasses.dataclass(frozen=True)
class ChoiceValues:
    """By subset of senses, one value for each episode: the mean over its decisions.

    Args:
        divergence: minus KL(with all senses || with the subset), in nats; 0 for all senses.
        log_probability: of the action that was taken, in nats.
        decisions: how many were judged.
    """

    divergence: dict[Subset, Float[np.ndarray, " e"]]
    log_probability: dict[Subset, Float[np.ndarray, " e"]]
    decisions: int


@torch.no_grad()
def choice_values(head: PolicyHead, decisions: Sequence[Decision], names: Sequence[str]) -> ChoiceValues:
    """Judges every decision with every subset of senses.

    Args:
        head: of the policy.
        decisions: at least one, made with all of `names` there.
        names: the senses to compare; others stay as they were.
    """
    wanted = subsets(names)
    far: dict[Subset, list[np.ndarray]] = {subset: [] for subset in wanted}
    likely: dict[Subset, list[np.ndarray]] = {subset: [] for subset in wanted}
    for part in _batches(decisions):
        perceived = head.perceive(part)
        others = frozenset(perceived.groups) - frozenset(names)
        with_all = head.distribution(perceived, perceived.groups)
        for subset in wanted:
            changed = head.distribution(perceived, kept(perceived.groups, subset | others))
            far[subset].append(-divergence(with_all, changed).double().cpu().numpy())
            likely[subset].append(changed.log_prob(perceived.actions).double().cpu().numpy())
    episodes = np.array([decision.episode for decision in decisions])
    return ChoiceValues(
        {subset: _by_episode(np.concatenate(parts), episodes) for subset, parts in far.items()},
        {subset: _by_episode(np.concatenate(parts), episodes) for subset, parts in likely.items()},
        len(decisions),
    )


def attribute(
    head: PolicyHead, decisions: Sequence[Decision], usual: Mapping[str, Float[torch.Tensor, "_ _"]] | None = None
) -> tuple[Attribution, dict[str, Float[torch.Tensor, "_ _"]]]:
    """Attributes each decision's log-probability to the tokens that the policy perceived in it.

    Args:
        head: of the policy.
        decisions: at least one.
        usual: the baseline, as returned by an earlier call; the mean tokens of these decisions unless given.

    Returns:
        The attributions, and the baseline.
    """
    parts = [head.perceive(part) for part in _batches(decisions)]
    if usual is None:
        first = parts[0].groups
        usual = usual_tokens(
            {
                name: TokenGroup(
                    *(torch.cat(same) for same in zip(*(part.groups[name] for part in parts), strict=True))
                )
                for name in first
            }
        )
    found = [
        integrated_gradients(
            lambda groups, perceived=perceived: head.log_probability(perceived, groups), perceived.groups, usual
        )
        for perceived in parts
    ]
    tokens = {name: torch.cat([part.tokens[name] for part in found]) for name in found[0].tokens}
    value, baseline = (torch.cat([getattr(part, field) for part in found]) for field in ("value", "baseline"))
    return Attribution(tokens, value, baseline), dict(usual)


def _batches(decisions: Sequence[Decision]) -> Iterator[Sequence[Decision]]:
    for first in range(0, len(decisions), BATCH):
        yield decisions[first : first + BATCH]


def _by_episode(values: Float[np.ndarray, " n"], episodes: np.ndarray) -> Float[np.ndarray, " e"]:
    """The mean of each episode's decisions, so that a long episode counts no more than a short one."""
    _, places, counts = np.unique(episodes, return_inverse=True, return_counts=True)
    return np.bincount(places, weights=values) / counts
