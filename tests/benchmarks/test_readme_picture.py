"""README's picture: what the search played is what `senseweave watch` draws, and how it was chosen is told."""

import json

import cv2
import pytest

from kit.benchmarks import script
from senseweave.agent.settings.train import TrainConfig
from senseweave.agent.train.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A policy that knows nothing: it ends most rooms within some steps, sometimes well."""
    folder = tmp_path_factory.mktemp("runs") / "seek"
    train(TrainConfig(env="senseweave/Seek-v0", steps=64, num_envs=8, evaluation_episodes=0, video=False), folder)
    return folder


@pytest.mark.slow
def test_a_success_is_searched_and_drawn_and_its_odds_are_told(monkeypatch, capsys, run, tmp_path):
    out = tmp_path / "unplugged.webp"
    script(monkeypatch, "readme_picture").main(str(run), str(out), step=1, sets=40, least_steps=2, most_steps=400)
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert told["episode"]["is_success"] and told["rooms"] == 40 and 0 < told["successes_by_sound"] <= told["successes"]
    assert f"--unplug camera@1 --seed {told['seed_set']} --episodes 1" in printed.err
    done, loop = cv2.imreadanimation(str(out))
    assert done and len(loop.frames) > 1


def test_where_no_room_will_do_it_says_so(monkeypatch, run, tmp_path):
    picture = script(monkeypatch, "readme_picture")
    with pytest.raises(SystemExit, match="None of 2 rooms is a success of 500 to 600 steps"):
        picture.main(str(run), str(tmp_path / "a.webp"), step=1, sets=2, least_steps=500, most_steps=600)
