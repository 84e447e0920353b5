"""`senseweave record` and `convert`, as a person calls them."""

import json
import os
import signal

import numpy as np
import pytest

from kit.data.demonstrations import GOTO, arm, assert_same, played
from senseweave.agent.cli.main import main
from senseweave.agent.play import registry
from senseweave.agent.play.registry import PLAYERS, Seat, make_player
from senseweave.envs import make
from senseweave.envs.datasets import open_dataset, write_dataset
from senseweave.envs.datasets.sessions.writer import SessionsWriter
from senseweave.envs.live.tick import Move

SENSES = ("--env-option", "senses=grid,instruction")


def run_cli(capsys, *words):
    status = main([*words, "--json"])
    told = capsys.readouterr()
    return status, json.loads(told.out) if status == 0 else None, told.err


def test_an_expert_is_recorded_as_it_played(tmp_path, capsys):
    words = ["record", "--env", GOTO, *SENSES, "--episodes", "4", "--out", str(tmp_path / "demos")]
    status, result, err = run_cli(capsys, *words)
    assert status == 0, err
    assert result["episodes"] == 4 and result["success_rate"] == 1.0 and result["losses"] == []
    for one, other in zip(played(), open_dataset(tmp_path / "demos"), strict=True):
        assert_same(one, other)
    status, _, err = run_cli(capsys, *words)
    assert status == 2 and "is in use" in err
    words = ["record", "--env", GOTO, *SENSES, "--episodes", "2", "--seed", "3", "--out", str(tmp_path / "others")]
    assert run_cli(capsys, *words)[0] == 0
    assert [episode.seed for episode in open_dataset(tmp_path / "others")] == [3_000_000, 3_000_001]


@pytest.mark.parametrize("format", ["minari", "lerobot"])
def test_chance_is_recorded_in_other_formats_and_the_same_seed_does_the_same(tmp_path, capsys, format):
    words = ["record", "--env", "CartPole-v1", "--player", "random", "--episodes", "2", "--format", format]
    for name in ("one", "two"):
        status, result, err = run_cli(capsys, *words, "--out", str(tmp_path / name))
        assert status == 0 and result["success_rate"] is None, err
    for one, other in zip(open_dataset(tmp_path / "one"), open_dataset(tmp_path / "two"), strict=True):
        assert_same(one, other)
        assert set(one.actors) == {"random"} and np.isfinite(one.rewards).all()


def test_a_policy_is_recorded_in_its_own_environment(trained, tmp_path, capsys):
    words = ["record", "--player", f"policy:{trained}", "--episodes", "2", "--out", str(tmp_path / "demos")]
    status, result, err = run_cli(capsys, *words)
    assert status == 0, err
    assert result["env"].startswith("BabyAI-GoToRedBall") and open_dataset(tmp_path / "demos")[0].actors[0] == "policy"


def test_ctrl_c_keeps_the_episodes_that_have_ended(tmp_path, capsys, monkeypatch):
    plain = SessionsWriter.add

    def add(writer, episode):
        plain(writer, episode)
        if writer._count == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(SessionsWriter, "add", add)
    words = ["record", "--env", GOTO, *SENSES, "--episodes", "9", "--out", str(tmp_path / "demos")]
    status, result, _ = run_cli(capsys, *words)
    assert status == 0 and result["was_interrupted"] and result["episodes"] == 2
    assert len(open_dataset(tmp_path / "demos")) == 2


MISTAKES = [
    (("--player", "expret"), 'did you mean "expert"?'),
    (("--player", "policy:"), "needs a run directory behind a colon"),
    (("--player", "policy:nowhere"), "does not exist"),
    (("--player", "expert:me"), "takes nothing behind a colon"),
    (("--env", "CartPole-v1"), '"CartPole-v1" has no expert'),
    (("--greedy",), "`greedy` is how a policy acts"),
    (("--format", "hdf6"), "The dataset format"),
    (("--env", "senseweave/Live-v0"), "is a live rig"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_a_mistake_is_one_sentence_and_leaves_nothing(tmp_path, capsys, words, message):
    status, _, err = run_cli(capsys, "record", *words, "--out", str(tmp_path / "demos"))
    assert status == 2 and message in err and len(err.splitlines()) == 1, err
    assert not list(tmp_path.rglob("*.mcap"))


def test_a_player_of_your_own_takes_a_seat(monkeypatch):
    class Forward:
        has_gates = False

        def __init__(self, address, seat):
            self.action = int(address)

        def start(self, seed):
            pass

        def act(self, observation):
            return Move(self.action)

    monkeypatch.setattr(registry.PLAYERS, "_targets", dict(PLAYERS._targets))
    PLAYERS.register("forward", Forward)
    assert make_player("forward:2", Seat(make(GOTO), GOTO)).act({}).action == 2


def test_a_dataset_is_converted_and_what_is_lost_is_said(tmp_path, capsys):
    write_dataset(arm(2), tmp_path / "arm", "sessions")
    places = [str(tmp_path / name) for name in ("arm", "theirs", "ours")]
    status, result, err = run_cli(capsys, "convert", places[0], places[1], "--to", "lerobot")
    assert status == 0, err
    assert (result["from"], result["to"], result["episodes"], result["steps"]) == ("sessions", "lerobot", 2, 11)
    assert result["bytes_before"] > 0 < result["bytes_after"] and len(result["losses"]) == 1
    assert result["losses"][0] in err
    assert run_cli(capsys, "convert", places[1], places[2], "--to", "sessions")[0] == 0
    for one, other in zip(arm(2), open_dataset(places[2]), strict=True):
        assert_same(one, other, rows=len(one))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere", "out", "--to", "minari"), "There is no dataset nowhere"),
        (("{arm}", "out", "--to", "lerobt"), 'did you mean "lerobot"?'),
        (("{arm}", "{arm}", "--to", "minari"), "is in use"),
        (("{arm}", "out", "--to", "lerobot", "--format-option", "video=smal"), 'did you mean "small"?'),
        (("{arm}", "out", "--to", "lerobot", "--format-option", "codec=av1"), "`video` alone"),
        (("{arm}", "out", "--to", "minari", "--format-option", "video=small"), "leave it out"),
        (("{arm}", "out", "--to", "minari", "--read-option", "rate=1"), '"rate"'),
    ],
)
def test_a_mistake_in_a_conversion_is_one_sentence_and_leaves_nothing(tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    write_dataset(arm(1), tmp_path / "arm", "sessions")
    status, _, err = run_cli(capsys, "convert", *(word.format(arm=tmp_path / "arm") for word in words))
    assert status == 2 and message in err and len(err.splitlines()) == 1, err
    assert [path.name for path in tmp_path.iterdir()] == ["arm"]
