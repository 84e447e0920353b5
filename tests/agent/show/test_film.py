"""Sound in videos: files are read back with PyAV, and what is heard is compared with what was fed."""

from fractions import Fraction

import av
import gymnasium
import numpy as np
import pytest

from senseweave.agent.play.players import RandomPlayer
from senseweave.agent.show.film import Shot, write_film
from senseweave.agent.show.programme import first_episodes
from senseweave.agent.show.video import record
from senseweave.perception import Microphone, Spec


def read_back(path):
    """Seconds of picture, seconds of sound, the sound (channels, samples) and its rate."""
    with av.open(str(path)) as container:
        pictures = [frame.pts * frame.time_base for frame in container.decode(video=0)]
        picture_s = float(container.streams.video[0].duration * container.streams.video[0].time_base)
        assert len(set(pictures)) == len(pictures)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        sound_s = float(stream.duration * stream.time_base)
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
        return picture_s, sound_s, np.concatenate(blocks, axis=1), stream.rate


def tone(hz, samples, rate_hz, start=0):
    return 0.3 * np.sin(2 * np.pi * hz * (start + np.arange(samples)) / rate_hz).astype(np.float32)


def loudness(wave, hz, rate_hz):
    """How much of a frequency is in a wave, 0..1 of a full sine."""
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)))) * 4 / len(wave)
    near = round(hz * len(wave) / rate_hz)
    return float(spectrum[max(0, near - 3) : near + 4].max())


@pytest.mark.parametrize(
    ("rate_hz", "fps", "track_hz"),
    [(16_000, Fraction(10), 16_000), (30_720, Fraction(60), 48_000), (44_100, Fraction(35, 4), 44_100)],
    ids=["rooms", "atari", "doom"],
)
def test_sound_stays_in_step_with_the_picture_and_is_what_was_fed(tmp_path, rate_hz, fps, track_hz):
    """A second of 400 Hz on the left and 1,000 Hz on the right, silence in the middle, then both once more."""
    shots, count = [], round(3 * fps)
    step = round(rate_hz / fps)
    for number in range(count):
        sound = np.stack([tone(hz, step, rate_hz, number * step) for hz in (400, 1000)])
        is_silent = count // 3 <= number < 2 * count // 3
        shots.append(Shot(np.full((64, 64, 3), number % 250, np.uint8), None if is_silent else sound))
    write_film(tmp_path / "film.mp4", iter(shots), fps, Microphone(2, step, rate_hz))
    picture_s, sound_s, sound, rate = read_back(tmp_path / "film.mp4")
    assert rate == track_hz and len(sound) == 2
    assert picture_s == pytest.approx(count / fps, abs=1e-3)
    assert abs(picture_s - sound_s) <= 1 / fps
    assert sound.shape[1] / rate == pytest.approx(picture_s, abs=float(1 / fps))
    third = sound.shape[1] // 3
    for part in (sound[:, : third * 9 // 10], sound[:, -third * 9 // 10 :]):
        assert loudness(part[0], 400, rate) > 0.25 > 0.05 > loudness(part[0], 1000, rate)
        assert loudness(part[1], 1000, rate) > 0.25 > 0.05 > loudness(part[1], 400, rate)
    assert np.abs(sound[:, third * 12 // 10 : third * 18 // 10]).max() < 0.01


def test_what_is_heard_correlates_with_what_was_fed(tmp_path):
    generator = np.random.default_rng(0)
    smooth = np.convolve(generator.normal(size=16_000), np.ones(16) / 16, "same").astype(np.float32)
    shots = [Shot(np.zeros((32, 32, 3), np.uint8), smooth[None, i : i + 1600]) for i in range(0, 16_000, 1600)]
    write_film(tmp_path / "film.mp4", iter(shots), Fraction(10), Microphone(1, 1600, 16_000))
    _, _, sound, _ = read_back(tmp_path / "film.mp4")
    heard = sound[0, :16_000]
    assert np.corrcoef(heard, smooth[: len(heard)])[0, 1] > 0.95


def test_any_number_of_channels_and_samples_can_be_filmed(tmp_path):
    for number, (channels, samples) in enumerate([(1, 700), (4, 1600), (2, 5000)]):
        path = tmp_path / f"{number}.mp4"
        sound = np.full((channels, samples), np.nan, np.float32)
        shots = [Shot(np.zeros((32, 32, 3), np.uint8), sound)] * 20
        write_film(path, iter(shots), Fraction(10), Microphone(channels, samples, 16_000))
        picture_s, sound_s, heard, _ = read_back(path)
        assert abs(picture_s - sound_s) <= 0.1 and np.isfinite(heard).all()


class Whistle(gymnasium.Env):
    """Whistles at 800 Hz for two seconds; the ear fails in the second one."""

    senses = Spec(ear=Microphone(2, 1600, 16_000))
    observation_space = senses.space()
    action_space = gymnasium.spaces.Discrete(2)
    action_names, step_s = ("wait", "go"), 0.1

    def reset(self, *, seed=None, options=None):
        self.step_count = 0
        return self._observe(), {"instruction": "listen"}

    def step(self, action):
        self.step_count += 1
        return self._observe(), 0.0, self.step_count == 19, False, {"is_success": True}

    def _observe(self):
        heard = tone(800, 1600, 16_000, self.step_count * 1600)
        return {"ear": np.stack([heard, heard]), "present": np.array([self.step_count < 10], np.int8)}


def test_a_step_is_heard_where_its_picture_begins_and_silence_until_the_next(tmp_path):
    env = Whistle()
    filmed = record(RandomPlayer(env), env, tmp_path / "film.mp4", first_episodes(0, 1, {}))
    assert (filmed[0].steps, filmed[0].is_success, filmed[0].instruction) == (19, True, "listen")
    picture_s, sound_s, sound, rate = read_back(tmp_path / "film.mp4")
    assert picture_s == pytest.approx(1 + 18 / 3 + 2, abs=0.01), "a second, eighteen steps, and two at the end"
    assert abs(picture_s - sound_s) <= 0.1
    began = [0.0, *(1 + step / 3 for step in range(9))]  # from its tenth step on the ear is absent
    loud = np.abs(sound[0]) > 0.1
    for start in began:
        heard, silent = (
            loud[round((start + a) * rate) : round((start + b) * rate)] for a, b in ((0, 0.1), (0.13, 0.3))
        )
        assert heard.mean() > 0.5 and not silent.any(), start
    assert np.abs(sound[:, round(4.1 * rate) :]).max() < 0.01
    assert loudness(sound[0, round(0.01 * rate) : round(0.09 * rate)], 800, rate) > 0.2


def test_a_sense_that_is_gone_is_not_heard(tmp_path):
    env = Whistle()
    silent = record(RandomPlayer(env), env, tmp_path / "silent.mp4", first_episodes(0, 1, {"ear": 0}))
    assert silent[0].steps == 19
    assert np.abs(read_back(tmp_path / "silent.mp4")[2]).max() < 0.01


def test_a_window_that_is_longer_than_a_step_is_heard_once(tmp_path):
    class Slow(Whistle):
        step_s = 0.05

    env = Slow()
    record(RandomPlayer(env), env, tmp_path / "film.mp4", first_episodes(0, 1, {}))
    _, _, sound, rate = read_back(tmp_path / "film.mp4")
    assert (np.abs(sound[0, : round(0.05 * rate)]) > 0.1).mean() > 0.5
    assert np.abs(sound[0, round(0.08 * rate) : round(0.9 * rate)]).max() < 0.05


def test_a_sound_that_silence_follows_fades_and_one_that_goes_on_does_not(tmp_path):
    for name, samples in (("spaced", 1600), ("whole", 5333)):
        shots = [Shot(np.zeros((32, 32, 3), np.uint8), np.full((1, samples), 0.5, np.float32))] * 3
        write_film(tmp_path / f"{name}.mp4", iter(shots), Fraction(3), Microphone(1, samples, 16_000))
    spaced, whole = (read_back(tmp_path / f"{name}.mp4")[2][0] for name in ("spaced", "whole"))
    assert np.abs(np.diff(spaced)).max() < 0.05, "no click"
    assert whole[6000:10_000].min() > 0.4, "no gap between pictures"
