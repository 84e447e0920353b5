import json
import shutil
import zipfile
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import CheckpointCallback, EvalCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.utils import LinearSchedule
from torch import nn

from faults.kill_campaign import spawn
from kit.saved_models import everything, new_model, world
from senseweave.perception.errors import CheckpointError, ConfigError, SenseweaveError, TokenizerMismatchError
from senseweave.perception.files import read_tensors, write_tensors
from senseweave.policies import PPO
from senseweave.policies.policy import SenseMlpPolicy
from senseweave.policies.presets import Linear, linear
from senseweave.policies.saving.json_spaces import describe_space, read_space, same_to_a_policy
from senseweave.policies.saving.sealed import read_sealed, write_sealed

TESTS = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trained():
    model = new_model()
    model.learn(64)
    return model


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    """A folder that holds `trained`; do not change it."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    trained.save(folder)
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def edit(folder, change):
    content = read_sealed(folder / "config.json", "senseweave.model", 1)
    change(content)
    write_sealed(folder / "config.json", content)


def cart_poles(count=2):
    return stable_baselines3.common.vec_env.DummyVecEnv([lambda: Monitor(gymnasium.make("CartPole-v1"))] * count)


def small(env=None, **settings):
    return PPO("MlpPolicy", env or cart_poles(), **{"n_steps": 8, "batch_size": 8, "device": "cpu"} | settings)


def test_a_saved_model_goes_on_in_a_new_process_exactly_as_the_one_that_never_stopped(tmp_path):
    model = new_model()
    model.learn(64)
    model.save(tmp_path / "model")
    script = f"import sys; sys.path.insert(0, {str(TESTS)!r}); from kit import saved_models\n"
    script += "saved_models.train_a_saved_model(*sys.argv[1:])"
    with spawn(["-c", script, str(tmp_path / "model"), str(tmp_path / "end")]) as process:
        model.learn(64, reset_num_timesteps=False)
        assert process.wait(100) == 0
    end, _ = read_tensors(tmp_path / "end")
    assert end.pop("counters").tolist() == [model.num_timesteps, model._n_updates, model._episode_num]
    own = everything(model)
    assert own.keys() == end.keys()
    assert [name for name in own if not torch.equal(own[name], end[name])] == []
    assert any(name.startswith("world.learner.memory") for name in own)


def test_a_loaded_model_has_the_same_settings_parameters_and_counters(trained, saved):
    loaded = PPO.load(saved, device="cpu")
    assert loaded.learning_rate == Linear(1e-3) and loaded.clip_range(1.0) == 0.2
    for name in ("n_steps", "batch_size", "n_epochs", "gae_lambda", "ent_coef", "seed", "auxiliary_weights"):
        assert getattr(loaded, name) == getattr(trained, name)
    assert (loaded.num_timesteps, loaded._n_updates, loaded.workers.count) == (64, trained._n_updates, 2)
    assert loaded.policy.memory is not None and loaded.policy.senses == trained.policy.senses
    assert list(loaded.ep_info_buffer) == list(trained.ep_info_buffer)
    own, other = trained.get_parameters(), loaded.get_parameters()
    assert own.keys() == other.keys() == {"policy", "policy.optimizer"}
    assert all(torch.equal(part, other["policy"][name]) for name, part in own["policy"].items())


def test_without_an_environment_a_loaded_model_predicts_the_same_and_does_not_learn(trained, saved):
    loaded = PPO.load(saved, device="cpu")
    observation = {name: part.numpy() for name, part in world().reset(seed=1)[0].items()}
    actions, state = trained.predict(observation, deterministic=True)
    again, same = loaded.predict(observation, deterministic=True)
    assert np.array_equal(actions, again) and np.array_equal(state[0], same[0])
    with pytest.raises((ConfigError, AssertionError)):
        loaded.learn(8)


def test_a_model_that_was_loaded_without_environments_can_be_saved_again(saved, tmp_path):
    PPO.load(saved, device="cpu").save(tmp_path / "again")
    first, again = (read_sealed(path / "config.json", "senseweave.model", 1) for path in (saved, tmp_path / "again"))
    different = {name for name in first if first[name] != again[name]}
    assert different == {"save", "checkpoint"}
    assert first["environment"]["id"] == "senseweave/GoToRedBallGrey-v0"


def test_other_environments_begin_new_episodes_and_that_is_told(saved):
    for other in (world("GoToObj"), world(num_envs=8), world(outages=0.5)):
        with pytest.warns(UserWarning, match="begin new episodes"):
            loaded = PPO.load(saved, other, device="cpu")
        assert loaded._last_obs is None
    loaded.learn(8, reset_num_timesteps=False)
    assert loaded.num_timesteps > 64


def test_new_episodes_can_be_asked_for(saved, recwarn):
    assert PPO.load(saved, world(), device="cpu")._last_obs is not None
    assert PPO.load(saved, world(), device="cpu", force_reset=True)._last_obs is None
    assert not [found for found in recwarn if "begin new episodes" in str(found.message)]


def test_a_loss_that_needs_the_environments_instructions_comes_back_without_them(tmp_path):
    model = new_model(world("GoToObj"), auxiliary={"mission": 0.1})
    model.learn(32)
    model.save(tmp_path / "model")
    loaded = PPO.load(tmp_path / "model", device="cpu")
    assert torch.equal(loaded.auxiliary["mission"].guess.weight, model.auxiliary["mission"].guess.weight)
    loaded = PPO.load(tmp_path / "model", world("GoToObj"), device="cpu")
    loaded.learn(32, reset_num_timesteps=False)
    with pytest.warns(UserWarning, match="auxiliary losses are not the saved ones"):
        loaded = PPO.load(tmp_path / "model", world("GoToLocal"), device="cpu")
    loaded.learn(32)


def test_to_go_on_without_the_checkpoint_is_told_and_to_predict_is_not(copy, trained):
    shutil.rmtree(copy / "checkpoints")
    observation = trained.env.reset()
    alone = PPO.load(copy)
    assert np.array_equal(
        alone.predict(observation, deterministic=True)[0], trained.predict(observation, deterministic=True)[0]
    )
    with pytest.warns(UserWarning, match="is missing: the weights are whole, but the optimiser"):
        model = PPO.load(copy, world())
    assert not model.policy.optimizer.state and model.num_timesteps == trained.num_timesteps


def test_an_environment_with_other_spaces_is_refused(saved):
    with pytest.raises(ConfigError, match="observation_space must be"):
        PPO.load(saved, world(compass=True), device="cpu")


def test_saving_again_replaces_what_was_there(tmp_path):
    model = small()
    model.save(tmp_path / "model")
    first = {path.name for path in (tmp_path / "model" / "checkpoints").iterdir()}
    with torch.no_grad():
        model.policy.value_net.bias.fill_(7.0)
    model.save(str(tmp_path / "model.zip"))  # at the same step, and as callbacks name it
    second = {path.name for path in (tmp_path / "model" / "checkpoints").iterdir()}
    assert len(first) == len(second) == 1 and first != second
    assert PPO.load(tmp_path / "model.zip", device="cpu").policy.value_net.bias.tolist() == [7.0]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_callbacks_of_stable_baselines3_save_and_what_they_save_loads(tmp_path):
    keep = CheckpointCallback(4, str(tmp_path), "cart")
    judge = EvalCallback(cart_poles(1), eval_freq=8, best_model_save_path=str(tmp_path), n_eval_episodes=1, verbose=0)
    small().learn(32, [keep, judge])
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} >= {
        "cart_8_steps",
        "cart_16_steps",
        "best_model",
    }
    for name in ("cart_16_steps", "cart_16_steps.zip", "best_model"):
        loaded = PPO.load(str(tmp_path / name), cart_poles(), device="cpu")
    loaded.learn(16, reset_num_timesteps=False)


def test_a_zip_of_stable_baselines3_is_refused_in_one_sentence_and_never_opened(tmp_path, monkeypatch):
    stable_baselines3.PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8, device="cpu").save(tmp_path / "theirs")
    monkeypatch.setattr(zipfile.ZipFile, "__init__", lambda *_, **__: pytest.fail("the zip was opened"))
    for name in ("theirs", "theirs.zip"):
        for attempt in (PPO.load, small().set_parameters):
            with pytest.raises(CheckpointError, match="run code from the file") as failure:
                attempt(tmp_path / name)
            assert "\n" not in str(failure.value)


def test_what_is_not_there_or_of_another_sort_is_told_in_one_sentence(copy, tmp_path):
    with pytest.raises(CheckpointError, match="There is no folder"):
        PPO.load(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="cannot be read"):
        PPO.load(tmp_path / "empty")
    edit(copy, lambda content: content.update(version=2))
    with pytest.raises(CheckpointError, match="version 1; got 'senseweave.model', 2"):
        PPO.load(copy)


def test_a_folder_of_something_else_is_not_overwritten(tmp_path):
    (tmp_path / "config.json").write_text('{"format": "mine"}')
    with pytest.raises(CheckpointError, match="of another sort"):
        small().save(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="is a file"):
        small().save(tmp_path / "file")
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "file"}
    assert json.loads((tmp_path / "config.json").read_text()) == {"format": "mine"}


def test_another_tokenizer_is_refused(copy):
    edit(copy, lambda content: content.update(tokenizer="senseweave-1:0000"))
    with pytest.raises(TokenizerMismatchError, match="another|tokenizer senseweave-1:0000"):
        PPO.load(copy)


@pytest.mark.parametrize("where", ["policy", "n_steps", "n_epochs", "gamma", "seed", "batch_size"])
@pytest.mark.parametrize("value", [{}, [""], {"$class": {}}, {"$class": ["Adam"]}, {"": 0}, "", 1e300], ids=repr)
def test_whatever_stands_in_the_place_of_a_setting_is_one_sentence(copy, where, value):
    def put(content):
        (content if where == "policy" else content["settings"])[where] = value

    edit(copy, put)
    try:
        PPO.load(copy, device="cpu")
    except SenseweaveError as error:
        assert "\n" not in str(error)
    else:
        assert where == "gamma" and value == 1e300, "only a number may pass for one"


def test_a_function_is_left_out_with_a_warning_and_no_hour_of_training_is_lost(tmp_path):
    model = small(learning_rate=lambda progress: 1e-3 * progress)
    with pytest.warns(UserWarning, match="`learning_rate` is the function .* files hold no code: it is left out"):
        model.save(tmp_path / "model")
    with pytest.raises(ConfigError, match="`learning_rate` was left out"):
        PPO.load(tmp_path / "model")
    again = PPO.load(tmp_path / "model", cart_poles(), learning_rate=lambda progress: 0.5 * progress)
    again.learn(16)
    with pytest.warns(UserWarning, match="must be given learning_rate"):
        again.save(tmp_path / "model")
    assert PPO.load(tmp_path / "model", learning_rate=0.5).lr_schedule(1.0) == 0.5


def test_a_setting_that_is_left_out_by_hand_is_left_out_without_a_word(tmp_path):
    small(learning_rate=lambda progress: 1e-3 * progress).save(tmp_path / "model", exclude=["learning_rate"])
    assert PPO.load(tmp_path / "model", learning_rate=0.5).lr_schedule(1.0) == 0.5


@pytest.mark.parametrize("schedule", [0.25, linear(0.5, 0.25), LinearSchedule(0.5, 0.25, 0.5)], ids=str)
def test_numbers_and_linear_schedules_come_back_exactly(tmp_path, schedule):
    model = small(learning_rate=schedule, clip_range=schedule, clip_range_vf=schedule)
    model.save(tmp_path / "model")
    loaded = PPO.load(tmp_path / "model", device="cpu")
    for progress in (1.0, 0.7, 0.3, 0.0):
        for name in ("lr_schedule", "clip_range", "clip_range_vf"):
            assert getattr(loaded, name)(progress) == getattr(model, name)(progress)


def test_settings_can_change_and_unknown_ones_are_told(saved):
    loaded = PPO.load(saved, device="cpu", ent_coef=0.5, tensorboard_log="somewhere")
    assert (loaded.ent_coef, loaded.tensorboard_log, loaded.n_steps) == (0.5, "somewhere", 8)
    with pytest.raises(ConfigError, match='did you mean "ent_coef"'):
        PPO.load(saved, ent_coeff=0.5)


class Own(SenseMlpPolicy):
    pass


class OwnActivation(nn.ReLU):
    pass


def test_classes_of_the_user_are_named_in_the_file_and_must_be_given_again(tmp_path):
    kwargs = {"activation_fn": OwnActivation, "net_arch": [8], "optimizer_class": torch.optim.SGD}
    model = PPO(
        Own, cart_poles(), n_steps=8, batch_size=8, device="cpu", policy_kwargs=kwargs | {"optimizer_kwargs": {}}
    )
    model.save(tmp_path / "model")
    with pytest.raises(ConfigError, match="your own class Own"):
        PPO.load(tmp_path / "model")
    with pytest.raises(ConfigError, match="must be the class Own, which was saved"):
        PPO.load(tmp_path / "model", policy=OwnActivation)
    with pytest.raises(ConfigError, match="activation_fn` is a class of your own, OwnActivation"):
        PPO.load(tmp_path / "model", policy=Own)
    loaded = PPO.load(tmp_path / "model", policy=Own, policy_kwargs={"activation_fn": OwnActivation})
    assert type(loaded.policy) is Own and isinstance(loaded.policy.optimizer, torch.optim.SGD)
    assert any(isinstance(part, OwnActivation) for part in loaded.policy.modules())


def test_parameters_are_taken_from_a_folder_as_from_a_dict(trained, saved):
    other = new_model(seed=6)
    other.set_parameters(saved)
    for name, part in trained.policy.state_dict().items():
        assert torch.equal(part, other.policy.state_dict()[name])
    changed = other.get_parameters()
    changed["policy"] = {name: part + 1 for name, part in changed["policy"].items()}
    other.set_parameters(changed)
    assert torch.equal(other.policy.value_net.bias, trained.policy.value_net.bias + 1)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-1, 1, (3,)),
        spaces.Box(-np.inf, np.inf, (2, 2)),
        spaces.Box(np.array([0.1, -np.inf], np.float32), np.array([1, 2], np.float32)),
        spaces.Box(np.zeros((2, 2), np.uint8), np.array([[3, 4], [3, 4]], np.uint8), dtype=np.uint8),
        spaces.Discrete(3, start=-1),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiDiscrete([2, 3], np.int32, start=[1, 0]),
        spaces.MultiBinary(3),
        spaces.MultiBinary([2, 2]),
        spaces.Dict(a=spaces.Discrete(2), b=spaces.Dict(c=spaces.Box(0, 255, (4, 4, 3), np.uint8))),
    ],
    ids=str,
)
def test_every_space_comes_back(space):
    assert read_space(json.loads(json.dumps(describe_space(space), allow_nan=False))) == space


def test_spaces_that_differ_only_in_where_channels_stand_are_the_same_to_a_policy():
    first, last = spaces.Box(0, 255, (3, 40, 60), np.uint8), spaces.Box(0, 255, (40, 60, 3), np.uint8)
    assert same_to_a_policy(spaces.Dict(a=first), spaces.Dict(a=last))
    assert not same_to_a_policy(first, spaces.Box(0, 255, (60, 40, 3), np.uint8))
    with pytest.raises(ConfigError, match="cannot be saved"):
        describe_space(spaces.Text(3))


def test_the_perception_is_saved_once_and_files_that_hold_it_three_times_are_read(copy, trained):
    held, metadata = read_tensors(copy / "policy.safetensors")
    own = trained.policy.state_dict()
    copies = [name for name in own if name.startswith(("pi_features_extractor.", "vf_features_extractor."))]
    assert copies and held.keys() == own.keys() - set(copies)
    shutil.rmtree(copy / "checkpoints")
    write_tensors(copy / "policy.safetensors", own, {name: metadata[name] for name in ("run", "steps", "seal")})
    old = PPO.load(copy, device="cpu").policy.state_dict()
    assert old.keys() == own.keys() and all(torch.equal(old[name], own[name]) for name in own)
    spoilt = own | {copies[0]: own[copies[0]] + 1}
    write_tensors(copy / "policy.safetensors", spoilt, {name: metadata[name] for name in ("run", "steps", "seal")})
    with pytest.raises(CheckpointError, match="its copies differ"):
        PPO.load(copy, device="cpu")


def test_parameters_of_a_saved_model_have_every_name_that_stable_baselines3_asks_for(saved):
    model = new_model()
    model.set_parameters(saved)
    held = read_tensors(saved / "policy.safetensors")[0]
    assert all(torch.equal(model.policy.state_dict()[name], part) for name, part in held.items())
