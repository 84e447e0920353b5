"""What a command line trains: the settings that release 0.1 resolved for it, option by option.

`command_lines.json` was made by that release, with its own code. A line with "error" holds the sentence it ended with.
"""

import json
from pathlib import Path

import pytest

from senseweave.agent.cli.main import main
from senseweave.agent.settings.train import TrainConfig
from senseweave.agent.train import train as train_module
from senseweave.perception.errors import ConfigError
from senseweave.policies.recipes import RECIPES
from senseweave.policies.trainer import TRAINERS

TABLE = json.loads(Path(__file__).with_name("command_lines.json").read_text(encoding="utf-8"))
RENAMED = {
    'Trainer "sb33" is not known; did you mean "sb3"?': 'The trainer "sb33" is not known; did you mean "sb3"?',
    'Memory "lstm" is not known; choose one of: gru, looking_gru, none.': 'The memory "lstm" is not known; choose one '
    "of: gru, looking_gru, none.",
}


@pytest.fixture
def started(monkeypatch, tmp_path):
    """The configurations that `senseweave train` would start with."""
    configs = []
    (tmp_path / "runs" / "senses").mkdir(parents=True)  # that some lines start from
    monkeypatch.chdir(tmp_path)

    def refuse(config, out):
        configs.append(config)
        raise ConfigError("not now")

    monkeypatch.setattr(train_module, "train", refuse)
    return configs


SINCE = ("--memory gru", "--memory looking_gru", "BabyAI-GoToLocal-v0")
"""What another release trains otherwise, where an expert is imitated: see test_engines.py and test_recipes.py."""


def is_trained_otherwise(line):
    """Whether this release means something else by a line of that one."""
    imitates = "--imitation-steps 0" not in line and ("imitation" in line or "--steps" not in line)
    return "error" not in TABLE[line] and imitates and "sb3" not in line and any(words in line for words in SINCE)


def recipe_of(line):
    """That of release 0.1, which had two: `reactive` for Rooms, and `plain` where any length was given."""
    return "reactive" if TABLE[line]["train"]["imitation_steps"] else "plain"


@pytest.mark.parametrize("line", [line for line in TABLE if not is_trained_otherwise(line)])
def test_a_command_line_trains_what_it_trained(line, started, capsys):
    expected = TABLE[line]
    then = [] if "error" in expected else ["--recipe", "plain" if "steps" in line else recipe_of(line)]
    assert main(["train", *then, *line.split(), "--out", "nowhere"]) == 2
    if "error" in expected:
        message = RENAMED.get(expected["error"], expected["error"])
        assert not started and capsys.readouterr().err == f"{message}\n"
        return
    (config,) = started
    settings, algorithm = config.to_json(), TRAINERS[config.trainer]().settings(config)
    assert settings.pop("recipe") in ("reactive", "plain") and settings.pop("overrides") == {}
    assert [settings.pop(name) for name in ("dataset", "held_out", "allow_damaged")] == [None, 0.1, False]  # since then
    if "imitation" in algorithm:
        assert algorithm["imitation"].pop("expert") == "knowing"  # the only one that there was
    settings["env_options"].pop("engine", None)  # a level with a twin says where it is learned
    assert algorithm.pop("normalize_rewards") is False and algorithm.pop("log_std_init") == 0.0  # as it always was
    assert settings == expected["train"]
    assert algorithm == expected["algorithm"]


def test_a_bare_train_is_the_recipe_seek(started):
    main(["train"])
    main(["train", "--recipe", "seek"])
    assert started[0] == started[1] and started[0].recipe == "seek"


def test_a_recipe_is_chosen_by_name_and_options_change_it(started):
    main(["train", "--recipe", "seek_spoken", "--num-envs", "32"])
    (config,) = started
    wanted = RECIPES["seek_spoken"]()
    assert (config.recipe, config.env, config.memory) == ("seek_spoken", wanted.env, wanted.memory)
    assert (config.num_envs, config.auxiliary) == (32, wanted.auxiliary)


def test_a_recipe_cannot_change_when_a_run_resumes(capsys):
    assert main(["train", "--resume", "somewhere", "--recipe", "seek"]) == 2
    assert "`--recipe` cannot change when a run resumes" in capsys.readouterr().err


def test_the_defaults_of_the_settings_are_the_plain_recipe():
    settings = TrainConfig.of_recipe({"recipe": "plain"}).to_json()
    assert settings == TrainConfig().to_json() | {"recipe": "plain"}


def test_a_configuration_of_an_earlier_release_names_no_recipe():
    before = TrainConfig().to_json()
    del before["recipe"]
    assert TrainConfig.from_json(before).recipe is None
