"""`Spec` and the kinds: order, spaces, JSON, foreign spaces, a user's own kind, and what bad input is told."""

import dataclasses
import json
import pickle
from typing import ClassVar

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from kit.registries import unchanged
from senseweave.perception.errors import ObservationError, SpecError
from senseweave.perception.kinds import KINDS
from senseweave.perception.spec import Camera, Grid, Instruction, Kind, Microphone, Spec, Vector, register_kind

THREE_SENSES = Spec(instruction=Instruction(48, 1024), camera=Camera(64, 48), audio=Microphone(2, 1600, 16000))
ONE_OF_EACH = Spec(
    wrist=Camera(16, 20),
    ears=Microphone(1, 800, 8000),
    told=Instruction(5, 9),
    joints=Vector(7),
    view=Grid(7, 7, (11, 6, 3)),
)

kinds = st.one_of(
    st.builds(Camera, st.integers(16, 40), st.integers(16, 40)),
    st.builds(Microphone, st.integers(1, 3), st.integers(1, 500), st.integers(1, 48000)),
    st.builds(Instruction, st.integers(1, 60), st.integers(1, 5000)),
    st.builds(Vector, st.integers(1, 40)),
    st.builds(Grid, st.integers(1, 9), st.integers(1, 9), st.lists(st.integers(1, 255), min_size=1, max_size=4)),
)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name != "present" and name.isidentifier() and not name.endswith("_length")
)
specs = st.dictionaries(names, kinds, min_size=1, max_size=6).map(lambda found: Spec(**found))


# The order of the mask.


@given(specs, st.randoms(use_true_random=False))
def test_the_order_of_writing_never_matters(spec, random):
    shuffled = list(spec.items())
    random.shuffle(shuffled)
    again = Spec(**dict(shuffled))
    assert again == spec
    assert hash(again) == hash(spec)
    assert again.names == tuple(again) == tuple(sorted(spec))


@given(specs)
def test_the_mask_has_the_order_in_which_gymnasium_sorts_the_keys(spec):
    keys = [key for key in spec.space().spaces if key != "present"]
    assert keys == list(spec.names)


def test_two_specs_that_differ_are_not_equal():
    assert Spec(camera=Camera(64, 64)) != Spec(camera=Camera(64, 65))
    assert Spec(camera=Camera(64, 64)) != Spec(front=Camera(64, 64))
    assert Spec(camera=Camera(64, 64)) != {"camera": Camera(64, 64)}


def test_the_mask_names_what_is_absent():
    assert THREE_SENSES.present().tolist() == [1, 1, 1]
    assert THREE_SENSES.present("camera").tolist() == [1, 0, 1]
    assert THREE_SENSES.present("instruction", "audio").tolist() == [0, 1, 0]
    with pytest.raises(ObservationError, match=r'"camra" to remove; did you mean "camera"'):
        THREE_SENSES.present("camra")


def test_looking_up_an_unknown_modality_suggests_the_nearest():
    with pytest.raises(KeyError, match='no modality "camra"; did you mean "camera"'):
        THREE_SENSES["camra"]
    assert "camra" not in THREE_SENSES
    assert THREE_SENSES.get("camra") is None


# The space.


@pytest.mark.parametrize(
    ("kind", "shape", "dtype", "low", "high"),
    [
        (Camera(64, 48), (64, 48, 3), np.uint8, 0, 255),
        (Microphone(2, 1600, 16000), (2, 1600), np.float32, -1, 1),
        (Instruction(48, 1024), (48,), np.int32, 0, 1023),
        (Vector(4), (4,), np.float32, -np.inf, np.inf),
        (Grid(7, 5, (11, 6, 3)), (7, 5, 3), np.uint8, 0, 10),
        (Grid(1, 1, (256,)), (1, 1, 1), np.uint8, 0, 255),
    ],
)
def test_a_kind_is_this_box(kind, shape, dtype, low, high):
    box = kind.space()
    assert (box.shape, box.dtype, kind.shape) == (shape, dtype, shape)
    assert (box.low.min(), box.high.max()) == (low, high)
    assert kind.placeholder() in box
    assert not kind.placeholder().any()


def test_the_limits_of_a_grid_are_one_below_its_sizes():
    assert Grid(2, 2, (11, 6, 3)).space().high[1, 0].tolist() == [10, 5, 2]


@given(specs)
def test_the_space_holds_the_placeholder_and_a_sample(spec):
    space = spec.space()
    space.seed(0)
    assert space == Spec(**dict(spec)).space()
    assert spec.placeholder() in space
    assert space.sample() in space
    assert space["present"] == spaces.MultiBinary(len(spec))


# JSON.


@given(specs)
def test_a_spec_survives_json(spec):
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_the_json_is_this():
    assert Spec(view=Grid(7, 7, (11, 6)), camera=Camera(64, 48)).to_json() == {
        "camera": {"kind": "Camera", "height": 64, "width": 48},
        "view": {"kind": "Grid", "height": 7, "width": 7, "sizes": (11, 6)},
    }


def test_a_spec_survives_a_sub_process():
    assert pickle.loads(pickle.dumps(ONE_OF_EACH)) == ONE_OF_EACH


def test_a_spec_prints_as_it_is_written():
    assert eval(repr(ONE_OF_EACH)) == ONE_OF_EACH


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"camera": {"kind": "Camra", "height": 64, "width": 64}}, ['"camera"', "'Camra'", 'did you mean "Camera"']),
        ({"camera": {"height": 64, "width": 64}}, ['"camera"', "None", "choose one of"]),
        ({"camera": {"kind": 3}}, ['"camera"', "3"]),
        ({"camera": {"kind": "Camera", "height": 64}}, ['"camera"', "Camera", "width"]),
        ({"camera": {"kind": "Camera", "height": 64, "width": 64, "depth": 3}}, ['"camera"', "depth"]),
        ({"camera": {"kind": "Camera", "height": 64, "width": "64"}}, ["`width`", "'64'"]),
        ({"camera": {"kind": "Camera", "height": 64, "width": None}}, ["`width`", "None"]),
        ({}, ["at least one modality"]),
        ([], ["object of modalities", "[]"]),
        ({"camera": 3}, ['"camera"', "None"]),
        ({"camera": {"kind": []}}, ['"camera"', "[]"]),
        ({"view": {"kind": "Grid", "height": 7, "width": 7, "sizes": None}}, ["`sizes`", "None"]),
        ({"view": {"kind": "Grid", "height": 7, "width": 7, "sizes": "abc"}}, ["`sizes`", "'abc'"]),
    ],
)
def test_damaged_json_is_refused_in_a_sentence_that_names_the_place(data, says):
    with pytest.raises(SpecError) as caught:
        Spec.from_json(data)
    assert all(part in str(caught.value) for part in says)


# Bad kinds and names.


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Camera(0, 64), ["`height`", "Camera", "at least 1", "0"]),
        (lambda: Camera(64, -1), ["`width`", "-1"]),
        (lambda: Camera(64.0, 64), ["`height`", "whole number", "64.0"]),
        (lambda: Camera("64", 64), ["`height`", "'64'"]),
        (lambda: Camera(True, 64), ["`height`", "True"]),
        (lambda: Camera(None, 64), ["`height`", "None"]),
        (lambda: Camera(15, 64), ["16 x 16", "15 x 64", "Enlarge"]),
        (lambda: Microphone(0, 1600, 16000), ["`channels`", "0"]),
        (lambda: Microphone(2, 0, 16000), ["`samples`", "0"]),
        (lambda: Microphone(2, 1600, 0), ["`sample_rate_hz`", "0"]),
        (lambda: Microphone(2, 1600, 44100.0), ["`sample_rate_hz`", "44100.0"]),
        (lambda: Instruction(0, 1024), ["`max_tokens`", "0"]),
        (lambda: Instruction(48, 0), ["`vocab_size`", "0"]),
        (lambda: Vector(0), ["`size`", "Vector", "0"]),
        (lambda: Grid(7, 0, (3,)), ["`width`", "Grid", "0"]),
        (lambda: Grid(7, 7, ()), ["`sizes`", "()"]),
        (lambda: Grid(7, 7, (3.5,)), ["`sizes`", "whole number", "3.5"]),
        (lambda: Grid(7, 7, (3, 0)), ["`sizes`", "1 to 256", "(3, 0)"]),
        (lambda: Grid(7, 7, (257,)), ["`sizes`", "257"]),
        (lambda: Spec(), ["at least one modality", "Spec(camera=Camera(64, 64))"]),
        (lambda: Spec(present=Vector(1)), ["'present'", "Rename"]),
        (lambda: Spec(**{"left eye": Camera(16, 16)}), ["'left eye'", "identifier", "Rename"]),
        (lambda: Spec(**{"": Camera(16, 16)}), ["''", "identifier"]),
        (lambda: Spec(camera=(64, 64)), ['"camera"', "(64, 64)", "Camera(64, 64)"]),
        (lambda: Spec(camera=Camera), ['"camera"', "Pass an instance"]),
        (lambda: Spec(audio=Microphone(1, 10, 8000), audio_length=Vector(1)), ['"audio_length"', "reserved", "rename"]),
        (lambda: Spec(ear=Microphone(1, 10, 8000), ear_features=Vector(1)), ['"ear_features"', "reserved", "rename"]),
        (lambda: Spec(view=Grid(7, 7, (2,)), view_numbers=Vector(1)), ['"view_numbers"', "reserved", "rename"]),
        (lambda: Spec(view=Grid(7, 7, (2,)), view_distinct=Vector(1)), ['"view_distinct"', "reserved", "rename"]),
    ],
)
def test_a_bad_kind_or_name_is_refused_in_a_sentence(make, says):
    with pytest.raises(SpecError) as caught:
        make()
    assert all(part in str(caught.value) for part in says)


def test_numpy_integers_are_whole_numbers_and_still_json():
    spec = Spec(camera=Camera(np.int64(64), np.int32(48)))
    assert spec == Spec(camera=Camera(64, 48))
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_a_length_key_is_free_where_there_is_no_microphone():
    assert Spec(arm=Vector(2), arm_length=Vector(1)).names == ("arm", "arm_length")


def test_a_kind_cannot_be_changed_afterwards():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Camera(64, 64).height = 32


# Foreign spaces.


@given(specs)
def test_a_spec_comes_back_from_its_own_space(spec):
    told = {name: kind for name, kind in spec.items() if isinstance(kind, (Microphone, Grid))}
    assert Spec.from_space(spec.space(), **told) == spec


def test_every_kind_is_inferred_when_the_sample_rate_is_given():
    assert Spec.from_space(ONE_OF_EACH.space(), sample_rate_hz=8000) == ONE_OF_EACH


def test_a_space_without_a_mask_is_fine():
    space = spaces.Dict({name: kind.space() for name, kind in THREE_SENSES.items()})
    assert Spec.from_space(space, sample_rate_hz=16000) == THREE_SENSES


@pytest.mark.parametrize("shape", [(3, 64, 48), (3, 16, 16)])
def test_frames_that_stable_baselines3_has_transposed_are_recognised(shape):
    box = spaces.Box(0, 255, shape, np.uint8)
    assert Spec.from_space(spaces.Dict(camera=box)) == Spec(camera=Camera(*shape[1:]))


def test_float64_numbers_are_a_vector():
    assert Spec.from_space(spaces.Dict(joints=spaces.Box(-1, 1, (6,), np.float64))) == Spec(joints=Vector(6))


def test_int64_tokens_are_an_instruction():
    assert Spec.from_space(spaces.Dict(told=spaces.Box(0, 99, (8,), np.int64))) == Spec(told=Instruction(8, 100))


AMBIGUOUS = {
    "sound without a rate": (spaces.Box(-1, 1, (2, 1600), np.float32), ["2 x 1600", "sample_rate_hz"]),
    "grey frames": (spaces.Box(0, 255, (64, 64, 1), np.uint8), ["(64, 64, 1)", "sense=<kind>"]),
    "four stacked frames": (spaces.Box(0, 255, (4, 84, 84), np.uint8), ["(4, 84, 84)", "sense=<kind>"]),
    "tiny frames": (spaces.Box(0, 255, (8, 8, 3), np.uint8), ["(8, 8, 3)", "sense=<kind>"]),
    "float frames": (spaces.Box(0, 1, (64, 64, 3), np.float32), ["float32", "(64, 64, 3)", "sense=<kind>"]),
    "bytes in a row": (spaces.Box(0, 1, (4, 4), np.uint8), ["uint8", "(4, 4)", "sense=<kind>"]),
    "a single number": (spaces.Box(0, 1, (), np.float32), ["()", "sense=<kind>"]),
    "numbers below 0": (spaces.Box(-5, 5, (2,), np.int64), ["-5..5", "no tokens", "sense=<kind>"]),
    "numbers without end": (spaces.Box(0, 2**62, (2,), np.int64), ["no tokens", "sense=<kind>"]),
    "truth values": (spaces.Box(0, 1, (3,), np.bool_), ["bool", "sense=<kind>"]),
    "a choice": (spaces.Discrete(4), ["Discrete", "senseweave.envs.adapt"]),
    "text": (spaces.Text(20), ["Text", "senseweave.envs.adapt"]),
    "a nested space": (spaces.Dict(inner=spaces.Box(0, 1, (2,))), ["Dict", "senseweave.envs.adapt"]),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_an_ambiguous_space_is_refused_in_a_sentence_that_says_how_to_settle_it(case):
    box, says = AMBIGUOUS[case]
    with pytest.raises(SpecError) as caught:
        Spec.from_space(spaces.Dict(sense=box))
    assert all(part in str(caught.value) for part in ['"sense"', *says])


@pytest.mark.parametrize("case", ["sound without a rate", "grey frames", "float frames", "a single number"])
def test_what_is_told_is_not_inferred(case):
    assert Spec.from_space(spaces.Dict(sense=AMBIGUOUS[case][0]), sense=Vector(3)) == Spec(sense=Vector(3))


def test_limits_that_differ_from_cell_to_cell_are_refused():
    high = np.full((2, 2, 1), 5, np.uint8)
    high[0, 1] = 4
    with pytest.raises(SpecError, match='"view" has limits that differ from cell to cell'):
        Spec.from_space(spaces.Dict(view=spaces.Box(np.zeros_like(high), high, dtype=np.uint8)))


def test_a_space_that_is_no_dict_is_refused():
    with pytest.raises(SpecError, match=r"flat spaces.Dict; got Box.*senseweave\.envs\.adapt"):
        Spec.from_space(spaces.Box(0, 1, (3,)))


def test_a_kind_for_a_key_that_is_not_there_is_refused():
    with pytest.raises(SpecError, match='no key "camra"; did you mean "camera"'):
        Spec.from_space(spaces.Dict(camera=Camera(64, 64).space()), camra=Camera(64, 64))


def test_a_mask_of_another_length_is_refused():
    with pytest.raises(
        SpecError, match=r'"present" must have one entry for each of the 1 modalities; got shape \(2,\)'
    ):
        Spec.from_space(spaces.Dict(camera=Camera(64, 64).space(), present=spaces.MultiBinary(2)))


def test_a_space_with_nothing_but_a_mask_is_refused():
    with pytest.raises(SpecError, match="at least one modality"):
        Spec.from_space(spaces.Dict(present=spaces.MultiBinary(1)))


# A user's own kind.


@pytest.fixture
def own_kind():
    with unchanged(KINDS):

        @register_kind
        @dataclasses.dataclass(frozen=True)
        class Touch(Kind):
            pads: int
            dtype: ClassVar[type[np.generic]] = np.float32

            def space(self) -> spaces.Box:
                return spaces.Box(0.0, 1.0, (self.pads,), np.float32)

        yield Touch


def test_a_kind_of_ones_own_works_like_any_other(own_kind):
    spec = Spec(skin=own_kind(12), camera=Camera(16, 16))
    assert spec.space()["skin"].shape == (12,)
    assert spec.placeholder()["skin"].dtype == np.float32
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert Spec.from_space(spec.space(), skin=own_kind(12)) == spec


def test_registering_the_same_kind_twice_is_fine(own_kind):
    assert register_kind(own_kind) is own_kind


def test_a_second_kind_of_the_same_name_is_refused(own_kind):
    @dataclasses.dataclass(frozen=True)
    class Camera(Kind):
        pass

    with pytest.raises(SpecError, match=r'"Camera" exists already \(senseweave.perception.kinds.camera\); choose'):
        register_kind(Camera)


@pytest.mark.parametrize("thing", [int, "Camera", Camera(16, 16), None])
def test_what_is_no_kind_cannot_be_registered(thing):
    with pytest.raises(SpecError, match="frozen dataclass that inherits from Kind; got"):
        register_kind(thing)


def test_a_kind_that_is_not_registered_cannot_be_read_back(own_kind):
    written = Spec(skin=own_kind(12)).to_json()
    del KINDS["Touch"]
    with pytest.raises(SpecError, match=r"\"skin\" is of an unknown kind 'Touch'.*must be imported before"):
        Spec.from_json(written)


def test_a_sense_may_be_called_self() -> None:
    senses = Spec(**{"self": Vector(3), "camera": Camera(16, 16)})
    assert senses.names == ("camera", "self") and Spec.from_json(senses.to_json()) == senses
