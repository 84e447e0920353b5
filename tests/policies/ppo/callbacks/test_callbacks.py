"""Callbacks of stable-baselines3's users find its names with its contents in the on-device PPO."""

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    EvalCallback,
    EveryNTimesteps,
    StopTrainingOnMaxEpisodes,
    StopTrainingOnNoModelImprovement,
)
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize, VecTransposeImage, is_vecenv_wrapped

from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception import Camera, PerceptionConfig, Spec, Vector
from senseweave.perception.errors import ConfigError
from senseweave.policies import PPO
from senseweave.policies.policy import SenseMlpPolicy
from senseweave.policies.ppo.callbacks.locals import Later, Locals
from senseweave.policies.presets import policy_settings

ROOM = {"senses": ["camera", "compass"], "max_steps": 4}
ROOM_SENSES = Spec(camera=Camera(64, 64), compass=Vector(4))
SMALL = {"n_steps": 8, "batch_size": 8, "n_epochs": 1, "device": "cpu", "seed": 0}
ENVS = ["CartPole-v1", "Pendulum-v1"]


class Keep(BaseCallback):
    """Keeps what each step showed, and what the end of a rollout showed."""

    def __init__(self):
        super().__init__()
        self.steps, self.ends, self.expected = [], [], None

    def _on_step(self):
        self.steps.append(dict(self.locals))
        return True

    def _on_rollout_end(self):
        self.ends.append(dict(self.locals))


def both(env_id, settings=SMALL):
    """What SB3's PPO and ours show a callback in the same environments."""
    shown = []
    for kind in (stable_baselines3.PPO, PPO):
        keep = Keep()
        kind("MlpPolicy", DummyVecEnv([lambda: Monitor(gymnasium.make(env_id))] * 3), **settings).learn(24, keep)
        shown.append(keep)
    return shown


@pytest.mark.parametrize("env_id", ENVS)
def test_locals_have_the_names_types_shapes_and_dtypes_of_stable_baselines3(env_id):
    theirs, ours = both(env_id)
    internal = {"idx", "done", "terminal_obs", "terminal_value"}
    for their, our in [*zip(theirs.steps, ours.steps, strict=True), *zip(theirs.ends, ours.ends, strict=True)]:
        assert their.keys() - our.keys() <= internal
        assert our["n_steps"] == their["n_steps"]
        for name in ("actions", "clipped_actions", "values", "log_probs", "new_obs", "rewards", "dones", "obs_tensor"):
            if name == "actions" and their is not theirs.steps[0] and "idx" in their:
                continue  # SB3 reshapes the variable after its step
            assert type(our[name]) is type(their[name]), name
            assert (our[name].shape, our[name].dtype) == (their[name].shape, their[name].dtype), name
        assert type(our["infos"]) is list and len(our["infos"]) == 3


@pytest.mark.parametrize("env_id", ENVS)
def test_the_tensors_on_the_device_stand_under_a_name_of_their_own(env_id):
    _, ours = both(env_id)
    for step in ours.steps:
        tensors = step["tensors"]
        assert all(isinstance(part, torch.Tensor) for part in tensors.values())
        for name in ("actions", "rewards", "dones", "new_obs", "clipped_actions"):
            assert np.array_equal(tensors[name].numpy(), step[name])


def test_new_observations_are_what_the_space_says_and_become_the_next_ones():
    _, ours = both("Pendulum-v1")
    space = gymnasium.make("Pendulum-v1").observation_space
    for before, after in zip(ours.steps, ours.steps[1:], strict=False):
        assert all(row in space for row in before["new_obs"])
        assert np.array_equal(before["new_obs"], after["obs_tensor"].numpy())


def test_new_observations_of_senses_are_a_dict_of_arrays():
    keep, env = Keep(), RoomsVectorEnv("GoToObj", 2, "cpu", senses=("grid", "instruction"))
    PPO("MultiInputPolicy", env, **SMALL).learn(16, keep)
    for step in keep.steps:
        rows = [{name: part[row] for name, part in step["new_obs"].items()} for row in range(2)]
        assert all(row in env.single_observation_space for row in rows)
        assert set(step["obs_tensor"]) == {"grid", "instruction", "present"}


class Sums(BaseCallback):
    """What users of SB3 write about `locals` and the buffer."""

    def __init__(self):
        super().__init__()
        self.episodes = 0

    def _on_step(self):
        dones, rewards = self.locals["dones"], self.locals["rewards"]
        self.episodes += int(np.sum(dones))
        assert np.any(dones) == dones.any() and np.all(~dones) == (not dones.any())
        assert np.isfinite(np.mean(rewards)) and np.isfinite(np.max(rewards)) and np.std(rewards) >= 0
        assert np.concatenate([rewards, rewards]).shape == (6,) and list(np.where(dones)[0]) == list(
            np.flatnonzero(dones)
        )
        for done, info in zip(self.locals.get("dones"), self.locals["infos"], strict=True):
            assert ("episode" in info) == done
        return True

    def _on_rollout_end(self):
        buffer = self.model.rollout_buffer
        assert np.mean(buffer.rewards) == self.locals["rollout_buffer"].rewards.mean()
        assert np.sum(buffer.episode_starts) >= 3 or self.n_calls > 8


@pytest.mark.parametrize("wrap", [lambda it: it, lambda it: [it], lambda it: CallbackList([EveryNTimesteps(1, it)])])
def test_numpys_functions_work_on_what_callbacks_see_however_they_are_nested(wrap):
    sums = Sums()
    model = PPO("MlpPolicy", DummyVecEnv([lambda: Monitor(gymnasium.make("CartPole-v1"))] * 3), **SMALL)
    model.learn(300, wrap(sums))
    assert sums.episodes == model._episode_num > 3


class Facts(gymnasium.Wrapper):
    """Tells things of all sorts at the end of an episode."""

    def step(self, action):
        *rest, info = self.env.step(action)
        facts = {"score": np.float32(0.5), "where": np.arange(2), "word": "red", "odd": self, "far": np.inf}
        return *rest, {**info, **facts}


KEYWORDS = ("score", "where", "word", "odd", "far")


@pytest.mark.parametrize(
    "watched",
    [
        lambda: DummyVecEnv([lambda: Monitor(Facts(gymnasium.make("CartPole-v1")), info_keywords=KEYWORDS)] * 2),
        lambda: VecMonitor(DummyVecEnv([lambda: Facts(gymnasium.make("CartPole-v1"))] * 2), info_keywords=KEYWORDS),
    ],
    ids=["Monitor", "VecMonitor"],
)
def test_what_a_monitor_tells_of_episodes_arrives_as_in_stable_baselines3_and_comes_back(tmp_path, watched):
    buffers = []
    for kind in (stable_baselines3.PPO, PPO):
        model = kind("MlpPolicy", watched(), **SMALL)
        model.learn(200)
        buffers.append(list(model.ep_info_buffer))
    assert len(buffers[1]) > 3
    assert {tuple(told) for told in buffers[0]} == {tuple(told) for told in buffers[1]} == {("r", "l", "t", *KEYWORDS)}
    for told in buffers[1]:
        assert told["t"] > 0 and told["score"] == 0.5 and told["odd"].env is not None and told["r"] == told["l"]
    model.save(tmp_path / "model")
    loaded = list(PPO.load(tmp_path / "model", watched(), device="cpu").ep_info_buffer)
    for told, again in zip(buffers[1], loaded, strict=True):
        assert again == told | {"where": [0, 1], "odd": None, "far": None}


def test_a_function_as_callback_sees_arrays():
    seen = []
    model = PPO("MlpPolicy", "CartPole-v1", **SMALL)
    model.learn(16, lambda local, _: seen.append(float(np.sum(local["rewards"]))) or True)
    assert seen == [1.0] * 16


def test_training_stops_after_a_number_of_episodes_as_in_stable_baselines3():
    counts = []
    for kind in (stable_baselines3.PPO, PPO):
        model = kind("MlpPolicy", "Pendulum-v1", n_steps=16, batch_size=16, n_epochs=1, device="cpu")
        model.learn(10_000, StopTrainingOnMaxEpisodes(2))
        counts.append(model.num_timesteps)
    assert counts == [400, 400]


def test_every_callback_of_stable_baselines3_works_together(tmp_path):
    env = DummyVecEnv([lambda: Monitor(gymnasium.make("CartPole-v1"))])
    judge = EvalCallback(
        env,
        callback_on_new_best=CheckpointCallback(1, str(tmp_path), "best"),
        callback_after_eval=StopTrainingOnNoModelImprovement(2, 2, verbose=0),
        eval_freq=8,
        n_eval_episodes=1,
        log_path=str(tmp_path),
        verbose=0,
    )
    model = PPO("MlpPolicy", "CartPole-v1", **SMALL)
    model.learn(64, [judge, StopTrainingOnMaxEpisodes(100), CheckpointCallback(16, str(tmp_path), "each")])
    assert (tmp_path / "each_16_steps").is_dir() and np.load(tmp_path / "evaluations.npz")["timesteps"][0] == 8


def test_nothing_is_made_for_callbacks_that_do_not_look(monkeypatch):
    made = []
    monkeypatch.setattr(Later, "get", lambda self: made.append(self))

    class Blind(BaseCallback):
        def _on_step(self):
            return "rewards" in self.locals

    model = PPO("MlpPolicy", "CartPole-v1", **SMALL)
    model.learn(32, CallbackList([Blind(), EveryNTimesteps(4, Blind())]))
    assert model.num_timesteps == 32 and not made


def test_rewards_that_a_callback_changes_are_learned_from_as_in_stable_baselines3():
    class Bonus(BaseCallback):
        def _on_step(self):
            self.locals["rewards"] += np.arange(3, dtype=np.float32)
            return True

        def _on_rollout_end(self):
            self.kept = self.model.rollout_buffer.rewards.copy()

    kept = []
    for kind in (stable_baselines3.PPO, PPO):
        bonus = Bonus()
        env = DummyVecEnv([lambda: gymnasium.make("CartPole-v1")] * 3)
        kind("MlpPolicy", env, **SMALL | {"gamma": 0.0}).learn(24, bonus)
        kept.append(bonus.kept)
    assert kept[0][0].tolist() == kept[1][0].tolist() == [1.0, 2.0, 3.0] and np.array_equal(*kept)


class OneReward(gymnasium.Env):
    """1 at the last of eight steps."""

    observation_space, action_space = spaces.Box(-1, 1, (2,)), spaces.Discrete(2)

    def __init__(self, cut):
        self.cut = cut

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.step_count = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.step_count += 1
        is_over = self.step_count == 8
        return np.zeros(2, np.float32), float(is_over), is_over and not self.cut, is_over and self.cut, {}


class Constant(SenseMlpPolicy):
    """Everything is worth 0.5."""

    def judge(self, *given):
        judgement, state = super().judge(*given)
        return judgement._replace(values=torch.full_like(judgement.values, 0.5)), state


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("gae_lambda", [1.0, 0.9])
def test_advantages_and_returns_are_those_of_the_closed_form(cut, gae_lambda):
    gamma, value = 0.98, 0.5

    class Check(BaseCallback):
        def _on_step(self):
            return True

        def _on_rollout_end(self):
            buffer = self.model.rollout_buffer
            ends = 1.0 + (gamma * value if cut else 0.0)
            assert buffer.rewards[:, 0].tolist() == pytest.approx([0.0] * 7 + [ends] + [0.0] * 7 + [ends])
            errors = np.array([gamma * value - value] * 7 + [ends - value])
            advantages = [sum((gamma * gae_lambda) ** (k - t) * errors[k] for k in range(t, 8)) for t in range(8)]
            np.testing.assert_allclose(buffer.advantages[:, 0], advantages * 2, rtol=1e-5)
            np.testing.assert_allclose(buffer.returns, buffer.advantages + value, rtol=1e-5)
            before = buffer.advantages.copy()
            buffer.compute_returns_and_advantage(self.locals["values"], self.locals["dones"])
            assert np.array_equal(before, buffer.advantages)
            self.checked = True

    check = Check()
    env = DummyVecEnv([lambda: OneReward(cut)])
    model = PPO(Constant, env, n_steps=16, batch_size=16, n_epochs=1, gamma=gamma, gae_lambda=gae_lambda, device="cpu")
    model.learn(16, check)
    assert check.checked


def buffers(env_id):
    """The buffers of SB3's PPO and ours at the end of a rollout, before any learning."""
    made = []
    for kind in (stable_baselines3.PPO, PPO):
        model = kind("MlpPolicy", DummyVecEnv([lambda: gymnasium.make(env_id)] * 2), **SMALL)
        _, callback = model._setup_learn(16)
        callback.on_training_start({}, {})
        assert model.rollout_buffer.size() == model.rollout_buffer.pos == 0 and not model.rollout_buffer.full
        model.collect_rollouts(model.env, callback, model.rollout_buffer, 8)
        made.append(model.rollout_buffer)
    return made


@pytest.mark.parametrize("env_id", ENVS)
def test_the_rollout_buffer_has_the_names_shapes_and_dtypes_of_stable_baselines3(env_id):
    theirs, ours = buffers(env_id)
    for name in ("buffer_size", "n_envs", "pos", "full", "gamma", "gae_lambda", "obs_shape", "action_dim", "device"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.size() == theirs.size() == 8
    for name in (
        "observations",
        "actions",
        "rewards",
        "episode_starts",
        "values",
        "log_probs",
        "advantages",
        "returns",
    ):
        their, our = getattr(theirs, name), getattr(ours, name)
        assert isinstance(our, np.ndarray) and our.shape == their.shape, name
        assert our.dtype == their.dtype, name
    assert ours.episode_starts[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("env_id", ENVS)
def test_samples_of_the_rollout_buffer_are_those_of_stable_baselines3(env_id):
    theirs, ours = buffers(env_id)
    for size in (None, 6):
        np.random.seed(3)
        expected = list(theirs.get(size))
        np.random.seed(3)
        for their, our in zip(expected, ours.get(size), strict=True):
            for name, part in their._asdict().items():
                other = getattr(our, name)
                assert (other.shape, other.dtype) == (part.shape, part.dtype), name
    np.random.seed(3)
    whole = next(ours.get())
    order = np.random.RandomState(3).permutation(16)
    assert np.array_equal(whole.advantages.numpy(), ours.advantages.swapaxes(0, 1).reshape(-1)[order])
    assert np.array_equal(whole.observations.numpy(), ours.observations.swapaxes(0, 1).reshape(16, -1)[order])


def test_of_a_rollout_underway_the_rest_is_zero_and_there_are_no_samples():
    class Look(BaseCallback):
        def _on_step(self):
            buffer = self.model.rollout_buffer
            if self.n_calls == 19:
                assert (buffer.pos, buffer.size(), buffer.full) == (3, 3, False)
                assert buffer.rewards[:, 0].tolist() == [1.0] * 3 + [0.0] * 5
                assert not buffer.advantages.any() and buffer.observations.shape == (8, 1, 4)
                with pytest.raises(ConfigError, match="gives samples at its end; got 3 of 8 steps"):
                    next(buffer.get())
            return True

    PPO("MlpPolicy", "CartPole-v1", **SMALL).learn(24, Look())


def test_a_dict_with_values_for_later_looks_like_a_dict_of_them():
    made = []
    locals_ = Locals(a=1, b=Later(lambda: made.append("b") or 2))
    assert "b" in locals_ and len(locals_) == 2 and list(locals_) == ["a", "b"] and not made
    assert locals_["b"] == locals_.get("b") == 2 and made == ["b"] and locals_.get("c", 3) == 3
    plain = {"a": 1, "b": 2}
    for copied in (dict(locals_), {**locals_}, locals_.copy(), locals_ | {}, {} | locals_, dict(locals_.items())):
        assert copied == plain and type(copied) is dict
    assert (
        list(locals_.values()) == [1, 2]
        and repr(locals_) == repr(plain)
        and (lambda **named: named)(**locals_) == plain
    )
    other = Locals()
    other.update(Locals(c=Later(lambda: made.append("c"))), d=4)
    assert made == ["b"] and other["d"] == 4 and other.pop("c") is None and made == ["b", "c"]


def test_evaluation_shares_the_statistics_of_vec_normalize_beside_pictures(tmp_path):
    def normalised(training=True):
        seen = DummyVecEnv([lambda: Monitor(gymnasium.make("senseweave.envs:senseweave/GoToObj-v0", **ROOM))])
        return VecNormalize(seen, training, norm_obs_keys=["compass"])

    judge = EvalCallback(normalised(training=False), eval_freq=8, n_eval_episodes=1, verbose=0, log_path=str(tmp_path))
    settings = SMALL | {"policy_kwargs": policy_settings(ROOM_SENSES, PerceptionConfig(width=16, latents=2, heads=2))}
    model = PPO("MultiInputPolicy", normalised(), **settings)
    model.learn(16, judge)
    assert judge.evaluations_timesteps == [8, 16] and not is_vecenv_wrapped(model.env, VecTransposeImage)
    ours, theirs = (env.obs_rms["compass"].mean for env in (model.get_vec_normalize_env(), judge.eval_env))
    assert np.array_equal(ours, theirs) and ours.any()
