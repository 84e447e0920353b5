"""Some steps of one episode, ready to be shown: what was sensed, where the policy looked, and what moved its choice."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from gymnasium import spaces
from jaxtyping import Float

from ..show.frame import Picture
from ..show.video import name_action
from .choice_values import attribute
from .decisions import Decision
from .pictures import WeighedWord, draw_tokens, weighed_words
from .policy_head import PolicyHead

SCENES = 6


@dataclasses.dataclass(frozen=True)
class SenseView:
    """One sense in one step.

    Args:
        name: of the sense.
        is_present: whether it was there.
        gate: how far it was let in, 0..1.
        attributed: what its tokens added to the action's log-probability, in nats, against the usual ones.
        reading: a picture of it, or None.
        attention: the picture with where the policy looked; None without a picture, or without attention.
        attribution: the picture with what spoke for and against the action.
        attended_words: of an instruction, its pieces with attention; empty for others, or without attention.
        attributed_words: its pieces with attributions.
    """

    name: str
    is_present: bool
    gate: float
    attributed: float
    reading: Picture | None
    attention: Picture | None
    attribution: Picture | None
    attended_words: list[WeighedWord]
    attributed_words: list[WeighedWord]


@dataclasses.dataclass(frozen=True)
class Scene:
    """One step.

    Args:
        step: its number, 0 at first.
        action: what was done.
        probability: of that; None where actions are continuous.
        senses: in the spec's order.
    """

    step: int
    action: str
    probability: float | None
    senses: list[SenseView]


@dataclasses.dataclass(frozen=True)
class ShownEpisode:
    """An episode as the page shows it.

    Args:
        number: among the held-out episodes, 0 at first.
        is_success: None where that is not defined.
        steps: how many it took.
        gates: by sense, one for each step that was kept.
        scenes: evenly chosen steps.
    """

    number: int
    is_success: bool | None
    steps: int
    gates: dict[str, list[float]]
    scenes: list[Scene]


def show_episode(
    head: PolicyHead,
    decisions: Sequence[Decision],
    usual: Mapping[str, Float[torch.Tensor, "_ _"]],
    action_names: tuple[str, ...],
    *,
    is_success: bool | None,
    steps: int,
    scenes: int = SCENES,
) -> ShownEpisode:
    """Makes an episode ready.

    Args:
        head: of the policy.
        decisions: the episode's, at least one.
        usual: the baseline of the attributions, see `attribute`.
        action_names: of discrete actions.
        is_success: how it ended.
        steps: how many it took.
        scenes: how many steps are shown at most.

    Raises:
        MissingExtraError: cv2 cannot be imported.
    """
    chosen = np.unique(np.linspace(0, len(decisions) - 1, min(scenes, len(decisions))).round().astype(int))
    shown = [decisions[place] for place in chosen.tolist()]
    return ShownEpisode(
        number=decisions[0].episode,
        is_success=is_success,
        steps=steps,
        gates=_gates(head, decisions),
        scenes=_scenes(head, shown, usual, action_names),
    )


@torch.no_grad()
def _gates(head: PolicyHead, decisions: Sequence[Decision]) -> dict[str, list[float]]:
    gates = head.fuse(head.perceive(decisions).groups).gates
    return {name: part.float().cpu().tolist() for name, part in gates.items()}


def _scenes(
    head: PolicyHead,
    decisions: Sequence[Decision],
    usual: Mapping[str, Float[torch.Tensor, "_ _"]],
    action_names: tuple[str, ...],
) -> list[Scene]:
    attribution, _ = attribute(head, decisions, usual)
    with torch.no_grad():
        groups = head.perceive(decisions).groups
        fused = head.fuse(groups)
    is_counted = not isinstance(head.policy.action_space, spaces.Box)
    probabilities = attribution.value.exp().clamp(max=1.0).tolist()
    scenes = []
    for row, decision in enumerate(decisions):
        senses = []
        for name, group in groups.items():
            mask = group.mask[row].cpu().numpy()
            maps = fused.attention.get(name)
            attention = None if maps is None else np.where(mask, maps[row].float().mean(dim=0).cpu().numpy(), 0.0)
            senses.append(
                _view(
                    head,
                    name,
                    decision.observation[name],
                    attention,
                    attribution.tokens[name][row].float().cpu().numpy(),
                    is_present=bool(mask.any()),
                    gate=float(fused.gates[name][row]),
                )
            )
        probability = probabilities[row] if is_counted else None
        scenes.append(Scene(decision.step, name_action(decision.action, action_names), probability, senses))
    return scenes


def _view(
    head: PolicyHead,
    name: str,
    reading: np.ndarray,
    attention: Float[np.ndarray, " n"] | None,
    attributed: Float[np.ndarray, " n"],
    *,
    is_present: bool,
    gate: float,
) -> SenseView:
    kind, perception = head.perception.spec[name], head.perception
    return SenseView(
        name=name,
        is_present=is_present,
        gate=gate,
        attributed=float(attributed.sum()),
        reading=draw_tokens(perception, name, reading),
        attention=None if attention is None else draw_tokens(perception, name, reading, attention),
        attribution=draw_tokens(perception, name, reading, attributed, is_signed=True),
        attended_words=weighed_words(kind, reading, attention) if kind.is_text and attention is not None else [],
        attributed_words=weighed_words(kind, reading, attributed) if kind.is_text else [],
    )
