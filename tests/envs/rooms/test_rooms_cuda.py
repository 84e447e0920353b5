"""Rooms on a GPU: the lives of the CPU, and the same refusals. Skipped where there is no GPU."""

import pytest
import torch

from kit.rooms.lives import level_senses, live
from senseweave.envs.rooms.levels.registry import LEVELS
from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception.errors import ConfigError

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.mark.parametrize("level", LEVELS)
def test_a_life_on_the_gpu_is_the_one_on_the_cpu(level: str) -> None:
    options = {"senses": level_senses(level), "outages": 0.1}
    here, there = (live(RoomsVectorEnv(level, 16, device, **options), 100) for device in ("cpu", "cuda"))
    for expected, found in zip(here, there, strict=True):
        assert expected.keys() == found.keys()
        for name, tensor in expected.items():
            if name.endswith("audio"):
                assert (found[name].cpu() - tensor).abs().max() <= 1e-4
            else:
                assert torch.equal(found[name].cpu(), tensor), name


def test_observations_stay_on_the_gpu() -> None:
    env = RoomsVectorEnv("Seek", 8)
    observation, infos = env.reset(seed=0)
    assert env.device.type == "cuda"
    assert all(tensor.is_cuda for tensor in (*observation.values(), infos["mission"]))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_an_action_out_of_range_is_refused(device: str) -> None:
    env = RoomsVectorEnv("Seek", 2, "cuda", senses=("grid",))
    env.reset(seed=0)
    with pytest.raises(ConfigError, match=r"Actions must be in 0\.\.6"):
        env.step(torch.tensor([0, 9], device=device))
    env.step(torch.tensor([0, 1], device=device))
