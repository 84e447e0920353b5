import importlib.util
import json
import os
import shutil
import signal
import subprocess
import time
import wave

import av
import gymnasium
import numpy as np
import pytest

from kit.limits import HANG_S
from kit.live.clips import next_reading, opened
from senseweave.envs.live.clock import SystemClock
from senseweave.envs.live.sensors.child import Child
from senseweave.envs.live.sensors.instructions.phrases import common_phrases, phrases_of
from senseweave.envs.live.sensors.instructions.recogniser import CHUNK, RATE_HZ, Recogniser, grammar_of, spoken
from senseweave.envs.live.sensors.instructions.speech import SpeechSource, require_speech
from senseweave.envs.live.sensors.microphones.sound_tap import SoundTap
from senseweave.envs.live.sensors.open import make_live, open_sensors
from senseweave.envs.live.source import SourceError
from senseweave.envs.rooms.sound.recordings import recordings
from senseweave.perception.errors import ConfigError, MissingExtraError
from senseweave.perception.spec import Camera, Spec
from senseweave.perception.tokenizer import default_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.load:DeprecationWarning")

KIND = default_tokenizer().instruction(16)
COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")
PHRASES = (
    *(f"Go to the {colour} {kind}" for colour in COLOURS for kind in ("ball", "key", "box")),
    *(f"Go to the {sound} object" for sound in ("ringing", "humming", "beeping", "ticking")),
)


def is_installed():
    return all(importlib.util.find_spec(package) for package in ("pocketsphinx", "silero_vad"))


needs_speech = pytest.mark.skipif(not is_installed(), reason='the extra is missing: pip install -e ".[speech]"')


@pytest.fixture(scope="module")
def recogniser():
    return Recogniser([*PHRASES, "stop"], harmless=["stop"])


def quiet(seconds):
    return np.random.default_rng(0).normal(0, 10, round(seconds * RATE_HZ)).astype(np.int16)


def say(text, voice="slt"):
    """A phrase in one of Rooms' voices, int16 at 16 kHz, with a quiet second before and after."""
    said = recordings()
    number = said.voices.index(voice)
    blocks = []
    for word in text.lower().split():
        first, count = said.places[word][number]
        blocks.append(said.blocks[number][first : first + count].reshape(-1).numpy())
    pressure = np.concatenate(blocks)
    return np.concatenate([quiet(1.0), np.round(32767 * pressure).astype(np.int16), quiet(1.0)])


def synthesise(text, folder, program, voice="en-us"):
    """A sentence, said by a speech synthesiser of the system; `voice` is one of eSpeak's."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is missing: apt-get install -y {program}")
    path = folder / "said.wav"
    how = {"flite": ["-voice", "rms", "-t", text, "-o"], "espeak-ng": ["-v", voice, "-s", "150", text, "-w"]}
    subprocess.run([program, *how[program], str(path)], check=True)
    converter = av.AudioResampler(format="s16p", layout="mono", rate=RATE_HZ)
    with av.open(str(path)) as container:
        pieces = [piece.to_ndarray()[0] for frame in container.decode(audio=0) for piece in converter.resample(frame)]
    return np.concatenate([quiet(1.0), *pieces, quiet(1.0)])


def listening(source):
    """The source, opened, when it listens."""
    opened(source, SystemClock())
    notes = source.take_notes()
    assert [kind for kind, _ in notes] == ["loading"]
    while "ready" not in [kind for kind, _ in notes]:
        assert source.read() is None
        notes += source.take_notes()
    return source


def test_a_grammar_has_exactly_the_phrases():
    assert grammar_of(["go to the ball", "go to the key", "stop"]).splitlines()[-1] == (
        "public <command> = ( go to the ( ball | key ) | stop );"
    )
    assert "go [ on ]" in grammar_of(["go", "go on"])
    assert spoken("Put the red ball, next to: the box!") == "put the red ball next to the box"


@needs_speech
@pytest.mark.parametrize("voice", ["slt", "rms", "kal16"])
def test_three_of_four_phrases_in_the_voices_of_rooms_are_understood_and_none_as_another(recogniser, voice):
    said = ["Go to the red ball", "Go to the ringing object", "Go to the grey box", "Go to the blue key"]
    heard = [[one.text for one in recogniser.push(say(text, voice))] for text in said]
    right = sum(texts == [text] for texts, text in zip(heard, said, strict=True))
    wrong = [text for texts, meant in zip(heard, said, strict=True) for text in texts if text not in (meant, "")]
    assert wrong == [] and right >= 3, heard


@needs_speech
@pytest.mark.parametrize("program", ["flite", "espeak-ng"])
def test_a_sentence_of_a_synthesiser_is_understood(recogniser, tmp_path, program):
    heard = recogniser.push(synthesise("go to the red ball", tmp_path, program, "en-us+f2"))
    assert [one.text for one in heard] == ["Go to the red ball"]
    assert [one.text for one in recogniser.push(synthesise("stop", tmp_path, program))] == ["stop"]


@needs_speech
@pytest.mark.parametrize(
    "sentence", ["what a nice day it is today", "please make me a cup of coffee", "hello robot how are you"]
)
def test_three_sentences_about_something_else_are_heard_but_not_understood(recogniser, tmp_path, sentence):
    heard = recogniser.push(synthesise(sentence, tmp_path, "flite"))
    assert [one.text for one in heard] == [""]


@needs_speech
@pytest.mark.parametrize("program", ["flite", "espeak-ng"])
def test_what_is_said_before_a_phrase_is_not_ignored(recogniser, tmp_path, program):
    (heard,) = recogniser.push(synthesise("do not go to the red ball", tmp_path, program))
    assert heard.text == "" and heard.guess, "the end of it is a phrase of the list"


@needs_speech
def test_speech_counts_as_unsaid_where_no_word_is(recogniser):
    sound = say("go to the red ball")[RATE_HZ // 2 : -RATE_HZ // 2]
    chunks = len(sound) // CHUNK
    silent, noisy = (recogniser.understand(sound, [is_speech] * chunks) for is_speech in (False, True))
    assert silent.text == "Go to the red ball" and silent.unsaid_s == 0
    assert noisy.text == "" and noisy.unsaid_s == pytest.approx(0.5, abs=0.1), "the longer half second around it"
    assert noisy.guess == silent.guess == "go to the red ball"


@needs_speech
def test_only_a_whole_phrase_of_the_list_or_nothing_comes_out(recogniser, tmp_path):
    sounds = [synthesise(text, tmp_path, "flite") for text in ("go to the", "the red ball", "go to the red ball go to")]
    sounds += [sum(np.resize(sound, 4 * RATE_HZ) // 2 for sound in sounds)]
    heard = [one for sound in sounds for one in recogniser.push(np.concatenate([sound, quiet(1.0)]))]
    assert len(heard) >= 3
    assert {one.text for one in heard} <= {"", "stop", *PHRASES}


@needs_speech
def test_a_phrase_that_breaks_off_is_not_understood(recogniser):
    assert [one.text for one in recogniser.push(say("go to the red"))] in ([""], [])


@needs_speech
@pytest.mark.parametrize("volume", [0, 30, 3000])
def test_silence_noise_and_tones_are_no_speech(recogniser, volume):
    noise = np.random.default_rng(1).normal(0, volume, 3 * RATE_HZ).astype(np.int16)
    tone = np.round(volume * np.sin(2 * np.pi * 600 * np.arange(3 * RATE_HZ) / RATE_HZ)).astype(np.int16)
    assert [one.text for one in recogniser.push(noise) + recogniser.push(tone) if one.text] == []


@needs_speech
def test_the_common_phrases_can_all_be_listened_for():
    phrases = common_phrases()
    assert {"go to the red ball", "go to the ringing object", "pick up a key", "open the blue door"} <= set(phrases)
    assert "put a grey box next to the key" in phrases and len(set(phrases)) == len(phrases)
    said = ["go to the ringing object", "put the red key next to the green ball"]
    recogniser = Recogniser(phrases)
    assert [[one.guess for one in recogniser.push(say(text))] for text in said] == [[text] for text in said]


@needs_speech
def test_sound_may_come_in_pieces_of_any_length(recogniser):
    sound = say("go to the green key")
    pieces = np.array_split(sound, 300)
    assert [one.text for piece in pieces for one in recogniser.push(piece)] == ["Go to the green key"]


def test_the_missions_of_the_level_are_what_may_be_said():
    assert set(phrases_of("senseweave/SeekHeard-v0", {})) == {
        f"go to the {sound} object" for sound in ("ringing", "humming", "beeping", "ticking")
    }
    assert set(phrases_of("senseweave/SeekHeard-v0", {"size": "small"})) == set(
        phrases_of("senseweave/SeekHeard-v0", {})
    )
    beside = phrases_of("senseweave/PutNextLocal-v0", {})
    assert len(beside) == 306 and all(" next to the " in phrase for phrase in beside)


@pytest.mark.parametrize("env_id", ["BabyAI-GoToLocal-v0", "nobody:Knows-v0", "senseweave/OfTomorrow-v0"])
def test_where_nobody_can_list_the_missions_the_common_ones_may_be_said(env_id):
    assert phrases_of(env_id, {}) == common_phrases()


@needs_speech
def test_a_word_that_nobody_can_say_is_refused():
    with pytest.raises(ValueError, match='say "xqzzt"'):
        Recogniser(["go to the xqzzt"])
    source = SpeechSource(["go to the xqzzt"], KIND, tap=SoundTap())
    with pytest.raises(ConfigError, match='say "xqzzt"'):
        listening(source)
    source.close()
    with pytest.raises(ConfigError, match="phrases that may be said"):
        SpeechSource([], KIND)


def test_without_the_extra_the_sentence_names_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"senseweave\[speech\]"):
        require_speech()


@needs_speech
def test_what_is_said_into_a_microphone_that_is_open_anyway_becomes_the_instruction():
    tap = SoundTap()
    tap.begin(RATE_HZ)
    source = listening(SpeechSource(PHRASES, KIND, tap=tap))
    try:
        tap.push(say("go to the red ball")[None])
        reading = next_reading(source)
        assert reading.text == "Go to the red ball" and reading.number == 0 and source.take_notes() == []
        assert default_tokenizer().decode(reading.content) == "go to the red ball"

        tap.push(say("ball ball red red behind")[None])
        tap.push(say("go to the blue box")[None])
        assert next_reading(source).text == "Go to the blue box"
        assert [kind for kind, _ in source.take_notes()] == ["rejected"], "and the old instruction held meanwhile"

        os.kill(source._child.process_id, signal.SIGKILL)
        tap.push(say("go to the blue box")[None])
        with pytest.raises(SourceError, match="recogniser was ended by SIGKILL"):
            next_reading(source)
    finally:
        source.close()


@needs_speech
def test_stop_is_heard_without_being_in_the_list_and_is_a_note(tmp_path):
    tap = SoundTap()
    tap.begin(RATE_HZ)
    source = listening(SpeechSource(PHRASES, KIND, tap=tap))
    try:
        tap.push(synthesise("stop", tmp_path, "espeak-ng")[None])
        tap.push(say("go to the red ball")[None])
        assert next_reading(source).number == 0
        assert source.take_notes() == [("stop", "stop")]
    finally:
        source.close()


@needs_speech
def test_stop_overtakes_what_was_understood_before_it_and_what_follows_is_next(tmp_path, monkeypatch):
    said = ["Go to the red ball", "Go to the blue box", "stop", "Go to the red key"]
    answers = tmp_path / "answers"
    answers.write_text("".join(json.dumps({"text": text, "guess": text}) + "\n" for text in said))
    source = SpeechSource(PHRASES, KIND, tap=SoundTap(RATE_HZ))
    source.clock, source._is_listening = SystemClock(), True
    (tmp_path / "scripted_recogniser.py").write_text(
        f"import sys\nprint(open({str(answers)!r}).read(), end='', flush=True)\nsys.stdin.read()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    source._child = Child("scripted_recogniser", "The speech recogniser")
    try:
        give_up_s = time.monotonic() + HANG_S
        while not (notes := source.take_notes()):
            assert source.read() is None and time.monotonic() < give_up_s
        assert notes == [("stop", "stop")]
        assert next_reading(source).text == "Go to the red key" and source.read() is None
    finally:
        source.close()


@needs_speech
def test_a_rig_that_gymnasium_makes_is_told_through_its_own_microphone(tmp_path):
    path = tmp_path / "said.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.tile(say("go to the red ball"), 12).tobytes())
    rig = gymnasium.make(
        "senseweave.envs:senseweave/Live-v0",
        microphone=str(path),
        instruction="speech",
        phrases=PHRASES,
        start_up_s=1.0,
    )
    try:
        _, info = rig.reset()
        told = [(event.kind, event.detail) for event in info["events"]]
        for _ in range(300):
            observation, _, _, _, info = rig.step(0)
            told += [(event.kind, event.detail) for event in info["events"]]
            if info["instruction_text"]:
                break
        assert info["instruction_text"] == "Go to the red ball", told
        assert default_tokenizer().decode(observation["instruction"]) == "go to the red ball"
        assert ("ready", 'Listening for "stop" and 22 phrases such as "Go to the red ball".') in told
    finally:
        rig.close()


@needs_speech
def test_without_a_microphone_among_the_senses_speech_has_one_of_its_own():
    senses = Spec(camera=Camera(16, 16), instruction=KIND)
    (ear,) = open_sensors(senses, instruction="speech").values()
    source = ear._make_source()
    assert source._own.source == "default" and source._own.tap is source.tap and source.phrases == common_phrases()


@needs_speech
def test_speech_tells_one_sense_and_phrases_are_for_speech():
    two = Spec(first=KIND, second=KIND)
    with pytest.raises(ConfigError, match='Only one sense can be told by "speech"; got first, second'):
        open_sensors(two, instruction={"first": "speech", "second": "speech"})
    assert set(open_sensors(two, instruction={"first": "speech", "second": "go to the red ball"})) == {
        "first",
        "second",
    }
    with pytest.raises(ConfigError, match='`phrases` are for an instruction that is "speech"'):
        make_live(instruction="go to the red ball", phrases=PHRASES)
