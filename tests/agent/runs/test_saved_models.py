"""The commands on a folder that `PPO.save` wrote, and `PPO.load` on a run directory."""

import gymnasium
import pytest
import torch

from kit.saved_models import new_model
from senseweave.agent.evaluate.evaluate import evaluate
from senseweave.agent.evaluate.watch import watch
from senseweave.agent.explain.explain import explain
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.runs.policies import load_policy
from senseweave.agent.settings.evaluate import EvaluateConfig
from senseweave.agent.settings.train import TrainConfig
from senseweave.agent.settings.watch import WatchConfig
from senseweave.agent.train.train import resume, train
from senseweave.envs import make
from senseweave.perception.errors import CheckpointError, ConfigError
from senseweave.policies import PPO

OPTIONS = {"senses": ["grid", "instruction"]}


@pytest.fixture(scope="module")
def model():
    model = new_model()
    model.learn(32)
    return model


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    model.save(folder)
    return folder


def test_a_saved_model_is_evaluated_explained_and_watched_where_it_learned(saved, tmp_path):
    result = evaluate(EvaluateConfig(str(saved), episodes=2, device="cpu"))
    assert (result["env"], result["episodes"], result["trained_steps"]) == ("senseweave/GoToRedBallGrey-v0", 2, 32)
    explained = explain(EvaluateConfig(str(saved), episodes=2, device="cpu"))
    assert explained["gates"].keys() == {"grid", "instruction"}
    watched = watch(WatchConfig(policy=str(saved), out=str(tmp_path / "watched.mp4"), episodes=1, device="cpu"))
    assert watched["player"] == "policy" and (tmp_path / "watched.mp4").stat().st_size > 0


def test_the_commands_run_the_very_policy_that_was_saved(model, saved):
    run = RunDirectory.open(saved)
    env = make(run.config.train.env, **run.config.train.env_options)
    policy, steps = load_policy(run, env, torch.device("cpu"))
    assert steps == 32 and run.config.step_s == 0.1 and run.config.max_age_s == {"grid": 0.3, "instruction": 0.3}
    assert all(torch.equal(part, policy.state_dict()[name]) for name, part in model.policy.state_dict().items())
    observation, _ = env.reset(seed=1)
    assert policy.predict(observation, deterministic=True)[0] == model.predict(observation, deterministic=True)[0]


def test_other_senses_and_further_training_are_refused(saved):
    with pytest.raises(ConfigError, match="none of the senses that .* was trained with"):
        evaluate(EvaluateConfig(str(saved), env="CartPole-v1", episodes=2, device="cpu"))
    with pytest.raises(ConfigError, match="go on with PPO.load"):
        resume(saved)


def test_an_environment_without_an_id_must_be_named(tmp_path):
    model = new_model()
    model.env.unwrapped.env.spec = None
    model.save(tmp_path / "model")
    with pytest.raises(ConfigError, match="add --env ID"):
        evaluate(EvaluateConfig(str(tmp_path / "model"), episodes=2, device="cpu"))
    named = EvaluateConfig(
        str(tmp_path / "model"), env="senseweave/GoToObj-v0", env_options=OPTIONS, episodes=2, device="cpu"
    )
    assert evaluate(named)["env"] == "senseweave/GoToObj-v0"


def test_a_model_without_a_perception_of_senseweave_is_refused(tmp_path):
    PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8, device="cpu").save(tmp_path / "model")
    with pytest.raises(CheckpointError, match="has no perception of senseweave"):
        RunDirectory.open(tmp_path / "model")


def test_the_policy_of_a_run_directory_predicts_and_learns_on(trained):
    run = RunDirectory.open(trained)
    env = make(run.config.train.env, **run.config.train.env_options)
    observation, _ = env.reset(seed=1)
    policy, _ = load_policy(run, env, torch.device("cpu"))
    loaded = PPO.load(trained, device="cpu")
    assert loaded.predict(observation, deterministic=True)[0] == policy.predict(observation, deterministic=True)[0]
    goes_on = PPO.load(trained, gymnasium.wrappers.RecordEpisodeStatistics(env), device="cpu", n_steps=8, batch_size=8)
    goes_on.learn(8, reset_num_timesteps=False)
    assert goes_on.num_timesteps == 512 + 8


def test_a_model_whose_schedule_was_left_out_is_evaluated_all_the_same(tmp_path):
    model = new_model(learning_rate=lambda progress: 1e-3 * progress)
    model.learn(32)
    model.save(tmp_path / "model", exclude=["learning_rate"])
    assert evaluate(EvaluateConfig(str(tmp_path / "model"), episodes=2, device="cpu"))["episodes"] == 2


def test_a_run_whose_actions_are_numbers_is_loaded_with_its_environment(tmp_path):
    train(TrainConfig(env="Pendulum-v1", steps=16, num_envs=1, evaluation_episodes=0, video=False), tmp_path / "run")
    with pytest.raises(ConfigError, match="does not tell its actions; give `env`"):
        PPO.load(tmp_path / "run")
    model = PPO.load(tmp_path / "run", make("Pendulum-v1"))
    assert model.predict(model.observation_space.sample())[0].shape == (1,)


def test_an_explanation_needs_more_than_one_episode(saved):
    with pytest.raises(ConfigError, match="`episodes` must be at least 2"):
        explain(EvaluateConfig(str(saved), episodes=1, device="cpu"))
