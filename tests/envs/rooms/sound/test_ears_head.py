"""What the two ears make of direction and distance, against formulas, another simulator and a probe."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from kit.rooms.listening import baked_loop, empty_rooms, mixture, place
from senseweave.envs.rooms.codes import SOUNDS
from senseweave.envs.rooms.sound.ears import RoomsEars
from senseweave.envs.rooms.sound.head import AZIMUTHS, auricle, delay_between_ears_s, shadow
from senseweave.perception.encoders.sound_features import SoundFeatures

RATTLING = SOUNDS.index("rattling")
ANGLES_RAD = 2.0 * np.pi * np.arange(AZIMUTHS) / AZIMUTHS


def woodworth_s(azimuth_rad: float) -> float:
    """The formula as the textbook has it, for a head of 8.75 cm; positive where the right ear is first."""
    folded = np.angle(np.exp(1j * azimuth_rad))
    if abs(folded) > np.pi / 2:
        folded = np.sign(folded) * (np.pi - abs(folded))
    return 0.0875 / 343.0 * (folded + np.sin(folded))


def measured_delay_s(left: torch.Tensor, right: torch.Tensor, finer: int = 32) -> float:
    """Where the correlation of the ears is highest, at 32 times the sample rate: how much later the left ear hears."""
    cross = np.fft.rfft(left.double().numpy()) * np.conj(np.fft.rfft(right.double().numpy()))
    cross /= np.abs(cross) + 1e-9 * np.abs(cross).max()  # all frequencies alike: the shadow colours the far ear
    correlation = np.fft.irfft(cross, finer * len(left))
    lag = int(correlation.argmax())
    return (lag - len(correlation) * (lag > len(correlation) // 2)) / (16_000 * finer)


def level_db(sound: torch.Tensor, low_hz: int = 0, high_hz: int = 8000) -> float:
    power = np.abs(np.fft.rfft(sound.double().numpy())) ** 2
    return 10.0 * np.log10(power[low_hz:high_hz].sum())


def test_the_time_between_the_ears_is_woodworths_at_every_azimuth():
    for azimuth, angle_rad in enumerate(ANGLES_RAD):
        measured_s = measured_delay_s(*baked_loop(RATTLING, azimuth))
        assert measured_s == pytest.approx(woodworth_s(angle_rad), abs=4e-6), azimuth
        assert delay_between_ears_s(angle_rad) == pytest.approx(woodworth_s(angle_rad), abs=1e-12)


def test_the_level_between_the_ears_tells_the_side_and_grows_with_frequency():
    for azimuth in range(3, 58):  # 9 to 171 degrees, on the right
        left, right = baked_loop(RATTLING, azimuth)
        low_db = level_db(right, 100, 900) - level_db(left, 100, 900)
        high_db = level_db(right, 4000, 7500) - level_db(left, 4000, 7500)
        assert 0.0 < low_db < high_db < 30.0
    side_left, side_right = baked_loop(RATTLING, 30)
    assert level_db(side_right, 4000, 7500) - level_db(side_left, 4000, 7500) > 12.0


def test_the_shadow_doubles_the_pressure_at_the_near_ear_and_is_nothing_at_low_tones():
    high_hz = np.array([1e9])
    assert shadow(0.0, high_hz) == pytest.approx(2.0)
    assert shadow(np.radians(150.0), high_hz) == pytest.approx(0.1)
    assert shadow(np.radians(150.0), np.array([1.0])) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("azimuth", range(0, 21, 5))
def test_behind_the_head_sounds_are_six_decibels_duller_above_three_kilohertz(azimuth: int):
    front, behind = baked_loop(RATTLING, azimuth), baked_loop(RATTLING, 60 - azimuth)
    for ear in range(2):
        assert level_db(front[ear], 3000, 7500) - level_db(behind[ear], 3000, 7500) == pytest.approx(6.0, abs=0.1)
        assert level_db(front[ear], 50, 1500) == pytest.approx(level_db(behind[ear], 50, 1500), abs=0.1)


def test_dullness_grows_steadily_from_the_front_to_the_back():
    gains = [auricle(angle_rad, np.array([5000.0]))[0] for angle_rad in ANGLES_RAD[: AZIMUTHS // 2 + 1]]
    assert (np.diff(gains) <= 1e-12).all()
    assert gains[19] > gains[30] > gains[41]


def test_the_right_ear_is_the_mirror_of_the_left():
    left, right = baked_loop(RATTLING, 17)
    mirrored_left, mirrored_right = baked_loop(RATTLING, -17 % AZIMUTHS)
    assert torch.equal(left, mirrored_right)
    assert torch.equal(right, mirrored_left)


def heard_at(offsets: list[tuple[int, int]], heading: int = 0) -> torch.Tensor:
    """Whole seconds (n, 2, 16000) of one rattling ball at cells (right of, below) the agent, in a wide room."""
    width = 25
    state = empty_rooms(len(offsets) * 10, width, width, objects=1)
    where = torch.tensor([down * width + right for right, down in offsets]).repeat_interleave(10)
    place(state, 0, state.agent_cell + where, RATTLING)
    state.step_count[:] = torch.arange(10).repeat(len(offsets))
    state.heading[:] = heading
    state.previous_pose = state.pose
    steps = RoomsEars(width, width, objects=1, noise=False)(state)
    return steps.view(len(offsets), 10, 2, 1600).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("heading", range(4))
def test_directions_turn_with_the_agent(heading: int):
    """The cell ahead, the one on the right, the one behind and the one on the left, whatever the heading."""
    around = [(1, 0), (0, 1), (-1, 0), (0, -1)]
    ahead, right, behind, left = heard_at(around[heading:] + around[:heading], heading)
    expected = heard_at(around, 0)
    for sound, azimuth in ((ahead, 0), (right, 30), (behind, 60), (left, 90)):
        assert torch.allclose(sound, torch.stack(baked_loop(RATTLING, azimuth)), atol=2.0**-15)
    assert torch.equal(torch.stack([ahead, right, behind, left]), expected)


@pytest.mark.parametrize("offset", [(1, 1), (3, 1), (2, 5), (-4, 3), (-1, -2), (6, -5), (0, 7), (-9, 0)])
def test_cells_sound_from_where_they_are(offset: tuple[int, int]):
    (sound,) = heard_at([offset])
    azimuth_rad = np.arctan2(offset[1], offset[0])
    rounding_s = 0.0875 / 343.0 * 2.0 * np.radians(1.5)
    assert measured_delay_s(*sound) == pytest.approx(woodworth_s(azimuth_rad), abs=rounding_s + 6e-6)


def test_levels_fall_with_distance_as_in_another_simulator():
    """pyroomacoustics: one source, one omnidirectional microphone, no walls."""
    acoustics = pytest.importorskip("pyroomacoustics")
    distances_m = [1, 2, 3, 4, 6, 9, 11]
    expected_db = []
    signal = np.random.default_rng(0).standard_normal(8000)
    for distance_m in distances_m:
        room = acoustics.AnechoicRoom(dim=3, fs=16_000)
        room.add_source([float(distance_m), 0.0, 0.0], signal=signal)
        room.add_microphone([0.0, 0.0, 0.0])
        room.simulate()
        expected_db.append(20.0 * np.log10(room.mic_array.signals[0].std() * np.sqrt(room.mic_array.signals.shape[1])))
    sounds = heard_at([(distance_m, 0) for distance_m in distances_m])
    measured_db = [level_db(sound[0]) for sound in sounds]
    difference = np.subtract(measured_db, measured_db[0]) - np.subtract(expected_db, expected_db[0])
    assert np.abs(difference).max() < 0.1


def test_the_distance_is_the_straight_one():
    straight, slanted = heard_at([(5, 0), (4, 3)])
    left, right = baked_loop(RATTLING, round(np.degrees(np.arctan2(3, 4)) / 3))
    assert level_db(straight[0]) == pytest.approx(level_db(baked_loop(RATTLING, 0)[0] / 5.0), abs=0.05)
    assert level_db(slanted[0]) == pytest.approx(level_db(left / 5.0), abs=0.05)
    assert level_db(slanted[1]) == pytest.approx(level_db(right / 5.0), abs=0.05)


def test_a_small_probe_reads_the_direction_at_every_angle_also_front_from_back():
    """Quadratic regression on what `Perception` makes of one step of one sound, at one to three cells, with noise."""
    features = SoundFeatures(2, 16_000, 16)
    generator = torch.Generator().manual_seed(0)

    def heard(azimuth: torch.Tensor) -> np.ndarray:
        sound = torch.full((len(azimuth), 1), RATTLING)
        gain = 1.0 / (1.0 + 2.0 * torch.rand(len(azimuth), 1, generator=generator))
        return features(mixture(sound, azimuth[:, None], gain, generator)).mean(dim=1).numpy()

    azimuth = torch.arange(AZIMUTHS).repeat(32)
    new_azimuth = torch.arange(AZIMUTHS).repeat_interleave(6)
    angle, new_angle = ANGLES_RAD[azimuth], ANGLES_RAD[new_azimuth]
    probe = make_pipeline(StandardScaler(), PolynomialFeatures(2), StandardScaler(), Ridge(alpha=300.0))
    probe.fit(heard(azimuth), np.stack([np.cos(angle), np.sin(angle)], axis=1))
    ahead, right = probe.predict(heard(new_azimuth)).T
    error_deg = np.degrees(np.abs(np.angle(np.exp(1j * (np.arctan2(right, ahead) - new_angle))))).reshape(AZIMUTHS, -1)
    print(f"median {np.median(error_deg):.1f}, at the worst angle {np.median(error_deg, axis=1).max():.1f} degrees")
    assert np.median(error_deg, axis=1).max() < 15.0
    clear = np.abs(np.cos(new_angle)) > 0.3
    assert np.mean(np.sign(ahead[clear]) == np.sign(np.cos(new_angle[clear]))) > 0.98
