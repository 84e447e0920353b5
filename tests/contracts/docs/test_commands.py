"""Commands in the pages: `senseweave` knows each command and option, and scripts are there and know theirs."""

import re
import shlex
import subprocess
import sys
from functools import cache

import pytest

from kit.markdown import ROOT, blocks, pages, without_blocks

OPTION = re.compile(r"--[a-z][a-z-]*")
STARTS = re.compile(r"(?:^|.* -m )(?:do )?(?:\w+=\S+ )*(?:\.venv/bin/)?senseweave(?:\.agent\.cli)? (.+)$")
"""Of a command of ours, up to its own words."""


def shell_lines(text: str) -> list[str]:
    """The lines of a page's shell blocks, continued ones as one, without comments; several commands a line apart."""
    whole = "\n".join(blocks(text, "sh")).replace("\\\n", " ")
    return [part.strip() for line in whole.splitlines() for part in line.split(" #")[0].split(";")]


def commands(text: str) -> list[tuple[str, ...]]:
    """Words after `senseweave` of every command in a page's shell blocks, and in its `inline code`."""
    inline = re.findall(r"`([^`\n]+)`", without_blocks(text).replace("\n", " "))
    found = [STARTS.match(line) for line in shell_lines(text) + inline]
    return [tuple(shlex.split(one[1])) for one in found if one]


@cache
def known_options(command: str) -> frozenset[str]:
    """The options that a command's help names; empty where there is no such command."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "senseweave.agent.cli", command, "--help"], capture_output=True, text=True
    )
    return frozenset(OPTION.findall(done.stdout)) if done.returncode == 0 else frozenset()


ALL = sorted({words for page in pages() for words in commands(page.read_text(encoding="utf-8"))})


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_a_documented_command_is_known_with_its_options(words):
    command, *rest = words
    if not command.startswith("-"):
        assert known_options(command), f"there is no `senseweave {command}`"
        assert [word for word in rest if OPTION.fullmatch(word) and word not in known_options(command)] == []


def test_commands_are_found_and_a_mistake_would_be():
    text = "```sh\nsenseweave train --env A \\\n    --stesp 3  # not --this\nfor s in 1; do senseweave doctor; done\n"
    text += (
        "A=1 senseweave live --camera 0\npython a.py senseweave -x\ntorchrun -m senseweave.agent.cli train -h\n```\n"
    )
    text += "or `senseweave watch --out FILE`, `--without`"
    assert commands(text) == [
        ("train", "--env", "A", "--stesp", "3"),
        ("doctor",),
        ("live", "--camera", "0"),
        ("train", "-h"),
        ("watch", "--out", "FILE"),
    ]
    assert "--stesp" not in known_options("train") >= {"--env", "--steps"}
    assert len(ALL) > 30


SCRIPT = re.compile(r"python ((?:benchmarks|examples|tests)/\S+\.py)(.*)")
SCRIPTS = sorted(
    {
        (found[1], tuple(OPTION.findall(found[2])))
        for page in pages()
        for line in shell_lines(page.read_text(encoding="utf-8"))
        if (found := SCRIPT.search(line))
    }
)


@pytest.mark.parametrize(("script", "options"), SCRIPTS)
def test_a_documented_script_is_there_and_has_its_options(script, options):
    sections = re.findall(
        r'^ +"(\w+)",$', (ROOT / "benchmarks" / "contenders" / "trainer_plan.py").read_text(), re.MULTILINE
    )
    source = (ROOT / script).read_text(encoding="utf-8")
    assert [name for name in options if f'"{name}"' not in source and name[2:] not in sections] == []
