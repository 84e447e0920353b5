import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kit.rooms.listening import baked_loop, mixture
from senseweave.envs.rooms.codes import SOUNDS
from senseweave.envs.rooms.sound.timbres import LOOP_SAMPLES, STEP_SAMPLES, TIMBRES, a_weighting, loop_of, loops
from senseweave.perception.encoders.sound_features import SoundFeatures

LOOPS = loops()


def band_db(loop: np.ndarray, low_hz: int, high_hz: int) -> float:
    power = np.abs(np.fft.rfft(loop)) ** 2
    return 10.0 * np.log10(power[low_hz:high_hz].sum() / power.sum())


def test_every_sound_that_instructions_name_has_a_timbre():
    assert tuple(TIMBRES) == SOUNDS


@pytest.mark.parametrize("sound", SOUNDS)
def test_a_loop_closes_without_a_seam(sound: str):
    loop = loop_of(sound)
    assert loop.shape == (LOOP_SAMPLES,)
    inside = np.abs(np.diff(loop, n=2))
    across = np.abs(np.diff(np.concatenate([loop[-2:], loop[:2]]), n=2))
    assert across.max() <= inside.max()
    assert abs(loop.mean()) < 1e-9


def test_all_sounds_are_equally_loud():
    weights = a_weighting(np.arange(LOOP_SAMPLES // 2 + 1, dtype=np.float64))
    heard = np.fft.irfft(np.fft.rfft(LOOPS) * weights, axis=1)
    loudness_db = 20.0 * np.log10(heard.std(axis=1))
    assert np.allclose(loudness_db, -34.0, atol=0.01)


def test_the_weighting_is_that_of_the_standard():
    frequencies_hz = np.array([31.623, 100.0, 1000.0, 1995.3, 3981.1, 7943.3])
    table_db = np.array([-39.4, -19.1, 0.0, 1.2, 1.0, -1.1])  # IEC 61672-1, table 3
    assert np.allclose(20.0 * np.log10(a_weighting(frequencies_hz)), table_db, atol=0.1)


def test_every_tenth_of_a_second_holds_the_sound():
    blocks = LOOPS.reshape(len(SOUNDS), -1, STEP_SAMPLES)
    level_db = 20.0 * np.log10(blocks.std(axis=2))
    assert np.ptp(level_db, axis=1).max() < 4.0


def test_every_sound_reaches_low_and_high_enough_to_tell_where_it_is():
    for loop in LOOPS:
        assert band_db(loop, 0, 1500) > -20.0
        assert band_db(loop, 3000, 8000) > -20.0


def test_making_a_loop_again_gives_the_same_samples():
    assert np.array_equal(loop_of("rattling"), loop_of("rattling"))


def test_the_table_holds_the_loops_as_a_source_ahead_sounds():
    """Straight ahead both ears hear the same, and low tones pass a head unchanged."""
    left, right = baked_loop(SOUNDS.index("humming"), 0)
    assert torch.equal(left, right)
    heard, made = np.abs(np.fft.rfft(left.double().numpy())), np.abs(np.fft.rfft(LOOPS[SOUNDS.index("humming")]))
    assert heard[100] == pytest.approx(made[100], rel=0.01)


def test_a_linear_probe_names_each_timbre_in_a_mixture_of_three():
    features = SoundFeatures(2, 16_000, 24)
    generator = torch.Generator().manual_seed(0)

    def heard(number: int) -> tuple[np.ndarray, np.ndarray]:
        sounds = torch.rand(number, 8, generator=generator).argsort(dim=1)[:, :3]
        azimuths = torch.randint(0, 120, (number, 3), generator=generator)
        gains = 1.0 / (1.0 + 2.0 * torch.rand(number, 3, generator=generator))
        frames = features(mixture(sounds, azimuths, gains, generator))[..., :48]
        summary = torch.cat([frames.mean(1), frames.std(1), frames.amax(1), frames.amin(1)], dim=1)
        return summary.numpy(), torch.zeros(number, 8).scatter_(1, sounds, 1.0).numpy()

    (x, y), (new_x, new_y) = heard(3000), heard(1000)
    probe = make_pipeline(StandardScaler(), RidgeClassifier(alpha=10.0)).fit(x, y.astype(int))
    right = (probe.predict(new_x) == new_y).mean(axis=0)
    print(dict(zip(SOUNDS, right.round(3), strict=True)))
    assert right.min() > 0.9
