"""The on-device PPO as users of stable-baselines3 know it: learn, predict, callbacks, logger, schedules, seeds."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CheckpointCallback,
    EvalCallback,
    StopTrainingOnRewardThreshold,
)
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import configure
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecNormalize

from kit.worlds.cue import CueWorld
from kit.worlds.noise import Noise, noises
from senseweave.envs.rooms.env import RoomsEnv
from senseweave.envs.rooms.sb3_vec_env import RoomsSB3VecEnv
from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception import PerceptionConfig
from senseweave.perception.errors import ConfigError
from senseweave.policies import PPO
from senseweave.policies.ppo.sources import ArrayEnvironments, TensorEnvironments
from senseweave.policies.ppo.vec_env import GymnasiumVecEnv
from senseweave.policies.presets import policy_settings

CONFIG = PerceptionConfig(width=16, latents=2, heads=2, state_dim=16)
ROOMS = {"level": "GoToObj", "device": "cpu", "max_steps": 6}
SYMBOLS = {"senses": ("grid", "instruction")}


def small(env=None, policy="MlpPolicy", **settings):
    """A PPO with a small network; four noisy environments where nothing else is said."""
    settings = {"n_steps": 8, "batch_size": 16, "n_epochs": 2, "seed": 0, "device": "cpu"} | settings
    settings.setdefault("policy_kwargs", {"net_arch": [16]})
    return PPO(policy, noises() if env is None else env, **settings)


def rooms(env, senses, **settings):
    """A PPO with the small perception, for rooms."""
    kwargs = policy_settings(senses, CONFIG) | {"net_arch": [16]} | settings.pop("policy_kwargs", {})
    return small(env, "MultiInputPolicy", policy_kwargs=kwargs, **settings)


def weights(model):
    return torch.cat([part.detach().flatten() for part in model.policy.parameters()])


class Note(BaseCallback):
    """Counts what a callback is called for, and keeps the latest locals."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.stop_at, self.steps, self.rollouts, self.seen = stop_at, 0, [], {}

    def _on_rollout_start(self):
        self.rollouts.append("start")

    def _on_step(self):
        self.steps += 1
        self.seen = dict(self.locals)
        return self.steps != self.stop_at

    def _on_rollout_end(self):
        self.rollouts.append("end")


def test_callbacks_run_once_for_all_environments():
    note = Note()
    model = small().learn(64, callback=note)
    assert (note.steps, note.rollouts, note.num_timesteps) == (16, ["start", "end"] * 2, 64)
    assert len(note.seen["infos"]) == 4 and model.num_timesteps == 64


def test_a_callback_that_returns_false_stops_and_learning_can_go_on_from_there():
    model = small()
    model.learn(10**6, callback=Note(stop_at=11))
    assert model.num_timesteps == 44 and model._n_updates == 2
    model.learn(32, reset_num_timesteps=False)
    assert model.num_timesteps == 76


def test_learning_goes_on_after_a_callback_that_could_not_begin():
    class Broken(Note):
        def _init_callback(self):
            raise OSError("no log")

    model = small()
    with pytest.raises(OSError, match="no log"):
        model.learn(32, callback=Broken())
    assert model.learn(32, reset_num_timesteps=False).num_timesteps == 32


def test_plain_functions_and_lists_are_callbacks_too():
    called = []
    small().learn(32, callback=[Note(), BaseFunction(called)])
    small().learn(32, callback=lambda local, other: called.append(len(local["dones"])) or True)
    assert called == ["step"] * 8 + [4] * 8


class BaseFunction(BaseCallback):
    def __init__(self, called):
        super().__init__()
        self.called = called

    def _on_step(self):
        self.called.append("step")
        return True


def test_evaluation_stops_training_at_a_reward(tmp_path):
    stop = StopTrainingOnRewardThreshold(-100.0, verbose=0)
    callback = EvalCallback(
        noises(), stop, eval_freq=3, n_eval_episodes=4, verbose=0, log_path=str(tmp_path), deterministic=False
    )
    model = small()
    model.learn(10**6, callback=callback)
    assert model.num_timesteps == 12 and callback.last_mean_reward > -100
    assert (tmp_path / "evaluations.npz").exists()


def test_evaluation_of_rooms_carries_the_memory(tmp_path):
    env, other = (RoomsVectorEnv(num_envs=4, **ROOMS, **SYMBOLS) for _ in range(2))
    model = rooms(env, env.senses, policy_kwargs={"memory": "gru"})
    callback = EvalCallback(GymnasiumVecEnv(other), eval_freq=8, n_eval_episodes=4, verbose=0)
    model.learn(32, callback=callback)
    assert 0 <= callback.last_mean_reward <= 1
    assert len(evaluate_policy(model, GymnasiumVecEnv(other), 4, return_episode_rewards=True)[0]) == 4


def test_checkpoints_of_a_callback_can_be_loaded(tmp_path):
    model = small()
    model.learn(64, callback=CheckpointCallback(8, str(tmp_path / "models"), name_prefix="model"))
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["model_32_steps", "model_64_steps"]
    second = PPO.load(tmp_path / "models" / "model_64_steps", device="cpu")
    assert second.num_timesteps == 64
    assert torch.equal(weights(second), weights(small().learn(32)))  # written before the second update


def test_the_logger_tells_what_sb3s_tells(tmp_path):
    model = small(clip_range_vf=0.2)
    model.set_logger(configure(str(tmp_path), ["csv"]))
    model.learn(64)
    model.logger.close()
    columns = set((tmp_path / "progress.csv").read_text().splitlines()[0].split(","))
    assert columns >= {
        *("rollout/ep_len_mean", "rollout/ep_rew_mean", "rollout/success_rate", "time/fps", "time/iterations"),
        *("time/total_timesteps", "train/approx_kl", "train/clip_fraction", "train/clip_range", "train/clip_range_vf"),
        *("train/entropy_loss", "train/explained_variance", "train/learning_rate", "train/loss", "train/n_updates"),
        *("train/policy_gradient_loss", "train/value_loss"),
    }


def test_schedules_follow_the_progress():
    told = []

    class Tell(BaseCallback):
        def _on_step(self):
            return True

        def _on_rollout_start(self):
            told.append({key: self.logger.name_to_value.get(f"train/{key}") for key in ("learning_rate", "clip_range")})

        _on_training_end = _on_rollout_start

    small(learning_rate=lambda left: 0.01 * left, clip_range=lambda left: 0.2 * left).learn(96, callback=Tell())
    assert [row["learning_rate"] for row in told[1:]] == pytest.approx([0.01 * part for part in (2 / 3, 1 / 3, 0.0)])
    assert [row["clip_range"] for row in told[1:]] == pytest.approx([0.2 * part for part in (2 / 3, 1 / 3, 0.0)])


def test_a_last_rollout_that_is_too_long_does_not_turn_the_sign_of_the_learning_rate():
    before_last = []

    class Keep(BaseCallback):
        def _on_step(self):
            return True

        def _on_rollout_end(self):
            before_last.append(weights(self.model))

    model = small(learning_rate=lambda left: 0.01 * left)
    model.learn(72, callback=Keep())  # rollouts of 32: the third ends at 96
    assert model.num_timesteps == 96 and len(before_last) == 3
    assert not torch.equal(before_last[1], before_last[2]) and torch.equal(before_last[2], weights(model))


@pytest.mark.parametrize("memory", ["none", "gru"])
def test_the_same_seed_gives_the_same_weights_bit_for_bit_and_another_one_others(memory):
    ends = []
    for seed in (0, 0, 1):
        env = RoomsVectorEnv(num_envs=4, **ROOMS, **SYMBOLS)
        model = rooms(env, env.senses, policy_kwargs={"memory": memory}, seed=seed)
        ends.append(weights(model.learn(64)))
    assert torch.equal(ends[0], ends[1]) and not torch.equal(ends[0], ends[2])


def test_learning_goes_on_without_a_reset_and_begins_anew_with_one():
    env = CueWorld(5)
    model = small(env, "MultiInputPolicy", batch_size=20)
    resets = []
    reset = env.reset
    env.reset = lambda **options: resets.append(options) or reset(**options)
    model.learn(40)
    place = env.place.clone()
    model.learn(40, reset_num_timesteps=False)
    assert model.num_timesteps == 80 and len(resets) == 1 and torch.equal(env.place, (place + 8) % 6)
    model.learn(40)
    assert model.num_timesteps == 40 and len(resets) == 2
    assert [options["seed"] for options in resets] == [0, None]  # the seed counts once, as in SB3


def test_a_model_takes_another_environment():
    model = small().learn(32)
    other = noises()
    model.set_env(other)
    assert model.get_env() is other and model.get_vec_normalize_env() is None
    model.learn(32, reset_num_timesteps=False)
    assert model.num_timesteps == 64
    with pytest.raises(AssertionError, match="number of environments"):
        model.set_env(noises(number=3))
    with pytest.raises(ValueError, match="Action spaces do not match"):
        model.set_env(noises("Box"))


def test_predict_gives_what_the_environment_takes():
    model = small(noises("Box"))
    actions, state = model.predict(model.get_env().reset())
    assert actions.shape == (4, 2) and state is None and np.abs(actions).max() <= 0.5


def test_cart_pole_is_learned():
    env = make_vec_env("CartPole-v1", 8, seed=0)
    settings = {"n_steps": 32, "batch_size": 256, "n_epochs": 10, "gamma": 0.98, "gae_lambda": 0.8, "workers": 1}
    model = PPO("MlpPolicy", env, learning_rate=3e-3, seed=0, device="cpu", **settings)
    model.learn(15_000)
    latest = [told["r"] for told in model.ep_info_buffer][-20:]
    assert np.mean(latest) > 100, latest


@pytest.mark.parametrize("actions", ["Box", "MultiDiscrete", "MultiBinary"])
def test_every_kind_of_action_is_played(actions):
    before = small(noises(actions))
    start = weights(before).clone()
    assert not torch.equal(start, weights(before.learn(64)))


def test_pendulum_is_given_actions_within_its_limits():
    class Strict(gymnasium.ActionWrapper):
        def action(self, action):
            assert self.action_space.contains(action), action
            return action

    model = small(Strict(gymnasium.make("Pendulum-v1")), n_steps=32)
    with torch.no_grad():
        model.policy.log_std.fill_(3.0)
    model.learn(64)
    assert model.rollout.actions.abs().max() > 2  # the policy's own are not cut off


def test_observations_and_rewards_can_be_normalised():
    env = VecNormalize(noises())
    model = small(env).learn(128)
    assert model.get_vec_normalize_env() is env and env.obs_rms.count > 100
    seen = model.rollout.observations()[""]
    assert seen.std() > 0.7 and model.rollout.rewards.abs().max() <= 10


@pytest.mark.parametrize("kind", [SyncVectorEnv, AsyncVectorEnv])
def test_gymnasiums_vector_environments_train_as_sb3s_do(kind):
    vector = kind([Noise] * 4, autoreset_mode=AutoresetMode.SAME_STEP)
    made = small(vector).learn(96)
    vector.close()
    expected = small().learn(96)
    torch.testing.assert_close(weights(made), weights(expected), rtol=1e-4, atol=1e-6)
    assert list(made.ep_success_buffer) == list(expected.ep_success_buffer)


def test_a_vector_environment_that_resets_in_the_next_step_is_refused():
    with pytest.raises(ConfigError, match="in the step that ends one; got autoreset mode AutoresetMode.NEXT_STEP"):
        small(SyncVectorEnv([Noise] * 4))


def test_single_environments_with_frames_are_trained_as_sb3_hands_them_over():
    """SB3 moves the channels of frames to the front."""
    options = {"level": "SeekSeen", "size": "small", "camera_size": 16, "max_steps": 6}
    env = make_vec_env(lambda: RoomsEnv(**options), 2, seed=0)
    model = rooms(env, env.get_attr("senses")[0]).learn(32)
    assert model.rollout.observations()["camera"].dtype == torch.uint8
    assert model.observation_space["camera"].shape == (3, 16, 16)


def test_frames_that_sb3_divides_by_255_are_understood():
    options = {"level": "SeekSeen", "size": "small", "camera_size": 16, "max_steps": 6, "device": "cpu"}
    for normalize in (True, False):
        env = RoomsVectorEnv(num_envs=4, **options)
        model = rooms(env, env.senses, policy_kwargs={"normalize_images": normalize})
        model.learn(32)
        assert isinstance(model.environments, TensorEnvironments)


class SeededAsSB3(RoomsVectorEnv):
    """Seeds as SB3's view of rooms has them: (seed + i, 0)."""

    def reset(self, *, seed=None, options=None):
        lives = seed if seed is None else [seed + number for number in range(self.num_envs)]
        return super().reset(seed=lives, options=options)


def test_a_batch_of_rooms_trains_as_its_view_for_sb3_does():
    """Camera, sound and words, with time limits that cut off."""
    options = {"level": "Seek", "size": "small", "camera_size": 16, "num_envs": 4, "device": "cpu", "max_steps": 5}
    direct = SeededAsSB3(**options)
    view = RoomsSB3VecEnv(**options)
    plain = {"optimizer_class": torch.optim.SGD, "optimizer_kwargs": {}}  # Adam makes much of rounding near 0
    made = rooms(direct, direct.senses, policy_kwargs=plain, learning_rate=0.05).learn(64)
    expected = rooms(view, direct.senses, policy_kwargs=plain, learning_rate=0.05).learn(64)
    assert isinstance(made.environments, TensorEnvironments) and isinstance(expected.environments, ArrayEnvironments)
    torch.testing.assert_close(made.rollout.rewards, expected.rollout.rewards)
    assert torch.equal(made.rollout.actions, expected.rollout.actions)
    torch.testing.assert_close(weights(made), weights(expected), rtol=1e-4, atol=1e-6)
    assert list(made.ep_success_buffer) == list(expected.ep_success_buffer) and len(made.ep_success_buffer) >= 8


def test_observations_of_a_batch_never_become_arrays(monkeypatch):
    env = RoomsVectorEnv(num_envs=4, **ROOMS, **SYMBOLS)
    model = rooms(env, env.senses)
    converted = []

    def refuse(self, *given, **options):
        converted.append(tuple(self.shape))
        return original(self, *given, **options)

    original = torch.Tensor.numpy
    monkeypatch.setattr(torch.Tensor, "numpy", refuse)
    model.learn(64)
    assert not converted


def test_time_limits_are_followed_by_what_the_value_head_expects():
    """Without an end of its own an episode is worth what comes after it."""
    env = CueWorld(4)
    step = env.step

    def cut(actions):
        observation, reward, ends, _, infos = step(actions)
        return observation, torch.zeros_like(reward), torch.zeros_like(ends), ends, infos

    model = small(env, "MultiInputPolicy", n_steps=6, batch_size=24, gamma=0.5, gae_lambda=1.0)
    with torch.no_grad():
        model.policy.value_net.weight.zero_()
        model.policy.value_net.bias.fill_(8.0)
    env.step = cut
    _, callback = model._setup_learn(24)
    model.collect_rollouts(model.env, callback, model.rollout_buffer, 6)
    rewards, starts = model.rollout.rewards, model.rollout.starts
    assert torch.equal(rewards[:-1] == 4.0, starts[1:]) and set(rewards.unique().tolist()) == {0.0, 4.0}


def test_what_is_not_known_is_refused_in_one_sentence():
    for settings, message in (
        ({"use_sde": True}, "knows no `use_sde`"),
        ({"workers": 0}, "`workers` must be a whole number of at least 1; got 0"),
        ({"clip_range_vf": -0.1}, "`clip_range_vf` must be above 0; got -0.1"),
        ({"auxiliary": {"instruction_words": 1.0}}, "need a policy with a PerceptionExtractor"),
    ):
        with pytest.raises(ConfigError, match=message):
            small(**settings)
    with pytest.raises(ConfigError, match="derived from SensePolicy; got ActorCriticPolicy"):
        small(policy=ActorCriticPolicy)
