"""The executed shape annotations themselves: they must be able to fail, and must not speak before the package does."""

import os
import subprocess
import sys

import pytest
import torch
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from kit import shape_checks
from kit.limits import HANG_S
from senseweave.perception.errors import SpecError
from senseweave.perception.spec import Spec
from senseweave.perception.tokens import TokenGroup

needs_the_hook = pytest.mark.skipif(not shape_checks.are_wanted(os.environ), reason=f"{shape_checks.SWITCH}=0")


@needs_the_hook
def test_a_tensor_of_a_wrong_rank_raises_inside_the_package():
    with pytest.raises(TypeCheckError, match="tokens"):
        TokenGroup.of(torch.zeros(2, 3))


@needs_the_hook
def test_a_tensor_of_a_wrong_dtype_raises_inside_the_package():
    group = TokenGroup.of(torch.zeros(2, 3, 4))
    with pytest.raises(TypeCheckError, match="present"):
        group.only_where(torch.ones(2))


def test_a_tensor_of_the_right_shape_passes():
    assert TokenGroup.of(torch.zeros(2, 3, 4)).available.tolist() == [True, True]


def test_two_parameters_must_agree_on_a_named_length():
    @shape_checks.checked
    def add(left: Float[Tensor, " n"], right: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return left + right

    assert add(torch.ones(3), torch.ones(3)).sum() == 6
    with pytest.raises(TypeCheckError):
        add(torch.ones(3), torch.ones(1))


def test_a_function_is_checked_in_its_first_calls_of_a_test_and_in_some_of_the_later_ones():
    @shape_checks.checked
    def same(tensor: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return tensor

    refused = []
    for number in range(1, shape_checks.FIRST_CALLS + 3 * shape_checks.THEN_ONE_IN):
        try:
            same(torch.zeros(2, 2))
        except TypeCheckError:
            refused.append(number)
    every = shape_checks.FIRST_CALLS if os.environ.get(shape_checks.SWITCH) != "all" else number
    assert refused[:every] == list(range(1, every + 1))
    assert len(refused) > every or every == number
    shape_checks.pytest_runtest_setup()
    with pytest.raises(TypeCheckError):
        same(torch.zeros(2, 2))


def test_a_wrong_argument_that_is_no_array_is_left_to_the_package():
    with pytest.raises(SpecError):
        Spec(camera="not a kind")


@pytest.mark.parametrize(("environment", "wanted"), [({}, True), ({"SENSEWEAVE_SHAPE_CHECKS": "0"}, False)])
def test_the_switch_turns_the_checks_off(environment, wanted):
    assert shape_checks.are_wanted(environment) is wanted


def test_the_package_as_users_get_it_checks_no_shapes():
    code = "import torch; from senseweave.perception.tokens import TokenGroup; TokenGroup.of(torch.zeros(2, 3))"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=HANG_S)
