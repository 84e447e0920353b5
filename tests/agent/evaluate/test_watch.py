import json

import av
import pytest

from senseweave.agent import cli
from senseweave.agent.evaluate.watch import as_text, watch
from senseweave.agent.play.experts import expert_for, has_expert
from senseweave.agent.play.players import RandomPlayer
from senseweave.agent.settings.watch import WatchConfig
from senseweave.agent.show.programme import first_episodes
from senseweave.agent.show.video import record
from senseweave.envs import make
from senseweave.perception.errors import CheckpointError, ConfigError, SenseweaveError

LEVEL = "BabyAI-GoToRedBallGrey-v0"


def test_the_expert_solves_what_chance_does_not(tmp_path):
    expert = watch(WatchConfig(LEVEL, episodes=3, out=str(tmp_path / "expert.mp4")))
    chance = watch(WatchConfig(LEVEL, player="random", episodes=3, out=str(tmp_path / "chance.mp4")))
    assert (expert["player"], chance["player"]) == ("expert", "random")
    assert expert["success_rate"] == 1 and expert["steps"] < chance["steps"]
    assert [episode["seed"] for episode in expert["episodes"]] == [1_000_000_000, 1_000_000_001, 1_000_000_002]
    assert all(episode["instruction"] == "go to the red ball" for episode in expert["episodes"])
    assert "success    return" in as_text(expert) and '"go to the red ball"' in as_text(expert)
    with av.open(expert["video"]) as container:
        assert container.streams.video[0].frames > expert["steps"]


def test_a_policy_is_watched_in_its_own_environment_with_its_gates(trained, tmp_path):
    result = watch(WatchConfig(policy=str(trained), episodes=1, out=str(tmp_path / "a.mp4"), device="cpu"))
    again = watch(WatchConfig(policy=str(trained), episodes=1, out=str(tmp_path / "b.mp4"), device="cpu"))
    assert result["env"] == LEVEL and result["player"] == "policy"
    assert result["episodes"] == again["episodes"]
    expert = watch(WatchConfig(LEVEL, episodes=1, out=str(tmp_path / "c.mp4")))
    heights = []
    for name in (result, expert):
        with av.open(name["video"]) as container:
            heights.append(container.streams.video[0].height)
    assert heights[0] > heights[1]


def test_without_a_number_of_episodes_some_are_chosen_and_success_is_that_of_all(trained, tmp_path):
    result = watch(WatchConfig(policy=str(trained), out=str(tmp_path / "a.mp4"), device="cpu"))
    whole = watch(WatchConfig(policy=str(trained), out=str(tmp_path / "a.mp4"), device="cpu", episodes=2))
    assert result["chosen_of"] == 24 and whole["chosen_of"] is None
    low, high = result["success_interval"]
    assert low <= result["success_rate"] <= high
    *others, last = result["episodes"]
    assert last["unplugged"].keys() == {"grid"} and not any(episode["unplugged"] for episode in others)
    text = as_text(result)
    assert "grid unplugged from step" in text and "chosen of 24 held-out episodes: success " in text


def test_chance_is_the_same_for_the_same_seed():
    env = make(LEVEL)
    player = RandomPlayer(env)
    moves = []
    for seed in (3, 3, 4):
        player.start(seed)
        moves.append([player.act({}).action for _ in range(20)])
    assert moves[0] == moves[1] != moves[2]


def test_an_environment_without_an_expert_is_played_by_chance_or_says_so(tmp_path):
    env = make("MountainCar-v0")
    assert not has_expert(env)
    with pytest.raises(ConfigError, match='"MountainCar-v0" has no expert'):
        expert_for(env, "MountainCar-v0")
    result = watch(WatchConfig("MountainCar-v0", episodes=1, out=str(tmp_path / "film.mp4")))
    assert result["player"] == "random" and result["success_rate"] is None and result["steps"] == 200
    assert "played by: random" in as_text(result)


def test_a_long_episode_is_cut_and_that_is_told(tmp_path, capsys, monkeypatch):
    env = make(LEVEL)
    filmed = record(RandomPlayer(env), env, tmp_path / "film.mp4", first_episodes(0, 4, {}), max_frames=3)
    assert [(episode.is_whole, episode.steps) for episode in filmed] == [(False, 3)]
    monkeypatch.setattr("senseweave.agent.evaluate.watch.MAX_FRAMES", 3)
    result = watch(WatchConfig(LEVEL, player="random", episodes=2, out=str(tmp_path / "film.mp4")))
    assert "The video ends after 6 pictures" in capsys.readouterr().err
    assert "cut short" in as_text(result)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"out": "film.gif"}, "`out` must end in .mp4, .mkv, .mov or .webp; got 'film.gif'."),
        ({"unplug": ("camera",)}, "`unplug` must be SENSE@STEP, a step from 1 up, as in \"camera@3\"; got 'camera'."),
        ({"unplug": ("camera@0",)}, "got 'camera@0'."),
        ({"episodes": 0}, "`episodes` must be a whole number in 1..1000; got 0."),
        ({"player": "exprt"}, 'The player "exprt" is not known; did you mean "expert"?'),
        ({"player": "expert", "policy": "x"}, "`policy` plays itself"),
        ({"greedy": True}, "`greedy` is how a policy acts"),
        ({"env": ""}, "`env` must be a name"),
        ({"device": "gpu"}, "`device` must be"),
    ],
)
def test_a_setting_out_of_its_range_is_one_sentence(changes, message):
    with pytest.raises(SenseweaveError) as caught:
        WatchConfig(**changes)
    assert message in str(caught.value)


def test_what_does_not_fit_is_refused(trained, tmp_path):
    out = str(tmp_path / "film.mp4")
    with pytest.raises(CheckpointError, match="does not exist"):
        watch(WatchConfig(policy="/nowhere", out=out))
    with pytest.raises(SenseweaveError, match='no sense "camera"'):
        watch(WatchConfig(LEVEL, without=("camera",), out=out))
    with pytest.raises(ConfigError, match="was trained with"):
        watch(WatchConfig("Acrobot-v1", policy=str(trained), out=out))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match="could not be written"):
        watch(WatchConfig(LEVEL, episodes=1, out=str(tmp_path / "file" / "film.mp4")))


def test_the_command_prints_one_json_object_or_a_few_lines(tmp_path, capsys):
    words = ["watch", LEVEL, "--episodes", "1", "--out", str(tmp_path / "film.mp4")]
    assert cli.main([*words, "--expert", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["video"] == str(tmp_path / "film.mp4") and result["player"] == "expert"
    assert cli.main([*words, "--random", "--without", "instruction", "--unplug", "grid@2"]) == 0
    assert "played by: random" in capsys.readouterr().out
