import dataclasses
import sys

import gymnasium
import numpy as np
import pytest
import torch

from senseweave.agent.evaluate.evaluate import evaluate, summary
from senseweave.agent.play.episodes import FIRST_HELD_OUT_SEED, held_out_seed, run_episodes
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.runs.policies import load_policy
from senseweave.agent.settings.evaluate import EvaluateConfig
from senseweave.agent.train.train import resume
from senseweave.envs import make
from senseweave.perception import Spec, Vector
from senseweave.perception.errors import CheckpointError, ConfigError, ObservationError
from senseweave.policies.saving.sealed import write_sealed


class Counter(gymnasium.Env):
    """Shows the seed's last two digits; action 1 is worth 1; ends after as many steps as the last digit says."""

    action_space = gymnasium.spaces.Discrete(2)
    action_names = ("wait", "take")
    step_s = 0.1

    def __init__(self, tells_success: bool = True, ends: bool = True) -> None:
        self.senses = Spec(number=Vector(2), other=Vector(1))
        self.observation_space = self.senses.space()
        self.tells_success, self.ends, self.seeds = tells_success, ends, []

    def reset(self, *, seed=None, options=None):
        self.seeds.append(seed)
        self.left, self.taken = 1 + seed % 10, 0
        return self._observe(), {}

    def step(self, action):
        self.left, self.taken = self.left - 1, self.taken + int(action)
        is_over = self.ends and self.left <= 0
        info = {"is_success": self.taken >= 3} if is_over and self.tells_success else {}
        return self._observe(), float(action), is_over, False, info

    def _observe(self):
        number = np.array([self.left, self.taken], np.float32)
        return {"number": number, "other": np.zeros(1, np.float32), "present": self.senses.present()}


class Taker:
    """A policy that takes where its first sense is present, keeps a memory of its steps, and notes what it saw."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.present, self.memories = [], []

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        self.present.append(observation["present"].copy())
        memory = np.zeros((1, len(episode_start), 1)) if state is None else state[0]
        memory = np.where(episode_start[None, :, None], 0, memory)
        left, taken = observation["number"].T
        self.memories.append((memory[0, :, 0].copy(), taken.copy()))
        return observation["present"][:, 0].astype(int), (memory + 1,)


def test_every_held_out_seed_is_played_once_whatever_the_number_of_environments():
    results = []
    for count in (1, 3, 8, 50):
        envs = [Counter() for _ in range(count)]
        results.append(run_episodes(Taker(), envs, 25))
        seeds = sorted(seed for env in envs for seed in env.seeds)
        assert seeds == list(range(FIRST_HELD_OUT_SEED, FIRST_HELD_OUT_SEED + 25))
    expected = [1 + i % 10 for i in range(25)]
    for result in results:
        assert result.lengths.tolist() == expected and result.returns.tolist() == expected
        assert result.successes == [length >= 3 for length in expected]
        assert result.success_rate == sum(length >= 3 for length in expected) / 25


def test_a_recurrent_memory_follows_its_episode_when_others_end():
    """The policy counts its own steps; the environment counts them too."""
    policy = Taker()
    run_episodes(policy, [Counter() for _ in range(4)], 11)
    for memory, taken in policy.memories:
        np.testing.assert_array_equal(memory, taken)


def test_a_removed_sense_is_absent_in_every_step():
    policy = Taker()
    result = run_episodes(policy, [Counter() for _ in range(4)], 5, without=["number"])
    assert all((present == [0, 1]).all() for present in policy.present)
    assert result.returns.sum() == 0
    with pytest.raises(ObservationError, match='no sense "numbr" to remove; did you mean "number"?'):
        run_episodes(policy, [Counter()], 1, without=["numbr"])
    with pytest.raises(ConfigError, match="name each sense once"):
        run_episodes(policy, [Counter()], 1, without=["number", "number"])


def test_success_is_null_where_the_environment_does_not_define_it():
    result = run_episodes(Taker(), [Counter(tells_success=False)], 3)
    assert result.successes == [None] * 3
    told = summary(result)
    assert told["success_rate"] is None and told["success_interval"] is None
    assert told["mean_return"] == 2.0


def test_an_episode_that_never_ends_is_broken_off(monkeypatch):
    monkeypatch.setattr("senseweave.agent.play.episodes.MAX_EPISODE_STEPS", 40)
    result = run_episodes(Taker(), [Counter(ends=False)], 2)
    assert result.lengths.tolist() == [40, 40] and result.successes == [None, None]


def test_an_episode_that_is_broken_off_has_failed_where_others_tell_of_success(monkeypatch):
    monkeypatch.setattr("senseweave.agent.play.episodes.MAX_EPISODE_STEPS", 5)
    result = run_episodes(Taker(), [Counter()], 10)  # of 1 to 10 steps
    assert sorted(result.lengths.tolist()) == [1, 2, 3, 4, 5, 5, 5, 5, 5, 5]
    assert sum(result.successes) == 3 and None not in result.successes


def test_sets_of_held_out_seeds_do_not_overlap():
    assert held_out_seed(0, 999_999) < held_out_seed(1, 0) < held_out_seed(1000, 999_999) < 2**31


def test_evaluating_leaves_the_global_random_state_alone(trained):
    env = make("BabyAI-GoToRedBallGrey-v0")
    policy, _ = load_policy(RunDirectory.open(trained), env, torch.device("cpu"))
    before = torch.get_rng_state()
    first = run_episodes(policy, [env], 3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    second = run_episodes(policy, [env], 3)
    assert first.lengths.tolist() == second.lengths.tolist()


def test_an_evaluation_has_the_promised_keys_and_repeats_itself(trained):
    config = EvaluateConfig(str(trained), episodes=3, num_envs=3, device="cpu")
    result = evaluate(config)
    for key in ("env", "steps", "seconds", "steps_per_second", "episodes", "success_rate", "mean_return"):
        assert key in result
    assert result["success_rate"] == result["sampled_success_rate"] is not None
    assert result["greedy_success_rate"] is not None and result["trained_steps"] == 512
    again = evaluate(config)
    timing = ("seconds", "steps_per_second")
    assert {k: v for k, v in result.items() if k not in timing} == {k: v for k, v in again.items() if k not in timing}
    greedy = evaluate(dataclasses.replace(config, greedy=True))
    assert greedy["success_rate"] == greedy["greedy_success_rate"] and greedy["policy"] == "greedy"
    other = evaluate(dataclasses.replace(config, seed=1))
    assert other["first_seed"] == 1_001_000_000 and other["sampled_mean_length"] != result["sampled_mean_length"]


def test_a_policy_can_be_evaluated_in_another_level_with_the_same_senses(trained):
    config = EvaluateConfig(str(trained), env="BabyAI-GoToLocal-v0", episodes=3, device="cpu")
    assert evaluate(config)["env"] == "BabyAI-GoToLocal-v0"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"env": "CartPole-v1"}, ConfigError, "was trained with"),
        (
            {"env_options": {"max_tokens": 9}},
            ConfigError,
            '"instruction" is Instruction.max_tokens=9.*in the environment',
        ),
        ({"without": ("camera",)}, ObservationError, 'There is no sense "camera" to remove'),
        ({"run": "/nowhere"}, CheckpointError, 'The run directory "/nowhere" does not exist'),
        ({"run": "/"}, CheckpointError, "has no config.json"),
        ({"device": "cuda:99"}, ConfigError, "is not here"),
    ],
)
def test_an_evaluation_that_does_not_fit_says_so(trained, changes, error, message):
    with pytest.raises(error, match=message):
        evaluate(EvaluateConfig(**({"run": str(trained), "device": "cpu"} | changes)))


def test_a_file_never_names_code_to_import(copy_of_run, monkeypatch):
    run = RunDirectory.open(copy_of_run("run"))
    train = dataclasses.replace(run.config.train, env="antigravity:Own-v0")
    write_sealed(run.path / "config.json", dataclasses.replace(run.config, train=train).to_json())
    made = []
    monkeypatch.setattr("senseweave.agent.runs.policies.make", lambda *words, **options: made.append(words))
    with pytest.raises(ConfigError, match="add --env antigravity:Own-v0 if you trust it"):
        evaluate(EvaluateConfig(str(run.path), device="cpu"))
    with pytest.raises(ConfigError, match="add --env antigravity:Own-v0 if you trust it"):
        resume(run.path)
    with pytest.raises(ConfigError, match="`env` cannot change when a run resumes"):
        resume(run.path, env="BabyAI-GoToLocal-v0")
    assert made == [] and "antigravity" not in sys.modules
