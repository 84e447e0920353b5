"""Words into settings: how values may be written, and what becomes of them."""

import pytest

from senseweave.agent.cli.commands import COMMANDS
from senseweave.agent.cli.parse import parse
from senseweave.perception.errors import ConfigError


def settings_of(line):
    name, *words = line.split()
    settings, _ = parse(name, COMMANDS[name], words)
    return settings


@pytest.mark.parametrize("text", ["3e5", "300_000", "300000", "3.0e5"])
def test_whole_numbers_may_be_written_as_people_write_them(text):
    assert settings_of(f"train --steps {text}").steps == 300_000
    assert settings_of(f"train --steps={text}").steps == 300_000


@pytest.mark.parametrize("text", ["1e400", "1.5", "nan", "0x10", ""])
def test_what_is_no_whole_number_is_refused(text):
    with pytest.raises(ConfigError, match="`--steps` must be a whole number; got"):
        parse("train", COMMANDS["train"], ["--steps", text])


def test_an_option_that_may_be_repeated_gathers_its_pairs():
    words = "--env-option a=1 --env-option b=x=y --env-option=c=true --env-option d= --env-option e=[1,2]"
    assert settings_of(f"train {words}").env_options == {"a": 1, "b": "x=y", "c": True, "d": "", "e": [1, 2]}
    ages = settings_of("live --camera 0 --max-age camera=0.5 --max-age audio=1e0").max_age_s
    assert ages == {"camera": 0.5, "audio": 1.0}


def test_a_name_alone_weighs_one_where_objectives_are_named():
    assert settings_of("pretrain --objective dcca --objective contrastive=0.5").objectives == {
        "dcca": 1.0,
        "contrastive": 0.5,
    }
    with pytest.raises(ConfigError, match="must be NAME=WEIGHT, contrastive=0.5, say; got 'mission'"):
        settings_of("train --auxiliary mission")


def test_one_of_a_few_values_has_an_option_of_its_own():
    assert settings_of("evaluate runs/x").greedy is settings_of("evaluate --sample runs/x").greedy is False
    assert settings_of("evaluate runs/x --greedy").greedy is True
    assert settings_of("watch --expert").player == "expert" and settings_of("watch").player is None
    assert settings_of("train --no-video --compile").video is False
    assert settings_of("train").compile is False and settings_of("train --compile").compile is True


def test_values_that_are_given_by_their_place():
    assert settings_of("evaluate runs/x --without camera audio").without == ("camera", "audio")
    assert settings_of("evaluate --without camera --episodes 3 runs/x").run == "runs/x"
    assert settings_of("watch BabyAI-GoToLocal-v0 --random").env == "BabyAI-GoToLocal-v0"
    assert settings_of("envs BabyAI GoTo").words == ("BabyAI", "GoTo") and settings_of("envs").words == ()


@pytest.mark.parametrize(
    "words",
    [
        ["--policy", "run", "--env", "CartPole-v1"],
        ["--env=CartPole-v1", "--policy", "run"],
        ["--without", "camera", "--env", "CartPole-v1", "--policy", "run"],
    ],
)
def test_what_comes_first_may_be_named_all_the_same(words):
    settings, _ = parse("watch", COMMANDS["watch"], words)
    assert (settings.env, settings.policy) == ("CartPole-v1", "run")


def test_naming_what_comes_first_and_giving_it_too_is_one_word_too_many():
    with pytest.raises(ConfigError, match='"CartPole-v1" is one word too many'):
        parse("watch", COMMANDS["watch"], ["CartPole-v1", "--env", "CartPole-v1"])


def test_a_dash_and_a_value_that_begins_with_one():
    assert settings_of("live --instruction -").instruction == "-"
    assert settings_of("live --instruction=--go").instruction == "--go"
    with pytest.raises(ConfigError, match="`--instruction` expected one argument"):
        settings_of("live --instruction --camera 0")


def test_what_is_asked_of_every_command_is_no_setting_of_one():
    _, common = parse("envs", COMMANDS["envs"], ["--json"])
    assert common.json is True and common.traceback is False


def test_an_option_cannot_be_shortened():
    with pytest.raises(ConfigError, match='has no option "--step"; did you mean "--steps"'):
        settings_of("train --step 3")


def test_a_run_that_resumes_knows_what_was_really_given():
    resumed = settings_of("train --resume runs/x --steps 300000 --no-video")
    assert resumed.changes == {"steps": 300_000, "video": False}
    assert settings_of("train --resume runs/x").changes == {}


def test_the_recipe_fills_in_what_is_not_given():
    assert settings_of("train").num_envs == settings_of("train --seed 3").num_envs == 64
    assert settings_of("train --num-envs 8").num_envs == 8
    assert settings_of("train --steps 300").num_envs == 64
    assert settings_of("train --steps 300 --recipe plain").num_envs == 16
