"""Decisions of a policy while it plays: what it sensed, what its memory carried, what it did. A bounded selection.

`DecisionLog.note` is what `run_episodes(on_choice=...)` calls. From every episode a few decisions are drawn, each with
the same probability, and the first episodes are kept from begin to end, to be shown.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

MAX_DECISIONS = 2048
"""Drawn from all episodes together."""

WHOLE_EPISODES = 4
MAX_WHOLE_STEPS = 240
"""Steps of an episode that is kept whole; what comes after them is not."""


@dataclasses.dataclass(frozen=True)
class Decision:
    """One step of one episode, before it was taken.

    Args:
        episode: its number.
        step: 0 at the episode's first.
        observation: what was sensed, without a batch axis.
        memory: what a memory carried into this step, parts (layers, width); None without a memory, and at the first.
        is_first: whether the episode begins here.
        action: what was done.
    """

    episode: int
    step: int
    observation: dict[str, np.ndarray]
    memory: tuple[np.ndarray, ...] | None
    is_first: bool
    action: np.ndarray


class DecisionLog:
    """Keeps a few decisions of each episode, drawn by random numbers of the episode's own.

    Args:
        episodes: how many will be played.
        seed: of the draw.
        most: decisions in all; of more episodes than that, as many are drawn from, evenly spread.
    """

    def __init__(self, episodes: int, seed: int = 0, *, most: int = MAX_DECISIONS) -> None:
        self._each, self._seed = max(1, most // episodes), seed
        spread = np.linspace(0, episodes - 1, min(most, episodes)).round().astype(int)
        self._drawn_from = frozenset(spread.tolist())
        self._drawn: dict[int, list[Decision]] = {}
        self._whole: dict[int, list[Decision]] = {}
        self._steps: dict[int, int] = {}
        self._generators: dict[int, np.random.Generator] = {}

    def note(
        self,
        observation: dict[str, np.ndarray],
        episodes: Sequence[int],
        is_new: Bool[np.ndarray, " b"],
        memory: tuple[np.ndarray, ...] | None,
        actions: np.ndarray,
    ) -> None:
        """Takes note of what was chosen in b rows; see `OnChoice`."""
        for row, (episode, is_first) in enumerate(zip(episodes, is_new.tolist(), strict=True)):
            step = self._steps[episode] = 0 if is_first else self._steps[episode] + 1
            if is_first:
                self._generators[episode] = np.random.default_rng([self._seed, episode])
                self._whole[episode] = []
                if episode in self._drawn_from:
                    self._drawn[episode] = []
            place = self._place(episode, step) if episode in self._drawn_from else None
            is_shown = episode < WHOLE_EPISODES and step < MAX_WHOLE_STEPS
            if place is None and not is_shown:
                continue
            decision = Decision(
                episode=int(episode),
                step=step,
                observation={name: np.array(part[row]) for name, part in observation.items()},
                memory=None if memory is None else tuple(np.array(part[:, row]) for part in memory),
                is_first=is_first,
                action=np.array(actions[row]),
            )
            if is_shown:
                self._whole[episode].append(decision)
            if place is not None:
                self._drawn[episode][place : place + 1] = [decision]

    def _place(self, episode: int, step: int) -> int | None:
        """Where this step's decision goes among those drawn; None where it is not drawn.

        Source: Vitter 1985, "Random sampling with a reservoir", algorithm R.
        """
        if step < self._each:
            return step
        place = int(self._generators[episode].integers(step + 1))
        return place if place < self._each else None

    def drawn(self) -> list[Decision]:
        """The decisions that were drawn, episode by episode."""
        return [decision for episode in sorted(self._drawn) for decision in self._drawn[episode]]

    def one_each(self, most: int) -> list[Decision]:
        """One of the drawn decisions from each of at most so many episodes, evenly spread."""
        episodes = sorted(self._drawn)
        chosen = np.unique(np.linspace(0, len(episodes) - 1, min(most, len(episodes))).round().astype(int))
        picked = []
        for place in chosen.tolist():
            decisions = self._drawn[episodes[place]]
            generator = np.random.default_rng([self._seed, episodes[place], 1])
            picked.append(decisions[int(generator.integers(len(decisions)))])
        return picked

    def whole(self, episode: int) -> list[Decision]:
        """All decisions of one of the first episodes, `MAX_WHOLE_STEPS` at most."""
        return self._whole.get(episode, [])
