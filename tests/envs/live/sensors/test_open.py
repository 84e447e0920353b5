"""From addresses to sensors: which source an address means, a user's own among them, and what is refused."""

import time
from pathlib import Path

import numpy as np
import pytest

from kit.limits import HANG_S
from senseweave.envs.live import Reading, Source, SourceError, SystemClock, open_sensors, register_source
from senseweave.envs.live.sensors.cameras.camera import CameraSource
from senseweave.envs.live.sensors.instructions.instruction import LinesSource, TextSource
from senseweave.envs.live.sensors.instructions.speech import SpeechSource
from senseweave.envs.live.sensors.microphones.microphone import MicrophoneSource
from senseweave.envs.live.sensors.open import EAR_KIND, default_senses, make_live, sensor_at
from senseweave.envs.live.sensors.registry import SOURCES
from senseweave.perception.errors import ConfigError
from senseweave.perception.spec import PRESENT, Camera, Spec, Vector

SENSES = default_senses()


class NumbersSource(Source):
    """The last line of a text file, as numbers."""

    kinds = (Vector,)

    def __init__(self, address: str, kind: Vector) -> None:
        self.path, self.kind = Path(address), kind
        self.number = 0

    def open(self) -> None:
        self.seen = ""

    def read(self) -> Reading | None:
        self.clock.sleep_until_ns(self.clock.now_ns() + 5_000_000)
        try:
            line = self.path.read_text().splitlines()[-1]
        except (OSError, IndexError) as error:
            raise SourceError(f"{self.path} has no numbers.") from error
        if line == self.seen:
            return None
        self.seen, self.number = line, self.number + 1
        return Reading(np.array(line.split(), np.float32), self.clock.now_ns(), self.number)


@pytest.fixture
def numbers():
    register_source("numbers", NumbersSource)
    yield "numbers"
    SOURCES.pop("numbers")


@pytest.mark.parametrize(
    ("name", "address", "source", "attributes"),
    [
        ("camera", "0", CameraSource, {"source": "0", "is_device": True}),
        ("camera", "clip.mp4", CameraSource, {"source": "clip.mp4", "is_device": False}),
        ("camera", "frames/f_%03d.png", CameraSource, {"source": "frames/f_%03d.png"}),
        ("camera", "rtsp://eye.local/1", CameraSource, {"source": "rtsp://eye.local/1", "is_address": True}),
        ("camera", r"C:\clips\one.mp4", CameraSource, {"source": r"C:\clips\one.mp4"}),
        ("camera", "camera:2", CameraSource, {"source": "2", "is_device": True}),
        ("audio", "default", MicrophoneSource, {"source": "default"}),
        ("audio", "hw:0,0", MicrophoneSource, {"source": "hw:0,0"}),
        ("audio", "microphone:3", MicrophoneSource, {"source": "3"}),
        ("instruction", "go to the red ball", TextSource, {"text": "go to the red ball"}),
        ("instruction", "camera: look left", TextSource, {"text": "camera: look left"}),
        ("instruction", "camera:look", TextSource, {"text": "camera:look"}),
        ("instruction", "text:speech", TextSource, {"text": "speech"}),
        ("instruction", "-", LinesSource, {}),
        ("instruction", "speech", SpeechSource, {"_own.source": "default"}),
        ("instruction", "speech:2", SpeechSource, {"_own.source": "2"}),
    ],
)
def test_an_address_means_the_source_that_fits_the_sense_unless_it_names_one(name, address, source, attributes) -> None:
    if source is SpeechSource:
        pytest.importorskip("pocketsphinx"), pytest.importorskip("silero_vad")
    made = sensor_at(name, SENSES[name], address)._make_source()
    assert type(made) is source
    for attribute, expected in attributes.items():
        value = made
        for part in attribute.split("."):
            value = getattr(value, part)
        assert value == expected


def test_a_source_brings_its_own_deadlines() -> None:
    camera, clip = (sensor_at("camera", SENSES["camera"], address) for address in ("0", "clip.mp4"))
    assert (camera.inbox._unchanged_ns, clip.inbox._unchanged_ns) == (5_000_000_000, 2**63 - 1)
    assert sensor_at("instruction", SENSES["instruction"], "go")._backoff.stall_s == float("inf")


def test_a_source_of_ones_own_serves_a_rig_is_lost_and_comes_back(numbers: str, tmp_path: Path) -> None:
    path = tmp_path / "heat.txt"
    path.write_text("1.0 2.0\n")
    senses = Spec(heat=Vector(2))
    rig = make_live(
        senses=senses, sources={"heat": f"numbers:{path}"}, action_names=("stay",), max_age_s={"heat": 0.2}, rate_hz=50
    )
    with rig:
        observation, _ = rig.reset()
        assert observation["heat"].tolist() == [1.0, 2.0] and observation[PRESENT].tolist() == [1]
        path.write_text("3.0 4.0\n")
        assert until(rig, lambda seen: seen["heat"].tolist() == [3.0, 4.0])
        assert until(rig, lambda seen: seen[PRESENT].tolist() == [0]), "nothing new came"
        path.write_text("5.0 6.0\n")
        assert until(rig, lambda seen: seen["heat"].tolist() == [5.0, 6.0])


def until(rig, holds, timeout_s: float = HANG_S) -> bool:
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        if holds(rig.step(0)[0]):
            return True
    return False


def test_loop_reaches_files_and_a_source_without_use_for_it_is_made_without(numbers: str) -> None:
    senses = Spec(camera=Camera(16, 16), heat=Vector(2))
    sensors = open_sensors(senses, camera="clip.mp4", sources={"heat": "numbers:heat.txt"}, loop=True)
    assert sensors["camera"]._make_source().loop
    assert sensors["heat"]._make_source().path == Path("heat.txt")
    assert not open_sensors(senses, camera="clip.mp4")["camera"]._make_source().loop


def test_a_microphone_that_serves_speech_alone_has_a_name_of_its_own() -> None:
    pytest.importorskip("pocketsphinx"), pytest.importorskip("silero_vad")
    sensors = open_sensors(SENSES, microphone="clip.wav", instruction="speech", ear="(speech)")
    assert list(sensors) == ["(speech)", "instruction"] and sensors["(speech)"].kind == EAR_KIND
    ear, speech = (sensor._make_source() for sensor in sensors.values())
    assert ear.tap is speech.tap is not None
    shared = open_sensors(SENSES, microphone="clip.wav", instruction="speech")
    assert shared["audio"]._make_source().tap is shared["instruction"]._make_source().tap


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        ({"camera": "numbers:x"}, 'The source "numbers" is for Vector, but "camera" is of the kind Camera'),
        ({"microphone": "camera:0"}, 'The source "camera" is for Camera, but "audio" is of the kind Microphone'),
        ({"sources": {"heat": "x.txt"}}, '"x.txt" does not name a source for a Vector; .*numbers'),
        ({"sources": {"heta": "numbers:x"}}, '`sources` names "heta", which is no sense; did you mean "heat"'),
        ({"camera": "0", "sources": {"camera": "1"}}, '"camera" has two addresses, 0 and 1; leave one of them out'),
        ({"phrases": ["go"]}, "`phrases` are for an instruction"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(numbers: str, addresses, words: str) -> None:
    senses = Spec(**SENSES, heat=Vector(1))
    with pytest.raises(ConfigError, match=words) as caught:
        open_sensors(senses, **addresses)
    assert "\n" not in str(caught.value)


def test_a_source_that_nobody_registered_is_named_where_the_file_is_missing() -> None:
    source = CameraSource("zed:0", Camera(16, 16))
    source.clock = SystemClock()
    with pytest.raises(
        ConfigError, match='file "zed:0" does not exist, and there is no source "zed"; name another one'
    ):
        source.open()


def test_standard_input_takes_no_address() -> None:
    with pytest.raises(ConfigError, match='"lines" is standard input and takes no more; got .go.'):
        sensor_at("instruction", SENSES["instruction"], "lines:go")._make_source()


def test_a_scheme_is_given_once(numbers: str) -> None:
    register_source("numbers", NumbersSource)
    with pytest.raises(ConfigError, match='There is a source "numbers" already'):
        register_source("numbers", CameraSource)
