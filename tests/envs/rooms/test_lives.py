"""Same seed, same life: in every process, at any batch size, with any senses; and no number that is none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kit.rooms import lives
from kit.rooms.lives import actions, digest, level_senses, live
from senseweave.envs.rooms.levels.registry import LEVELS
from senseweave.envs.rooms.state import RoomsState
from senseweave.envs.rooms.vector_env import RoomsVectorEnv

BIT_EQUAL = ("camera", "compass", "grid", "instruction", "present", "mission", "reward", "terminated", "truncated")
HASH_SEEDS = ("0", "1", "77")


def digests_of_processes(steps: int, num_envs: int, hash_seeds: tuple[str, ...]) -> list[dict[str, str]]:
    """One process for each hash seed, side by side, without the shape checks of the tests."""
    program = Path(lives.__file__)
    running = []
    for hash_seed in hash_seeds:
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-P", str(program), str(steps), str(num_envs)]
        running.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    printed = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(hash_seeds)
    return [json.loads(text) for text in printed]


def assert_equal_digests(steps: int, num_envs: int, hash_seeds: tuple[str, ...]) -> None:
    first, *others = digests_of_processes(steps, num_envs, hash_seeds)
    assert set(first) == set(LEVELS)
    assert len(set(first.values())) == len(first)  # levels differ, so the digests see something
    assert others == [first] * (len(hash_seeds) - 1)


def test_the_same_seed_gives_the_same_66_steps_in_every_process() -> None:
    assert_equal_digests(66, 3, HASH_SEEDS[1:])


@pytest.mark.nightly
def test_the_same_seed_gives_the_same_200_steps_whatever_the_hash_seed() -> None:
    assert_equal_digests(200, 3, HASH_SEEDS)


def assert_equal_lives(level: str, sizes: tuple[int, ...], steps: int, compared: int) -> None:
    senses = level_senses(level)
    small, *larger = (live(RoomsVectorEnv(level, size, "cpu", senses=senses, outages=0.1), steps) for size in sizes)
    has_ended = False
    for moment, *others in zip(small, *larger, strict=True):
        has_ended |= bool(
            moment.get("truncated", torch.zeros(1)).any() or moment.get("terminated", torch.zeros(1)).any()
        )
        for other in others:
            for name in (*BIT_EQUAL, "audio"):
                if name in moment:
                    assert torch.equal(moment[name][:compared], other[name][:compared]), name
    assert has_ended or steps < 60


@pytest.mark.parametrize("level", LEVELS)
def test_an_environment_lives_the_same_life_alone_and_among_others(level: str) -> None:
    assert_equal_lives(level, (1, 16), 40, compared=1)


@pytest.mark.parametrize("level", ["Seek", "GoToLocal"])
def test_an_environment_lives_the_same_life_among_4096(level: str) -> None:
    senses = ("grid", "instruction")
    few = live(RoomsVectorEnv(level, 16, "cpu", senses=senses, outages=0.1), 70)
    many = live(RoomsVectorEnv(level, 4096, "cpu", senses=senses, outages=0.1), 70)
    for moment, other in zip(few, many, strict=True):
        for name in BIT_EQUAL:
            if name in moment:
                assert torch.equal(moment[name], other[name][:16]), name


@pytest.mark.nightly
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("level", LEVELS)
def test_every_life_is_the_same_at_batch_1_16_and_4096(level: str) -> None:
    steps = 70  # over the end of an episode, and a minute or two at 4,096
    assert_equal_lives(level, (1, 4096), steps, compared=1)
    assert_equal_lives(level, (1, 16), 200, compared=1)


@pytest.mark.parametrize("level", ["Seek", "PutNextLocal"])
def test_senses_and_outages_do_not_change_the_world(level: str) -> None:
    options = [
        {"senses": ("grid",)},
        {"senses": ("audio", "camera", "instruction"), "camera_size": 32},
        {"senses": ("instruction",), "compass": True, "outages": 0.5, "all_at_once": 0.2},
        {"spoken": True},
    ]
    envs = [RoomsVectorEnv(level, 5, "cpu", **chosen) for chosen in options]
    for env in envs:
        env.reset(seed=3)
    for step in range(70):
        for env in envs:
            env.step(actions(torch.arange(5), step))
        for name in RoomsState.names():
            first = getattr(envs[0].state, name)
            assert all(torch.equal(first, getattr(env.state, name)) for env in envs[1:]), name


def test_other_seeds_are_other_lives() -> None:
    def life(seed: int) -> str:
        return digest(live(RoomsVectorEnv("Seek", 4, "cpu", senses=("grid",)), 5, seed=seed))

    assert len({life(seed) for seed in range(5)}) == 5


def assert_sound(env: RoomsVectorEnv, steps: int) -> None:
    ends = 0
    for moment in live(env, steps):
        for name, tensor in moment.items():
            if tensor.is_floating_point():
                assert bool(torch.isfinite(tensor).all()), name
                assert float(tensor.abs().max()) <= 1, name
        ends += int((moment["terminated"] | moment["truncated"]).sum()) if "terminated" in moment else 0
    assert ends > 0


@pytest.mark.parametrize("level", ["Seek", "GoTo"])
def test_no_number_is_none_in_random_lives(level: str) -> None:
    assert_sound(RoomsVectorEnv(level, 100, "cpu", camera_size=16, outages=0.1), 100)


@pytest.mark.nightly
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("level", LEVELS)
def test_no_number_is_none_in_a_million_random_steps(level: str) -> None:
    assert_sound(RoomsVectorEnv(level, 1000, "cpu", camera_size=16, outages=0.1), 1000)
