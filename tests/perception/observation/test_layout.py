"""`Layout` and where absence is decided: what may stand in an observation, and what is left of it."""

import pytest
import torch

from senseweave.perception.errors import ObservationError, SpecError
from senseweave.perception.observation.absence import clean, is_finite, zeroed
from senseweave.perception.observation.layout import READING, Form, Layout, content_keys
from senseweave.perception.spec import PRESENT, Grid, Instruction, Microphone, Spec, Vector

SPEC = Spec(ear=Microphone(2, 400, 8000), ear_left=Microphone(1, 100, 8000), text=Instruction(6, 32), touch=Vector(3))
HALVES = ({"low": Form((2,)), "high": Form((1,)), "table": Form((5,), is_shared=True)},)


@pytest.fixture
def layout() -> Layout:
    return Layout(SPEC, {"touch": HALVES})


def halves(rows: int = 4) -> dict[str, torch.Tensor]:
    return {"touch_low": torch.ones(rows, 2), "touch_high": torch.ones(rows, 1), "touch_table": torch.ones(9, 5)}


def test_every_key_has_its_form(layout):
    assert layout.forms.keys() == {
        *SPEC.names,
        PRESENT,
        "ear_length",
        "ear_left_length",
        "touch_low",
        "touch_high",
        "touch_table",
    }
    assert layout.forms["ear"].shape == (2, 400) and layout.forms["text"].may_be_cut
    assert layout.shared == {"touch_table"}
    assert layout.senses["touch"].ways[0] == {READING: "touch"}


def test_a_part_cannot_have_the_key_of_a_sense():
    with pytest.raises(SpecError, match='"touch_low" holds the low of "touch" and cannot be a sense as well; rename'):
        Layout(Spec(touch=Vector(3), touch_low=Vector(1)), {"touch": HALVES})


def test_a_batch_is_as_large_as_its_readings_and_not_as_what_they_share(layout):
    assert layout.check(halves()) == (4, torch.device("cpu"))
    assert layout.check(halves() | {"text": torch.ones(4, 2, dtype=torch.int32)})[0] == 4


@pytest.mark.parametrize("missing", ["touch_low", "touch_high", "touch_table"])
def test_what_stands_in_the_place_of_a_reading_stands_there_as_a_whole(layout, missing):
    seen = halves()
    del seen[missing]
    with pytest.raises(ObservationError, match='"touch_low" and "touch_high" and "touch_table" go together; got'):
        layout.check(seen)


@pytest.mark.parametrize("shape", [(4, 0), (4, 7), (4,), (4, 2, 1)])
def test_a_text_may_be_cut_to_one_token_and_no_further(layout, shape):
    layout.check({"text": torch.ones(4, 1, dtype=torch.int32)})
    with pytest.raises(ObservationError, match=r'"text" must be real numbers of shape \(batch, 6\)'):
        layout.check({"text": torch.ones(shape, dtype=torch.int32)})


def test_a_sense_is_absent_where_any_part_of_it_is_not_finite(layout):
    seen = halves()
    seen["touch_high"][2] = torch.nan
    parts, present, non_finite = clean(layout, seen)
    assert present[:, 3].tolist() == [True, True, False, True] and non_finite[:, 3].tolist() == [
        False,
        False,
        True,
        False,
    ]
    assert parts["touch"]["low"][2].tolist() == [0.0, 0.0] and parts["touch"]["high"][2].tolist() == [0.0]
    assert parts["touch"]["table"] is seen["touch_table"]
    assert not present[:, :3].any() and parts["ear"].keys() == {READING}


def test_the_reading_itself_goes_before_what_may_stand_in_its_place(layout):
    parts = clean(layout, halves() | {"touch": torch.full((4, 3), 7.0)}).parts
    assert parts["touch"].keys() == {READING} and (parts["touch"][READING] == 7.0).all()


def test_a_length_comes_along_as_a_whole_number_of_at_least_0(layout):
    lengths = torch.tensor([-3.0, 0.0, 17.9])
    parts = clean(layout, {"ear": torch.ones(3, 2, 400), "ear_length": lengths}).parts
    assert parts["ear"]["length"].tolist() == [0, 0, 17]


@pytest.mark.parametrize("content", [torch.nan, torch.inf, -torch.inf])
def test_what_is_absent_is_zeros_whatever_it_held(content):
    rows = torch.tensor([[1.0, content], [2.0, 3.0], [content, content]])
    assert is_finite(rows).tolist() == [False, True, False]
    assert zeroed(rows, is_finite(rows)).tolist() == [[0.0, 0.0], [2.0, 3.0], [0.0, 0.0]]
    whole = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8)
    assert is_finite(whole).all() and zeroed(whole, torch.tensor([False, True])).tolist() == [[0, 0], [3, 4]]


def test_no_gradient_passes_the_question_whether_content_is_finite():
    assert not is_finite(torch.ones(2, 3, requires_grad=True)).requires_grad


def test_keys_are_told_apart_by_the_longest_name_of_a_sense():
    spec = Spec(ear=Microphone(1, 100, 8000), ear_left=Microphone(1, 100, 8000), view=Grid(3, 3, (2,)))
    keys = ["ear_features", "ear_left_features", "ear_left_length", "view_numbers", "view_distinct", PRESENT]
    assert content_keys(spec, keys) == {
        "ear": ["ear_features"],
        "ear_left": ["ear_left_features"],
        "view": ["view_numbers", "view_distinct"],
    }
    assert content_keys(spec, ["view", "ear_length"]) == {"ear": [], "ear_left": [], "view": ["view"]}
