"""`senseweave pretrain`: from an environment or a recording to a folder that `train --perception` takes."""

import csv
import dataclasses
import json
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from kit.limits import HANG_S
from kit.live import sessions
from kit.worlds.planted_senses import SMALL, TWO, perception_for, related
from senseweave.agent import cli
from senseweave.agent.cli.commands import COMMANDS
from senseweave.agent.cli.main import main
from senseweave.agent.cli.parse import parse
from senseweave.agent.settings.pretrain import PretrainConfig
from senseweave.agent.settings.train import TrainConfig
from senseweave.agent.train.observations import Played, Recorded
from senseweave.agent.train.pretrain import as_text, pretrain
from senseweave.envs.live.sessions import file as recording_file
from senseweave.perception import OBJECTIVES, ConfigError, Perception, UnknownNameError
from senseweave.perception.files import digest
from senseweave.perception.spec import PRESENT
from senseweave.policies import Pretrainer, PretrainingSettings, pretrain_on

GRID = {"senses": ["grid", "instruction"], "size": "small"}
QUICK = PretrainConfig(
    env="senseweave/SeekSeen-v0",
    env_options=GRID,
    objectives={"contrastive": 1.0, "autoencoder": 0.5},
    steps=4,
    batch_size=16,
    num_envs=4,
    device="cpu",
)


def run_cli(capsys, *words):
    status = cli.main(words)
    told = capsys.readouterr()
    return status, told.out, told.err


def test_a_pretrained_perception_is_what_training_starts_from(capsys, tmp_path):
    senses = ["--env", "senseweave/SeekSeen-v0", "--env-option", 'senses=["grid","instruction"]']
    objectives = ["--objective", "contrastive", "--objective", "autoencoder=0.5"]
    sizes = ["--steps", "12", "--batch-size", "32", "--num-envs", "4", "--device", "cpu", "--json"]
    status, out, err = run_cli(capsys, "pretrain", *senses, *objectives, *sizes, "--out", str(tmp_path / "senses"))
    assert status == 0, err
    result = json.loads(out)
    assert result["steps"] == 12 and result["samples"] == 12 * 32 and result["was_interrupted"] is False
    assert result["samples_per_second"] > 0 and result["seconds"] > 0
    assert [told["weight"] for told in result["objectives"].values()] == [1.0, 0.5]
    assert all(np.isfinite([told["first"], told["last"]]).all() for told in result["objectives"].values())
    with open(tmp_path / "senses" / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["steps"] for row in rows] == ["10", "12"]
    assert all(float(row[name]) > 0 for row in rows for name in ("contrastive", "autoencoder", "samples_per_second"))
    assert list((tmp_path / "senses" / "tensorboard").glob("events*"))
    begun = ["--steps", "16", "--num-envs", "1", "--evaluation-episodes", "0", "--no-video", "--device", "cpu"]
    status, out, err = run_cli(
        capsys, "train", *senses, *begun, "--perception", str(tmp_path / "senses"), "--out", str(tmp_path / "run")
    )
    assert status == 0, err


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tmp_path):
    weights = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        pretrain(dataclasses.replace(QUICK, seed=seed), tmp_path / name)
        weights.append(digest(Perception.from_pretrained(tmp_path / name).state_dict()))
    assert weights[0] == weights[1] != weights[2]


def test_every_objective_learns_at_once_with_an_imputer(tmp_path):
    objectives = dict.fromkeys(OBJECTIVES, 1.0)
    result = pretrain(dataclasses.replace(QUICK, objectives=objectives, imputation="translation"), tmp_path / "all")
    assert list(result["objectives"]) == list(objectives)
    loaded = Perception.from_pretrained(tmp_path / "all")
    assert loaded.config.imputation == "translation" and loaded.imputer is not None


def test_a_recorded_session_is_a_dataset(tmp_path):
    sessions.record(tmp_path / "day" / "one.mcap", 2.0)
    result = pretrain(
        PretrainConfig(dataset=str(tmp_path / "day"), objectives={"contrastive": 1}, steps=2, batch_size=8),
        tmp_path / "p",
    )
    assert result["env"] is None and result["steps"] == 2
    assert Perception.from_pretrained(tmp_path / "p").spec == sessions.SENSES


def test_recorded_batches_hold_what_was_recorded(tmp_path):
    ticks = sessions.record(tmp_path / "one.mcap", 2.0)
    recorded = Recorded(str(tmp_path), 64, torch.device("cpu"), 0)
    batch = next(iter(recorded))
    frames = {tick.moment.observation["camera"].tobytes() for tick in ticks}
    assert {frame.numpy().tobytes() for frame in batch["camera"]} <= frames
    assert not batch[PRESENT][:, list(sessions.SENSES).index("unplugged")].any()
    assert batch[PRESENT].any() and len(batch[PRESENT]) == 64


def test_a_damaged_session_is_learned_from_only_where_that_is_allowed(tmp_path, capsys, monkeypatch):
    path = tmp_path / "day" / "one.mcap"
    monkeypatch.setattr(recording_file, "CHUNK_BYTES", 8192)  # as many chunks as a long session has
    sessions.record(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    words = ["pretrain", "--dataset", str(path.parent), "--objective", "contrastive", "--steps", "2", "--batch-size"]
    words += ["8", "--device", "cpu", "--out", str(tmp_path / "p")]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "--allow-damaged" in told and told.count("\n") == 1 and not (tmp_path / "p").exists()
    assert main([*words, "--allow-damaged"]) == 0
    assert Perception.from_pretrained(tmp_path / "p").spec == sessions.SENSES


def test_an_environment_of_others_is_played_by_chance():
    played = Played("CartPole-v1", {}, 2, 8, torch.device("cpu"), 0)
    batches = iter(played)
    one, other = next(batches), next(batches)
    (name,) = played.senses.names
    assert one[name].shape == (8, 4) and len({row.numpy().tobytes() for row in other[name]}) > 1
    again = next(iter(Played("CartPole-v1", {}, 2, 8, torch.device("cpu"), 0)))
    assert torch.equal(again[name], one[name])


def test_python_arrays_are_learned_from_and_losses_fall():
    perception = perception_for(TWO)
    batches = ({name: part.numpy() for name, part in related(64, step).items()} for step in range(60))
    settings = PretrainingSettings(learning_rate=5e-3, modality_dropout=0.0)
    course = pretrain_on(perception, batches, {"autoencoder": 1.0}, settings, steps=50)
    assert len(course) == 50
    first, last = (np.mean([told["autoencoder"] for told in part]) for part in (course[:10], course[-10:]))
    assert last < 0.8 * first
    begun = []
    pretrain_on(perception, batches, {"dcca": 1.0}, on_step=lambda pretrainer, told: begun.append(told) or False)
    assert len(begun) == 1


def test_opponents_learn_by_their_own_optimiser_and_the_perception_by_the_other():
    perception = perception_for(TWO)
    pretrainer = Pretrainer(perception, {"translation": 1.0})
    judges = pretrainer.objectives["translation"].opponents()
    before = [weight.detach().clone() for weight in [*judges, *perception.encoders.parameters()]]
    pretrainer.learn(related(64, 0))
    after = [*judges, *perception.encoders.parameters()]
    moved = [not torch.equal(one, other) for one, other in zip(before, after, strict=True)]
    assert sum(moved) > 0.6 * len(moved)


def test_an_imputer_that_nothing_trains_is_refused_in_a_sentence():
    perception = perception_for(TWO, config=dataclasses.replace(SMALL, imputation="autoencoder"))
    with pytest.raises(ConfigError, match='imputes by "autoencoder", which only the objective of that name trains'):
        Pretrainer(perception, {"contrastive": 1.0})
    with pytest.raises(UnknownNameError, match='"contrastiv" is not known; did you mean "contrastive"'):
        Pretrainer(perception_for(TWO), {"contrastiv": 1.0})


MISTAKES = [
    ("--objective contrastive=0", '`--objective` of "contrastive" must be above 0; got 0.0.'),
    ("--objective contrastive=x", "`--objective` must be NAME=WEIGHT"),
    ("--objective contrastiv", 'The objective "contrastiv" is not known; did you mean "contrastive"?'),
    ("--objective dcca --objective dcca", "`--objective` must give each name once"),
    ("--steps 0", "`steps` must be a whole number of at least 1; got 0."),
    ("--batch-size 1", "`batch_size` must be"),
    ("--env A --dataset B", "`dataset` is a recording, which needs no environment; leave out --env"),
    ("--dataset /nowhere", "There is no dataset /nowhere"),
    ("--dataset {empty}", "is no dataset of a known format"),
    ("--env NoSuchLevel-v0", 'The environment "NoSuchLevel-v0" is not known'),
    ("--imputation translation", "add --objective translation=1."),
    ("--imputation translatio", 'The imputation "translatio" is not known; did you mean "translation"?'),
    ("--fusion conkat", 'The fusion "conkat" is not known; did you mean "concat"?'),
    ("--preset bass", 'The preset "bass" is not known; did you mean "base"?'),
    ("--modality-dropout 1", "`modality_dropout` must be in 0..1"),
    ("--learning-rate 0", "`learning_rate` must be in 0..1, 0 excluded"),
    ("--env CartPole-v1", 'The objective "contrastive" relates senses to each other and needs two'),
    ("--out {full}", "is not. Choose another --out."),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=[words for words, _ in MISTAKES])
def test_a_mistake_is_one_sentence_with_status_2_and_leaves_nothing(capsys, tmp_path, words, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "config.json").write_text("{}")
    asked = [word.format(empty=tmp_path / "empty", full=tmp_path / "full") for word in words.split()]
    if "--out" not in asked:
        asked += ["--out", str(tmp_path / "made")]
    status, out, err = run_cli(capsys, "pretrain", *asked, "--json")
    assert (status, out) == (2, "") and message in err and len(err.splitlines()) == 1
    assert not (tmp_path / "made").exists()


def test_ctrl_c_ends_it_with_what_was_learned(tmp_path):
    words = f"pretrain --out {tmp_path / 'p'} --steps 1e9 --batch-size 8 --num-envs 2 --device cpu --json".split()
    words += ["--env", "senseweave/SeekSeen-v0", "--env-option", 'senses=["grid","instruction"]']
    command = [sys.executable, "-P", "-m", "senseweave.agent.cli"]
    table = tmp_path / "p" / "metrics.csv"
    with subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while not table.exists() or table.read_text().count("\n") < 2:
                assert process.poll() is None, process.communicate()[1]
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=HANG_S)
        finally:
            process.kill()
    assert process.returncode == 0, err
    assert json.loads(out)["was_interrupted"] is True and json.loads(out)["steps"] >= 10
    Perception.from_pretrained(tmp_path / "p")


def test_the_command_that_is_printed_can_be_pasted(tmp_path, monkeypatch):
    told = {"first": 1.0, "last": 0.5, "weight": 1.0}
    result = {"env": "senseweave/Seek-v0", "env_options": {"size": "small", "senses": ["camera", "audio"]}}
    text = as_text(result | {"out": "runs/my senses", "objectives": {"contrastive": told}})
    words = shlex.split(text.splitlines()[-1])
    (tmp_path / "runs" / "my senses").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    name, *words = words[words.index("senseweave") + 1 :]
    given, _ = parse(name, COMMANDS[name], words)
    assert isinstance(given, TrainConfig)
    assert (given.env, given.perception) == ("senseweave/Seek-v0", "runs/my senses")
    assert given.env_options == {"size": "small", "senses": ["camera", "audio"]}
