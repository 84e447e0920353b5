"""Speech to one of a list of phrases: silero finds where somebody speaks, pocketsphinx says which phrase it was.

Doubt is an answer. A grammar forces any sound into the nearest phrase, and takes what does not fit for silence. So two
things are asked of a phrase: that its words fit as well as words that were really said, and that hardly anything was
said beside them ("do not go to the red ball" ends with a phrase). Otherwise nothing was understood.

This runs in a process of its own that `speech.py` starts (`child.py`, with the name of this module): decoding would
hold the GIL for milliseconds, and silero changes torch's settings. Through standard input come the phrases, as a
line of JSON, and then the sound, int16 mono at 16 kHz; lines of JSON go out.

n samples
"""

import collections
import dataclasses
import importlib
import json
import math
import re
import sys
from collections.abc import Iterable, Sequence
from typing import IO, Any

import numpy as np
from jaxtyping import Int16

from ..child import obey_parent

RATE_HZ = 16000
CHUNK = 512
"""Samples that silero takes at a time."""

FRAMES_PER_S = 100
"""In which pocketsphinx counts."""

SPEECH_BEGINS, SPEECH_ENDS = 0.5, 0.35
"""Probabilities of speech at which an utterance begins, and below which it may end."""

PAUSE_S = 0.4
"""So much without speech ends an utterance."""

BEFORE_S, MIN_S, MAX_S = 0.4, 0.15, 8.0
"""What is kept from before the beginning; the shortest speech and the longest utterance."""

MIN_WORD, MIN_MEAN, MAX_UNSAID_S = -2.5, -1.4, 0.2
"""How far a phrase's words may be behind the best possible sounds, as log10 of likelihood per frame of 10 ms: the worst
of them, and all together; and how many seconds of speech at a stretch may lie outside them.

benchmarks/speech_commands.py chose them with some synthesised voices and measures them with others (docs/results.md):
they make mistakes rare, not impossible, and have not been tried with people.
"""

MIN_WORD_HARMLESS, MIN_MEAN_HARMLESS = -2.3, -1.7
"""The same for words such as "stop", which may have something else beside them: a stop too many does no harm."""

LITTLE_WORDS = frozenset(["a", "the", "go", "to", "up", "in", "on", "of", "your", "next", "you"])
"""They are said so fleetingly that the fit of one of them alone says little; they count in the mean only."""


@dataclasses.dataclass(frozen=True)
class Heard:
    """One utterance.

    Attributes:
        text: the phrase, as it is in the list; "" if none was understood.
        guess: what was nearest, the phrase or its beginning.
        worst: the worst fit of a word that is not little; see MIN_WORD.
        mean: the mean fit of its words.
        unsaid_s: the longest stretch of speech that is in none of its words.
    """

    text: str
    guess: str
    worst: float
    mean: float
    unsaid_s: float


@dataclasses.dataclass(frozen=True)
class _Word:
    """A word where the decoder heard it: from frame `start` to before frame `end`, and the sum of its frames' fit."""

    text: str
    start: int
    end: int
    fit: float


def fits(worst: float, mean: float, unsaid_s: float, *, is_harmless: bool) -> bool:
    """Whether a phrase fits what was said well enough to be taken for it; see `Heard`."""
    if is_harmless:
        return worst >= MIN_WORD_HARMLESS and mean >= MIN_MEAN_HARMLESS
    return worst >= MIN_WORD and mean >= MIN_MEAN and unsaid_s <= MAX_UNSAID_S


def _longest_outside(words: Sequence[_Word], is_speech: Sequence[bool]) -> float:
    """How many seconds of speech without a pause are in none of the words, at most."""
    longest = stretch = 0
    for number, is_one in enumerate(is_speech):
        frame = (number + 0.5) * CHUNK / RATE_HZ * FRAMES_PER_S
        is_outside = is_one and not any(word.start <= frame < word.end for word in words)
        stretch = stretch + 1 if is_outside else 0
        longest = max(longest, stretch)
    return longest * CHUNK / RATE_HZ


def spoken(phrase: str) -> str:
    """A phrase as it sounds: small letters, no punctuation."""
    return " ".join(re.findall(r"[\w']+", phrase.lower()))


def grammar_of(phrases: Iterable[str]) -> str:
    """A JSGF grammar of exactly these phrases, as they sound; what begins alike is shared."""
    tree: dict[str, Any] = {}
    for phrase in phrases:
        node = tree
        for word in phrase.split():
            node = node.setdefault(word, {})
        node[""] = {}
    return f"#JSGF V1.0;\ngrammar commands;\npublic <command> = {_alternatives(tree)};\n"


def _alternatives(tree: dict[str, Any]) -> str:
    ways = [f"{word} {_alternatives(rest)}".strip() for word, rest in tree.items() if word]
    together = f"( {' | '.join(ways)} )" if len(ways) > 1 else "".join(ways)
    return f"[ {together} ]" if "" in tree and ways else together


class Recogniser:
    """Understands phrases of a list in a stream of sound.

    Args:
        phrases: what may be said; capitals and punctuation are not heard.
        harmless: those of them that do no harm when nobody said them, so that they need not be as clear.

    Raises:
        ValueError: a word is in no dictionary, or there is no phrase.
        ImportError: the extra `speech` is not installed.
    """

    def __init__(self, phrases: Sequence[str], harmless: Iterable[str] = ()) -> None:
        pocketsphinx: Any = importlib.import_module("pocketsphinx")  # of the extra `speech`
        self._by_sound = {spoken(phrase): phrase for phrase in phrases if spoken(phrase)}
        self._harmless = {spoken(phrase) for phrase in harmless}
        if not self._by_sound:
            raise ValueError("there is no phrase to listen for")
        self._decoder = pocketsphinx.Decoder(lm=None, loglevel="FATAL", samprate=RATE_HZ)
        words = {word for sound in self._by_sound for word in sound.split()}
        if unknown := sorted(word for word in words if self._decoder.lookup_word(word) is None):
            raise ValueError(f'nobody knows how to say "{unknown[0]}"')
        self._decoder.add_jsgf_string("commands", grammar_of(self._by_sound))
        self._decoder.activate_search("commands")
        silero_vad: Any = importlib.import_module("silero_vad")
        import torch

        self._torch = torch
        self._voice: Any = silero_vad.load_silero_vad()
        self._rest = np.zeros(0, np.int16)
        self._before: collections.deque[Int16[np.ndarray, " n"]] = collections.deque(
            maxlen=round(BEFORE_S * RATE_HZ / CHUNK)
        )
        self._utterance: list[Int16[np.ndarray, " n"]] = []
        self._is_speech: list[bool] = []
        self._quiet_chunks = 0

    def push(self, sound: Int16[np.ndarray, " n"]) -> list[Heard]:
        """Takes the next samples and gives the utterances that have ended in them."""
        self._rest = np.concatenate([self._rest, sound])
        heard = []
        while len(self._rest) >= CHUNK:
            chunk, self._rest = self._rest[:CHUNK], self._rest[CHUNK:]
            if self._ends_with(chunk, self._speech(chunk)):
                if sum(self._is_speech) * CHUNK >= MIN_S * RATE_HZ:
                    heard.append(self.understand(np.concatenate(self._utterance), self._is_speech))
                self._utterance = []
        return heard

    def understand(self, sound: Int16[np.ndarray, " n"], is_speech: Sequence[bool]) -> Heard:
        """What was said in a piece of sound that somebody is known to speak in.

        Args:
            sound: from before the first word to after the last one.
            is_speech: whether somebody speaks, for each `CHUNK` of it.
        """
        decoder = self._decoder
        decoder.start_utt()
        decoder.process_raw(sound.tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        words = [
            _Word(
                word.word.partition("(")[0], word.start_frame, word.end_frame + 1, math.log10(max(word.ascore, 1e-320))
            )
            for word in (decoder.seg() or ())
            if not word.word.startswith(("<", "(", "["))
        ]
        unsaid_s = _longest_outside(words, is_speech)
        if hypothesis is None or not words:
            return Heard("", "", -math.inf, -math.inf, unsaid_s)
        mean = sum(word.fit for word in words) / sum(word.end - word.start for word in words)
        worst = min(
            (word.fit / (word.end - word.start) for word in words if word.text not in LITTLE_WORDS), default=mean
        )
        is_clear = fits(worst, mean, unsaid_s, is_harmless=hypothesis.hypstr in self._harmless)
        text = self._by_sound.get(hypothesis.hypstr, "") if is_clear else ""
        return Heard(text, hypothesis.hypstr, worst, mean, unsaid_s)

    def _speech(self, chunk: Int16[np.ndarray, " n"]) -> float:
        with self._torch.inference_mode():
            pressure = self._torch.from_numpy(chunk.astype(np.float32) / 32768.0)
            return float(self._voice(pressure, RATE_HZ))

    def _ends_with(self, chunk: Int16[np.ndarray, " n"], probability: float) -> bool:
        """Follows where utterances begin and end; whether one ends with this chunk."""
        if not self._utterance:
            self._before.append(chunk)
            if probability >= SPEECH_BEGINS:
                self._utterance = list(self._before)
                self._before.clear()
                self._is_speech = [False] * (len(self._utterance) - 1) + [True]
                self._quiet_chunks = 0
            return False
        self._utterance.append(chunk)
        self._is_speech.append(probability >= SPEECH_ENDS)
        self._quiet_chunks = 0 if self._is_speech[-1] else self._quiet_chunks + 1
        is_pause = self._quiet_chunks * CHUNK >= PAUSE_S * RATE_HZ
        return is_pause or len(self._utterance) * CHUNK >= MAX_S * RATE_HZ


def main(sound: IO[bytes], answers: IO[str]) -> int:
    """Serves one listener until its end of the pipe is closed.

    Args:
        sound: a line of JSON, the arguments of `Recogniser`; then samples.
        answers: gets a line {"ready": true}, or {"error": ...}, and then one of `Heard` for each utterance.
    """

    def answer(what: dict[str, Any]) -> None:
        print(json.dumps(what), file=answers, flush=True)

    try:
        recogniser = Recogniser(**json.loads(sound.readline()))
    except (ValueError, ImportError) as error:
        answer({"error": str(error)})
        return 1
    answer({"ready": True})
    odd = b""
    while received := sound.read1(RATE_HZ):  # pyright: ignore[reportAttributeAccessIssue]
        received = odd + received
        whole = len(received) // 2 * 2
        received, odd = received[:whole], received[whole:]
        for heard in recogniser.push(np.frombuffer(received, np.int16)):
            answer(dataclasses.asdict(heard))
    return 0


if __name__ == "__main__":
    obey_parent(sys.argv[1:])
    sys.exit(main(sys.stdin.buffer, sys.stdout))
