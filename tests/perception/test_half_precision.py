"""A whole model in half precision, and names that are imported from the packages themselves."""

import importlib

import numpy as np
import pytest
import torch

from senseweave.perception import Camera, Instruction, Microphone, ObservationError, Perception, Spec


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_model_cast_as_a_whole_still_hears(dtype):
    torch.manual_seed(0)
    spec = Spec(camera=Camera(16, 16), audio=Microphone(2, 400, 8000), instruction=Instruction(6, 1024))
    perception = Perception(spec)
    raw = {
        "audio": np.random.default_rng(0).uniform(-1, 1, (2, 2, 400)).astype(np.float32),
        "instruction": ["go", "up"],
    }
    expected = perception(perception.prepare(raw)).embedding
    found = perception.to(dtype)(perception.prepare(raw)).embedding
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, rtol=0.1, atol=0.02)


def test_a_batch_of_nothing_is_refused():
    perception = Perception(Spec(audio=Microphone(2, 400, 8000)))
    with pytest.raises(ObservationError, match="at least one sample"):
        perception({"audio": torch.zeros(0, 2, 400)})


@pytest.mark.parametrize("package", ["perception", "policies", "envs"])
def test_every_name_that_a_package_offers_is_there(package):
    module = importlib.import_module(f"senseweave.{package}")
    assert module.__all__
    assert all(getattr(module, name) is not None for name in module.__all__)
