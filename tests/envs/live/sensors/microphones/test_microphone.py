import sys
import wave

import av
import numpy as np
import pytest
from scipy.signal import resample_poly

from kit.live.clips import SOUND_HZ, next_reading, opened, sine, write_clip
from senseweave.envs.live.clock import NS_PER_S, VirtualClock
from senseweave.envs.live.reading import misfit
from senseweave.envs.live.sensors.microphones.feeds import Block, Feed
from senseweave.envs.live.sensors.microphones.microphone import MicrophoneSource, is_sound_file, microphone_sensor
from senseweave.envs.live.sensors.microphones.resample import StreamResampler, mix
from senseweave.envs.live.sensors.microphones.sample_clock import SampleClock
from senseweave.envs.live.sensors.microphones.sound_tap import SoundTap
from senseweave.envs.live.source import SourceEndedError, SourceError
from senseweave.perception.errors import ConfigError, MissingExtraError
from senseweave.perception.spec import Microphone

KIND = Microphone(1, 1600, 16000)


def write_wav(path, sound, rate_hz=16000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(sound))
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.ascontiguousarray(sound.T).tobytes())
    return str(path)


def all_readings(source):
    readings = []
    while True:
        try:
            readings.append(next_reading(source))
        except SourceEndedError:
            return readings


# Resampling


@pytest.mark.parametrize("from_hz", [8000, 22050, 44100, 48000, 11025, 96000])
def test_a_stream_is_resampled_as_if_it_came_in_one_piece(from_hz):
    hz, random = 440, np.random.default_rng(from_hz)
    sound = np.stack([sine(hz, from_hz, from_hz), -sine(hz, from_hz, from_hz)])
    cuts = np.sort(random.integers(0, from_hz, 60))
    resampler = StreamResampler(2, from_hz, 16000)
    result = np.concatenate([resampler.push(piece) for piece in np.split(sound, cuts, axis=1)], axis=1)
    assert 15900 < result.shape[1] <= 16000 and resampler.given == result.shape[1]
    assert 0 <= resampler.held_s < 0.006
    wanted = sine(hz, 16000, 16000)[: result.shape[1]].astype(float)
    error = (result - np.stack([wanted, -wanted]))[:, 100:]
    assert np.abs(error).max() < 20, "of 10000; the times are right too, or the error would be far larger"


def test_what_the_lower_rate_cannot_hold_is_gone_as_with_another_resampler():
    too_high = sine(9500, 48000, 48000)[None]
    resampler = StreamResampler(1, 48000, 16000)
    assert np.abs(resampler.push(too_high))[:, 100:].max() < 100
    noise = np.random.default_rng(0).normal(0, 2000, 48000).round().astype(np.int16)
    ours = StreamResampler(1, 48000, 16000).push(noise[None])[0].astype(float)
    other = resample_poly(noise.astype(float), 1, 3)[: len(ours)]
    middle = slice(200, -200)
    assert np.corrcoef(ours[middle], other[middle])[0, 1] > 0.99


def test_the_same_rate_changes_nothing():
    sound = np.random.default_rng(0).integers(-32768, 32768, (2, 999), dtype=np.int16)
    np.testing.assert_array_equal(StreamResampler(2, 16000, 16000).push(sound), sound)


def test_channels_are_repeated_averaged_or_left_out():
    stereo = np.array([[10, -32768, 32767], [20, -32768, 32767]], np.int16)
    np.testing.assert_array_equal(mix(stereo, 1), [[15, -32768, 32767]])
    np.testing.assert_array_equal(mix(stereo[:1], 2), stereo[[0, 0]])
    np.testing.assert_array_equal(mix(stereo, 3), stereo[[0, 1, 0]])
    np.testing.assert_array_equal(mix(np.concatenate([stereo, stereo]), 2), stereo)
    assert mix(stereo, 2) is stereo


# Time


@pytest.mark.parametrize("ppm", [-300, 0, 120])
def test_times_by_count_are_even_and_the_drift_is_known(ppm):
    rate_hz, block = 48000, 480
    random = np.random.default_rng(3)
    clock = SampleClock(rate_hz)
    true_hz = rate_hz * (1 + ppm * 1e-6)
    late_ms, before = [], None
    for number in range(1, 12_000):  # two minutes
        true_ns = number * block / true_hz * NS_PER_S
        reported_ns = round(true_ns + random.exponential(2e6))
        heard_ns = clock.heard_ns(number * block, reported_ns)
        assert heard_ns <= reported_ns
        if number > 3000:
            late_ms.append((heard_ns - true_ns) / 1e6)
            assert before is None or abs(heard_ns - before - 1e7) < 1e6, "steps are even though the blocks are not"
            before = heard_ns
    assert np.abs(late_ms).max() < 1.0
    assert clock.drift_ppm == pytest.approx(ppm, abs=60)


def test_a_device_that_delivers_faster_than_time_is_never_ahead_of_it():
    clock = SampleClock(16000)
    assert all(clock.heard_ns(number * 1600, number) <= number for number in range(1, 200))


def test_lost_samples_move_the_anchor_and_keep_the_rate():
    clock = SampleClock(16000)
    for number in range(1, 300):
        clock.heard_ns(number * 160, number * 10_000_000)
    assert clock.heard_ns(300 * 160, 4_000_000_000) == 4_000_000_000
    assert clock.heard_ns(301 * 160, 4_015_000_000) == 4_010_000_000
    clock.restart()
    assert clock.heard_ns(302 * 160, 4_024_000_000) == 4_024_000_000


# Files


def test_a_wav_file_is_heard_sample_by_sample_at_its_own_rate(tmp_path):
    sound = np.random.default_rng(0).integers(-32768, 32768, (1, 8000), dtype=np.int16)
    clock = VirtualClock()
    source = opened(MicrophoneSource(write_wav(tmp_path / "a.wav", sound), KIND), clock)
    for reading in (readings := all_readings(source)):
        assert misfit(KIND, reading.content) is None
        heard = sound[:, reading.number - 1600 : reading.number]
        np.testing.assert_array_equal(reading.content * 32768, heard)
        assert reading.captured_ns == reading.number * NS_PER_S // 16000
    assert [readings[0].number, readings[-1].number] == [1600, 8000] and len(readings) >= 40
    assert clock.now_ns() == pytest.approx(NS_PER_S / 2, abs=0.02 * NS_PER_S)
    source.close()


def test_the_sound_of_a_video_is_heard_at_the_rate_of_the_spec(tmp_path):
    source = opened(MicrophoneSource(str(write_clip(tmp_path / "clip.mp4")), KIND))
    reading = [next_reading(source) for _ in range(60)][-1]
    spectrum = np.abs(np.fft.rfft(reading.content[0] * np.hanning(1600)))
    assert spectrum.argmax() * 10 == pytest.approx(440, abs=10), "bins of 10 Hz"
    assert np.abs(reading.content).max() == pytest.approx(10000 / 32768, rel=0.05)
    late_ns = source.clock.now_ns() - reading.captured_ns
    assert 0 <= late_ns < 0.005 * NS_PER_S


def test_values_are_multiples_of_two_to_the_minus_fifteen_after_resampling_too(tmp_path):
    source = opened(MicrophoneSource(str(write_clip(tmp_path / "clip.mkv")), Microphone(2, 800, 16000)))
    content = next_reading(source).content * 32768
    np.testing.assert_array_equal(content, np.rint(content))
    np.testing.assert_array_equal(content[0], content[1])
    assert [kind for kind, detail in source.take_notes() if "one channel" in detail] == ["warning"]


def test_two_channels_are_averaged_for_one_and_kept_for_two(tmp_path):
    sound = np.stack([sine(300, 4000, 16000), sine(700, 4000, 16000)])
    path = write_wav(tmp_path / "a.wav", sound)
    mono = next_reading(opened(MicrophoneSource(path, KIND)))
    stereo = next_reading(opened(source := MicrophoneSource(path, Microphone(2, 1600, 16000))))
    np.testing.assert_array_equal(stereo.content * 32768, sound[:, stereo.number - 1600 : stereo.number])
    np.testing.assert_allclose(mono.content[0], stereo.content.mean(axis=0), atol=1 / 32768)
    assert source.take_notes() == []


def test_a_looped_file_goes_on_without_a_gap(tmp_path):
    sound = np.random.default_rng(0).integers(-32768, 32768, (1, 3000), dtype=np.int16)
    source = opened(MicrophoneSource(write_wav(tmp_path / "a.wav", sound), KIND, loop=True))
    endless = np.tile(sound, 5)
    for _ in range(50):
        reading = next_reading(source)
        np.testing.assert_array_equal(reading.content * 32768, endless[:, reading.number - 1600 : reading.number])
    assert reading.number > 6000


def test_a_file_goes_on_where_it_was_after_the_computer_slept(tmp_path):
    clock = VirtualClock()
    source = opened(MicrophoneSource(write_wav(tmp_path / "a.wav", sine(440, 16000, 16000)[None]), KIND), clock)
    next_reading(source)
    clock.advance(3600)
    reading = next_reading(source)
    assert reading.number < 2000 and clock.now_ns() - reading.captured_ns < 0.01 * NS_PER_S


@pytest.mark.parametrize(
    ("codec", "ending", "layout"),
    [("flac", ".flac", "stereo"), ("pcm_u8", ".wav", "mono"), ("pcm_f32le", ".wav", "5.1")],
)
def test_any_format_that_ffmpeg_reads_will_do(tmp_path, codec, ending, layout):
    path = tmp_path / f"a{ending}"
    channels = len(av.AudioLayout(layout).channels)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=SOUND_HZ, layout=layout)
        sound = np.repeat(sine(440, SOUND_HZ, SOUND_HZ)[None], channels, axis=0)
        frame = av.AudioFrame.from_ndarray(sound, format="s16p", layout=layout)
        frame.sample_rate = SOUND_HZ
        for piece in av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=SOUND_HZ).resample(
            frame
        ):
            piece.pts = None
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    content = next_reading(opened(MicrophoneSource(str(path), Microphone(2, 1600, 16000)))).content
    assert np.abs(content).max(axis=1) == pytest.approx([10000 / 32768] * 2, rel=0.05)


def test_a_file_that_is_missing_or_has_no_sound_is_told_in_a_sentence_and_not_tried_again(tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    silent = write_clip(tmp_path / "film.avi", frames=3, with_sound=False)
    for path, problem in (
        (silent, "has no sound"),
        ("text.wav", "cannot be played"),
        ("nothing.wav", "does not exist"),
    ):
        with pytest.raises(ConfigError, match=problem):
            opened(MicrophoneSource(str(tmp_path / path), KIND))
    with pytest.raises(ConfigError, match="needs a name"):
        MicrophoneSource(" ", KIND)


def test_a_damaged_file_ends_where_the_damage_begins(tmp_path):
    path = tmp_path / "a.flac"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=16000, layout="mono")
        for _ in range(4):
            frame = av.AudioFrame.from_ndarray(sine(440, 4096, 16000)[None], format="s16", layout="mono")
            frame.sample_rate = 16000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    readings = all_readings(opened(MicrophoneSource(str(path), KIND)))
    assert 1600 <= readings[-1].number < 4 * 4096


# Devices, scripted


class ScriptedFeed(Feed):
    """Blocks of 10 ms at 16 kHz, each number as often as there are samples; None is a time in which nothing comes."""

    is_live = True
    rate_hz = 16000
    channels = 1

    def __init__(self, script):
        self.script = list(script)

    def open(self, clock):
        self.clock = clock

    def read(self, timeout_s=0.1):
        block = self.script.pop(0) if self.script and timeout_s > 0 else None
        self.clock.advance(0.01 if block is not None else timeout_s)
        return block

    def close(self):
        pass


def block(number, value=1, unknown=False):
    """Block number 1, 2, 3... of 160 samples, heard when it should be."""
    return Block(np.full((1, 160), value, np.int16), number * 160, number * 10_000_000, unknown)


def test_nothing_is_given_before_the_window_is_full():
    source = opened(MicrophoneSource("x", KIND, feed=ScriptedFeed(map(block, range(1, 12)))))
    assert [source.read() is not None for _ in range(12)] == [False] * 9 + [True, True, False]


def test_lost_sound_is_told_and_silence_stands_for_it():
    feed = ScriptedFeed([*map(block, range(1, 11)), *map(block, range(13, 17))])
    source = opened(MicrophoneSource("x", KIND, feed=feed))
    readings = [reading for reading in (source.read() for _ in range(14)) if reading is not None]
    assert [reading.number for reading in readings] == [1600, 2080, 2240, 2400, 2560]
    lost = np.flatnonzero(readings[1].content[0] == 0)
    assert (lost[0], lost[-1], len(lost)) == (1120, 1439, 320)
    assert [kind for kind, _ in source.take_notes()] == ["overflow"]
    assert all(reading.captured_ns == reading.number * NS_PER_S // 16000 for reading in readings)


def test_sound_lost_in_unknown_amount_is_told_once_a_second():
    feed = ScriptedFeed(block(number, unknown=True) for number in range(1, 250))
    source = opened(MicrophoneSource("x", KIND, feed=feed))
    for _ in range(249):
        source.read()
    assert [kind for kind, _ in source.take_notes()] == ["overflow"] * 3


def test_a_device_that_gives_nothing_but_zeros_is_told():
    feed = ScriptedFeed(block(number, value=0) for number in range(1, 502))
    source = opened(MicrophoneSource("x", KIND, feed=feed))
    for _ in range(499):
        source.read()
    assert source.take_notes() == []
    source.read()
    assert [(kind, "nothing but zeros" in detail) for kind, detail in source.take_notes()] == [("warning", True)]


def test_a_listener_hears_everything_at_a_rate_of_its_own(tmp_path):
    sound = np.stack([sine(440, 44100, 44100)] * 2)
    tap = SoundTap(16000)
    source = opened(MicrophoneSource(write_wav(tmp_path / "a.wav", sound, 44100), Microphone(2, 500, 8000), tap=tap))
    all_readings(source)
    heard = tap.pull(source.clock, 0.0)
    assert np.abs(heard[100:] - sine(440, len(heard), 16000)[100:].astype(int)).max() < 20 and len(heard) > 15900
    assert len(tap.pull(source.clock, 0.0)) == 0


def test_what_a_listener_does_not_fetch_is_forgotten_and_counted():
    tap = SoundTap(16000)
    tap.begin(16000)
    for _ in range(12):
        tap.push(np.ones((1, 16000), np.int16))
    assert tap.lost == 32000 and len(tap.pull(VirtualClock(), 0.0)) == 160_000


def test_missing_portaudio_names_the_package_to_install(monkeypatch):
    class Finder:
        def find_spec(self, name, *_):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(MissingExtraError, match="apt-get install -y libportaudio2"):
        opened(MicrophoneSource("default", KIND))


def test_a_name_is_a_device_and_an_ending_is_a_file(tmp_path):
    assert is_sound_file("clip.mp4") and is_sound_file("a/b.WAV")
    assert not is_sound_file("default") and not is_sound_file("3") and not is_sound_file("HDA Intel: ALC (hw:0,0)")
    assert microphone_sensor("audio", KIND, "default").kind == KIND


def test_a_device_that_does_not_exist_may_be_plugged_in_later():
    pytest.importorskip(
        "sounddevice", exc_type=OSError, reason="PortAudio is missing: apt-get install -y libportaudio2"
    )
    with pytest.raises(SourceError, match="There is no microphone") as caught:
        opened(MicrophoneSource("no such device", KIND))
    assert not isinstance(caught.value, SourceEndedError)
