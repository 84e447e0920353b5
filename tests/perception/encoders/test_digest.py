"""Observations whose sounds are features already: the same state, and the same contract for what is absent."""

import pytest
import torch

from senseweave.perception import Camera, Microphone, Perception, PerceptionConfig, Spec
from senseweave.perception.errors import ObservationError

SPEC = Spec(audio=Microphone(2, 800, 8000), camera=Camera(16, 16))
ROWS = 5


@pytest.fixture
def perception():
    torch.manual_seed(0)
    return Perception(SPEC, PerceptionConfig(width=16, latents=2, heads=2, state_dim=16))


def observation():
    generator = torch.Generator().manual_seed(1)
    return {
        "audio": torch.rand(ROWS, 2, 800, generator=generator) * 2 - 1,
        "camera": torch.randint(0, 256, (ROWS, 16, 16, 3), generator=generator, dtype=torch.uint8),
        "present": torch.ones(ROWS, 2),
    }


def assert_same(one, other):
    assert torch.equal(one.embedding, other.embedding)
    assert torch.equal(one.present, other.present) and torch.equal(one.non_finite, other.non_finite)
    assert all(torch.equal(one.gates[name], other.gates[name]) for name in one.gates)


def test_the_state_is_the_same_bit_by_bit(perception):
    seen = observation()
    digested = perception.digest(seen)
    assert digested.keys() == {"audio_features", "camera", "present"}
    assert_same(perception(digested), perception(seen))


@pytest.mark.parametrize("content", [float("nan"), float("inf"), -float("inf")])
def test_sound_that_is_not_finite_is_rejected_in_either_form(perception, content):
    seen = observation()
    seen["audio"][2, 1, 7] = content
    state = perception(perception.digest(seen))
    assert state.non_finite[:, 0].tolist() == [False, False, True, False, False]
    assert_same(state, perception(seen))


@pytest.mark.parametrize("placeholder", [0.0, 1e30, float("nan"), float("inf")])
def test_features_of_an_absent_sense_do_not_matter(perception, placeholder):
    seen = perception.digest(observation())
    seen["present"][1, 0] = 0
    expected = perception(seen).embedding
    seen["audio_features"][1] = placeholder
    assert torch.equal(perception(seen).embedding, expected)


def test_a_recording_with_a_length_stays_a_waveform(perception):
    seen = observation() | {"audio_length": torch.full((ROWS,), 400)}
    assert perception.digest(seen).keys() == seen.keys()


def test_a_sense_that_is_not_there_stays_away(perception):
    seen = observation()
    del seen["audio"]
    assert perception.digest(seen).keys() == {"camera", "present"}


def test_features_of_another_shape_are_one_sentence(perception):
    seen = perception.digest(observation())
    seen["audio_features"] = seen["audio_features"][:, :-1]
    with pytest.raises(ObservationError, match='"audio_features" must be real numbers of shape'):
        perception(seen)
