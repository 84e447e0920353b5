"""In words: which senses a policy uses, and which it ignores. It decides from estimates, and plays nothing."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

from .shapley import Estimate

NEGLIGIBLE_NATS = 0.01
NEGLIGIBLE_SHARE = 0.02
"""What a sense does to the choices is noise below the greater of both; the share is of what all senses do together."""

RELEVANT_SUCCESS = 0.05
RELEVANT_SHARE = 0.1
"""A gain that would matter: of success, or of the return as a share of what all senses gain together."""

FEW_EPISODES = 50
"""With fewer, intervals are rough, and the report says so."""

Use = Literal["uses", "hurt", "reacts", "unclear", "ignores"]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a policy does with one sense.

    Args:
        name: of the sense.
        use: "uses" (it gains by it), "hurt" (it would do better without), "reacts" (its choices change, its results
            hardly do), "unclear" (its choices change, and its results may or may not: more episodes would tell) or
            "ignores".
        sentence: the same for people.
    """

    name: str
    use: Use
    sentence: str


def judge_senses(results: Mapping[str, Estimate], choices: Mapping[str, Estimate], measure: str) -> list[Verdict]:
    """One verdict for each sense.

    A sense is used where the 95 % interval of its Shapley value on results lies above 0, and hurts where it lies
    below. In between, it is ignored where its Shapley value on the choices is noise, too: where that interval includes
    0, or both its ends are nearer to 0 than the greater of `NEGLIGIBLE_NATS` and `NEGLIGIBLE_SHARE` of all senses'
    together. Where it is not ignored, and the interval on results reaches as far as a gain that would matter, too few
    episodes were played to tell.

    Args:
        results: by sense, Shapley values on success or return.
        choices: by sense, Shapley values on the choices, in nats.
        measure: "success" or "return".
    """
    together = sum(abs(estimate.value) for estimate in choices.values())
    floor = max(NEGLIGIBLE_NATS, NEGLIGIBLE_SHARE * together)
    gains = sum(abs(estimate.value) for estimate in results.values())
    relevant = RELEVANT_SUCCESS if measure == "success" else RELEVANT_SHARE * gains
    verdicts = []
    for name, result in results.items():
        choice = choices[name]
        is_noise = choice.includes_zero or max(map(abs, choice.interval)) < floor
        if not result.includes_zero:
            use: Use = "uses" if result.value > 0 else "hurt"
        else:
            may_matter = not max(map(abs, result.interval)) < relevant
            use = "ignores" if is_noise else "unclear" if may_matter else "reacts"
        verdicts.append(Verdict(name, use, _sentence(name, use, result, choice, measure)))
    return verdicts


def _sentence(name: str, use: Use, result: Estimate, choice: Estimate, measure: str) -> str:
    gained = f"{measure} {signed(result)}"
    if use == "uses":
        return f"It uses its {name}: {gained}."
    if use == "hurt":
        return f"Its {name} does harm: {gained}."
    if use == "reacts":
        return (
            f"It reacts to its {name} (choices {signed(choice)} nats), but nothing that could be measured comes of it: "
            f"{gained}."
        )
    if use == "unclear":
        return (
            f"Its {name} changes what it does (choices {signed(choice)} nats); these are too few episodes to tell "
            f"whether it gains by that: {gained}."
        )
    return f"It ignores its {name}: {gained}, choices {signed(choice)} nats."


def headline(verdicts: list[Verdict]) -> str:
    """All verdicts in one sentence."""
    if not verdicts:
        return "No sense was left to compare."
    told = {
        "uses": "uses its {}",
        "reacts": "reacts to its {} without gain",
        "hurt": "is hurt by its {}",
        "unclear": "reacts to its {} (too few episodes to tell whether it gains)",
        "ignores": "ignores its {}",
    }
    parts = []
    for use, words in told.items():
        names = [verdict.name for verdict in verdicts if verdict.use == use]
        if names:
            parts.append(words.format(_together(names)))
    return f"This policy {_together(parts)}."


def warnings_of(verdicts: list[Verdict]) -> list[str]:
    """What a person should look into, a sentence each."""
    ignored = [verdict.name for verdict in verdicts if verdict.use == "ignores"]
    return [f"This policy ignores its {_together(ignored)}."] if ignored else []


def _together(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def signed(estimate: Estimate) -> str:
    """A value with its interval: "+0.31 (0.25 to 0.37)"."""
    low, high = estimate.interval
    return f"{estimate.value:+.3f} ({low:+.3f} to {high:+.3f})"
