"""Where a policy learns one of BabyAI's levels: in the batched twin where there is one, unless told otherwise."""

import pytest

from senseweave.agent.settings.engines import learned_in, with_engine
from senseweave.agent.settings.train import TrainConfig
from senseweave.perception.errors import ConfigError

LEVEL = "BabyAI-GoToLocalS7N4-v0"


def test_a_level_with_a_twin_is_learned_there():
    options = with_engine(LEVEL, {})
    assert options == {"engine": "rooms"}
    twin = {"room_size": 7, "objects": 4, "senses": "grid,instruction"}
    assert learned_in(LEVEL, options) == ("senseweave/GoToLocal-v0", twin)
    assert learned_in(LEVEL, options | {"compass": True})[1]["senses"] == "grid,instruction,compass"


@pytest.mark.parametrize(
    ("env_id", "options"),
    [
        (LEVEL, {"engine": "minigrid"}),
        (LEVEL, {"view": "camera"}),
        (LEVEL, {"max_episode_steps": 10}),
        ("BabyAI-BossLevel-v0", {}),
        ("MiniGrid-Empty-5x5-v0", {}),
        ("senseweave/GoToLocal-v0", {"room_size": 7}),
        ("CartPole-v1", {}),
    ],
)
def test_everything_else_is_learned_where_it_is(env_id, options):
    assert with_engine(env_id, options) == options
    assert learned_in(env_id, options) == (env_id, options)


def test_a_run_of_an_earlier_release_goes_on_in_minigrid():
    assert learned_in(LEVEL, {}) == (LEVEL, {})


@pytest.mark.parametrize(
    ("env_id", "options", "words"),
    [
        (LEVEL, {"engine": "room"}, '`engine` must be "rooms" or "minigrid"; got \'room\''),
        (LEVEL, {"engine": "rooms", "view": "camera"}, "cannot take the option view"),
        ("BabyAI-BossLevel-v0", {"engine": "rooms"}, "is there for 38 of BabyAI's levels"),
    ],
)
def test_an_engine_that_cannot_be_is_refused(env_id, options, words):
    with pytest.raises(ConfigError, match=words):
        with_engine(env_id, options)


def test_a_command_line_takes_the_twin_and_its_recipe():
    settings = TrainConfig.of_recipe({"env": LEVEL})
    assert settings.env == LEVEL and settings.env_options == {"engine": "rooms"}
    assert (settings.recipe, settings.memory) == ("babyai", "gru") and settings.imitation_steps > 0
    refused = TrainConfig.of_recipe({"env": LEVEL, "env_options": {"engine": "minigrid"}})
    assert (refused.recipe, refused.memory, refused.num_envs) == ("babyai_bot", "gru", 16)
