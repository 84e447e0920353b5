"""What `adapt` does with an environment that emits the contract already."""

import pytest

from senseweave.envs import adapt, make, make_babyai
from senseweave.perception.errors import ConfigError
from senseweave.perception.spec import Camera, Grid, Spec


def test_an_environment_that_emits_the_contract_comes_back_as_it_is() -> None:
    env = make_babyai("BabyAI-GoToLocal-v0")
    assert adapt(env) is env
    smaller = adapt(env, ignore=["instruction"])
    assert smaller.get_wrapper_attr("senses") == Spec(grid=Grid(7, 7, (11, 6, 3)))
    assert smaller.get_wrapper_attr("action_names") == env.action_names


def test_an_environment_that_emits_the_contract_can_have_smaller_pictures_and_no_other_rate() -> None:
    small = adapt(room := make("senseweave/Seek-v0"), size=(32, 32))
    assert small.get_wrapper_attr("senses") == Spec(
        **dict(room.get_wrapper_attr("senses")) | {"camera": Camera(32, 32)}
    )
    assert small.reset(seed=0)[0]["camera"].shape == (32, 32, 3)
    with pytest.raises(ConfigError, match='`sample_rate_hz` of "audio" is 16000; got 8000'):
        adapt(room, sample_rate_hz=8000)
