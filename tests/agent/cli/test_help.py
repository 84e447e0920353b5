"""What `--help` shows, how quickly, and that it comes from the settings themselves."""

import importlib.metadata
import os
import re
import subprocess
import sys

import pytest

from senseweave.agent import cli
from senseweave.agent.cli.commands import COMMANDS
from senseweave.agent.cli.options import options_of
from senseweave.agent.cli.parse import parse
from senseweave.agent.settings.train import TrainConfig
from senseweave.perception import FUSIONS
from senseweave.perception.config import IMPUTATIONS, PRESETS
from senseweave.perception.objectives import OBJECTIVES

HEAVY = {"torch", "numpy", "gymnasium", "cv2", "stable_baselines3", "av", "minigrid", "matplotlib"}


def help_of(capsys, *words):
    assert cli.main([*words, "--help"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    return told.out


@pytest.mark.parametrize("words", [[], ["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_takes_less_than_a_second_of_the_processor_and_imports_nothing_heavy(words):
    code = (
        "import resource, sys; from senseweave.agent.cli.main import main\n"
        "status = main(sys.argv[1:]); used = resource.getrusage(resource.RUSAGE_SELF)\n"
        f"print(status, sorted({HEAVY!r} & set(sys.modules)), used.ru_utime + used.ru_stime < 1)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n0 [] True\n"), done.stdout[-200:]


@pytest.mark.parametrize("columns", ["80", "240"])
def test_help_can_be_read_on_every_terminal(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    for words in ([], *([name] for name in COMMANDS)):
        assert max(map(len, help_of(capsys, *words).splitlines())) <= min(int(columns), 100), words
    assert os.environ["COLUMNS"] == columns


def test_the_overview_names_every_command_with_its_example(capsys):
    told = help_of(capsys)
    assert all(re.search(f"^  {name} ", told, re.MULTILINE) and COMMANDS[name].example in told for name in COMMANDS)


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_the_version_is_that_of_the_distribution(capsys, word):
    assert cli.main([word]) == 0
    assert capsys.readouterr().out == f"senseweave {importlib.metadata.version('senseweave')}\n"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_help_of_a_command_names_every_option_and_ends_with_an_example(capsys, name):
    told = help_of(capsys, name)
    assert told.startswith(f"usage: senseweave {name} ")
    for option in options_of(COMMANDS[name].settings):
        assert option.help, f"{option.name} has no line in the docstring"
        assert option.name in told
    assert told.rstrip().endswith(f"example:\n  {COMMANDS[name].example}")


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_example_of_the_help_can_be_parsed(name):
    program, command, *words = COMMANDS[name].example.split()
    assert (program, command) == ("senseweave", name)
    parse(name, COMMANDS[name], words)


def test_the_help_lists_what_can_be_chosen_from_the_tables_themselves(capsys):
    trained, pretrained = help_of(capsys, "train"), help_of(capsys, "pretrain")
    assert all(name in trained for name in (*FUSIONS, *PRESETS))
    assert all(name in pretrained for name in (*OBJECTIVES, *IMPUTATIONS, *FUSIONS, *PRESETS))


def test_the_help_of_train_shows_what_the_bare_command_uses(capsys):
    told = " ".join(re.sub("[│─]", " ", help_of(capsys, "train")).split())
    used = TrainConfig.of_recipe({})
    for option, value in (("steps", f"{used.steps:_}"), ("imitation-steps", f"{used.imitation_steps:_}")):
        assert re.search(rf"--{option} N [^-]*\(default: {value}\)", told)
    assert f"(default: {used.num_envs})" in told and f"; default: {used.memory})" in told
