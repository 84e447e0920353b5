"""What `speech_commands.py` has said to the recogniser: two halves that share no voice, no phrase and no sentence.

Every voice is a synthesiser's (eSpeak NG, Flite); no person has spoken here.
"""

import dataclasses
import subprocess
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float, Int16

RATE_HZ = 16_000
LOUDNESS = 3000.0
"""Root mean square of what is said, of 32,768."""

CONDITIONS = (("quiet", 0.0), ("white", 20.0), ("white", 10.0), ("babble", 20.0), ("babble", 10.0))
"""Noise, and how many dB below the voice it is; "quiet" has noise of 10 of 32,768."""

TALKERS = 8
"""How many speak at once in babble."""


@dataclasses.dataclass(frozen=True)
class Half:
    """Voices and texts.

    Attributes:
        voices: who speaks.
        babblers: who speaks in the background.
        phrases: what is in the grammar.
        others: sentences that have nothing to do with it.
        near: what is not in the grammar, but begins, ends or sounds like it.
    """

    voices: tuple[str, ...]
    babblers: tuple[str, ...]
    phrases: tuple[str, ...]
    others: tuple[str, ...]
    near: tuple[str, ...]

    def first(self, voices: int, texts: int) -> "Half":
        """The beginning of each list."""
        return Half(self.voices[:voices], *(getattr(self, name)[:texts] for name in _LISTS))


_LISTS = ("babblers", "phrases", "others", "near")

CALIBRATION = Half(
    voices=("espeak-ng en-us", "espeak-ng en-us+f2", "espeak-ng en-us+m1", "espeak-ng en-gb", "flite slt", "flite rms"),
    babblers=("espeak-ng en-029", "espeak-ng en-us-nyc", "espeak-ng en-us+m7", "espeak-ng en-gb+f1"),
    phrases=(
        *("go to the red ball", "go to the green key", "go to the blue ball", "go to the red box"),
        *("go to the ringing object", "go to the ticking object", "go to a grey box", "go to the blue door"),
        *("pick up the green box", "pick up a yellow key", "open the red door", "open a door"),
        *("put the red ball next to the blue key", "put a box next to the purple ball", "stop"),
    ),
    others=(
        *("what a nice day it is today", "please make me a cup of coffee", "hello robot how are you"),
        *("the weather will be fine tomorrow", "can you tell me what time it is", "turn on the light in the kitchen"),
        *("my brother lives in another city", "nobody knows where the money went"),
    ),
    near=(
        *("go to the red", "the blue box", "do not go to the red ball", "go to the orange ball"),
        *("pick the flowers up", "open the window please", "stop talking to the robot", "go away"),
    ),
)
"""By these the thresholds are chosen."""

JUDGED = Half(
    voices=(
        *("espeak-ng en-us+m3", "espeak-ng en-us+f4", "espeak-ng en-gb-scotland", "espeak-ng en-gb-x-rp"),
        *("flite awb", "flite kal16"),
    ),
    babblers=("espeak-ng en-gb-x-gbclan", "espeak-ng en-us+m5", "espeak-ng en-us+f3", "espeak-ng en-gb-x-gbcwmd"),
    phrases=(
        *("go to the blue box", "go to the red key", "go to the green ball", "go to the blue key"),
        *("go to the humming object", "go to the beeping object", "go to the purple box", "go to a yellow door"),
        *("pick up the grey ball", "pick up a purple key", "open the green door", "open the door"),
        *("put the yellow key next to the grey box", "put a ball next to the red key", "halt"),
    ),
    others=(
        *("we should leave before it gets dark", "that was a very long meeting", "she bought a ticket for the train"),
        *("I will call you later this evening", "how many people live in this house", "the soup needs a little salt"),
        *("do you know a good doctor", "it has been raining since monday"),
    ),
    near=(
        *("go to the blue", "the green key", "never go to the blue box", "go to the white box"),
        *("put the key away", "open the bottle", "halt the machine at noon", "look at the red key"),
    ),
)
"""By these they are judged."""


def say(voice: str, text: str) -> Float[np.ndarray, " n"]:
    """A text in a voice, as loud as LOUDNESS, at RATE_HZ."""
    program, name = voice.split()
    how = {"flite": ["-voice", name, "-t", text, "-o"], "espeak-ng": ["-v", name, "-s", "150", text, "-w"]}
    converter = av.AudioResampler(format="s16p", layout="mono", rate=RATE_HZ)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        subprocess.run([program, *how[program], str(path)], check=True)
        with av.open(str(path)) as container:
            frames = [piece for frame in container.decode(audio=0) for piece in converter.resample(frame)]
    said = np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float64)
    return said * LOUDNESS / np.sqrt((said**2).mean())


def babble(half: Half, seconds: float = 30.0) -> Float[np.ndarray, " n"]:
    """Several people who talk at once about something else, without a pause; as loud as LOUDNESS."""
    samples = round(seconds * RATE_HZ)
    together = np.zeros(samples)
    for talker in range(TALKERS):
        draws = np.random.default_rng(talker)
        voice, spoken = half.babblers[talker % len(half.babblers)], np.zeros(0)
        while len(spoken) < samples:
            spoken = np.concatenate([spoken, say(voice, half.others[int(draws.integers(len(half.others)))])])
        together += np.roll(spoken[:samples], int(draws.integers(samples)))
    return together * LOUDNESS / np.sqrt((together**2).mean())


def heard_as(
    said: Float[np.ndarray, " n"], noise: str, below_db: float, background: Float[np.ndarray, " m"], seed: Sequence[int]
) -> Int16[np.ndarray, " k"]:
    """What a microphone gives: a second of the noise before and after what is said, and then two quiet ones.

    In them the last utterance ends, and silero forgets.
    """
    draws = np.random.default_rng(list(seed))
    samples = len(said) + 2 * RATE_HZ
    if noise == "babble":
        start = int(draws.integers(len(background) - samples))
        sound = background[start : start + samples] * 10 ** (-below_db / 20)
    else:
        sound = draws.normal(0, 10.0 if noise == "quiet" else LOUDNESS * 10 ** (-below_db / 20), samples)
    sound[RATE_HZ:-RATE_HZ] += said
    sound = np.concatenate([sound, draws.normal(0, 10.0, 2 * RATE_HZ)])
    return np.clip(np.round(sound), -32768, 32767).astype(np.int16)


def seed_of(voice: str, text: str) -> int:
    """A number for the noise around a text, the same in every process."""
    return zlib.crc32(f"{voice}: {text}".encode())
