import json
import random

import numpy as np
import pytest
import torch

from senseweave.perception.errors import CheckpointError
from senseweave.policies.saving import random_state


def draw() -> list[float]:
    return [random.random(), random.gauss(0, 1), *np.random.standard_normal(3), float(torch.randn(()))]


def test_every_generator_repeats_itself_after_a_round_trip_through_json():
    np.random.standard_normal()  # leaves a second gaussian waiting in numpy's generator
    random.gauss(0, 1)
    plain, tensors = random_state.capture()
    first = draw()
    draw()
    random_state.restore(json.loads(json.dumps(plain)), tensors)
    assert draw() == first


def drop_numpy(plain, tensors):
    del plain["numpy"]


def drop_torch(plain, tensors):
    del tensors["torch"]


def shorten_python(plain, tensors):
    plain["python"]["words"] = plain["python"]["words"][:10]


def shorten_torch(plain, tensors):
    tensors["torch"] = tensors["torch"][:10]


def spoil_numpy(plain, tensors):
    plain["numpy"]["state"]["key"] = ["x"]


@pytest.mark.parametrize("damage", [drop_numpy, drop_torch, shorten_python, shorten_torch, spoil_numpy])
def test_states_that_do_not_fit_are_refused_and_no_generator_moves(damage):
    plain, tensors = random_state.capture()
    damage(plain, tensors)
    before, before_tensors = random_state.capture()
    with pytest.raises(CheckpointError):
        random_state.restore(plain, tensors)
    after, after_tensors = random_state.capture()
    assert after == before and torch.equal(after_tensors["torch"], before_tensors["torch"])
