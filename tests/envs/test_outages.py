"""Senses that go away: how often, for how long, and that nothing of them is left in the observation."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from senseweave.envs import OutageProcess, SensorOutages, WithoutSenses, adapt, make_babyai
from senseweave.perception.errors import ConfigError, ObservationError, SpecError

SENSES = ("compass", "grid", "instruction")


def babyai() -> gym.Env[Any, Any]:
    return make_babyai("BabyAI-GoToLocal-v0", compass=True)


class Endless(gym.Env[Any, Any]):
    """Never ends and always shows full cells and sound, so that a placeholder cannot be mistaken for content."""

    action_space = spaces.Discrete(2)
    observation_space = spaces.Dict(
        {"audio": spaces.Box(-9, 9, (1, 12), np.int16), "touch": spaces.Box(-1, 1, (3,), np.float32)}
    )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self._observe(), float(self.np_random.random()), False, False, {}

    def _observe(self) -> dict[str, Any]:
        return {"audio": np.full((1, 12), 9, np.int16), "touch": np.ones(3, np.float32)}


def endless(*rates: Any, **options: Any) -> SensorOutages:
    return SensorOutages(adapt(Endless(), sample_rate_hz=8000), *rates, **options)


def masks(env: gym.Env[Any, Any], seed: int, steps: int) -> np.ndarray:
    observations = [env.reset(seed=seed)[0], *(env.step(0)[0] for _ in range(steps))]
    return np.array([observation["present"] for observation in observations])


def run_lengths(is_out: np.ndarray) -> np.ndarray:
    """Lengths of the runs of True that both begin and end inside the record."""
    edges = np.flatnonzero(np.diff(is_out.astype(int)))
    edges = edges[int(is_out[0]) :]
    return edges[1::2] - edges[::2][: len(edges[1::2])]


@pytest.mark.parametrize(("rate", "mean_steps"), [(0.1, 20.0), (0.5, 5.0), (0.3, 1.0)])
def test_a_sense_is_gone_for_the_rate_and_as_long_as_asked(rate: float, mean_steps: float) -> None:
    process = OutageProcess(("a", "b"), {"b": rate}, mean_steps)
    random = np.random.default_rng(0)
    is_out = process.start(random.random((400, 3)))
    history = [is_out]
    for _ in range(1000):
        is_out = process.advance(is_out, random.random((400, 3)))
        history.append(is_out)
    absent = process.absent(np.array(history))  # time environments senses
    assert not absent[..., 0].any()
    # The first step is like any other, and the whole is within four standard errors of a chain of such runs.
    tolerance = 4 * np.sqrt(rate * (1 - rate) * 2 * mean_steps / absent[..., 1].size) + 0.002
    assert abs(absent[..., 1].mean() - rate) < tolerance
    assert abs(absent[0, :, 1].mean() - rate) < 0.1
    lengths = np.concatenate([run_lengths(absent[:, number, 1]) for number in range(400)])
    assert abs(lengths.mean() / mean_steps - 1) < 0.05
    if mean_steps == 5:  # geometric: P(length = 1) is 1 / mean
        assert abs((lengths == 1).mean() - 0.2) < 0.02


def test_senses_fail_independently_and_sometimes_all_at_once() -> None:
    process = OutageProcess(("a", "b"), 0.2, 4.0, all_at_once=0.1)
    random = np.random.default_rng(1)
    is_out = process.start(random.random((500, 3)))
    history = []
    for _ in range(400):
        is_out = process.advance(is_out, random.random((500, 3)))
        history.append(process.absent(is_out))
    absent = np.array(history)
    assert abs(absent.all(-1).mean() - (0.1 + 0.9 * 0.04)) < 0.01
    assert abs(absent[..., 0].mean() - (0.1 + 0.9 * 0.2)) < 0.01


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 1), (1.0, 0)])
def test_rates_of_none_and_all_are_exact(rate: float, expected: int) -> None:
    assert (masks(endless(rate), seed=0, steps=200) == expected).all()


def test_episode_outages_last_the_whole_episode_or_do_not_happen() -> None:
    env = endless({"audio": 0.4}, mean_steps="episode")
    gone = 0
    for seed in range(300):
        mask = masks(env, seed, steps=5)
        assert (mask == mask[0]).all() and mask[0, 1] == 1
        gone += int(mask[0, 0] == 0)
    assert abs(gone / 300 - 0.4) < 0.12


def test_what_is_absent_is_replaced_and_what_is_present_is_untouched() -> None:
    env = endless({"audio": 0.5}, mean_steps=3, all_at_once=0.2)
    env.reset(seed=0)
    seen = set()
    for _ in range(300):
        observation = env.step(0)[0]
        audio, touch = observation["present"].tolist()
        seen.add((audio, touch))
        assert env.observation_space.contains(observation)
        assert (observation["audio"] == (np.float32(9 / 2**15) if audio else 0)).all()
        assert (observation["touch"] == touch).all()
    assert seen == {(1, 1), (0, 1), (0, 0)}


def test_the_same_seed_gives_the_same_outages_and_another_seed_others() -> None:
    env = endless(0.3, mean_steps=4)
    first = masks(env, 5, 100)
    assert (masks(env, 5, 100) == first).all()
    assert (masks(endless(0.3, mean_steps=4), 5, 100) == first).all()
    assert (masks(env, 6, 100) != first).any()


def test_a_reset_without_a_seed_goes_on_with_new_outages() -> None:
    env = endless(0.3, mean_steps=4)
    first = masks(env, 5, 60)
    env.reset()
    assert (np.array([env.step(0)[0]["present"] for _ in range(60)]) != first[1:]).any()


def test_the_world_is_the_same_with_and_without_outages() -> None:
    plain, failing = adapt(Endless(), sample_rate_hz=8000), endless(0.5, mean_steps=2)
    plain.reset(seed=3)
    failing.reset(seed=3)
    assert [plain.step(0)[1] for _ in range(20)] == [failing.step(0)[1] for _ in range(20)]


def test_outages_never_change_what_the_environment_returned() -> None:
    class Remembering(gym.Wrapper[Any, Any, Any, Any]):
        last: Any = None

        def step(self, action: Any) -> Any:
            result = self.env.step(action)
            self.last = result[0]
            return result

    inner = Remembering(adapt(Endless(), sample_rate_hz=8000))
    env = SensorOutages(inner, 1.0)
    env.reset(seed=0)
    first, second = env.step(0)[0], env.step(0)[0]
    assert inner.last["present"].tolist() == [1, 1] and inner.last["audio"].all()
    assert not np.shares_memory(first["audio"], second["audio"])


def test_without_a_sense_it_is_never_there() -> None:
    env = WithoutSenses(babyai(), "grid", "compass")
    assert env.observation_space == babyai().observation_space
    assert env.get_wrapper_attr("senses") == babyai().get_wrapper_attr("senses")
    observation, info = env.reset(seed=0)
    for _ in range(5):
        assert observation["present"].tolist() == [0, 0, 1]
        assert not observation["grid"].any() and not observation["compass"].any()
        assert observation["instruction"].any()
        observation, _, _, _, info = env.step(2)
    assert info["instruction_text"]


def test_all_senses_can_be_absent_at_once() -> None:
    observation, _ = WithoutSenses(babyai(), *SENSES).reset(seed=0)
    expected = babyai().get_wrapper_attr("senses").placeholder()
    assert all((observation[key] == expected[key]).all() for key in expected)


def test_removers_stack() -> None:
    env = SensorOutages(WithoutSenses(babyai(), "grid"), {"instruction": 1.0})
    assert env.reset(seed=0)[0]["present"].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: endless({"audoi": 0.1}), SpecError, 'no sense "audoi" to take away; did you mean "audio"'),
        (lambda: endless({"audio": 1.5}), ConfigError, 'rate of "audio" must be in 0..1; got 1.5'),
        (lambda: endless(-0.1), ConfigError, "got -0.1"),
        (lambda: endless(float("nan")), ConfigError, "got nan"),
        (lambda: endless(0.1, all_at_once=2), ConfigError, '"all_at_once" must be in 0..1; got 2'),
        (lambda: endless(0.1, mean_steps=0), ConfigError, "at least 1 step.*got 0"),
        (lambda: endless(0.1, mean_steps="forever"), ConfigError, "got 'forever'"),
        (lambda: endless(0.9, mean_steps=2), ConfigError, "raise `mean_steps` to 9 or more"),
        (lambda: endless(0.7, mean_steps=2), ConfigError, "raise `mean_steps` to 2.34 or more"),
        (lambda: endless({"all_at_once": 0.5}), SpecError, 'no sense "all_at_once" to take away'),
        (lambda: SensorOutages(Endless(), 0.1), SpecError, "does not tell its senses.*adapt"),
        (lambda: WithoutSenses(babyai(), "gird"), ObservationError, 'no sense "gird".*did you mean "grid"'),
    ],
)
def test_bad_input_is_refused_in_one_sentence(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()
