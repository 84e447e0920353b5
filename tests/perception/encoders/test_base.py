"""Encoders of a user's own: plain modules, and such as work ahead; both keep the contract for what is absent."""

import pytest
import torch

from kit.registries import unchanged
from senseweave.perception import Camera, Microphone, Perception, PerceptionConfig, Spec, TokenGroup, Vector
from senseweave.perception.encoders import ENCODERS, Encoder
from senseweave.perception.encoders.microphone import AudioEncoder
from senseweave.perception.errors import SpecError
from senseweave.perception.observation.layout import READING, Form

SMALL = PerceptionConfig(width=16, latents=2, heads=2, state_dim=16)


@pytest.fixture
def registered():
    with unchanged(ENCODERS):
        yield


class Squares(Encoder):
    """Works its squares out ahead, and on request tells equal vectors once."""

    digests = True

    def __init__(self, kind, width):
        super().__init__()
        self.size = kind.size
        self.embed = torch.nn.Linear(kind.size, width)

    def stand_ins(self):
        return {"squares": Form((self.size,))}, {"which": Form(()), "all": Form((self.size,), is_shared=True)}

    def digest(self, readings):
        return {"squares": readings.square()}

    def condense(self, readings, here, samples):
        readings = readings if here is None else torch.where(here[:, None], readings, 0.0)
        rows, which = torch.unique(readings, dim=0, return_inverse=True)
        return {"which": which, "all": rows} if len(rows) <= samples else None

    def encode(self, clean):
        if "squares" in clean:
            return TokenGroup.of(self.embed(clean["squares"])[:, None])
        whole = clean["all"][clean["which"].long()] if "which" in clean else clean[READING]
        return TokenGroup.of(self.embed(whole.square())[:, None])


def perception_with(encoder, **senses) -> Perception:
    for kind in senses.values():
        ENCODERS[type(kind)] = encoder
    torch.manual_seed(0)
    return Perception(Spec(**senses), SMALL)


def test_an_encoder_of_ones_own_works_ahead_as_ours_do(registered):
    perception = perception_with(Squares, arm=Vector(3))
    assert perception.can_digest and perception.layout.shared == {"arm_all"}
    seen = {"arm": torch.tensor([[1.0, 2.0, 3.0]] * 3 + [[0.0, 1.0, torch.nan]]), "present": torch.ones(4, 1)}
    seen["present"][1] = 0.0
    state = perception(seen)
    assert state.present[:, 0].tolist() == [True, False, True, False]
    digested, condensed = perception.digest(seen), perception.condense({"arm": seen["arm"][:3]}, 8)
    assert digested.keys() == {"arm_squares", "present"} and condensed.keys() == {"arm_which", "arm_all"}
    assert len(condensed["arm_all"]) == 1
    again = perception(digested)
    assert torch.equal(again.embedding, state.embedding) and torch.equal(again.non_finite, state.non_finite)
    assert torch.equal(perception(condensed).embedding[0], perception({"arm": seen["arm"][:3]}).embedding[0])
    assert perception.condense({"arm": seen["arm"][:3]}, 0).keys() == {"arm"}


def test_such_keys_cannot_be_senses(registered):
    ENCODERS[Vector] = Squares
    with pytest.raises(SpecError, match='"arm_squares" holds the squares of "arm" and cannot be a sense as well'):
        Perception(Spec(arm=Vector(3), arm_squares=Vector(3)), SMALL)


def test_one_that_overrides_forward_alone_gets_whole_readings(registered):
    class Louder(AudioEncoder):
        def forward(self, waveform, length=None):
            return super().forward(2.0 * waveform, length)

    perception = perception_with(Louder, ear=Microphone(1, 400, 8000))
    seen = {"ear": 0.1 * torch.ones(2, 1, 400)}
    assert not perception.can_digest and perception.digest(seen).keys() == {"ear"}
    plain = perception_with(AudioEncoder, ear=Microphone(1, 400, 8000))
    plain.load_state_dict(perception.state_dict())
    assert torch.equal(perception(seen).embedding, plain({"ear": 2.0 * seen["ear"]}).embedding)


class Sum(torch.nn.Module):
    """Not ours at all."""

    def __init__(self, kind, width):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(width))
        self.heard = []

    def forward(self, readings):
        return TokenGroup.of((readings.flatten(1).float().sum(dim=1, keepdim=True) * self.weight)[:, None])


class SumOfLength(Sum):
    def forward(self, readings, length):
        self.heard.append(length)
        return super().forward(readings)


class SumOfAnything(Sum):
    def forward(self, *readings, loud=1):
        self.heard.append(readings[1])
        return super().forward(readings[0])


@pytest.mark.parametrize("kind", [Microphone(1, 400, 8000), Vector(3), Camera(16, 16)], ids=repr)
def test_a_plain_module_takes_readings_and_keeps_its_names_in_saved_files(registered, kind, tmp_path):
    perception = perception_with(Sum, sense=kind)
    assert "encoders.sense.weight" in perception.state_dict()
    seen = perception.prepare({"sense": kind.space().sample()})
    state = perception(seen)
    assert state.present.all() and not perception.can_digest
    perception.save_pretrained(tmp_path)
    assert torch.equal(Perception.from_pretrained(tmp_path)(seen).embedding, state.embedding)


@pytest.mark.parametrize("encoder", [SumOfLength, SumOfAnything])
def test_a_plain_module_gets_the_length_of_a_recording_where_it_has_an_argument_for_it(registered, encoder):
    perception = perception_with(encoder, ear=Microphone(1, 400, 8000))
    perception(perception.prepare({"ear": torch.ones(1, 150)}))
    perception({"ear": torch.ones(1, 1, 400)})
    assert [None if length is None else length.tolist() for length in perception.encoders["ear"].heard] == [[150], None]
