"""What a machine may refuse a live session: libraries, devices, files and folders. One sentence each, for real."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kit.limits import HANG_S
from kit.live.clips import require_portaudio
from kit.live.runs import COMMAND, clip, seeker, start, wait_for_lines
from senseweave.agent import cli
from senseweave.envs.live.sessions.session import Session

__all__ = ["clip", "seeker"]
NODE = 87
"""The number of a camera that no machine has."""

POWERS = ["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
WITHOUT_POWERS = [] if os.name == "nt" or os.geteuid() else ["setpriv", *POWERS]
"""Permissions are nothing to root, unless it gives up the power to ignore them."""

obeys_permissions = pytest.mark.skipif(
    bool(WITHOUT_POWERS) and shutil.which("setpriv") is None, reason="root needs setpriv (util-linux) to obey"
)


def refused_here(capsys, *words: object) -> str:
    """The sentence that a session ends with which cannot be, in this process."""
    status = cli.main(["live", *map(str, words), "--seconds", "1"])
    told = capsys.readouterr()
    assert (status, told.out) == (2, "") and len(told.err.splitlines()) == 1, told.err
    return told.err.strip()


def refused(*words: object, before=(), **environment: str) -> str:
    """The same in a process of its own, with other powers or variables."""
    command = [*before, *COMMAND, *map(str, words), "--seconds", "1"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=HANG_S, check=False, env=os.environ | environment
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.endswith("\n") and len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr.strip()


@pytest.fixture
def without_portaudio(tmp_path) -> dict[str, str]:
    """Variables of a process that finds every library but PortAudio, as on a fresh Linux."""
    (tmp_path / "sitecustomize.py").write_text(
        "import ctypes.util\n"
        "find = ctypes.util.find_library\n"
        "ctypes.util.find_library = lambda name: None if 'portaudio' in name.lower() else find(name)\n"
    )
    return {"PYTHONPATH": str(tmp_path)}


def test_without_portaudio_a_microphone_names_the_package_to_install(without_portaudio):
    imported = subprocess.run(
        [sys.executable, "-c", "import sounddevice"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | without_portaudio,
    )
    assert "OSError: PortAudio library not found" in imported.stderr, "this test hides it for real"
    told = refused("--microphone", "default", **without_portaudio)
    assert told == (
        "A microphone needs the system's PortAudio (PortAudio library not found); run: apt-get install -y libportaudio2"
    )


@pytest.mark.nightly
def test_without_portaudio_the_doctor_says_the_same_and_files_can_be_heard(without_portaudio, clip):
    doctor = [sys.executable, "-P", "-m", "senseweave.agent.cli", "doctor", "--json"]
    done = subprocess.run(
        doctor, capture_output=True, text=True, timeout=HANG_S, check=True, env=os.environ | without_portaudio
    )
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert findings["microphone"]["mend"] == "apt-get install -y libportaudio2"
    words = [*COMMAND, "--microphone", str(clip), "--seconds", "0.5", "--json"]
    heard = subprocess.run(
        words, capture_output=True, text=True, timeout=HANG_S, check=True, env=os.environ | without_portaudio
    )
    assert json.loads(heard.stdout)["presence"]["audio"] > 0.5


def test_a_microphone_that_is_not_there_is_named_with_those_that_are(capsys):
    require_portaudio()
    assert refused_here(capsys, "--microphone", "nosuch").startswith('There is no microphone "nosuch"; PortAudio has ')


@obeys_permissions
@pytest.mark.parametrize("option", ["camera", pytest.param("microphone", marks=pytest.mark.nightly)])
def test_a_file_that_may_not_be_read_is_named_and_so_is_the_reason(tmp_path, clip, option):
    secret = Path(shutil.copy(clip, tmp_path / "secret.mp4"))
    secret.chmod(0)
    told = refused(f"--{option}", secret, before=WITHOUT_POWERS)
    assert told == f'The {option}\'s file "{secret}" may not be read by this user; name another one.'
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    shutil.copy(clip, hidden / "clip.mp4")
    hidden.chmod(0)
    told = refused(f"--{option}", hidden / "clip.mp4", before=WITHOUT_POWERS)
    hidden.chmod(0o700)
    assert told == f'The {option}\'s file "{hidden}/clip.mp4" cannot be reached (Permission denied); name another one.'


def test_a_folder_is_no_camera(capsys, tmp_path):
    assert (
        refused_here(capsys, "--camera", tmp_path) == f'The camera\'s file "{tmp_path}" is a folder; name another one.'
    )


@obeys_permissions
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux names cameras /dev/video0")
def test_a_camera_that_this_user_may_not_open_names_the_group_to_join(capsys):
    node = Path(f"/dev/video{NODE}")
    try:
        os.mknod(node, stat.S_IFCHR, os.makedev(81, NODE))
    except PermissionError:
        pytest.skip("only root makes a device")
    try:
        told = refused("--camera", NODE, before=WITHOUT_POWERS)
        assert told == f"{node} may not be opened; run: sudo usermod -aG video $USER, then log in again."
        node.chmod(0o600)
        told = refused_here(capsys, "--camera", NODE)
        assert told == f"Camera {NODE} is there but cannot be opened; another program may be using it."
    finally:
        node.unlink()


@obeys_permissions
@pytest.mark.parametrize(
    "option", ["record", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("report", "actions"))]
)
def test_a_folder_that_may_not_be_written_is_one_sentence(request, tmp_path, clip, option):
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o500)
    words = ["--camera", clip, *(["--policy", request.getfixturevalue("seeker")] if option == "actions" else [])]
    told = refused(*words, f"--{option}", folder / "x.html", before=WITHOUT_POWERS)
    assert str(folder) in told and ("Permission denied" in told or "can be written to" in told)
    assert list(folder.iterdir()) == []


def test_a_recording_never_goes_into_or_over_what_exists(capsys, tmp_path, clip):
    text, session = tmp_path / "notes.txt", tmp_path / "session.mcap"
    for file in (text, session):
        file.write_text("mine")
    told = refused_here(capsys, "--camera", clip, "--record", text)
    assert told == f"{text} is a file; name a folder, or a file that does not exist and ends in .mcap."
    assert refused_here(capsys, "--camera", clip, "--record", text / "below") == told
    assert (
        refused_here(capsys, "--camera", clip, "--record", session)
        == f"{session} exists already; record into another file or folder."
    )
    assert text.read_text() == session.read_text() == "mine"


@pytest.mark.nightly
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_without_room_for_actions_is_an_event_and_the_loop_goes_on(seeker, clip):
    words = [*COMMAND, "--policy", seeker, "--camera", clip, "--actions", "/dev/full", "--seconds", "2", "--json"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    result = json.loads(done.stdout)
    assert result["ticks"] + result["overruns"] >= 19 and result["events_by_kind"]["unsent"] == 1
    assert done.stderr.count("No space left on device") == 1


@pytest.mark.nightly
def test_ctrl_c_twice_leaves_a_recording_that_can_be_read(seeker, clip, tmp_path):
    folder, actions = tmp_path / "session", tmp_path / "actions.jsonl"
    words = ["--policy", seeker, "--camera", clip, "--actions", actions, "--record", folder, "--rate", "2"]
    with start(*words) as process:
        try:
            wait_for_lines(actions, 6, process)
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=10)
        finally:
            process.kill()
    assert process.returncode in (0, 130) and "Traceback" not in err
    (file,) = folder.glob("*.mcap")
    assert len(list(Session(file).ticks())) >= 3, "all but the last second"
