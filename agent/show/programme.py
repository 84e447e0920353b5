"""What a film shows: which episodes, in which order, and which of their steps, so that it tells much in a minute.

A success of each kind of instruction, a failure, and a success once more with the sense unplugged that decides it. The
choice is told in the film itself: of how many episodes, and how all of them ended. It draws nothing.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy

from ...perception.spec import Spec
from ...policies.export import ExportedPolicy
from ...policies.saving.random_state import cuda_devices
from ..play.episodes import held_out_seed
from ..play.players import Player, PolicyPlayer
from ..play.takes import TAKES, Take, take_many, take_one
from ..terminal.progress import tell

MOST_KINDS = 3
"""Kinds of instructions of which a success is shown, at most."""

MAX_TAKEN_STEPS = 5_000
"""Steps after which no other episode of a player who needs no policy is played to choose from."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One episode of a film.

    Args:
        seed: of the episode.
        title: what is to be seen.
        actions: what is done; None leaves it to the player.
        gone_from: sense -> the step from which on it is absent.
        steps: that are shown; None shows all.
    """

    seed: int
    title: str
    actions: Sequence[Any] | None = None
    gone_from: Mapping[str, int] = dataclasses.field(default_factory=dict)
    steps: Sequence[int] | None = None


@dataclasses.dataclass(frozen=True)
class Programme:
    """A film.

    Args:
        parts: its episodes, in their order.
        takes: those among which they were chosen; none where they were not.
        note: how they were chosen.
    """

    parts: Sequence[Part]
    takes: Sequence[Take] = ()
    note: str = ""


Taken = Callable[[Sequence[str]], Sequence[Take]]
"""Plays all takes without some senses."""


def first_episodes(seed_set: int, count: int, gone_from: Mapping[str, int]) -> Programme:
    """The first held-out episodes, as they come."""
    return Programme(
        [
            Part(held_out_seed(seed_set, number), f"episode {number + 1} of {count}", gone_from=gone_from)
            for number in range(count)
        ]
    )


def for_policy(
    policy: ActorCriticPolicy | ExportedPolicy,
    env: gymnasium.Env[Any, Any],
    env_id: str,
    options: dict[str, Any],
    *,
    seed_set: int = 0,
    greedy: bool = False,
    without: Sequence[str] = (),
) -> Programme:
    """Plays some dozens of held-out episodes in a batch, and chooses among them.

    Args:
        policy: who plays.
        env: the environment that will be filmed.
        env_id: its id.
        options: of the environment.
        seed_set: which set of held-out seeds.
        greedy: take the most probable action.
        without: senses that are gone throughout; none other is unplugged then.
    """

    def taken(gone: Sequence[str]) -> Sequence[Take]:
        how: dict[str, Any] = {"seed_set": seed_set, "greedy": greedy}
        return take_many(policy, env_id, options, without=[*without, *gone], **how)

    takes = taken(())
    chosen = choose(takes)
    parts = [Part(one.take.seed, one.title, one.take.actions, dict.fromkeys(without, 0)) for one in chosen]
    good = [one.take for one in chosen if one.is_good]
    if good and not without:
        sense, take = deciding(env.get_wrapper_attr("senses"), takes, good, taken)
        unplugged = {sense: max(1, take.steps // 2)}
        with torch.random.fork_rng(devices=cuda_devices()):
            torch.manual_seed(seed_set)
            opening, player = take.actions[: unplugged[sense]], PolicyPlayer(policy, greedy=greedy)
            again = take_one(player, env, take.seed, opening=opening, gone_from=unplugged)
        title = f"episode {good.index(take) + 1} once more, {sense} unplugged half-way"
        parts.append(Part(again.seed, title, again.actions, unplugged))
    return _numbered(parts, takes)


def for_player(
    player: Player, env: gymnasium.Env[Any, Any], *, seed_set: int = 0, without: Sequence[str] = ()
) -> Programme:
    """The same for a player who needs no policy; nothing is unplugged, as such a player does not sense."""
    takes: list[Take] = []
    while len(takes) < TAKES and sum(take.steps for take in takes) < MAX_TAKEN_STEPS:
        takes.append(take_one(player, env, held_out_seed(seed_set, len(takes))))
    gone_from = dict.fromkeys(without, 0)
    return _numbered([Part(one.take.seed, one.title, one.take.actions, gone_from) for one in choose(takes)], takes)


def _numbered(parts: Sequence[Part], takes: Sequence[Take]) -> Programme:
    named = [
        dataclasses.replace(part, title=f"{number} of {len(parts)}: {part.title}")
        for number, part in enumerate(parts, 1)
    ]
    return Programme(named, takes, _note(takes))


class Chosen(NamedTuple):
    """A take, what it is to show, and whether it is one that went well."""

    title: str
    take: Take
    is_good: bool


def choose(takes: Sequence[Take]) -> list[Chosen]:
    """A success of each kind, then a failure where there is one.

    A failure that was wrong comes before one that ran out of time. Where success is not defined, the best and the
    worst by return.
    """
    if any(take.is_success is not None for take in takes):
        return _by_success(takes)
    best = max(takes, key=lambda take: take.total_return)
    worst = min(takes, key=lambda take: take.total_return)
    if best.total_return == worst.total_return:
        return [Chosen(f"one of {len(takes)}, which all have the same return", best, True)]
    return [
        Chosen(f"the best of {len(takes)} by return", best, True),
        Chosen(f"the worst of {len(takes)} by return", worst, False),
    ]


def _by_success(takes: Sequence[Take]) -> list[Chosen]:
    won = [take for take in takes if take.is_success]
    kinds = sorted({take.kind for take in won}, key=str)[:MOST_KINDS]
    chosen = [Chosen("a success", _long_one([take for take in won if take.kind == kind]), True) for kind in kinds]
    lost = [take for take in takes if take.is_success is False]
    lost = [take for take in lost if not take.is_out_of_time] or lost
    if lost:
        return [*chosen, Chosen("a failure", _long_one(lost), False)]
    tell(f"None of {len(takes)} held-out episodes is a failure, so the video shows none.")
    return chosen


def _long_one(takes: Sequence[Take]) -> Take:
    """One of which there is something to be seen, and not the longest: of a length that a quarter exceeds."""
    length = np.quantile([take.steps for take in takes], 0.75)
    return min(takes, key=lambda take: abs(take.steps - length))


def deciding(senses: Spec, takes: Sequence[Take], good: Sequence[Take], taken: Taken) -> tuple[str, Take]:
    """Which sense to unplug, in which of the good takes: where most is lost without it, among takes of that kind.

    The instruction stays where there is another sense. A single candidate is not measured.

    Args:
        senses: all.
        takes: with every sense.
        good: those to choose from.
        taken: plays the takes again without some senses.
    """
    names = [name for name, kind in senses.items() if not kind.is_text] or list(senses)
    if len(names) == 1:
        return names[0], good[0]
    lost = {}
    for name in names:
        pairs = list(zip(takes, taken([name]), strict=True))
        for number, take in enumerate(good):
            drops = [worth(one) - worth(other) for one, other in pairs if one.kind == take.kind]
            lost[name, number] = float(np.mean(drops))
    name, number = max(lost, key=lambda place: lost[place])
    return name, good[number]


def worth(take: Take) -> float:
    """Success as 0 or 1; the return where it is not defined."""
    return take.total_return if take.is_success is None else float(take.is_success)


def _note(takes: Sequence[Take]) -> str:
    """How all the takes ended."""
    if all(take.is_success is None for take in takes):
        low, high = (pick(take.total_return for take in takes) for pick in (min, max))
        return f"chosen of {len(takes)} held-out episodes: returns {low:.2f} to {high:.2f}"
    won = sum(take.is_success is True for take in takes)
    late = sum(take.is_success is False and take.is_out_of_time for take in takes)
    wrong = sum(take.is_success is False for take in takes) - late
    ends = f"{won} right, {wrong} wrong, {late} out of time"
    return f"chosen of {len(takes)} held-out episodes: {ends if wrong or late else 'all right, no failure to show'}"


def fitted(programme: Programme, most: int, held: int) -> Programme:
    """The programme with so few steps shown that all parts together take no more than `most` pictures.

    Short episodes are shown whole, and what they leave goes to the longer ones, of which the middle is left out.

    Args:
        programme: of takes; a part without actions is left as it is.
        most: pictures of the film.
        held: how many more each part takes because some of its pictures stand.
    """
    known = [part for part in programme.parts if part.actions is not None]
    left, room = most - held * len(known), {}
    for rank, part in enumerate(sorted(known, key=lambda part: len(part.actions or ()))):
        pictures = len(part.actions or ()) + 1
        room[id(part)] = min(pictures, max(2, left // (len(known) - rank)))
        left -= room[id(part)]
    parts = [
        dataclasses.replace(part, steps=shown_steps(len(part.actions), room[id(part)], tuple(part.gone_from.values())))
        if part.actions is not None
        else part
        for part in programme.parts
    ]
    return dataclasses.replace(programme, parts=parts)


def shown_steps(last: int, count: int, moments: Sequence[int] = ()) -> list[int]:
    """Which of the steps 0..last are shown: all, or so many around the begin, the moments and the end.

    Args:
        last: the step after the last action.
        count: how many may be shown.
        moments: steps that must be seen, together with what comes before and after them.
    """
    if last < count:
        return list(range(last + 1))
    places = sorted({0, last, *(step for step in moments if 0 < step < last)})
    nearest = sorted(range(last + 1), key=lambda step: (min(abs(step - place) for place in places), step))
    return sorted(nearest[: max(count, len(places))])
