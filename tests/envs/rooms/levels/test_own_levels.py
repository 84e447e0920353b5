"""A level of a user's own works wherever ours do: by its id, in batches, in the listing, from an installed package."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium as gym
import pytest
import torch
from gymnasium.utils.env_checker import check_env

import senseweave.envs as envs
from kit.rooms.own_levels import own_level, write_declared
from senseweave.envs.rooms.levels.level import Level
from senseweave.envs.rooms.levels.registry import LEVELS
from senseweave.envs.rooms.levels.seek import SeekSpoken
from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception.errors import ConfigError, UnknownNameError


@pytest.fixture
def package(tmp_path: Path):
    with own_level(tmp_path) as name:
        yield name


def test_the_prefix_of_its_package_makes_it_known_to_us_and_to_gymnasium(package: str) -> None:
    for env in (envs.make(f"{package}:senseweave/GoToKey-v0", objects=4), gym.make("senseweave/GoToKey-v0", objects=4)):
        observation, info = env.reset(seed=3)
        assert observation in env.observation_space
        assert info["instruction_text"].startswith("go to the ") and info["instruction_text"].endswith(" key")


def test_gymnasiums_own_checks_pass(package: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(f"{package}:senseweave/GoToKey-v0").unwrapped)


def test_it_runs_in_batches_by_either_way_and_its_expert_solves_it(package: str) -> None:
    by_gymnasium = gym.make_vec(f"{package}:senseweave/GoToKey-v0", num_envs=64, device="cpu")
    by_class = RoomsVectorEnv("GoToKey", 64, "cpu")
    for batch in (by_gymnasium, by_class):
        batch.reset(seed=5)
        solved = ended = 0
        for _ in range(40):
            _, _, terminated, truncated, infos = batch.step(batch.unwrapped.expert_actions())
            ended += int((terminated | truncated).sum())
            solved += int(infos["is_success"].sum())
        assert solved == ended > 64


def test_it_is_listed_and_its_options_are_known(package: str) -> None:
    with pytest.raises(ConfigError, match='"GoToKey" does not take the option "object"; did you mean "objects"'):
        envs.make(f"{package}:senseweave/GoToKey-v0", object=3)
    assert envs.EnvEntry("senseweave/GoToKey-v0", ("audio", "camera", "instruction"), None, True) in envs.known()


def test_before_its_package_is_imported_nobody_knows_it(package: str) -> None:
    with pytest.raises(UnknownNameError, match="GoToKey-v0"):
        envs.make("senseweave/GoToKey-v0")
    with pytest.raises(UnknownNameError, match='The level "GoToKey"'):
        RoomsVectorEnv("GoToKey")


def test_an_installed_package_declares_one_which_is_imported_when_it_is_made(tmp_path: Path) -> None:
    write_declared(tmp_path)
    program = (
        "import sys, gymnasium, senseweave.envs as envs;"
        "listed = 'senseweave/DeclaredKey-v0' in [entry.id for entry in envs.known()];"
        "early = {'torch', 'own_declared_levels'} & set(sys.modules);"
        "env = gymnasium.make('senseweave/DeclaredKey-v0');"
        "print(listed, sorted(early), env.reset(seed=0)[1]['instruction_text'])"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.startswith("True [] go to the ")


def test_a_name_is_given_once(package: str) -> None:
    envs.make(f"{package}:senseweave/GoToKey-v0")
    envs.register_level("GoToKey", LEVELS["GoToKey"])  # the very same
    with pytest.raises(ConfigError, match='There is a level "GoToKey" already'):
        envs.register_level("GoToKey", SeekSpoken)
    with pytest.raises(ConfigError, match="letters, digits and underscores.*'Go To'"):
        envs.register_level("Go To", SeekSpoken)


def test_a_class_that_is_spoken_is_listed_without_the_written_instruction(package: str) -> None:
    envs.make(f"{package}:senseweave/GoToKey-v0")
    loud = type("Loud", (LEVELS["GoToKey"],), {"spoken": True})
    try:
        envs.register_level("Loud", loud)
        assert envs.EnvEntry("senseweave/Loud-v0", ("audio", "camera"), None, True) in envs.known()
        assert envs.make("senseweave/Loud-v0").get_wrapper_attr("senses").names == ("audio", "camera")
    finally:
        LEVELS.pop("Loud")
        gym.registry.pop("senseweave/Loud-v0")
        envs.registry._OURS.pop("senseweave/Loud-v0")


def test_a_level_that_draws_nothing_says_so() -> None:
    with pytest.raises(NotImplementedError):
        Level.draw(object.__new__(Level), torch.zeros(1, dtype=torch.int64))
