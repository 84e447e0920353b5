"""Environments of ours are trained and evaluated as one batch; nothing but the speed may change by that."""

import numpy as np
import pytest
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from senseweave.agent.evaluate.evaluate import evaluate
from senseweave.agent.play.environments import EnvFacts, make_batch, make_envs, make_vector_env
from senseweave.agent.play.episodes import NEVER, run_episodes
from senseweave.agent.settings.evaluate import EvaluateConfig
from senseweave.agent.settings.train import TrainConfig
from senseweave.agent.train.callback import MAX_TRAINING_SEED
from senseweave.agent.train.train import train
from senseweave.envs import make
from senseweave.perception import PerceptionConfig
from senseweave.perception.errors import ConfigError
from senseweave.policies.presets import ppo_settings, recurrent_ppo_settings

ROOMS = "senseweave/GoToRedBallGrey-v0"
SMALL = {"senses": "grid,instruction"}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def policy():
    vector, facts = make_vector_env(ROOMS, SMALL, 2)
    config = PerceptionConfig(width=16, latents=2, heads=2, state_dim=8)
    model = PPO("MultiInputPolicy", vector, seed=3, device="cpu", **ppo_settings(facts.senses, config))
    torch.nn.init.normal_(model.policy.action_net.weight, std=2.0)  # so that sights matter
    return model.policy


def test_environments_of_ours_come_as_one_batch_and_others_one_by_one():
    vector, facts = make_vector_env(ROOMS, SMALL, 5)
    single = make(ROOMS, **SMALL)
    assert make_batch(ROOMS, SMALL, 5) is not None and vector.num_envs == 5
    assert not isinstance(vector.unwrapped, DummyVecEnv)
    assert facts == EnvFacts.of(single)
    assert vector.reset()["grid"].shape == (5, 7, 7, 3)
    other, _ = make_vector_env("BabyAI-GoToRedBallGrey-v0", {}, 2)
    assert isinstance(other.unwrapped, DummyVecEnv)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"sences": "grid"}, 'did you mean "senses"'), ({"num_envs": 3}, "give --num-envs"), ({"senses": "nose"}, "nose")],
)
def test_an_option_that_a_batch_does_not_take_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        make_vector_env(ROOMS, options, 2)


@pytest.mark.parametrize(("greedy", "count"), [(True, 3), (False, 12)], ids=["greedy", "sampled"])
def test_a_batch_is_evaluated_as_single_environments_are_whatever_its_size(policy, greedy, count):
    alone = run_episodes(policy, [make(ROOMS, **SMALL) for _ in range(4)], count, greedy=greedy)
    assert greedy or len(set(alone.lengths.tolist())) > 2
    for size in (1, 4, 64):
        told = []
        batch = make_envs(ROOMS, SMALL, count, size, CPU)
        assert batch.num_envs == min(size, count)
        batched = run_episodes(policy, batch, count, greedy=greedy, on_episode=lambda told=told: told.append(1))
        np.testing.assert_array_equal(batched.lengths, alone.lengths)
        np.testing.assert_allclose(batched.returns, alone.returns, rtol=1e-6)
        assert batched.successes == alone.successes and len(told) == count


def test_a_recurrent_policy_is_evaluated_on_more_episodes_than_the_batch_has_rows():
    vector, facts = make_vector_env(ROOMS, SMALL, 2)
    config = PerceptionConfig(width=16, latents=2, heads=2, state_dim=8)
    settings = recurrent_ppo_settings(facts.senses, config)
    recurrent = RecurrentPPO("MultiInputLstmPolicy", vector, seed=3, device="cpu", **settings).policy
    torch.nn.init.normal_(recurrent.action_net.weight, std=2.0)
    alone = run_episodes(recurrent, [make(ROOMS, **SMALL)], 5, greedy=True)
    for size in (2, 3):
        batched = run_episodes(recurrent, make_envs(ROOMS, SMALL, 5, size, CPU), 5, greedy=True)
        np.testing.assert_array_equal(batched.lengths, alone.lengths)
        assert batched.successes == alone.successes


def test_sampled_actions_follow_the_policys_probabilities(policy):
    """The same first state 400 times, drawn by 400 episodes' own numbers."""
    env = make(ROOMS, **SMALL)
    observation, _ = env.reset(seed=0)
    batch = {name: np.stack([value] * 400) for name, value in observation.items()}
    chooser = run_chooser(policy, env)
    actions = chooser(batch, range(400), np.ones(400, bool))
    tensors, _ = policy.obs_to_tensor({name: value[:1] for name, value in batch.items()})
    with torch.no_grad():
        expected = policy.get_distribution(tensors).distribution.probs[0].numpy()
    drawn = np.bincount(actions, minlength=7) / 400
    assert np.abs(drawn - expected).max() < 4 * np.sqrt(0.25 / 400)
    assert len(set(actions.tolist())) > 1


def run_chooser(policy, env):
    from senseweave.agent.play.episodes import ActionChooser

    return ActionChooser(policy, 0, greedy=False, kept=env.get_wrapper_attr("senses").present())


def test_a_removed_sense_is_absent_in_a_batch_too(policy):
    batch = make_envs(ROOMS, SMALL, 8, 8, CPU)
    seen = []
    hook = policy.features_extractor.perception.register_forward_hook(lambda *parts: seen.append(parts[2].present))
    try:
        run_episodes(policy, batch, 8, without=["grid"])
    finally:
        hook.remove()
    assert seen and not any(present[:, 0].any() for present in seen) and all(present[:, 1].all() for present in seen)


def test_a_batch_trains_evaluates_and_repeats_itself(tmp_path):
    config = TrainConfig(
        env=ROOMS, env_options=SMALL, steps=256, num_envs=8, device="cpu", evaluation_episodes=6, video=False
    )
    results = [train(config, tmp_path / name) for name in ("a", "b")]
    assert results[0]["evaluation"]["episodes"] == 6 and results[0]["success_rate"] is not None
    timing = ("seconds", "steps_per_second")
    once, twice = ({k: v for k, v in r["evaluation"].items() if k not in timing} for r in results)
    assert once == twice
    again = evaluate(EvaluateConfig(str(tmp_path / "a"), episodes=6, num_envs=2, device="cpu"))
    assert again["sampled_mean_length"] == once["sampled_mean_length"]


def test_training_lives_and_held_out_lives_never_meet():
    """Environment i of a batch takes seed first + i, so 4,096 of them stay below the held-out seeds."""
    vector, _ = make_vector_env(ROOMS, SMALL, 3)
    vector.seed(MAX_TRAINING_SEED)
    vector.reset()
    seeds = vector.unwrapped.env.state.seed
    assert int(seeds.max()) == MAX_TRAINING_SEED + 2 < 1_000_000_000


def test_a_batch_tells_when_the_target_came_into_view_and_what_decided(policy):
    played = run_episodes(policy, make_envs(ROOMS, SMALL, 32, 16, CPU), 32)
    sights = played.first_sights
    assert sights is not None and (sights <= played.lengths).all() and (sights == 0).any()
    solved = np.array([success is True for success in played.successes])
    assert (sights[solved] != NEVER).all()
    assert set(played.searches) == {"failures_that_saw_it", "steps_from_sight"} and played.success_by_kind == {}


def test_success_is_told_by_what_decides_an_instruction():
    vector, facts = make_vector_env("senseweave/Seek-v0", {}, 2)
    config = PerceptionConfig(width=16, latents=2, heads=2, state_dim=8)
    model = PPO("MultiInputPolicy", vector, seed=3, device="cpu", **ppo_settings(facts.senses, config))
    played = run_episodes(model.policy, make_envs("senseweave/Seek-v0", {}, 24, 24, CPU), 24)
    by_kind = played.success_by_kind
    counts = {kind: (played.kinds or []).count(kind) for kind in by_kind}
    assert set(by_kind) == {"look", "sound"} and sum(counts.values()) == 24
    total = sum(by_kind[kind] * counts[kind] for kind in by_kind)
    assert total == pytest.approx(24 * played.success_rate)


def test_who_cannot_see_is_not_asked_when_it_saw():
    vector, facts = make_vector_env("senseweave/Seek-v0", {"senses": "audio,instruction"}, 2)
    config = PerceptionConfig(width=16, latents=2, heads=2, state_dim=8)
    model = PPO("MultiInputPolicy", vector, seed=3, device="cpu", **ppo_settings(facts.senses, config))
    envs = make_envs("senseweave/Seek-v0", {"senses": "audio,instruction"}, 4, 4, CPU)
    played = run_episodes(model.policy, envs, 4)
    assert played.first_sights is None and played.searches == {}
