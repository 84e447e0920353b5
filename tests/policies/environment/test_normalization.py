"""What `VecNormalize` knows is saved with a model, goes back into a new one, and is applied by the commands."""

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from kit.worlds.scripted import ScriptedWorld
from senseweave.agent.evaluate.evaluate import evaluate
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.runs.policies import load_policy
from senseweave.agent.settings.evaluate import EvaluateConfig
from senseweave.envs import adapt, make
from senseweave.perception.checks import choose_device
from senseweave.perception.errors import CheckpointError, ConfigError
from senseweave.policies import PPO, PerceptionExtractor
from senseweave.policies.environment.normalization import Normalization
from senseweave.policies.saving.sealed import write_sealed

WORLD = "FarWorld-v0"


class FarWorld(gymnasium.Env[Any, Any]):
    """Joints in degrees around 100; 1 for the action that their side tells."""

    observation_space = spaces.Dict({"joints": spaces.Box(-400, 400, (2,)), "touch": spaces.Box(-1, 1, (1,))})
    action_space = spaces.Box(-1, 1, (2,))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.seen = {"joints": self.np_random.normal(100, 50, 2).astype("f4"), "touch": np.zeros(1, "f4")}
        self.steps = 0
        return self.seen, {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        return self.seen, float(-np.abs(action).sum()), self.steps >= 3, False, {}


def policy() -> dict[str, Any]:
    config = {"width": 16, "latents": 2, "heads": 2, "state_dim": 8}
    own = {"features_extractor_class": PerceptionExtractor, "net_arch": [8]}
    return own | {"features_extractor_kwargs": {"config": config}}


def environments(*names: str, **options: Any) -> VecNormalize:
    gymnasium.registry.pop(WORLD, None)
    gymnasium.register(WORLD, entry_point=FarWorld)
    vector = DummyVecEnv([lambda: make(WORLD)] * 2)
    return VecNormalize(vector, **({"norm_obs_keys": list(names)} | options))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[PPO, Path]:
    env = environments("joints")
    model = PPO(
        "MultiInputPolicy", env, n_steps=32, batch_size=32, n_epochs=1, workers=1, policy_kwargs=policy(), seed=0
    )
    model.learn(128)
    model.policy.action_net.weight.data.mul_(100)  # so that a difference shows
    folder = tmp_path_factory.mktemp("far") / "model"
    model.save(folder)
    return model, folder


def test_a_saved_model_holds_its_statistics_bit_for_bit(trained: tuple[PPO, Path]) -> None:
    model, folder = trained
    again = PPO.load(folder)
    theirs: Any = model.env
    known = again.normalization
    assert known is not None and list(known.senses) == ["joints"]
    assert known.senses["joints"].mean.tolist() == theirs.obs_rms["joints"].mean.tolist()
    assert known.senses["joints"].var.tolist() == theirs.obs_rms["joints"].var.tolist()
    assert known.senses["joints"].count == theirs.obs_rms["joints"].count > 100
    assert known.returns is not None and float(known.returns.var) == float(theirs.ret_rms.var)
    assert 50 < known.senses["joints"].mean[0] < 150


def test_what_it_gives_is_what_vec_normalize_gives(trained: tuple[PPO, Path]) -> None:
    model, folder = trained
    raw = {
        "joints": np.array([[90.0, 1e9], [np.nan, 3.0]], "f4"),
        "touch": np.zeros((2, 1), "f4"),
        "present": np.ones((2, 2)),
    }
    theirs: Any = model.env
    ours = PPO.load(folder).normalization.normalize(raw)
    for name, part in theirs.normalize_obs(raw).items():
        np.testing.assert_array_equal(ours[name], part)


def test_commands_apply_it_to_plain_numbers(trained: tuple[PPO, Path]) -> None:
    model, folder = trained
    env = make(WORLD)
    policy, _ = load_policy(RunDirectory.open(str(folder)), env, choose_device("cpu"))
    theirs: Any = model.env
    for seed in range(5):
        raw, _ = env.reset(seed=seed)
        told, _ = policy.predict(raw, deterministic=True)
        expected, _ = model.predict(theirs.normalize_obs(raw), deterministic=True)
        np.testing.assert_allclose(told, expected, rtol=1e-4, atol=1e-5)
        wrong, _ = model.predict(raw, deterministic=True)
        assert np.abs(wrong - expected).max() > 1e-3
    gone = raw | {"present": env.get_wrapper_attr("senses").present("joints")}
    np.testing.assert_allclose(policy.predict(gone, deterministic=True)[0], model.predict(gone, deterministic=True)[0])


def test_an_evaluation_plays_what_was_trained(trained: tuple[PPO, Path]) -> None:
    model, folder = trained
    result = evaluate(EvaluateConfig(run=str(folder), env=WORLD, episodes=4, greedy=True))
    env, theirs, total = make(WORLD), model.env, 0.0
    for episode in range(4):
        raw, _ = env.reset(seed=result["first_seed"] + episode)
        is_over = False
        while not is_over:
            action, _ = model.predict(theirs.normalize_obs(raw), deterministic=True)  # pyright: ignore
            raw, reward, is_over, _, _ = env.step(action)
            total += reward
    assert result["mean_return"] == pytest.approx(total / 4, rel=1e-4)


def test_training_goes_on_with_a_new_wrapper_and_with_one_that_knows_more(trained: tuple[PPO, Path]) -> None:
    model, folder = trained
    theirs: Any = model.env
    again = PPO.load(folder, environments("joints"))
    own: Any = again.env
    assert own.obs_rms["joints"].mean.tolist() == theirs.obs_rms["joints"].mean.tolist()
    assert float(own.ret_rms.var) == float(theirs.ret_rms.var)
    again.learn(64, reset_num_timesteps=False)
    assert own.obs_rms["joints"].count > theirs.obs_rms["joints"].count
    assert (
        again.normalization is not None and again.normalization.senses["joints"].count == theirs.obs_rms["joints"].count
    )
    knows = environments("joints")
    knows.reset()
    count = knows.obs_rms["joints"].count
    PPO.load(folder, knows)
    assert knows.obs_rms["joints"].count == count


def test_without_the_wrapper_training_is_refused_with_the_line_that_helps(trained: tuple[PPO, Path]) -> None:
    _, folder = trained
    with pytest.raises(
        ConfigError, match="learned behind VecNormalize over joints; got environments with none"
    ) as caught:
        PPO.load(folder, make(WORLD))
    line = str(caught.value).partition("Wrap them, ")[2].removesuffix(".")
    wrapped = eval(line, {"VecNormalize": VecNormalize, "env": DummyVecEnv([lambda: make(WORLD)])})
    PPO.load(folder, wrapped)
    with pytest.raises(ConfigError, match="got environments with one over touch"):
        PPO.load(folder, environments("touch"))


def test_a_model_that_was_loaded_without_environments_keeps_it(trained: tuple[PPO, Path], tmp_path: Path) -> None:
    _, folder = trained
    PPO.load(folder).save(tmp_path / "again")
    assert PPO.load(tmp_path / "again").normalization.to_json() == PPO.load(folder).normalization.to_json()


def test_rewards_alone_and_vectors_alone_are_kept_too(tmp_path: Path) -> None:
    model = PPO("MultiInputPolicy", environments(norm_obs=False), n_steps=8, batch_size=8, policy_kwargs=policy())
    model.learn(16)
    model.save(tmp_path / "rewards")
    assert PPO.load(tmp_path / "rewards").normalization.senses == {}
    PPO.load(tmp_path / "rewards", make(WORLD))
    bare = VecNormalize(DummyVecEnv([lambda: ScriptedWorld(spaces.Box(-9, 9, (3,)), ends_after=3)]))
    model = PPO("MlpPolicy", bare, n_steps=8, batch_size=8).learn(8)
    model.save(tmp_path / "bare")
    raw = np.array([1.0, 2.0, 3.0], np.float32)
    again = PPO.load(tmp_path / "bare")
    np.testing.assert_array_equal(again.normalization.normalize(raw), bare.normalize_obs(raw))
    with pytest.raises(ConfigError, match="over its observation; got environments with none.*norm_obs_keys=None"):
        PPO.load(tmp_path / "bare", ScriptedWorld(spaces.Box(-9, 9, (3,)), ends_after=3))


def test_older_files_say_nothing_of_it_and_damaged_ones_are_refused(trained: tuple[PPO, Path], tmp_path: Path) -> None:
    content = json.loads((trained[1] / "config.json").read_text())
    PPO.load(trained[1]).save(folder := tmp_path / "old")
    content = {
        name: part for name, part in json.loads((folder / "config.json").read_text()).items() if name != "sha256"
    }
    known = content.pop("normalization")
    write_sealed(folder / "config.json", content)
    assert PPO.load(folder).normalization is None
    for damage in (
        {"senses": 3},
        known | {"clip": "far"},
        known | {"senses": {"joints": {"mean": [0], "var": [-1], "count": 1}}},
    ):
        write_sealed(folder / "config.json", content | {"normalization": damage})
        with pytest.raises(CheckpointError, match="normalization is described in another way"):
            PPO.load(folder)


def test_a_plain_model_says_none() -> None:
    assert Normalization.of(None) is None
    assert Normalization.of(DummyVecEnv([lambda: adapt(FarWorld())])) is None
