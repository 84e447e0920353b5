"""One clock for a file: what is seen and heard of it comes at its own times, together, for ever."""

import gc
from fractions import Fraction

import numpy as np
import pytest

from kit.live.timed_clips import SOUND_HZ, beep, watch, write_timed
from senseweave.envs.live.clock import NS_PER_S, VirtualClock
from senseweave.envs.live.sensors.cameras.camera import CameraSource
from senseweave.envs.live.sensors.decoding.frames import fit_frame
from senseweave.envs.live.sensors.decoding.timeline import shared_timeline
from senseweave.envs.live.sensors.microphones.microphone import MicrophoneSource
from senseweave.envs.live.source import SourceEndedError
from senseweave.perception.spec import Camera, Microphone

UNEVEN_S = [*np.arange(10) / 10, 1.0, 2.0, *np.arange(30, 40) / 10]
"""When the frames of a clip of variable rate are shown."""

FLASH = [(0.05 * n, 255 if n in (12, 13) else 20) for n in range(40)]
"""Two seconds at 20 Hz, with a flash at 0.6 s."""


def shown(source):
    """Number of each frame of a source -> the seconds at which it was given, and its brightness."""
    source.clock = VirtualClock()
    source.open()
    times = {}
    try:
        while True:
            if (reading := source.read()) is not None:
                times.setdefault(reading.number, []).append(
                    (reading.captured_ns / NS_PER_S, float(reading.content.mean()))
                )
    except SourceEndedError:
        return times
    finally:
        source.close()


@pytest.mark.parametrize("ending", [".mp4", ".webm", ".mkv"])
def test_frames_of_a_variable_rate_come_at_their_own_times(tmp_path, ending):
    frames = [(float(at_s), 8 * number + 20) for number, at_s in enumerate(UNEVEN_S)]
    times = shown(CameraSource(str(write_timed(tmp_path / f"uneven{ending}", frames)), Camera(16, 16)))
    assert [given[0][0] for given in times.values()] == pytest.approx(UNEVEN_S, abs=0.0015)
    assert [given[0][1] for given in times.values()] == pytest.approx([grey for _, grey in frames], abs=6)


def test_a_frame_that_is_shown_for_long_is_given_again_so_that_the_sense_does_not_go(tmp_path):
    times = shown(
        CameraSource(str(write_timed(tmp_path / "a.mp4", [(0.0, 20), (1.0, 90), (1.05, 150)])), Camera(16, 16))
    )
    assert [round(at_s, 2) for at_s, _ in times[0]] == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert len(times[1]) == 1 and len(times) == 3


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_flash_and_beep_stay_together_over_ten_loops_though_the_sound_is_shorter(tmp_path, ending):
    path = write_timed(tmp_path / f"clip{ending}", FLASH, sound=beep(1.8, 0.66))
    watched = watch(path, 21.0)
    flashes, beeps = watched.flashes(), watched.beeps()
    assert len(flashes) >= 10 and len(beeps) >= 10
    np.testing.assert_allclose(flashes[:10], 0.6 + 2.0 * np.arange(10), atol=0.005)
    np.testing.assert_allclose(beeps[:10], 0.66 + 2.0 * np.arange(10), atol=0.02)


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_sound_that_starts_later_is_heard_later_and_the_container_is_as_long_as_the_longest(tmp_path, ending):
    path = write_timed(tmp_path / f"late{ending}", FLASH, sound=beep(1.8, 0.2), sound_at_s=0.436)
    watched = watch(path, 9.5)
    length_s = watched.flashes()[1] - watched.flashes()[0]
    assert length_s == pytest.approx(2.236, abs=0.07), "the longest stream ends then, with the coder's padding"
    np.testing.assert_allclose(np.subtract(watched.beeps()[:4], watched.flashes()[:4]), 0.036, atol=0.02)
    quiet = watched.sound[: round((0.4 - watched.sound_at_s) * SOUND_HZ)]
    assert not quiet.any(), "before its sound begins, a file is silent"


def test_a_picture_that_starts_later_is_seen_later(tmp_path):
    path = write_timed(tmp_path / "late.mkv", [(0.5 + at_s, grey) for at_s, grey in FLASH], sound=beep(2.5, 0.66))
    watched = watch(path, 4.0)
    assert watched.frames[0][0] == pytest.approx(0.5, abs=0.002)
    assert watched.flashes()[0] == pytest.approx(1.1, abs=0.002) and watched.beeps()[0] == pytest.approx(0.66, abs=0.02)


def test_who_opens_a_file_later_joins_it_where_it_is(tmp_path):
    path = str(write_timed(tmp_path / "clip.mkv", FLASH, sound=beep(2.0, 0.66)))
    clock = VirtualClock()
    camera = CameraSource(path, Camera(16, 16), loop=True)
    ear = MicrophoneSource(path, Microphone(1, 1600, SOUND_HZ), loop=True)
    for source in (camera, ear):
        source.clock = clock
    camera.open()
    while clock.now_ns() < 4.5 * NS_PER_S:
        camera.read()
    ear.open()
    loud_s = None
    while loud_s is None:
        reading = ear.read()
        if reading is not None and np.abs(reading.content).max() > 0.2:
            loud_s = (
                reading.captured_ns / NS_PER_S - (1600 - int((np.abs(reading.content[0]) > 0.2).argmax())) / SOUND_HZ
            )
    assert loud_s == pytest.approx(4.66, abs=0.02)
    camera.close()
    ear.close()


def test_a_file_that_nobody_plays_any_more_begins_anew(tmp_path):
    clock = VirtualClock()
    first = shared_timeline(clock, "clip.mp4")
    first.begin(0)
    assert shared_timeline(clock, "./clip.mp4") is first and shared_timeline(clock, "other.mp4") is not first
    assert shared_timeline(VirtualClock(), "clip.mp4") is not first
    del first
    gc.collect()
    assert shared_timeline(clock, "clip.mp4").begun_ns(NS_PER_S) == 0


def test_both_go_on_where_they_were_after_the_computer_slept(tmp_path):
    path = str(write_timed(tmp_path / "clip.mkv", FLASH, sound=beep(2.0, 0.66)))
    clock = VirtualClock()
    camera = CameraSource(path, Camera(16, 16))
    ear = MicrophoneSource(path, Microphone(1, 160, SOUND_HZ))
    for source in (camera, ear):
        source.clock = clock
        source.open()
    while clock.now_ns() < 0.3 * NS_PER_S:
        camera.read()
        ear.read()
    timeline = camera._playback.timeline
    assert timeline is ear.feed._playback.timeline
    before_ns = timeline.position_ns(clock.now_ns())
    clock.advance(3600)
    ear.read()
    camera.read()
    assert timeline.position_ns(clock.now_ns()) - before_ns < 0.2 * NS_PER_S
    camera.close()
    ear.close()


# Pixels that are not square


def test_the_middle_of_wide_pixels_is_cut_by_what_is_seen_not_by_what_is_stored():
    stored = np.zeros((120, 72, 3), np.uint8)  # to be shown as 160 x 120
    stored[:10] = 255
    fitted = fit_frame(stored, 30, 40, pixel_aspect=20 / 9)
    assert (fitted[:2] == 255).all() and not fitted[4:].any(), "nothing of it is cut off"
    square = fit_frame(stored, 30, 30, pixel_aspect=20 / 9)
    assert (square[:2] == 255).all()


def test_a_file_of_wide_pixels_is_seen_as_it_is_shown(tmp_path):
    pixels = np.full((120, 72, 3), 30, np.uint8)
    pixels[:12], pixels[:, :6] = 250, 250
    path = write_timed(tmp_path / "wide.mp4", [(0.0, 0), (0.1, 0)], pixels=pixels, pixel_aspect=Fraction(20, 9))
    source = CameraSource(str(path), Camera(30, 40))
    source.clock = VirtualClock()
    source.open()
    content = source.read().content
    source.close()
    assert content[1].mean() > 200 and content[:, 1].mean() > 200 and content[10:, 8:].mean() < 60
