"""A policy plays where some of its senses are lacking: they are absent, exactly as if they were taken away."""

from typing import Any

import numpy as np
import pytest

from kit.worlds import two_senses
from senseweave.agent.evaluate.evaluate import evaluate
from senseweave.agent.play.fitting import fitted, lacking
from senseweave.agent.play.players import PolicyPlayer
from senseweave.agent.settings.evaluate import EvaluateConfig
from senseweave.perception.errors import ConfigError
from senseweave.perception.spec import Camera, Spec, Vector

WANTED = Spec(camera=Camera(16, 16), smell=Vector(2), touch=Vector(3))


def test_what_is_lacking_is_absent_and_what_is_beyond_is_left_out() -> None:
    seen = {
        "odour": np.ones((2, 4), np.float32),
        "touch": np.full((2, 3), 7, np.float32),
        "camera": np.full((2, 16, 16, 3), 9, np.uint8),
        "present": np.array([[1, 0, 1], [0, 1, 0]], np.int8),  # camera, odour, touch
    }
    fit = fitted(seen, WANTED)
    assert list(fit) == ["camera", "smell", "touch", "present"]
    assert fit["present"].tolist() == [[1, 0, 1], [0, 0, 0]] and fit["present"].dtype == np.int8
    assert (fit["camera"] == 9).all() and (fit["touch"] == 7).all()
    assert fit["smell"].shape == (2, 2) and not fit["smell"].any()


def test_what_fits_stays_as_it_is() -> None:
    seen = {name: np.zeros((1, *kind.shape), kind.dtype) for name, kind in WANTED.items()} | {
        "present": np.ones((1, 3))
    }
    assert all(part is seen[name] for name, part in fitted(seen, WANTED).items())
    assert all(part is seen[name] for name, part in fitted(seen, None).items())


def test_senses_of_another_size_or_none_at_all_are_refused() -> None:
    assert lacking(Spec(touch=Vector(3), odour=Vector(4)), WANTED, "there", "run") == ["camera", "smell"]
    with pytest.raises(ConfigError, match=r'"touch" is Vector\(size=4\) in there, but run was trained with Vector'):
        lacking(Spec(touch=Vector(4)), WANTED, "there", "run")
    with pytest.raises(
        ConfigError, match="there has none of the senses that run was trained with, camera, smell, touch"
    ):
        lacking(Spec(odour=Vector(4)), WANTED, "there", "run")


@pytest.fixture(scope="module", params=["none", "gru"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return two_senses.saved(two_senses.learner(memory=request.param), tmp_path_factory.mktemp("run") / "run")


def evaluated(run: str, **more: Any) -> dict[str, Any]:
    return evaluate(EvaluateConfig(run=run, env=two_senses.WORLD, episodes=24, greedy=True, **more))


def test_an_environment_that_lacks_a_sense_is_one_in_which_it_is_taken_away(run: str, capsys) -> None:
    for gone, other in (("touch", "smell"), ("smell", "touch")):
        lacks = evaluated(run, env_options={"ignore": [gone]})
        assert f"{gone}: the policy was trained with it, but the environment lacks it" in capsys.readouterr().err
        assert lacks["mean_return"] == evaluated(run, without=(gone,))["mean_return"]
        with_both_gone = evaluated(run, env_options={"ignore": [gone]}, without=(gone,))
        assert with_both_gone["mean_return"] == lacks["mean_return"]
        assert evaluated(run, env_options={"ignore": [gone]}, without=(other,))["mean_length"] == 1.0
    assert evaluated(run, env_options={"ignore": ["smell"]})["success_rate"] > 0.9


def test_a_sense_of_an_environment_that_the_policy_does_not_know_is_left_out(run: str) -> None:
    more = evaluated(run, env_options={"instruction": "touch and go"})
    assert more["mean_return"] == evaluated(run)["mean_return"]


def test_a_player_in_front_of_a_camera_does_the_same() -> None:
    model = two_senses.learner()
    player = PolicyPlayer(model.policy, greedy=True)
    env = model.env.envs[0]  # pyright: ignore
    for seed in range(6):
        seen, _ = env.reset(seed=seed)
        less = {"touch": seen["touch"], "present": np.ones(1, np.int8)}
        absent = seen | {"present": np.array([0, 1], np.int8)}
        assert player.act(less).action == player.act(absent).action
