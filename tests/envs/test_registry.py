"""`make` and `known`: every sort of id, what happens to options, and that importing the package stays light."""

import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest

import senseweave.envs as envs
from senseweave.envs import registry
from senseweave.perception.errors import ConfigError, MissingExtraError, UnknownNameError
from senseweave.perception.spec import Camera, Grid, Instruction, Spec, Vector

OWN_PACKAGE = '''
"""A package of a user's own, with two environments."""
import gymnasium as gym
import numpy as np


class Own(gym.Env):
    observation_space = gym.spaces.Dict({"eye": gym.spaces.Box(0, 255, (20, 30, 3), np.uint8)})
    action_space = gym.spaces.Discrete(2)

    def __init__(self, brightness=7):
        self.brightness = brightness

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return {"eye": np.full((20, 30, 3), self.brightness, np.uint8)}, {}

    def step(self, action):
        return self.reset()[0], 0.0, False, False, {}


def own_maze(**kwargs):
    from minigrid.envs import EmptyEnv

    return EmptyEnv(size=6, **kwargs)


gym.register("OwnEye-v0", entry_point=Own)
gym.register("OwnMaze-v0", entry_point=own_maze)
'''


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = "a_package_of_my_own"
    (tmp_path / f"{name}.py").write_text(OWN_PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    monkeypatch.setattr(gym, "registry", gym.envs.registration.registry)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_a_babyai_id_goes_through_its_adapter() -> None:
    env = envs.make("BabyAI-GoToObj-v0", view="camera", compass=True)
    assert env.get_wrapper_attr("senses") == Spec(
        camera=Camera(56, 56), compass=Vector(4), instruction=Instruction(48, 1024)
    )


def test_a_gymnasium_id_is_adapted() -> None:
    env = envs.make("CartPole-v1", max_episode_steps=3, render_mode="rgb_array", step_s=0.5)
    assert env.get_wrapper_attr("senses") == Spec(vector=Vector(4))
    assert env.get_wrapper_attr("step_s") == 0.5
    assert env.spec is not None and env.spec.max_episode_steps == 3


def test_an_own_environment_is_imported_and_adapted(own_package: str) -> None:
    env = envs.make(f"{own_package}:OwnEye-v0", brightness=9, size=(16, 16))
    assert env.get_wrapper_attr("senses") == Spec(camera=Camera(16, 16))
    assert (env.reset(seed=0)[0]["camera"] == 9).all()


def test_an_own_minigrid_gets_minigrids_senses(own_package: str) -> None:
    env = envs.make(f"{own_package}:OwnMaze-v0", compass=True)
    assert env.get_wrapper_attr("senses") == Spec(
        compass=Vector(4), grid=Grid(7, 7, (11, 6, 3)), instruction=Instruction(48, 1024)
    )


def test_one_of_ours_is_made_as_it_is_and_listed(own_package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_OURS", {})
    registry.register(
        "senseweave/Test-v0",
        senses=("instruction", "grid"),
        entry_point=lambda **kwargs: envs.make_babyai("BabyAI-GoToObj-v0", **kwargs),
    )
    env = envs.make("senseweave/Test-v0", compass=True)
    assert env.get_wrapper_attr("senses").names == ("compass", "grid", "instruction")
    assert envs.known()[0] == envs.EnvEntry("senseweave/Test-v0", ("grid", "instruction"), None, True)


def test_the_listing_holds_every_family() -> None:
    entries = {entry.id: entry for entry in envs.known()}
    assert entries["BabyAI-BossLevel-v0"] == envs.EnvEntry("BabyAI-BossLevel-v0", ("grid", "instruction"), None, True)
    assert sum(env_id.startswith("BabyAI-") for env_id in entries) >= 96
    assert entries["VizdoomBasicAudio-v1"].extra == "vizdoom"
    assert entries["ALE/Enduro-v5"].extra == "atari"
    made = envs.make("BabyAI-BossLevel-v0").get_wrapper_attr("senses")
    assert entries["BabyAI-BossLevel-v0"].senses == made.names


@pytest.mark.parametrize(
    ("env_id", "options", "error", "words"),
    [
        ("BabyAI-GoToLokal-v0", {}, UnknownNameError, 'did you mean "BabyAI-GoToLocal-v0"'),
        ("CartPool-v1", {}, UnknownNameError, 'did you mean "CartPole-v1"'),
        ("no_such_package:Thing-v0", {}, UnknownNameError, '"no_such_package" cannot be found.*PYTHONPATH'),
        ("json:Thing-v0", {}, UnknownNameError, '"Thing-v0" is not known'),
        ("", {}, UnknownNameError, "must be a string"),
        ("BabyAI-GoTo-v0", {"viev": "grid"}, ConfigError, '"viev"; did you mean "view"'),
        ("CartPole-v1", {"sutton": 1}, ConfigError, 'option "sutton".*sutton_barto_reward'),
        ("CartPole-v1", {"smaple_rate_hz": 1}, ConfigError, 'did you mean "sample_rate_hz"'),
        ("CartPole-v1", {"compass": True}, ConfigError, 'does not take the option "compass".*hold_instruction'),
    ],
)
def test_bad_input_is_refused_in_one_sentence(env_id: str, options: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        envs.make(env_id, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("env_id", "extra"), [("ALE/Pong-v5", "atari"), ("VizdoomBasicAudio-v1", "vizdoom")])
def test_a_missing_extra_is_named(env_id: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("ale_py", "vizdoom", "vizdoom.gymnasium_wrapper"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf'senseweave\[{extra}\]; run: pip install "[\w-]+>='):
        envs.make(env_id)


def test_importing_the_package_is_light_and_prints_nothing() -> None:
    program = (
        "import sys, senseweave.envs; dir(senseweave.envs);"
        "print(*sorted({'torch', 'minigrid', 'cv2', 'tokenizers', 'pygame'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr.strip() == ""


def test_making_babyai_needs_no_torch_and_prints_nothing() -> None:
    program = (
        "import sys, senseweave.envs as e; env = e.make('BabyAI-PutNextLocal-v0');"
        "[env.reset(seed=s) for s in range(20)]; sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_name_that_the_package_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'mkae'"):
        _ = envs.mkae
