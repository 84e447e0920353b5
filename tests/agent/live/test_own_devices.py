"""Devices that an installed package declares are there on the command line, with nothing else done."""

import json
import os
import subprocess

from kit.limits import HANG_S
from kit.live.own_devices import write_own_devices
from kit.live.runs import COMMAND, seeker

__all__ = ["seeker"]


def test_the_command_line_reaches_a_source_and_a_body_of_an_installed_package(tmp_path, seeker):
    write_own_devices(tmp_path)
    names = tmp_path / "names.txt"
    words = f"--policy {seeker} --camera grey:40 --actions names:{names} --seconds 1 --json".split()
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [*COMMAND, *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=HANG_S)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["presence"]["camera"] == 1.0 and result["presence"]["audio"] == 0.0
    assert len(names.read_text().split()) == result["ticks"] > 0


def test_a_source_for_another_kind_is_one_sentence(tmp_path, seeker):
    write_own_devices(tmp_path)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    words = f"--policy {seeker} --microphone grey:40".split()
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, env=environment, timeout=HANG_S)
    assert done.returncode == 2
    assert 'The source "grey" is for Camera, but "audio" is of the kind Microphone.' in done.stderr
    assert len(done.stderr.splitlines()) == 1
