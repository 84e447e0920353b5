import subprocess
import sys

import numpy as np
import pytest
import torch

from senseweave.perception.checks import choose_device, require_device, require_number, require_whole
from senseweave.perception.errors import ConfigError, SpecError


def sentence(check, *args, **kwargs):
    with pytest.raises(kwargs.get("error", ConfigError)) as raised:
        check(*args, **kwargs)
    return str(raised.value)


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_a_whole_number_comes_back_as_an_int(value):
    assert type(require_whole("steps", value, 3, 3)) is int


@pytest.mark.parametrize("value", [2, 10, True, np.bool_(True), 3.0, np.float32(3), "3", None, float("nan"), [3]])
def test_what_is_no_whole_number_in_the_range_is_refused(value):
    assert sentence(require_whole, "steps", value, 3, 9) == f"`steps` must be a whole number in 3..9; got {value!r}."


def test_the_sentence_says_whose_number_it_is_and_what_its_range_depends_on():
    assert sentence(require_whole, "size", 0, 1) == "`size` must be a whole number of at least 1; got 0."
    told = sentence(require_whole, "size", 0, 1, of="Vector", error=SpecError)
    assert told == "`size` of Vector must be a whole number of at least 1; got 0."
    told = sentence(require_whole, "objects", 9, 1, 4, why="for `room_size` 4")
    assert told == "`objects` must be a whole number in 1..4 for `room_size` 4; got 9."


@pytest.mark.parametrize(
    ("bounds", "taken", "refused", "rule"),
    [
        ({"at_least": 0, "below": 1}, (0, 0.5, np.float32(0.9)), (-0.1, 1), "in 0..1, 1 excluded"),
        ({"above": 0, "at_most": 1}, (1e-9, 1), (0, 1.1), "in 0..1, 0 excluded"),
        ({"at_least": 0, "at_most": 1}, (0, 1), (-1, 2), "in 0..1"),
        ({"above": 0, "below": 1}, (0.5,), (0, 1), "in 0..1, 0 excluded, 1 excluded"),
        ({"above": 0}, (1e300,), (0, -1), "above 0"),
        ({"at_least": 0}, (0,), (-1e-9,), "at least 0"),
        ({"at_most": 0}, (-5,), (1,), "at most 0"),
        ({"below": 0}, (-5,), (0,), "below 0"),
        ({}, (0, -1e300), (), "a finite number"),
    ],
)
def test_a_number_lies_within_its_bounds(bounds, taken, refused, rule):
    for value in taken:
        require_number("share", value, **bounds)
    for value in (*refused, float("nan"), float("inf"), -float("inf"), True, "0.5", None):
        assert sentence(require_number, "share", value, **bounds) == f"`share` must be {rule}; got {value!r}."


def test_the_sentence_about_a_number_ends_with_the_next_step():
    told = sentence(require_number, "weight", 0, above=0, of='"mission"', hint="Take 1.")
    assert told == '`weight` of "mission" must be above 0; got 0. Take 1.'


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:0", "cuda:12"])
def test_a_device_has_one_of_these_names(name):
    require_device(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cpu ", "", None, 0, "mps"])
def test_another_name_is_no_device(name):
    assert sentence(require_device, name).startswith('`device` must be "auto", "cpu", "cuda" or "cuda:N"; got ')


def test_a_device_is_chosen_by_its_name():
    assert choose_device("cpu") == choose_device(torch.device("cpu")) == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert '"cuda:99" is not here: torch sees' in sentence(choose_device, "cuda:99")
    assert "`device` must be" in sentence(choose_device, torch.device("meta"))


def test_the_checks_cost_no_import_of_torch_or_numpy():
    code = (
        "import sys; from senseweave.perception.checks import require_whole\n"
        "assert not {'torch', 'numpy'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
