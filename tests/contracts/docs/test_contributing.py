"""CONTRIBUTING.md: its examples run, in the order in which they stand, and the files it names exist."""

import re
from pathlib import Path

import gymnasium
import pytest
import torch

from kit import saved_models
from kit.registries import unchanged
from senseweave.agent.cli import COMMANDS
from senseweave.agent.cli.main import main
from senseweave.envs.live import SOURCES
from senseweave.envs.rooms.levels.registry import LEVELS
from senseweave.perception import FUSIONS, OBJECTIVES
from senseweave.perception.encoders import ENCODERS
from senseweave.perception.kinds import KINDS
from senseweave.policies import PPO, ppo_settings
from senseweave.policies.choices import MEMORIES
from senseweave.policies.trainer import TRAINERS

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FENCED = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAMED_FILES = sorted(set(re.findall(r"`((?:perception|envs|policies|agent|tests)/[\w/]*\.py)`", TEXT)))


@pytest.fixture
def registries():
    """Takes back what an example registers, so that no other test meets it."""
    with unchanged(KINDS, ENCODERS, FUSIONS, OBJECTIVES, MEMORIES, LEVELS, SOURCES, TRAINERS, COMMANDS):
        yield
    gymnasium.registry.pop("senseweave/GoToKey-v0", None)


def remembers_by(memory: str) -> bool:
    """Whether PPO learns with that memory: its weights change."""
    world = saved_models.world()
    settings = ppo_settings(world.senses) | {"n_steps": 8, "batch_size": 16, "n_epochs": 1}
    settings["policy_kwargs"]["memory"] = memory
    model = PPO("MultiInputPolicy", world, device="cpu", **settings)
    before = [part.clone() for part in model.policy.memory.parameters()]
    model.learn(64)
    return all(not torch.equal(old, new) for old, new in zip(before, model.policy.memory.parameters(), strict=True))


def test_the_examples_run_and_do_what_they_say(registries, capsys):
    names = {"__name__": "contributing"}
    states = 0
    for example in FENCED.findall(TEXT):
        exec(compile(example, "CONTRIBUTING.md", "exec"), names)
        if "state" in names:
            states += 1
            assert names.pop("state").embedding.shape == (1, names["perception"].config.state_dim)
    assert states == 3
    assert names["loss"].shape == (3,) and names["loss"].requires_grad
    assert remembers_by("fading")
    assert names["info"]["ages_s"]["heat"] < 5.0, "the last example is a live source"
    assert gymnasium.make("senseweave/GoToKey-v0").unwrapped.instructions[0] == "go to the red key"
    capsys.readouterr()
    assert main(["count", "one", "three", "--min-letters", "4", "--json"]) == 0
    assert capsys.readouterr().out == '{"count": 1}\n'
    assert main(["count", "--min-letters", "41"]) == 2
    assert capsys.readouterr().err == "`min_letters` must be a whole number in 1..40; got 41.\n"


def test_it_says_which_five_files_to_read_first():
    assert len(re.findall(r"^\d\. `[\w/]+\.py`", TEXT, re.MULTILINE)) == 5


@pytest.mark.parametrize("name", NAMED_FILES)
def test_a_file_that_it_names_exists(name):
    assert (ROOT / name).is_file()
