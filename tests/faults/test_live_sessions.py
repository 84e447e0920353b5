"""A session with live sensors against the world: a full disk, a kill, a spoken instruction through a sound server."""

import importlib.util
import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kit.limits import HANG_S
from kit.live.runs import COMMAND, clip, seeker, start, wait_for_lines
from senseweave.envs.live.sessions.session import Session

__all__ = ["clip", "seeker"]
EXAMPLE = Path(__file__).parents[2] / "examples" / "speak_to_the_agent.py"
SPEAKS = all(shutil.which(name) for name in ("espeak-ng", "pulseaudio", "paplay"))


def ticks_in(folder):
    """How many ticks the only recording in a folder holds."""
    (file,) = folder.glob("*.mcap")
    return sum(1 for part in Session(file) if type(part).__name__ == "TickRecord")


def test_a_full_disk_ends_the_recording_and_not_the_loop(seeker, clip, tmp_path):
    folder = tmp_path / "session"
    words = [*COMMAND, "--policy", seeker, "--camera", clip, "--microphone", clip, "--record", folder]
    words += ["--seconds", "3", "--json"]
    limited = f"ulimit -f 120; exec {shlex.join(map(str, words))}"  # 120 KiB a file; then writing fails
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["ticks"] + result["overruns"] >= 29 and result["presence"]["camera"] > 0.5
    assert "has ended (File too large); what was written before can be read." in result["recording"]["failure"]
    assert done.stderr.count("what was written before can be read") == 1 and "Traceback" not in done.stderr
    assert 0 < ticks_in(folder) < result["ticks"]


def test_what_was_recorded_before_a_kill_can_be_read(seeker, clip, tmp_path):
    folder, actions = tmp_path / "session", tmp_path / "actions.jsonl"
    with start("--policy", seeker, "--camera", clip, "--record", folder, "--actions", actions) as process:
        wait_for_lines(actions, 25, process)
        sent = actions.read_text().count("\n")
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert ticks_in(folder) >= sent - 20, "all but the last second or two"


@pytest.mark.nightly
@pytest.mark.skipif(not SPEAKS, reason="needs espeak-ng and pulseaudio")
@pytest.mark.skipif(importlib.util.find_spec("pocketsphinx") is None, reason="needs the extra speech")
def test_what_is_said_into_the_microphone_becomes_the_instruction(seeker, tmp_path):
    spec = importlib.util.spec_from_file_location("speak_to_the_agent", EXAMPLE)
    speaking = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(speaking)
    words = ["--policy", seeker, "--body", "senseweave/Seek-v0", "--instruction", "speech", "--microphone", "default"]
    actions = tmp_path / "session"
    with speaking.virtual_microphone(), start(*words, "--record", actions, "--json") as process:
        while not list(actions.glob("*.mcap")):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.1)
        told = []
        for line in iter(process.stderr.readline, ""):
            told.append(line)
            if line.startswith("instruction: ready."):
                break
        assert any(line.startswith("instruction: loading.") for line in told)
        assert told[-1] == 'instruction: ready. Listening for "stop" and 13 phrases such as "go to the red key".\n'
        speaking.say("go to the red ball", is_virtual=True)
        time.sleep(4)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=HANG_S)
    assert process.returncode == 0, err
    result = json.loads(out)
    assert result["instruction"] == "go to the red ball" and 'instruction: "go to the red ball"' in err
    presence = result["presence"]
    assert min(presence["camera"], presence["audio"]) > 0.9 > presence["instruction"], "nothing was said at first"


@pytest.mark.nightly
@pytest.mark.skipif(not SPEAKS, reason="needs espeak-ng and pulseaudio")
@pytest.mark.skipif(importlib.util.find_spec("pocketsphinx") is None, reason="needs the extra speech")
def test_the_spoken_example_understands_what_its_voice_says(seeker):
    words = [sys.executable, str(EXAMPLE), str(seeker), "--virtual", "--rooms", "2"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=HANG_S, check=True)
    assert 'said "go to the red ball", understood "go to the red ball"' in done.stdout
    assert 'said "go to the blue box", understood "go to the blue box"' in done.stdout
