"""How well spoken instructions are understood: thresholds are chosen with some voices and phrases, judged with others.

    python benchmarks/speech_commands.py

Sounds go through `Recogniser.push`, as a microphone's do, in quiet and in noise (speech_samples.py). Two grammars are
listened with: `common_phrases`, by which the thresholds are chosen, and the missions of Seek, as a run in Seek has
them. The choice: on the calibration half, in quiet and at 20 dB, the thresholds with the least cost, where a phrase
that is not understood costs 1, and a phrase taken for another, or anything else taken for a phrase, costs WRONG_COSTS.
"a" for "the" and the reverse is counted as understood, and shown. Words that stop have thresholds of their own and no
part in the choice; "stopped" is how often one was heard where nobody said it. It needs espeak-ng, flite and the extra
`speech`.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import functools
import itertools
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from parts.result_rows import Result, add_option, write_results
from parts.speech_samples import CALIBRATION, CONDITIONS, JUDGED, Half, babble, heard_as, say, seed_of
from parts.tables import machine, print_json, print_table, tell

from senseweave.envs.live.sensors.instructions.instruction import STOP_WORDS
from senseweave.envs.live.sensors.instructions.phrases import common_phrases, phrases_of
from senseweave.envs.live.sensors.instructions.recogniser import (
    MAX_S,
    MAX_UNSAID_S,
    MIN_MEAN,
    MIN_WORD,
    Recogniser,
    fits,
)

WRONG_COSTS = 5
GRID = (
    [round(-3.0 + 0.1 * step, 1) for step in range(21)],
    [round(-2.2 + 0.1 * step, 1) for step in range(15)],
    [*(round(0.05 * step, 2) for step in range(1, 13)), MAX_S],
)
"""Worst word, mean word, seconds of speech outside the words at a stretch."""

CHOSEN_IN = ("quiet", "white, 20 dB", "babble, 20 dB")
"""Conditions that count in the choice; at 10 dB hardly anything is understood with any thresholds."""

SHIPPED = (MIN_WORD, MIN_MEAN, MAX_UNSAID_S)
HALVES = {"calibration": CALIBRATION, "judged": JUDGED}


@dataclasses.dataclass(frozen=True)
class Trial:
    """One sound that was listened to.

    Attributes:
        grammar, voice, sort, text, condition: what it was; `sort` is "phrases", "others" or "near".
        heard: (whole phrase that was nearest or "", worst, mean, unsaid_s) of each utterance that was found in it.
    """

    grammar: str
    voice: str
    sort: str
    text: str
    condition: str
    heard: tuple[tuple[str, float, float, float], ...]

    def outcome(self, thresholds: Sequence[float]) -> str:
        """What came of it with these thresholds: "right", "article", "wrong", "stopped" or "nothing".

        Args:
            thresholds: worst word, mean word, unsaid seconds. Those of words that stop are the recogniser's own.
        """
        taken = {phrase for phrase, *fit in self.heard if phrase and _fits(phrase, fit, thresholds)}
        told = taken - STOP_WORDS
        if self.sort == "phrases" and taken and taken <= {self.text}:
            return "right"
        if self.sort == "phrases" and told and {_plain(phrase) for phrase in taken} == {_plain(self.text)}:
            return "article"
        return "wrong" if told else "stopped" if taken else "nothing"


def _fits(phrase: str, fit: Sequence[float], thresholds: Sequence[float]) -> bool:
    if phrase in STOP_WORDS:
        return fits(*fit, is_harmless=True)
    return fit[0] >= thresholds[0] and fit[1] >= thresholds[1] and fit[2] <= thresholds[2]


def _plain(phrase: str) -> str:
    return re.sub(r"\b(a|the) ", "", phrase)


@functools.cache
def grammar(name: str) -> tuple[str, ...]:
    """The phrases that are listened for."""
    phrases = common_phrases() if name == "common" else phrases_of("senseweave/Seek-v0", {})
    return (*phrases, *sorted(STOP_WORDS))


@functools.cache
def _background(half: Half) -> Any:
    return babble(half)


def listen(half: Half, voice: str, grammar_name: str) -> list[Trial]:
    """Everything that one voice says, in every condition."""
    recogniser, listed = Recogniser(grammar(grammar_name)), set(grammar(grammar_name))
    trials = []
    for sort in ("phrases", "others", "near"):
        for text in getattr(half, sort):
            if sort == "phrases" and text not in listed:
                continue
            said = say(voice, text)
            for noise, below_db in CONDITIONS:
                sound = heard_as(said, noise, below_db, _background(half), [seed_of(voice, text)])
                utterances = recogniser.push(sound)
                heard = tuple(
                    (one.guess if one.guess in listed else "", one.worst, one.mean, one.unsaid_s) for one in utterances
                )
                trials.append(Trial(grammar_name, voice, sort, text, condition_name(noise, below_db), heard))
    return trials


def condition_name(noise: str, below_db: float) -> str:
    """A condition, in words."""
    return noise if noise == "quiet" else f"{noise}, {below_db:g} dB"


def counts(trials: Iterable[Trial], thresholds: Sequence[float]) -> dict[str, int]:
    """How many of what was said had which outcome."""
    total: dict[str, int] = collections.defaultdict(int)
    for trial in trials:
        outcome = trial.outcome(thresholds)
        total[trial.sort] += 1
        if trial.sort == "phrases":
            total[outcome] += 1  # "stopped" too, which is not understood either
        else:
            total[f"{trial.sort}_taken"] += outcome == "wrong"
            total["stopped"] += outcome == "stopped"
    return total


def cost(total: Mapping[str, int]) -> int:
    """What the choice of thresholds makes small."""
    missed = total["phrases"] - total["right"] - total["article"] - total["wrong"]
    return missed + WRONG_COSTS * (total["wrong"] + total["others_taken"] + total["near_taken"])


def choose(trials: Sequence[Trial]) -> tuple[float, float, float]:
    """The thresholds with the least cost; of several, the strictest."""
    trials = [trial for trial in trials if trial.condition in CHOSEN_IN and trial.text not in STOP_WORDS]
    return min(
        itertools.product(*GRID), key=lambda limits: (cost(counts(trials, limits)), -limits[0] - limits[1], limits[2])
    )


def share(count: int, of: int) -> str:
    """A percentage, with the counts that it is made of."""
    return f"{100 * count / of:.0f} % ({count}/{of})" if of else "-"


def row(name: str, total: Mapping[str, int]) -> tuple[str, ...]:
    """One line of the table."""
    return (
        name,
        share(total["right"] + total["article"], total["phrases"]),
        str(total["article"]),
        share(total["wrong"], total["phrases"]),
        share(total["others_taken"], total["others"]),
        share(total["near_taken"], total["near"]),
        str(total["stopped"]),
    )


def result_of(grammar_name: str, condition: str, total: Mapping[str, int]) -> Result:
    """A row of docs/results.md."""
    label = "Seek's phrases" if grammar_name == "Seek" else "common phrases"
    figures = {
        "understood, %": 100 * (total["right"] + total["article"]) / total["phrases"],
        "as another phrase, %": 100 * total["wrong"] / total["phrases"],
        "other sentences taken": total["others_taken"],
        "near misses taken": total["near_taken"],
        "stopped for nothing": total["stopped"],
    }
    return Result(f"{label}: {condition}", {name: [value] for name, value in figures.items()})


def main() -> None:
    """Listens, chooses, judges, prints."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side")
    parser.add_argument("--quick", action="store_true", help="one voice, two texts a list; the figures mean nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    options = parser.parse_args()
    if missing := [name for name in ("espeak-ng", "flite") if shutil.which(name) is None]:
        parser.error(f"{' and '.join(missing)} cannot be found: apt-get install espeak-ng flite")
    halves = {name: half.first(1, 2) if options.quick else half for name, half in HALVES.items()}
    os.environ["OMP_NUM_THREADS"] = "1"
    work = [("calibration", voice, "common") for voice in halves["calibration"].voices]
    work += [("judged", voice, name) for name in ("common", "Seek") for voice in halves["judged"].voices]
    trials: dict[str, list[Trial]] = {"calibration": [], "judged": []}
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        waiting = {pool.submit(listen, halves[half], voice, name): (half, voice, name) for half, voice, name in work}
        for number, done in enumerate(concurrent.futures.as_completed(waiting), 1):
            half, voice, name = waiting[done]
            tell(f"{number} of {len(work)}: {half}, {voice}, {name}")
            trials[half] += done.result()
    chosen = choose(trials["calibration"])
    print(f"worst word, mean word, unsaid seconds: chosen {chosen}, shipped {SHIPPED}")
    columns = ("", "understood", "a/the", "as another phrase", "other sentences taken", "near misses taken", "stopped")
    names = [condition_name(*condition) for condition in CONDITIONS]
    report: dict[str, Any] = {}
    for half, name in (("calibration", "common"), ("judged", "common"), ("judged", "Seek")):
        mine = [trial for trial in trials[half] if trial.grammar == name]
        totals = {one: counts([trial for trial in mine if trial.condition == one], SHIPPED) for one in names}
        quiet = [trial for trial in mine if trial.condition == "quiet"]
        totals |= {
            voice: counts([trial for trial in quiet if trial.voice == voice], SHIPPED) for voice in halves[half].voices
        }
        rows = [row(one, total) for one, total in totals.items()]
        print_table(f"{half}, {len(grammar(name)):,} phrases in the grammar ({name}); by voice in quiet", columns, rows)
        report[f"{half}, {name}"] = totals
        if half == "judged":
            write_results(options, "speech", [result_of(name, one, totals[one]) for one in names])
    if options.json:
        software = machine("pocketsphinx", "silero-vad")
        print_json({"chosen": chosen, "shipped": SHIPPED, "tables": report, "machine": software})


if __name__ == "__main__":
    main()
