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


@pytest.mark.parametrize(
    ("given", "lengths"),
    [
        ({}, (1, 1)),
        ({"steps": 0.5}, (0.5, 0.5)),
        ({"imitation_steps": 2}, (2, 2)),
        ({"steps": 0}, (1, 0)),
        ({"imitation_steps": 0}, (0, 1)),
        ({"steps": 3, "imitation_steps": 0.5}, (0.5, 3)),
    ],
)
@pytest.mark.parametrize("name", [None, "seek", "reactive"])
def test_one_length_that_is_given_scales_the_recipe(name, given, lengths):
    whole = {"imitation_steps": RECIPES[name or "seek"]().imitation_steps, "steps": RECIPES[name or "seek"]().steps}
    settings = resolved(name, {length: round(part * whole[length]) for length, part in given.items()})
    wanted = [round(part * steps) for part, steps in zip(lengths, whole.values(), strict=True)]
    assert [settings["imitation_steps"], settings["steps"]] == wanted
    assert settings["recipe"] == (name or "seek")


def test_a_few_steps_still_imitate_and_a_recipe_without_imitation_stays_so():
    assert resolved("reactive", {"steps": 1})["imitation_steps"] == 4
    assert resolved("seek", {"imitation_steps": 1})["steps"] >= 1
    assert resolved("plain", {"steps": 100})["imitation_steps"] == 0
    assert resolved("plain", {"imitation_steps": 100})["steps"] == plain().steps


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "seek"),
        ({"env": "senseweave/GoToLocal-v0"}, "seek"),
        ({"env": "senseweave/GoToLocal-v0", "env_options": {"senses": "grid,instruction"}}, "babyai"),
        ({"env": "senseweave/SeekSpoken-v0"}, "seek_spoken"),
        ({"memory": "gru"}, "seek"),
        ({"memory": "none"}, "reactive"),
        ({"memory": "looking_gru"}, "seek"),
        ({"trainer": "sb3"}, "reactive"),
        ({"trainer": "sb3", "memory": "gru"}, "plain"),
        ({"trainer": "imitation"}, "plain"),
        ({"steps": 100}, "seek"),
        ({"imitation_steps": 100}, "seek"),
        ({"env": "BabyAI-GoToLocal-v0", "env_options": {"engine": "minigrid"}}, "babyai_bot"),
        ({"env": "BabyAI-GoToLocal-v0", "env_options": {"engine": "rooms"}, "memory": "none"}, "reactive"),
        ({"env": "BabyAI-GoToLocal-v0", "env_options": {"engine": "rooms"}}, "babyai"),
        ({"env": "BabyAI-GoToLocal-v0", "env_options": {"engine": "rooms"}, "trainer": "sb3"}, "reactive"),
        ({"env": "BabyAI-BossLevel-v0"}, "babyai_bot"),
        ({"env": "BabyAI-KeyInBox-v0"}, "plain"),  # its bot fails
        ({"env": "MiniGrid-DoorKey-5x5-v0"}, "plain"),
        ({"env": "senseweave/Live-v0"}, "plain"),
        ({"env": "my_package:Mine-v0"}, "plain"),
    ],
)
def test_the_default_is_the_first_recipe_that_suits_environment_trainer_and_memory(given, name):
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
    assert tuned_for("seek", "senseweave", "looking_gru") == tuned_for("seek", "senseweave", "gru") == seek()
    for recipe, trainer, memory in (("seek", "sb3", "gru"), ("seek", "senseweave", "none"), (None, "sb3", "gru")):
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
