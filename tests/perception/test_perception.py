"""The module itself: what forward accepts and refuses, what a state holds, sizes, and senses of a user's own."""

import dataclasses

import numpy as np
import pytest
import torch
from gymnasium import spaces

from kit.absence_cases import KINDS, SMALL, perception_of, readings
from kit.registries import unchanged
from senseweave.perception import (
    FUSIONS,
    Camera,
    Instruction,
    Kind,
    Microphone,
    Perception,
    PerceptionConfig,
    Spec,
    TokenGroup,
    Vector,
    register_encoder,
    register_kind,
)
from senseweave.perception.encoders import ENCODERS
from senseweave.perception.errors import ObservationError, SpecError
from senseweave.perception.kinds import KINDS as KINDS_BY_NAME
from senseweave.perception.spec import PRESENT

ALL = tuple(KINDS)
DEFAULT_SENSES = Spec(audio=Microphone(2, 1600, 16000), camera=Camera(64, 64), instruction=Instruction(16, 1024))

BAD = [
    ("an empty dict", {}, "needs a sense"),
    ("an unknown key", {"vectr": torch.zeros(2, 3)}, 'unknown key "vectr"; did you mean "vector"'),
    ("numpy", {"vector": np.zeros((2, 3), np.float32)}, '"vector" must be a tensor; got ndarray'),
    ("a string", {"instruction": "go"}, '"instruction" must be a tensor; got str'),
    ("no batch axis", {"vector": torch.zeros(3)}, r'"vector" must be real numbers of shape \(batch, 3\)'),
    ("a scalar", {"vector": torch.tensor(3.0)}, '"vector" must be real numbers'),
    ("a wrong size", {"vector": torch.zeros(2, 4)}, '"vector" must be real numbers'),
    ("complex numbers", {"vector": torch.zeros(2, 3, dtype=torch.complex64)}, "real numbers .* got torch.complex64"),
    ("more samples", {"audio": torch.zeros(2, 2, 401)}, '"audio" must be real numbers'),
    ("a short mask", {"vector": torch.zeros(2, 3), PRESENT: torch.ones(2, 4)}, '"present" must be real numbers'),
    ("two batch sizes", {"vector": torch.zeros(2, 3), "audio": torch.zeros(3, 2, 400)}, "one batch size; got 3"),
    ("a mask of another size", {"vector": torch.zeros(2, 3), PRESENT: torch.ones(3, 6)}, "one batch size; got 3"),
    ("a length of rank 2", {"audio": torch.zeros(2, 2, 400), "audio_length": torch.ones(2, 1)}, '"audio_length" must'),
]


@pytest.mark.parametrize(("obs", "told"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_observations_are_refused_in_one_sentence(obs, told):
    with pytest.raises(ObservationError, match=told) as caught:
        perception_of("concat", ALL, 0)(obs)
    assert "\n" not in str(caught.value)


def test_a_state_has_the_shapes_that_it_promises():
    perception = perception_of("gated_cross_attention", ALL, 0)
    state = perception.explain(readings(ALL, 0, rows=3))
    assert state.embedding.shape == (3, SMALL["state_dim"])
    assert state.present.shape == state.non_finite.shape == (3, 6)
    assert {name: gate.shape for name, gate in state.gates.items()} == dict.fromkeys(ALL, (3,))
    assert {name: weights.shape[:2] for name, weights in state.attention.items()} == dict.fromkeys(ALL, (3, 2))


def test_the_order_of_keys_does_not_matter():
    perception, obs = perception_of("concat", ALL, 0), readings(ALL, 0)
    turned = dict(reversed(obs.items()))
    assert torch.equal(perception(obs).embedding, perception(turned).embedding)


def test_forward_changes_no_reading():
    obs = readings(ALL, 0, as_floats=True) | {PRESENT: torch.tensor([[1, 0, 1, 1, 0, 1]] * 4)}
    obs["vector"][0, 0] = torch.nan
    before = {name: value.clone() for name, value in obs.items()}
    perception_of("gated_sum", ALL, 0)(obs)
    for name, value in obs.items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0, equal_nan=True)


def test_a_mask_that_is_not_a_number_means_absent():
    obs = readings(ALL, 0) | {PRESENT: torch.full((4, len(KINDS)), torch.nan)}
    assert not perception_of("concat", ALL, 0)(obs).present.any()


def test_sound_of_no_length_is_still_heard_as_silence():
    obs = readings(ALL, 0)
    perception = perception_of("gated_cross_attention", ALL, 0)
    for length in (0, -3):
        state = perception(obs | {"audio_length": torch.full((4,), length)})
        assert state.present.all() and (state.gates["audio"] > 0).all()


@pytest.mark.parametrize("fusion", sorted(FUSIONS))
def test_training_and_evaluation_mode_are_the_same(fusion):
    perception, obs = perception_of(fusion, ALL, 0), readings(ALL, 0)
    trained = perception.train()(obs).embedding
    assert torch.equal(perception.eval()(obs).embedding, trained)
    perception.train()


def test_two_cameras_and_odd_names_are_fine():
    spec = Spec(left=Camera(16, 16), right=Camera(24, 16), values=Vector(2), type=Vector(1))
    perception = Perception(spec, PerceptionConfig(**SMALL))
    state = perception(perception.prepare({"left": np.zeros((16, 16, 3), np.uint8), "type": [1.0]}))
    assert state.present.tolist() == [[True, False, True, False]]
    assert list(state.gates) == ["left", "right", "type", "values"]


def test_a_perception_is_made_from_a_space():
    space = spaces.Dict(audio=spaces.Box(-1, 1, (2, 400), np.float32), touch=spaces.Box(-1, 1, (3,), np.float32))
    perception = Perception.from_space(space, PerceptionConfig(**SMALL), sample_rate_hz=8000)
    assert perception.spec == Spec(audio=Microphone(2, 400, 8000), touch=Vector(3))
    space.seed(0)
    assert torch.isfinite(perception(perception.prepare(space.sample())).embedding).all()


def test_the_laptop_preset_has_fewer_than_400k_parameters():
    assert sum(p.numel() for p in Perception(DEFAULT_SENSES).parameters()) < 400_000


@pytest.mark.parametrize("fusion", sorted(FUSIONS))
@pytest.mark.parametrize("preset", ["base", "large"])
def test_every_preset_builds_with_every_fusion(preset, fusion):
    config = PerceptionConfig.preset(preset, fusion=fusion)
    perception = Perception(Spec(camera=Camera(16, 16), touch=Vector(2)), config)
    assert perception(perception.prepare({"touch": [0.0, 1.0]})).embedding.shape == (1, config.state_dim)


@pytest.mark.parametrize("fusion", sorted(FUSIONS))
def test_one_modality_alone_is_enough(fusion):
    perception = Perception(Spec(touch=Vector(2)), PerceptionConfig(fusion=fusion, **SMALL))
    one, other = perception({"touch": torch.tensor([[0.0, 1.0], [1.0, 0.0]])}).embedding
    assert not torch.equal(one, other)


@pytest.mark.parametrize("fusion", sorted(FUSIONS))
def test_weights_are_the_same_for_the_same_seed(fusion):
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        made.append(Perception(DEFAULT_SENSES, PerceptionConfig(fusion=fusion)).state_dict())
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


@pytest.fixture
def registries():
    with unchanged(KINDS_BY_NAME, ENCODERS):
        yield


def test_a_kind_from_outside_needs_an_encoder_and_then_works(registries):
    @register_kind
    @dataclasses.dataclass(frozen=True)
    class Odour(Kind):
        substances: int
        dtype = np.float32

        def space(self):
            return spaces.Box(0, 1, (self.substances,), np.float32)

    class OdourEncoder(torch.nn.Module):
        def __init__(self, kind, width):
            super().__init__()
            self.embed = torch.nn.Linear(kind.substances, width)

        def forward(self, odours):
            return TokenGroup.of(self.embed(odours)[:, None])

    spec = Spec(nose=Odour(4), touch=Vector(1))
    with pytest.raises(SpecError, match='"nose" is a Odour, which has no encoder; call register_encoder'):
        Perception(spec, PerceptionConfig(**SMALL))
    register_encoder(Odour, OdourEncoder)
    perception = Perception(spec, PerceptionConfig(**SMALL))
    state = perception(perception.prepare({"nose": np.ones(4)}))
    assert state.present.tolist() == [[True, False]] and state.gates["nose"] > 0
    assert Spec.from_json(spec.to_json()) == spec
