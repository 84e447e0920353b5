"""Sound of more than two channels: mixed down as libswresample does it, told once, and never a crash.

The oracle is the matrix that FFmpeg documents for `-ac 2`: what is in the middle or behind goes into the ears at -3 dB,
the bass is left out, and all is divided by the largest sum of a row, so that nothing clips.
"""

import wave

import numpy as np
import pytest

from kit.live.clips import next_reading, opened, sine
from kit.live.timed_clips import SOUND_HZ, write_sound
from senseweave.envs.live.sensors.microphones.microphone import MicrophoneSource
from senseweave.perception.spec import Microphone

STEREO = Microphone(2, 1600, SOUND_HZ)
MONO = Microphone(1, 1600, SOUND_HZ)
HALF = 0.5**0.5
SURROUND = 1 + 2 * HALF
"""The largest sum of a row of 5.1 to stereo: front, middle and back."""


def heard(path, kind=STEREO):
    """The loudness of each ear, as a share of what went in, and what was told."""
    source = opened(MicrophoneSource(str(path), kind))
    try:
        content = next_reading(source).content
        return np.abs(content).max(axis=1) * 32768 / 10000, [detail for _, detail in source.take_notes()]
    finally:
        source.close()


def alone(channels, loud):
    sound = np.zeros((channels, 8000), np.int16)
    sound[loud] = sine(440, 8000, SOUND_HZ)
    return sound


@pytest.mark.parametrize(
    ("channel", "left", "right"),
    [("FL", 1, 0), ("FR", 0, 1), ("FC", HALF, HALF), ("LFE", 0, 0), ("BL", HALF, 0), ("BR", 0, HALF)],
)
def test_surround_sound_is_mixed_as_ffmpeg_does_it(tmp_path, channel, left, right):
    number = ("FL", "FR", "FC", "LFE", "BL", "BR").index(channel)
    levels, told = heard(write_sound(tmp_path / "a.wav", alone(6, number), "5.1"))
    assert levels == pytest.approx([left / SURROUND, right / SURROUND], abs=0.01)
    assert len(told) == 1 and "6 channels (5.1" in told[0] and "mixed to 2" in told[0]


@pytest.mark.parametrize(("layout", "channels"), [("quad", 4), ("5.1(side)", 6), ("6.1", 7), ("7.1", 8)])
def test_what_is_in_every_channel_is_as_loud_in_the_ears(tmp_path, layout, channels):
    path = write_sound(tmp_path / "a.wav", np.repeat(alone(1, 0), channels, axis=0), layout)
    assert heard(path)[0] == pytest.approx([1.0, 1.0], abs=0.01)


def test_one_ear_hears_all_that_two_would(tmp_path):
    levels, told = heard(write_sound(tmp_path / "a.wav", alone(6, 2), "5.1"), MONO)
    assert levels.shape == (1,) and levels[0] > 0.2 and "mixed to 1" in told[0]


@pytest.mark.parametrize("channels", [3, 8, 9, 16, 32])
def test_channels_that_nobody_named_are_heard_too_and_that_is_told(tmp_path, channels):
    sound = np.repeat(alone(1, 0), channels, axis=0)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(SOUND_HZ)
        file.writeframes(np.ascontiguousarray(sound.T).tobytes())
    levels, told = heard(tmp_path / "a.wav")
    assert (levels > 0.2).all() and f"{channels} channels" in told[0]
    assert ("left out" if channels in (9, 32) else "guess") in told[0], "there is no usual place for so many"


def test_as_many_channels_as_the_sense_has_are_left_alone(tmp_path):
    levels, told = heard(write_sound(tmp_path / "a.wav", alone(8, 5), "7.1"), Microphone(8, 1600, SOUND_HZ))
    assert levels == pytest.approx(np.eye(8)[5], abs=0.01) and told == []


def test_channels_that_a_sense_of_several_has_no_room_for_are_told(tmp_path):
    levels, told = heard(write_sound(tmp_path / "a.wav", alone(8, 1), "7.1"), Microphone(4, 1600, SOUND_HZ))
    assert levels == pytest.approx([0, 1, 0, 0], abs=0.01) and "the last 4 are left out" in told[0]


def test_two_channels_and_one_are_told_nothing_about(tmp_path):
    assert heard(write_sound(tmp_path / "a.wav", alone(2, 0), "stereo"))[1] == []
    assert heard(write_sound(tmp_path / "b.wav", alone(1, 0), "mono"), MONO)[1] == []
