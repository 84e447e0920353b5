"""`SpeechSource`: instructions that are spoken into the microphone, understood by `recogniser.py` in its own process.

Only phrases of a given list are understood. Whatever is not clear keeps the old instruction, and is an event. "stop" is
always listened for, and never reaches the network. Loading takes seconds; from the event "ready" on, it listens.
"""

import collections
import importlib.util
import time
from collections.abc import Sequence
from typing import Any, Self

from .....perception.errors import ConfigError, MissingExtraError, how_to_install
from .....perception.spec import Instruction, Microphone
from ...reading import Reading
from ...sensor import ThreadedSensor
from ...source import SourceError
from ..child import Child
from ..microphones.microphone import MicrophoneSource
from ..microphones.sound_tap import SoundTap
from .instruction import STOP_WORDS, WAIT_S, InstructionSource, means_stop
from .phrases import common_phrases

RATE_HZ = 16000
START_UP_S = 60.0
"""How long the recogniser may take to load its models."""

NOT_STARTED = f"The speech recogniser did not start within {START_UP_S:g} s."

TAKES_SOUND_S = 5.0
"""How long it may be busy while sound waits for it."""

OWN_KIND = Microphone(1, RATE_HZ // 10, RATE_HZ)
"""How a microphone is opened that is for speech alone."""


class SpeechSource(InstructionSource):
    """What is said, of a list of phrases.

    Args:
        phrases: what may be said: the missions of a level, say.
        kind: see `InstructionSource`.
        tap: where the sound comes from: that of a microphone that is open anyway.
        microphone: see `MicrophoneSource`; opened here, for speech alone, if there is no tap.

    Raises:
        ConfigError: there is no phrase.
        MissingExtraError: the extra `speech` is not installed.
    """

    @classmethod
    def at(
        cls, address: str, kind: Any, *, tap: SoundTap | None = None, phrases: Sequence[str] | None = None, **_: Any
    ) -> Self:
        """What the tap hears, or else the microphone that `address` names; the default one where it names none."""
        return cls(common_phrases() if phrases is None else phrases, kind, tap=tap, microphone=address or "default")

    def __init__(
        self,
        phrases: Sequence[str],
        kind: Instruction,
        *,
        tap: SoundTap | None = None,
        microphone: str | int = "default",
    ) -> None:
        super().__init__(kind)
        self.phrases = tuple(phrases)
        if not self.phrases:
            raise ConfigError("Speech needs the phrases that may be said, such as a level's missions; got none.")
        require_speech()
        self._own: MicrophoneSource | None = None
        if tap is None:
            tap = SoundTap(RATE_HZ)
            self._own = MicrophoneSource(microphone, OWN_KIND, tap=tap)
        if tap.rate_hz != RATE_HZ:
            raise ConfigError(f"Speech is understood at {RATE_HZ} samples per second; the tap has {tap.rate_hz}.")
        self.tap = tap
        self._child: Child | None = None
        self._give_up_s = 0.0
        self._has_sent_phrases = self._is_listening = False
        self._heard: collections.deque[dict[str, str]] = collections.deque()

    def open(self) -> None:
        self._has_sent_phrases = self._is_listening = False
        self._heard.clear()
        self._child = Child("senseweave.envs.live.sensors.instructions.recogniser", "The speech recogniser")
        self._give_up_s = time.monotonic() + START_UP_S
        self._notes.append(("loading", "Speech is not heard yet: its recogniser is being loaded."))

    def read(self) -> Reading | None:
        if not self._is_listening:
            self._load()
            return None
        if self._own is not None:
            self._own.read()
            self._notes += self._own.take_notes()
        sound = self.tap.pull(self.clock, 0.0 if self._own is not None else WAIT_S)
        if len(sound):
            self._listener().send_bytes(
                sound.tobytes(), TAKES_SOUND_S, "The speech recogniser takes no sound any more."
            )
        answer = self._next_heard()
        if answer is None:
            return None
        if not answer["text"]:
            what = f'Something like "{answer["guess"]}"' if answer["guess"] else "Something"
            self._notes.append(("rejected", f"{what} was said, but not clearly."))
            return None
        return self.hear(answer["text"], self.clock.now_ns())

    def _next_heard(self) -> dict[str, str] | None:
        """What was said next; a "stop" overtakes everything that waits in front of it."""
        while (message := self._listener().receive(0.0)) is not None:
            answer = message[0]
            if means_stop(answer["text"]):
                self._heard.clear()
            self._heard.append(answer)
        return self._heard.popleft() if self._heard else None

    def _load(self) -> None:
        """One step on the way to listening. What `open` noted is shown by then, so a person knows to wait."""
        if not self._has_sent_phrases:
            stops = sorted(STOP_WORDS)
            listed = {"phrases": [*self.phrases, *stops], "harmless": stops}
            self._listener().send(listed, START_UP_S, NOT_STARTED)
            self._has_sent_phrases = True
        message = self._listener().receive(WAIT_S)
        if message is None:
            if time.monotonic() > self._give_up_s:
                raise SourceError(NOT_STARTED)
            return
        if "error" in message[0]:
            raise ConfigError(f"These instructions cannot be recognised: {message[0]['error']}; change the phrases.")
        if self._own is not None:
            self._own.clock = self.clock
            self._own.open()
        self.tap.pull(self.clock, 0.0)  # what was said before nobody listened to
        self._is_listening = True
        self._notes.append(("ready", f'Listening for "stop" and {_in_few_words(self.phrases)}.'))

    def close(self) -> None:
        if self._own is not None:
            self._own.close()
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def kill(self) -> bool:
        if self._child is None:
            return False
        self._child.kill()
        return True

    def _listener(self) -> Child:
        if self._child is None:
            raise SourceError("The speech recogniser is not open.")
        return self._child


def _in_few_words(phrases: Sequence[str]) -> str:
    """A list of phrases in a few words."""
    return f'{len(phrases):,} phrases such as "{phrases[0]}"' if len(phrases) > 1 else f'"{phrases[0]}"'


def speech_sensor(
    name: str,
    kind: Instruction,
    tap: SoundTap | None = None,
    phrases: Sequence[str] | None = None,
    *,
    microphone: str | int = "default",
) -> ThreadedSensor:
    """A supervised listener.

    Args:
        name: the sense.
        kind: see `InstructionSource`.
        tap: see `SpeechSource`.
        phrases: see `SpeechSource`; those of `common_phrases` where nobody says what may be said.
        microphone: see `SpeechSource`.

    Raises:
        SenseweaveError: see `SpeechSource`.
    """
    phrases = common_phrases() if phrases is None else tuple(phrases)
    return ThreadedSensor.of(name, kind, lambda: SpeechSource(phrases, kind, tap=tap, microphone=microphone))


def require_speech() -> None:
    """Looks whether the packages that understand speech are installed, without importing them.

    Raises:
        MissingExtraError: one is not.
    """
    for package in ("pocketsphinx", "silero_vad"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(
                f"Spoken instructions need {package}, which is not installed; {how_to_install('speech')}"
            )
