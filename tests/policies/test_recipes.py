"""Recipes: what they are, and what is left of them when options are given."""

import pytest

from senseweave.perception.errors import UnknownNameError
from senseweave.policies.presets import EXPERT_ALONE, ImitationSettings, PPOPreset
from senseweave.policies.recipes import RECIPES, Recipe, babyai, default_recipe, plain, resolved, seek, tuned_for
from senseweave.policies.trainer import TRAINERS
from senseweave.policies.trainers.settings import new_settings


def test_a_recipe_is_named_and_what_is_given_changes_it():
    settings = resolved("seek", {"env": "senseweave/GoToLocal-v0", "num_envs": 16, "seed": 3})
    assert settings["recipe"] == "seek" and settings["seed"] == 3
    assert (settings["env"], settings["num_envs"]) == ("senseweave/GoToLocal-v0", 16)
    assert (settings["imitation_steps"], settings["steps"]) == (seek().imitation_steps, seek().steps)
    assert "ppo" not in settings and "imitation" not in settings


def test_a_named_recipe_keeps_its_lengths_where_the_default_would_give_way():
    assert default_recipe({"steps": 100}) == "plain"
    assert resolved("seek", {"steps": 100})["imitation_steps"] == 600_000
    assert resolved(None, {"steps": 100})["imitation_steps"] == 0


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "seek"),
        ({"env": "senseweave/GoToLocal-v0"}, "seek"),
        ({"memory": "gru"}, "seek"),
        ({"trainer": "sb3"}, "seek"),
        ({"trainer": "sb3", "memory": "gru"}, "plain"),
        ({"trainer": "imitation"}, "plain"),
        ({"steps": 100}, "plain"),
        ({"imitation_steps": 100}, "plain"),
        ({"env": "BabyAI-GoToLocal-v0"}, "plain"),  # in minigrid itself
        ({"env": "BabyAI-GoToLocal-v0", "env_options": {"engine": "rooms"}}, "babyai"),
        ({"env": "BabyAI-GoToLocal-v0", "env_options": {"engine": "rooms"}, "trainer": "sb3"}, "plain"),
        ({"env": "senseweave/Live-v0"}, "plain"),
        ({"env": "my_package:Mine-v0"}, "plain"),
    ],
)
def test_the_default_is_for_rooms_that_can_be_imitated_and_whose_length_is_left_open(given, name):
    assert default_recipe(given) == name
    assert resolved(None, given)["recipe"] == name


@pytest.mark.parametrize("name", ["seek", "plain"])
def test_outages_of_the_environment_take_the_place_of_modality_dropout(name):
    assert resolved(name, {"env_options": {"outages": 0.2}})["modality_dropout"] == 0.0
    assert resolved(name, {"env_options": {"outages": 0.2}, "modality_dropout": 0.1})["modality_dropout"] == 0.1


def test_an_unknown_recipe_says_did_you_mean():
    with pytest.raises(UnknownNameError, match='The recipe "sek" is not known; did you mean "seek"'):
        resolved("sek", {})


def test_every_recipe_is_a_job_that_its_trainer_can_do():
    for name in RECIPES:
        recipe = RECIPES[name]()
        trainer = TRAINERS[recipe.trainer]()
        assert trainer.remembers(recipe.memory)
        assert not recipe.imitation_steps or trainer.imitates_first(recipe.memory)
    assert babyai("PickupLoc").env == "BabyAI-PickupLoc-v0"


def test_what_was_tuned_for_one_learner_is_not_taken_for_another():
    assert tuned_for("seek", "senseweave", "none") == seek()
    for recipe, trainer, memory in (("seek", "sb3", "none"), ("seek", "senseweave", "gru"), (None, "sb3", "gru")):
        assert tuned_for(recipe, trainer, memory) == Recipe(trainer=trainer, memory=memory)


def test_a_recipe_of_your_own_sets_ppo_and_imitation(monkeypatch):
    mine = Recipe(
        imitation_steps=100, ppo=PPOPreset(gamma=0.5, n_steps=8), imitation=ImitationSettings(epochs=7), steps=1000
    )
    RECIPES.register("mine", lambda: mine)
    try:
        job = Job(**resolved("mine", {}))
        settings = new_settings(job, TRAINERS["senseweave"]().plan(job), PPOPreset())
        other = new_settings(Job(**resolved("plain", {})), TRAINERS["senseweave"]().plan(job), PPOPreset())
    finally:
        del RECIPES["mine"]
    assert (settings["gamma"], settings["n_steps"], settings["imitation"]["epochs"]) == (0.5, 8, 7)
    assert (other["gamma"], other["imitation"]["epochs"]) == (PPOPreset().gamma, EXPERT_ALONE.epochs)


class Job:
    """What a trainer reads of a training's settings."""

    def __init__(self, **settings):
        vars(self).update({"seed": 0, "compile": False} | settings)


def test_the_plain_recipe_leaves_everything_as_it_is():
    assert plain() == Recipe()
