"""A command from a user's own package: one file and one line, registered or declared by an installed package."""

import json
import os
import subprocess
import sys

import pytest

from kit.installed import install
from senseweave.agent import cli
from senseweave.agent.cli.commands import COMMANDS
from senseweave.perception.errors import ConfigError

COMMAND = '''
"""A command of a user's own."""
import dataclasses
from senseweave.agent.cli import Command
from senseweave.agent.settings import Settings


@dataclasses.dataclass(frozen=True)
class Greeting(Settings):
    """Who is greeted.

    Args:
        name: whose greeting it is.
        times: how often.
    """

    name: str
    times: int = 1


def greet(settings):
    text = " ".join([f"Hello {settings.name}!"] * settings.times)
    return {"text": text}, text


COMMAND = Command(settings=Greeting, run=greet, summary="Greet somebody.", example="senseweave greet --name you")
'''


@pytest.fixture
def package(tmp_path):
    """An installed package that declares a command, and one that cannot be imported."""
    (tmp_path / "greetings.py").write_text(COMMAND)
    facts = tmp_path / "greetings-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: greetings\nVersion: 1.0\n")
    points = ["[senseweave.commands]", "greet = greetings:COMMAND", "lost = not_a_package.lost:COMMAND"]
    (facts / "entry_points.txt").write_text("\n".join(points))
    return tmp_path


def run(package, *words):
    command = [sys.executable, "-P", "-m", "senseweave.agent.cli", *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(package)}
    )


def test_a_command_that_an_installed_package_declares_is_one_of_ours(package):
    done = run(package, "greet", "--name", "you", "--times", "2", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"text": "Hello you! Hello you!"}), done.stderr
    done = run(package, "greet", "--nam", "you")
    assert (done.returncode, done.stderr) == (2, '`greet` has no option "--nam"; did you mean "--name"?\n')
    told = run(package, "greet", "--help").stdout
    assert "whose greeting it is" in told and "how often (default: 1)" in told


def test_the_overview_lists_it_and_says_what_one_lacks_that_cannot_be_imported(package):
    done = run(package, "--help")
    assert done.returncode == 0, done.stderr
    assert "senseweave greet --name you" in done.stdout
    assert 'The command "lost" needs not_a_package, which is not installed.' in " ".join(done.stdout.split())


def test_a_package_whose_commands_are_broken_takes_no_other_command_away(tmp_path):
    modules = {"torn": 'raise ImportError("cannot import name this from that")', "odd": "COMMAND = 3"}
    install(tmp_path, "rags", modules, "[senseweave.commands]\ntorn = rags.torn:COMMAND\nodd = rags.odd:COMMAND\n")
    done = run(tmp_path, "--help")
    told = " ".join(done.stdout.split())
    assert done.returncode == 0 and "senseweave train --out runs/seek" in told, done.stderr
    assert 'The command "torn" cannot be imported from rags.torn:COMMAND (ImportError: cannot import' in told
    assert 'The command "odd" is no `Command`' in told
    for name in ("torn", "odd"):
        done = run(tmp_path, name)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "fix or uninstall" in done.stderr


def test_a_command_can_be_registered_and_keeps_others_from_its_name(capsys):
    names = {}
    exec(COMMAND, names)
    COMMANDS.register("greet", names["COMMAND"])
    try:
        assert cli.main(["greet", "--name", "all"]) == 0
        assert capsys.readouterr().out == "Hello all!\n"
        assert cli.main(["greet"]) == 2
        assert "arguments are required: --name; see: senseweave greet --help." in capsys.readouterr().err
    finally:
        del COMMANDS["greet"]
    with pytest.raises(ConfigError, match='There is a command "train" already'):
        COMMANDS.register("train", names["COMMAND"])
