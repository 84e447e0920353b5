import json
import os
import signal
import subprocess
import sys
import time

import pytest

from kit.limits import HANG_S
from senseweave.agent import cli
from senseweave.agent.cli.commands import envs


def run_cli(capsys, *words):
    """The exit status, standard output and standard error of a command."""
    status = cli.main(words)
    told = capsys.readouterr()
    return status, told.out, told.err


MISTAKES = [
    ("trian", 'The command "trian" is not known; did you mean "train"?'),
    ("--steps 3", 'The command "--steps" is not known; choose one of'),
    ("train --stpes 3", '`train` has no option "--stpes"; did you mean "--steps"?'),
    ("train --steps", "`--steps` expected one argument"),
    ("train --compile=true", '`--compile` takes no value; got "true"'),
    ("train --no-video=1", '`--no-video` takes no value; got "1"'),
    ("train --steps many", "`--steps` must be a whole number; got 'many'"),
    ("train --imitation-steps 0 --steps 0", "`steps` must be a whole number of at least 1; got 0."),
    ("train --steps -7", "`steps` must be a whole number of at least 0; got -7."),
    ("train --steps 1.5", "`--steps` must be a whole number; got '1.5'"),
    ("train --steps inf", "`--steps` must be a whole number; got 'inf'"),
    ("train --num-envs 0", "`num_envs` must be a whole number in 1..4096; got 0."),
    ("train --seed -1", "`seed` must be a whole number in 0..2147483647; got -1."),
    ("train --learning-rate fast", "`--learning-rate` must be a number; got 'fast'"),
    ("train --learning-rate nan", "`learning_rate` must be in 0..1, 0 excluded; got nan."),
    ("train --device gpu", '`device` must be "auto", "cpu", "cuda" or "cuda:N"; got \'gpu\'.'),
    ("train --memory grue", 'The memory "grue" is not known; did you mean "gru"?'),
    ("train --trainer sb4", 'The trainer "sb4" is not known; did you mean "sb3"?'),
    ("train --env-option view", "`--env-option` must be key=value; got 'view'"),
    ("train --env-option view=grid --env-option view=camera", "`--env-option` must give each name once"),
    ("train --auxiliary mission=1 --auxiliary mission=2", "`--auxiliary` must give each name once"),
    ("train --auxiliary contrastive=much", "`--auxiliary` must be NAME=WEIGHT, contrastive=0.5, say"),
    ("train --compile --trainer sb3", "`compile` needs the trainer senseweave or imitation; got sb3."),
    ("train --out a --resume b", "`--resume` cannot be given together with --out"),
    ("train --resume /nowhere/run", 'The run directory "/nowhere/run" does not exist'),
    ("train --resume /nowhere/run --seed 3", "`--seed` cannot change when a run resumes"),
    ("train --resume /nowhere/run --steps 0", "`steps` must be"),
    ("train --env BabyAI-GoToRedBal-v0", 'did you mean "BabyAI-GoToRedBall-v0"?'),
    ("train --fusion conkat", 'The fusion "conkat" is not known; did you mean "concat"?'),
    ("train --preset bass", 'The preset "bass" is not known; did you mean "base"?'),
    ("train --env BabyAI-GoToRedBall-v0 --env-option vieww=grid", "vieww"),
    ("train --env BabyAI-GoToRedBall-v0 --env-option view=grit", "`view`"),
    ("train --env-option sences=grid", 'did you mean "senses"?'),
    ("train --imitation-steps -1", "`imitation_steps` must be a whole number of at least 0; got -1."),
    ("train --imitation-steps 9 --memory gru --trainer sb3", "needs the trainer senseweave"),
    ("train --imitation-steps 9 --env Acrobot-v1", '"Acrobot-v1" has no expert'),
    ("train --modality-dropout 1", "`modality_dropout` must be in 0..1, 1 excluded; got 1.0."),
    ("train --modality-dropout 0.1 --env-option outages=0.2", "both take senses away; choose one of them."),
    ("train --resume /nowhere/run --imitation-steps 9", "`--imitation-steps` cannot change when a run resumes"),
    ("watch --expert --random", "`--random` cannot be given together with --expert"),
    ("watch --greedy", "`greedy` is how a policy acts; got none."),
    ("watch --out film.avi", "`out` must end in .mp4, .mkv, .mov or .webp; got 'film.avi'."),
    ("watch NoSuchLevel-v0", 'The environment "NoSuchLevel-v0" is not known'),
    ("watch Acrobot-v1 --expert", '"Acrobot-v1" has no expert'),
    ("watch --policy /nowhere", 'The run directory "/nowhere" does not exist'),
    ("train --perception /nowhere", '`perception` must be a folder; "/nowhere" is none.'),
    ("train --out {file}", "is a file. Choose another --out."),
    ("train --out {file}/below", "is a file. Choose another --out."),
    ("train --out {full}", "is not. Choose another --out."),
    ("train --out /proc/self/run --steps 16 --num-envs 1", '"/proc/self" is not. Choose another --out.'),
    ("evaluate", "The following arguments are required: DIR"),
    ("evaluate {file}", "is a file; give the folder that train made (--out)."),
    ("evaluate {full}", "has no config.json, so it is no run"),
    ("evaluate a b", '"b" is one word too many'),
    ("evaluate a --episodes 0", "`episodes` must be a whole number in 1..1000000; got 0."),
    ("evaluate a --sample --greedy", "`--greedy` cannot be given together with --sample"),
    ("evaluate a --without", "`--without` expected at least one argument"),
    ("evaluate a --video film.gif", "`video` must end in .mp4, .mkv or .mov; got 'film.gif'."),
    ("explain /nowhere", 'The run directory "/nowhere" does not exist'),
    ("envs NoSuchLevelAnywhere", 'No listed environment\'s id contains "NoSuchLevelAnywhere"'),
    ("doctor now", '"now" is one word too many'),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=[words for words, _ in MISTAKES])
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_mistake_is_one_sentence_on_standard_error_and_status_2(capsys, tmp_path, words, message, as_json):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    asked = [word.format(file=tmp_path / "file", full=tmp_path / "full") for word in words.split()]
    if asked[0] == "train" and "--out" not in asked and "--resume" not in asked:
        asked += ["--out", str(tmp_path / "run")]
    status, out, err = run_cli(capsys, *asked, *(["--json"] if as_json else []))
    assert (status, out) == (2, "")
    assert message in err.splitlines()[-1]
    assert len(err.splitlines()) == 1 and "Traceback" not in err
    assert not (tmp_path / "run").exists()
    assert (tmp_path / "file").read_text() == (tmp_path / "full" / "mine").read_text() == "mine"


def test_a_fault_is_one_sentence_with_status_1_and_a_way_to_see_more(capsys, monkeypatch):
    def break_down(words):
        raise ZeroDivisionError("a\nfault")

    monkeypatch.setattr(envs, "list_envs", break_down)
    status, out, err = run_cli(capsys, "envs", "--json")
    assert (status, out) == (1, "") and len(err.splitlines()) == 1
    assert "ZeroDivisionError: a fault (add --traceback to see where" in err
    status, _, err = run_cli(capsys, "envs", "--traceback")
    assert status == 1 and "Traceback (most recent call last)" in err and "break_down" in err


def test_ctrl_c_outside_training_is_a_word_and_status_130(capsys, monkeypatch):
    def interrupt(words):
        raise KeyboardInterrupt

    monkeypatch.setattr(envs, "list_envs", interrupt)
    assert run_cli(capsys, "envs") == (130, "", "Interrupted.\n")


def last_object(out):
    """Standard output with --json is one line, and that line is one JSON object without NaN."""
    assert out.count("\n") == 1
    return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_train_evaluate_and_explain_print_one_json_object(capsys, tmp_path):
    run = str(tmp_path / "run")
    words = ["--env", "BabyAI-GoToRedBallGrey-v0", "--steps", "256", "--num-envs", "2", "--evaluation-episodes", "2"]
    words += ["--recipe", "plain", "--device", "cpu", "--json"]
    status, out, err = run_cli(capsys, "train", "--out", run, *words)
    assert status == 0, err
    result = last_object(out)
    for key in ("env", "steps", "seconds", "steps_per_second", "episodes", "success_rate", "mean_return"):
        assert result[key] is not None, key
    assert result["steps"] == 256 and result["run"] == run and result["was_interrupted"] is False
    assert result["video"] == f"{run}/video.mp4" and os.path.getsize(result["video"]) > 1000
    status, out, _ = run_cli(
        capsys, "evaluate", run, "--episodes", "2", "--json", "--device", "cpu", "--without", "instruction"
    )
    assert status == 0 and last_object(out)["without"] == ["instruction"]
    status, out, _ = run_cli(capsys, "explain", run, "--episodes", "2", "--json", "--device", "cpu", "--bot")
    result = last_object(out)
    assert [row["without"] for row in result["rows"]] == [[], ["grid"], ["instruction"]]
    assert set(result["gates"]) == {"grid", "instruction"} and all(0 <= gate <= 1 for gate in result["gates"].values())
    assert all(row["length_over_bot"] > 0 for row in result["rows"]) and result["bot_mean_length"] > 0


def test_envs_and_doctor_print_one_json_object_or_a_table(capsys):
    status, out, _ = run_cli(capsys, "envs", "babyai", "gotolocal", "--json")
    entries = last_object(out)["environments"]
    assert status == 0 and entries and all("GoToLocal" in entry["id"] for entry in entries)
    assert {"id", "modalities", "extra", "is_installed", "recipe", "measured"} <= entries[0].keys()
    status, out, _ = run_cli(capsys, "doctor", "--json")
    assert status == 0 and last_object(out)["can_train"] is True
    status, out, _ = run_cli(capsys, "envs", "BabyAI", "GoToLocal")
    assert status == 0 and "instruction" in out and "senseweave train --env BabyAI-GoToLocal" in out


def test_what_envs_says_to_install_is_on_an_index():
    rows = [
        {"id": "ALE/Enduro-v5", "senses": ["audio"], "extra": "atari", "is_installed": False},
        {"id": "MiniGrid-WFC-MazeSimple-v0", "senses": ["grid"], "extra": "minigrid[wfc]", "is_installed": False},
    ]
    told = envs.as_text({"environments": [row | {"recipe": "plain", "measured": None} for row in rows]})
    assert 'needs: pip install "ale-py>=' in told and 'needs: pip install "minigrid[wfc]"' in told
    assert "senseweave[" not in told, "it is on no index, where a stranger may take its name"


def test_results_for_people_are_tables_on_standard_output(capsys, trained):
    status, out, _ = run_cli(capsys, "evaluate", str(trained), "--episodes", "3", "--device", "cpu")
    assert status == 0 and "sampled success" in out and "greedy  success" in out
    status, out, _ = run_cli(capsys, "explain", str(trained), "--episodes", "2", "--device", "cpu")
    assert status == 0 and "all senses" in out and "without instruction" in out and "mean gate" in out


def test_what_libraries_print_never_reaches_standard_output():
    """In a process of its own, where C code writes to file descriptor 1 as well."""
    code = (
        "import os, sys; from senseweave.agent.cli.commands import envs; from senseweave.agent.cli.main import main\n"
        "def noisy(words):\n"
        "    print('from python'); os.write(1, b'from C'); os.system('echo from a child')\n"
        "    return {'environments': [], 'number': float('nan')}\n"
        "envs.list_envs, envs.as_text = noisy, str\n"
        "sys.exit(main(['envs', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == '{"environments": [], "number": null}\n'
    assert {"from python", "from C", "from a child"} <= set(done.stderr.replace("from C", "from C\n").split("\n"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_ctrl_c_ends_training_with_a_checkpoint_that_resumes(capsys, tmp_path, number):
    run = tmp_path / "run"
    words = f"train --out {run} --steps 1e9 --num-envs 2 --device cpu --checkpoint-every 1e9 --json".split()
    words += ["--env", "BabyAI-GoToRedBallGrey-v0", "--recipe", "plain"]
    command = [sys.executable, "-P", "-m", "senseweave.agent.cli"]
    with subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while not (run / "metrics.csv").exists() or (run / "metrics.csv").read_text().count("\n") < 3:
                assert process.poll() is None, process.communicate()[1]
                time.sleep(0.02)
            process.send_signal(number)
            out, err = process.communicate(timeout=HANG_S)
        finally:
            process.kill()
    assert process.returncode == 0, err
    result = last_object(out)
    assert result["was_interrupted"] is True and result["success_rate"] is None
    assert result["steps"] >= 256 and f"Go on with: senseweave train --resume {run}" in err
    more = f"--resume {run} --steps {result['steps'] + 1} --evaluation-episodes 0 --no-video --json".split()
    status, out, err = run_cli(capsys, "train", *more)
    assert status == 0, err
    assert last_object(out)["steps"] > result["steps"]


def test_of_several_processes_the_first_one_speaks_for_all():
    command = [sys.executable, "-P", "-m", "senseweave.agent.cli", "envs", "Seek-v0", "--json"]
    for rank, spoken in (("0", 1), ("1", 0)):
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"RANK": rank})
        assert done.stdout.count("\n") == spoken


def test_a_wrong_name_is_refused_before_anything_heavy_is_imported():
    wrong = (
        "train --fusion conkat",
        "train --preset bass",
        "train --memory grue",
        "train --trainer sb4",
        "train --perception /nowhere",
        "train --auxiliary mision=1",
        "train --recipe seke",
        "pretrain --objective contrastiv",
        "pretrain --imputation translatio",
        "watch --greedy",
        "watch --policy nowhere",
        "evaluate nowhere",
        "explain nowhere",
        "train --resume nowhere",
        "live --policy nowhere --camera 0",
    )
    code = (
        "import sys; from senseweave.agent.cli.main import main\n"
        f"assert [main(line.split()) for line in {wrong!r}] == [2] * {len(wrong)}\n"
        "assert not {'torch', 'numpy', 'gymnasium'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=True)
