"""What a caller can get wrong with Rooms is refused in one sentence that says what to do."""

from collections.abc import Callable
from typing import Any, cast

import gymnasium as gym
import numpy as np
import pytest
import torch

import senseweave.envs as envs
from senseweave.envs.rooms.env import RoomsEnv
from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception.errors import ConfigError, SenseweaveError, SpecError, UnknownNameError


def batch(**options: Any) -> RoomsVectorEnv:
    return RoomsVectorEnv(**{"level": "Seek", "num_envs": 2, "device": "cpu", "senses": ("grid",)} | options)


def begun() -> RoomsVectorEnv:
    env = batch()
    env.reset(seed=0)
    return env


def refused(call: Callable[[], object], error: type[SenseweaveError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and message.endswith((".", "?"))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"level": "Seak"}, UnknownNameError, 'level "Seak" is not known; did you mean "Seek'),
        ({"num_envs": 0}, ConfigError, "`num_envs` must be a whole number of at least 1; got 0"),
        ({"num_envs": 2.5}, ConfigError, "got 2.5"),
        ({"device": "gpu"}, ConfigError, '`device` must be "auto", "cpu", "cuda" or "cuda:N"; got \'gpu\''),
        ({"device": "meta"}, ConfigError, "got 'meta'"),
        ({"device": "cuda:99"}, ConfigError, '"cuda:99" is not here: torch sees'),
        ({"render_mode": "human"}, ConfigError, "`render_mode` must be"),
        ({"senses": ("camra",)}, ConfigError, 'no sense "camra"; did you mean "camera"'),
        ({"senses": ()}, ConfigError, "at least one sense"),
        ({"senses": 5}, ConfigError, "must be names.*got 5"),
        ({"compass": "yes"}, ConfigError, "`compass` must be true or false; got 'yes'"),
        ({"spoken": 1}, ConfigError, "`spoken` must be true or false; got 1"),
        ({"spoken": True}, ConfigError, 'without "audio"'),
        ({"spoken": True, "senses": ("audio", "instruction")}, ConfigError, 'leave "instruction" out'),
        ({"level": "SeekSpoken", "senses": ("audio", "instruction")}, ConfigError, "pass spoken=False"),
        ({"camera_size": 8}, ConfigError, "`camera_size` must be a number of pixels in 16..512.*got 8"),
        ({"camera_size": (64, 64, 3)}, ConfigError, "`camera_size`"),
        ({"outages": 1.5}, ConfigError, 'rate of "grid" must be in 0..1; got 1.5'),
        ({"outages": "often"}, ConfigError, "`outages` must be a rate.*got 'often'"),
        ({"outages": float("nan")}, ConfigError, "got nan"),
        ({"outages": {"gird": 0.1}}, SpecError, 'no sense "gird".*did you mean "grid"'),
        ({"outages": {"grid": None}}, ConfigError, "got None"),
        ({"all_at_once": 2}, ConfigError, '"all_at_once" must be in 0..1'),
        ({"outages": 0.1, "outage_steps": 0}, ConfigError, "`outage_steps` must be at least 1 step.*got 0"),
        ({"outages": 0.1, "outage_steps": "ever"}, ConfigError, "`outage_steps`.*got 'ever'"),
        ({"outages": 0.9, "outage_steps": 2}, ConfigError, "raise `outage_steps` to 9"),
        ({"sise": "small"}, ConfigError, '"Seek" does not take the option "sise" .*; did you mean "size"'),
        ({"max_episode_steps": 5}, ConfigError, 'did you mean "max_steps"'),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], error: type[SenseweaveError], words: str) -> None:
    refused(lambda: batch(**options), error, words)


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        ([0, 7], "must be in 0..6; got 0..7"),
        ([-1, 0], r"got -1..0"),
        ([0], r"2 whole numbers, one for each environment; got torch.int64 \(1,\)"),
        ([[0, 0]], r"got torch.int64 \(1, 2\)"),
        (torch.zeros(2), r"got torch.float32 \(2,\)"),
        (np.zeros(2, bool), r"got torch.bool \(2,\)"),
        (np.array([0, 2**64 - 1], np.uint64), "must be in 0..6; got -1..0"),
        (torch.zeros(2, dtype=torch.complex64), r"got torch.complex64 \(2,\)"),
        (["left", "right"], "2 whole numbers, one for each environment; got list"),
        ([[0], [0, 1]], "got list"),
        (np.array([None, None]), "got ndarray"),
        (3, "got int"),
        ("ab", "got str"),
    ],
)
def test_wrong_actions_are_refused_and_nothing_is_done(actions: Any, words: str) -> None:
    env = begun()
    before = env.state.clone()
    refused(lambda: env.step(actions), ConfigError, words)
    assert torch.equal(env.state.step_count, before.step_count)


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        (-1, "`seed` must be a whole number in 0..9223372036854775807; got -1"),
        (1.5, "got 1.5"),
        (2**63, "`seed`"),
        ("7", "got '7'"),
        ([1], "one number for each of 2; got 1"),
        ([1, None], "got None"),
        (np.array(3), r"got array\(3\)"),
    ],
)
def test_a_wrong_seed_is_refused(seed: Any, words: str) -> None:
    refused(lambda: batch().reset(seed=seed), ConfigError, words)


def test_a_step_before_the_first_reset_is_refused() -> None:
    refused(lambda: batch().step(torch.zeros(2, dtype=torch.int64)), ConfigError, r"call reset\(\)")
    refused(lambda: batch().get_state(), ConfigError, r"call reset\(\)")
    refused(lambda: RoomsEnv("Seek", senses=("grid",)).step(0), ConfigError, r"call reset\(\)")


def test_a_step_after_the_end_is_refused() -> None:
    env = RoomsEnv("Seek", senses=("grid",), max_steps=1)
    env.reset(seed=0)
    env.step(6)
    refused(lambda: env.step(6), ConfigError, r"is over.*call reset\(\)")


def test_reset_options_are_refused() -> None:
    refused(lambda: batch().reset(options={"reset_mask": 1}), ConfigError, "knows no options; got reset_mask")
    refused(lambda: RoomsEnv("Seek").reset(options={"size": "small"}), ConfigError, "got size")


@pytest.mark.parametrize("action", [7, -1, 1.0, "left", None, True, np.array([1, 2])])
def test_a_wrong_action_of_one_room_is_refused(action: Any) -> None:
    env = RoomsEnv("Seek", senses=("grid",))
    env.reset(seed=0)
    refused(lambda: env.step(action), ConfigError, "`action` must be")


def test_a_state_of_another_sort_is_refused() -> None:
    saved = begun().get_state()
    refused(lambda: batch(num_envs=3).set_state(saved), ConfigError, "number of environments")
    refused(lambda: batch(outages=0.1).set_state(saved), ConfigError, "outages.is_out, outages.key differ")
    refused(lambda: batch().set_state({"cells": saved["cells"]}), ConfigError, "other options")
    refused(lambda: batch().set_state(cast(Any, [saved])), ConfigError, "must be a dict of tensors")
    arrays: Any = {name: tensor.numpy() for name, tensor in saved.items()}
    refused(lambda: batch().set_state(arrays), ConfigError, "must be a dict of tensors")


def test_a_state_of_a_level_with_more_instructions_is_refused() -> None:
    env = begun()
    env.state.mission[:] = len(env.instructions) - 1
    other = batch(level="SeekHeard")
    refused(lambda: other.set_state(env.get_state()), ConfigError, "another level.*SeekHeard here has 4")


@pytest.mark.parametrize("make", [envs.make, gym.make, lambda env_id, **options: gym.make_vec(env_id, 2, **options)])
def test_an_unknown_option_is_refused_by_whatever_makes_it(make: Callable[..., Any]) -> None:
    refused(lambda: make("senseweave/Seek-v0", camera_sise=32), ConfigError, 'did you mean "camera_size"')


def test_an_unknown_id_is_refused() -> None:
    refused(lambda: envs.make("senseweave/Seke-v0"), UnknownNameError, 'did you mean "senseweave/Seek')
