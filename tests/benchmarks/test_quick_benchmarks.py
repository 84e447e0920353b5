"""Every benchmark's `--quick` run ends, prints its table, and leaves the files that it promises."""

import csv
import functools
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from kit.benchmarks import BENCHMARKS, script, shown_columns, written_columns
from kit.limits import HANG_S
from senseweave.agent.settings.train import TrainConfig
from senseweave.agent.train.train import train
from senseweave.perception import FUSIONS
from senseweave.perception.tokens import TokenGroup


def _run(script, *arguments):
    command = [sys.executable, str(BENCHMARKS / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)


@pytest.mark.slow
def test_perception_speed_prints_its_tables_and_json(monkeypatch, tmp_path):
    done = _run("perception_speed.py", "--quick", "--json", "--rows", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert '"base" on cpu' in done.stdout
    assert '"laptop", eager' in done.stdout
    report = json.loads(done.stdout.splitlines()[-1])
    contenders = {row["contender"]: row for row in report["base"] if row["device"] == "cpu"}
    assert {"senseweave", "nn.MultiheadAttention"} <= set(contenders)
    assert contenders["senseweave"]["train_ratio_cpu"] == 1.0
    assert all(row["train_ms"] > row["forward_1_ms"] > 0 for row in contenders.values())
    assert {row["fusion"] for row in report["laptop"]} == set(FUSIONS)
    for row in report["laptop"]:
        assert set(row["shares"]) == {"audio", "camera", "instruction", "fusion"}
        assert all(0 < share < 1 for share in row["shares"].values())
    for table in ("perception-speed", "laptop-cost"):
        assert written_columns(tmp_path, table) == shown_columns(monkeypatch, table)


@pytest.mark.slow
def test_rooms_speed_compares_within_rounds_and_leaves_out_what_is_not_installed(monkeypatch, tmp_path):
    done = _run("rooms_speed.py", "--quick", "--json", "--threads", "1", "--rows", str(tmp_path))
    assert done.returncode == 0, done.stderr
    rows = {(row["contender"], row["num_envs"]): row for row in json.loads(done.stdout.splitlines()[-1])["rows"]}
    assert {("minigrid", 16), ("rooms-grid", 1), ("rooms-grid", 16), ("rooms-all", 16)} <= set(rows)
    assert rows["minigrid", 16]["over_minigrid"] == 1.0
    ours, peer = rows["rooms-grid", 16], rows["minigrid", 16]
    assert ours["over_minigrid"] == pytest.approx(ours["steps_per_second"] / peer["steps_per_second"])
    assert 300 < ours["bytes_per_environment"] < 3000
    peers = {"x ViZDoom", "x XLand-MiniGrid"}  # where they are installed
    assert written_columns(tmp_path, "rooms-speed") | peers == shown_columns(monkeypatch, "rooms-speed")


def test_seek_senses_knows_the_bounds_without_any_agent(monkeypatch, tmp_path):
    done = _run("seek_senses.py", "--episodes", "64", "--json", "--rows", str(tmp_path))
    assert done.returncode == 0, done.stderr
    expert, random = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert all(expert["levels"][level][0]["success"] > 0.98 for level in ("Seek", "SeekSeen", "SeekHeard"))
    assert all(random["levels"][level][0]["success"] < 0.5 for level in ("Seek", "SeekSeen", "SeekHeard"))
    assert written_columns(tmp_path, "seek-senses") == shown_columns(monkeypatch, "seek-senses")


@pytest.mark.slow
def test_babyai_sb3_writes_rows_and_prints_its_table(monkeypatch, tmp_path):
    done = _run("babyai_sb3.py", "--quick", "--json", "--out", str(tmp_path / "out"), "--rows", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "frames to 95%" in done.stdout
    report = json.loads(done.stdout.splitlines()[-1])
    assert [summary["model"] for summary in report["models"]] == ["senseweave", "plain", "combined"]
    for summary in report["models"]:
        assert summary["frames"] == [512]
        assert all(0 <= rate <= 1 for rate in summary["sampled_success"] + summary["greedy_success"])
        with (tmp_path / "out" / f"{summary['model']}-seed0.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["frames"] for row in rows] == ["512"]
        assert float(rows[-1]["ent_coef"]) == 0.0
    table = "BabyAI-GoToRedBallGrey-v0"
    assert written_columns(tmp_path, table) == shown_columns(monkeypatch, table)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_babyai_sb3_keeps_its_rows_when_it_is_interrupted_and_stops_its_runs(tmp_path):
    rows = tmp_path / "combined-seed0.csv"
    arguments = ["--models", "combined", "--seeds", "0", "--frames", "10000000", "--num-envs", "2"]
    command = [sys.executable, str(BENCHMARKS / "babyai_sb3.py"), *arguments, "--out", str(tmp_path)]
    listen = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background job ignores it
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=listen
    ) as process:
        patience = time.monotonic() + HANG_S
        while not (rows.exists() and len(rows.read_text().splitlines()) >= 3) and time.monotonic() < patience:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=HANG_S)
    assert process.returncode == 130, err
    assert "combined" in out
    assert "Traceback" not in err
    written = rows.read_text()
    assert len(written.splitlines()) >= 3
    time.sleep(1.0)
    assert rows.read_text() == written


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--level", "BabyAI-GoToRedBal-v0"], "did you mean"),
        (["--frames", "0"], "at least 1"),
        (["--seeds", "1", "1"], "different"),
        (["--models", "nothing"], "invalid choice"),
    ],
)
def test_babyai_sb3_refuses_bad_arguments_in_one_sentence(monkeypatch, capsys, arguments, told, tmp_path):
    monkeypatch.setattr(sys, "argv", ["babyai_sb3.py", *arguments, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        script(monkeypatch, "babyai_sb3").main()
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_fusions_compares_what_it_trained_and_takes_up_what_is_finished(monkeypatch, tmp_path):
    arguments = (
        "fusions.py",
        "--quick",
        "--json",
        "--out",
        str(tmp_path / "runs"),
        "--plot",
        str(tmp_path / "plot.png"),
    )
    arguments += ("--rows", str(tmp_path))
    done = _run(*arguments)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert [row["task"]["fusion"] for row in rows] == ["gated_cross_attention", "concat"]
    default, concat = (row["parameters"] for row in rows)
    assert 0.9 < concat / default < 1.1 and concat != default
    cases = {"all", "without audio", "without camera", "without instruction", "failing", "never shown"}
    assert all(set(row["success"]) == cases and row["samples_per_cpu_s"] > 0 for row in rows)
    assert (tmp_path / "plot.png").stat().st_size > 10_000
    assert written_columns(tmp_path, "fusions") >= shown_columns(monkeypatch, "fusions")
    again = _run(*arguments)
    assert json.loads(again.stdout.splitlines()[-1])["rows"] == rows and again.stderr.count("is finished already") == 2


@pytest.mark.slow
def test_fusions_lets_train_reinforce_them_at_equal_size(monkeypatch, tmp_path):
    both = ("gated_cross_attention", "concat")
    rows = ("--rows", str(tmp_path))
    done = _run("fusions.py", "--quick", "--json", "--out", str(tmp_path), *rows, "--reinforce", *both)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert [row["task"]["fusion"] for row in rows] == [*both]
    default, concat = (row["parameters"] for row in rows)
    assert 0.9 < concat / default < 1.1
    for row in rows:
        assert (row["task"]["imitation_steps"], row["task"]["steps"]) == (256, 256)
        assert row["steps"] >= 512 and set(row["success"]) >= {"all", "never shown"}
    config = json.loads((tmp_path / "run-Seek-concat-256-256-seed0" / "config.json").read_text())
    assert config["perception"]["fusion"] == "concat" and config["perception"]["fusion_width"]
    assert written_columns(tmp_path, "fusions-reinforced") >= shown_columns(monkeypatch, "fusions-reinforced")


@pytest.mark.slow
def test_missing_senses_plays_at_every_rate(monkeypatch, tmp_path):
    arguments = (
        "--rows",
        str(tmp_path),
        "--only",
        "modality dropout",
        "GAN imputation",
        "--out",
        str(tmp_path),
        "--plot",
        str(tmp_path / "p.png"),
    )
    done = _run("missing_senses.py", "--quick", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert [row["task"]["variant"] for row in rows] == ["modality dropout", "GAN imputation"]
    assert all(list(row["success"]) == ["0.0", "0.1", "0.25", "0.5", "0.75"] for row in rows)
    assert (tmp_path / "p.png").stat().st_size > 10_000
    assert written_columns(tmp_path, "missing-senses") == shown_columns(monkeypatch, "missing-senses")


@pytest.mark.slow
def test_token_deletion_compares_both_explanations_with_chance(monkeypatch, tmp_path):
    run = tmp_path / "run"
    train(TrainConfig(env="senseweave/Seek-v0", steps=64, num_envs=8, evaluation_episodes=0, video=False), run)
    done = _run("token_deletion.py", str(run), "--episodes", "16", "--json", "--rows", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout.splitlines()[-1])["rows"]
    for kind in ("chance", "attention", "gradients"):
        assert set(row[kind]) == {"audio", "camera", "instruction"}
        assert all(list(by_share) == ["0.0625", "0.1250", "0.2500"] for by_share in row[kind].values())
        assert all(far > 0 for by_share in row[kind].values() for far in by_share.values())
    assert written_columns(tmp_path, "token-deletion") == shown_columns(monkeypatch, "token-deletion")


def test_token_deletion_takes_the_tokens_ranked_first_among_those_that_count(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from token_deletion import without_first

    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0] * 6]).bool()
    ranks = torch.tensor([0.1, 0.9, 0.3, 0.2, 5.0, 6.0]).expand(4, 6)
    left = without_first(TokenGroup(torch.zeros(4, 6, 2), mask), ranks, 0.5).mask
    assert left.int().tolist() == [[1, 0, 0, 1, 0, 0], [1, 0, 0, 0, 0, 0], [0] * 6, [0] * 6]
