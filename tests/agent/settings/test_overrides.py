"""`--set`: every setting of PPO and of imitation by its name, checked before anything is trained."""

import pytest

from senseweave.agent.cli.main import main
from senseweave.agent.settings.train import TrainConfig
from senseweave.agent.train import train as train_module
from senseweave.perception.errors import ConfigError, UnknownNameError
from senseweave.policies.trainer import TRAINERS


def algorithm(given):
    settings = TrainConfig.of_recipe(given)
    return TRAINERS[settings.trainer]().settings(settings)


@pytest.mark.parametrize("trainer", ["senseweave", "sb3"])
def test_what_is_set_is_what_learns(trainer):
    found = algorithm({"recipe": "plain", "trainer": trainer, "overrides": {"ppo.gamma": 0.9, "ppo.n_epochs": 7}})
    assert (found["gamma"], found["n_epochs"]) == (0.9, 7)
    assert found["gae_lambda"] == algorithm({"recipe": "plain", "trainer": trainer})["gae_lambda"]


def test_imitation_is_set_too_and_the_rest_is_the_recipe():
    found = algorithm({"recipe": "seek", "overrides": {"imitation.epochs": 1, "imitation.expert": "honest"}})
    usual = algorithm({"recipe": "seek"})
    assert found["imitation"] == usual["imitation"] | {"epochs": 1, "expert": "honest"}
    assert {name: found[name] for name in found if name != "imitation"} == {
        name: usual[name] for name in usual if name != "imitation"
    }


def test_rollouts_are_fitted_after_they_are_set():
    found = algorithm({"recipe": "plain", "num_envs": 4, "overrides": {"ppo.n_steps": 10, "ppo.batch_size": 16}})
    assert (found["n_steps"], found["batch_size"]) == (10, 20)


@pytest.mark.parametrize(
    ("overrides", "error", "words"),
    [
        ({"ppo.gama": 0.9}, UnknownNameError, 'The setting "ppo.gama" is not known; did you mean "ppo.gamma"'),
        ({"imitation.epoch": 2}, UnknownNameError, 'did you mean "imitation.epochs"'),
        ({"ppo.gamma": 1.5}, ConfigError, "`gamma` of PPO must be in 0..1; got 1.5"),
        ({"ppo.n_epochs": 0}, ConfigError, "`n_epochs` of PPO must be a whole number of at least 1; got 0"),
        ({"ppo.ent_coef": "high"}, ConfigError, "`ent_coef` of PPO"),
        ({"imitation.expert": "wise"}, ConfigError, "`expert` must be one of honest, knowing; got 'wise'"),
    ],
)
def test_what_cannot_be_set_is_one_sentence(overrides, error, words):
    with pytest.raises(error, match=words):
        TrainConfig.of_recipe({"recipe": "seek", "overrides": overrides})


def test_imitation_that_there_is_none_of_cannot_be_set():
    with pytest.raises(ConfigError, match="`imitation.epochs` is set, but nothing is imitated"):
        algorithm({"recipe": "plain", "overrides": {"imitation.epochs": 2}})


def test_the_command_line_takes_them(monkeypatch, capsys):
    started = []

    def refuse(config, out):
        started.append(config)
        raise ConfigError("not now")

    monkeypatch.setattr(train_module, "train", refuse)
    main(["train", "--set", "ppo.gamma=.9", "--set", "imitation.epochs=2", "--out", "nowhere"])
    main(["train", "--set", "gamma=0.9", "--out", "nowhere"])
    main(["train", "--set", "ppo.gamma", "--out", "nowhere"])
    told = capsys.readouterr().err
    assert started[0].overrides == {"ppo.gamma": 0.9, "imitation.epochs": 2} and len(started) == 1
    assert told.count("must be group.key=value") == 2
