import builtins
import importlib
import importlib.metadata
import json
import re
import sys
import types
from pathlib import Path

import pytest

from senseweave.agent.cli.commands import doctor
from senseweave.envs.live.sensors.cameras import devices as cameras


def test_every_finding_has_a_status_and_what_is_not_well_says_how_to_mend_it():
    result = doctor.examine()
    assert result["can_train"] is True
    assert {finding["status"] for finding in result["findings"]} <= {doctor.OK, doctor.MISSING, doctor.BROKEN}
    assert all(finding["mend"] for finding in result["findings"] if finding["status"] == doctor.BROKEN)
    json.dumps(result)
    text = doctor.as_text(result)
    assert all(finding["name"] in text for finding in result["findings"]) and "Training works here." in text


@pytest.mark.parametrize(
    ("module", "error", "mend"),
    [
        ("cv2", ImportError("libGL.so.1: cannot open shared object file"), "apt-get install -y libgl1"),
        ("cv2", ImportError("No module named 'cv2'"), "pip install opencv-python"),
        ("av", ImportError("No module named 'av'"), "pip install av"),
    ],
)
def test_a_library_that_cannot_be_imported_is_a_finding_with_its_mend(monkeypatch, module, error, mend):
    original = importlib.import_module

    def import_module(name, *more):
        if name == module:
            raise error
        return original(name, *more)

    monkeypatch.setattr(importlib, "import_module", import_module)
    result = doctor.examine()
    assert [finding for finding in result["findings"] if finding["mend"].startswith(mend)]
    assert result["can_train"], "sensors and videos are optional"


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        (OSError("PortAudio library not found"), "apt-get install -y libportaudio2"),
        (ImportError("No module named 'sounddevice'"), "pip install sounddevice"),
    ],
)
def test_a_missing_portaudio_or_sounddevice_is_a_finding_with_its_mend(monkeypatch, error, mend):
    class Finder:
        def find_spec(self, name, *_):
            if name == "sounddevice":
                raise error

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    (finding,) = doctor._microphones()
    assert (finding.status, finding.mend) == (doctor.MISSING, mend) and str(error) in finding.detail


def test_every_camera_and_microphone_is_listed_by_name(monkeypatch):
    devices = [
        {"name": "USB Audio", "max_input_channels": 1},
        {"name": "Loudspeaker", "max_input_channels": 0},
        {"name": "Headset", "max_input_channels": 2},
    ]
    monkeypatch.setitem(sys.modules, "sounddevice", types.SimpleNamespace(query_devices=lambda: devices))
    assert [finding.detail for finding in doctor._microphones()] == ["USB Audio", "Headset"]
    devices.clear()
    (finding,) = doctor._microphones()
    assert finding.status == doctor.MISSING and "plug one in" in finding.mend
    monkeypatch.setattr(cameras, "camera_devices", lambda: [Path("/dev/video7"), Path("/dev/video12")])
    found = doctor._cameras()
    assert ["/dev/video7" in found[0].detail, "/dev/video12" in found[1].detail] == [True, True]
    assert all(finding.mend.startswith("sudo usermod -aG video") for finding in found)


def test_every_extra_that_a_user_may_want_is_looked_at_and_its_command_names_packages_alone(monkeypatch):
    declared = set(importlib.metadata.metadata("senseweave").get_all("Provides-Extra"))
    assert set(doctor.EXTRAS) == declared - {"bench", "docs", "test"}
    monkeypatch.setattr(doctor, "_has_package", lambda name: name not in ("silero-vad", "mcap"))
    found = {finding.name: finding for finding in doctor._extras()}
    assert {name for name, finding in found.items() if finding.status == doctor.MISSING} == {"speech", "data"}
    assert re.fullmatch(r'pip install "silero-vad>=[\d.]+"', found["speech"].mend)
    assert re.fullmatch(r'pip install "mcap>=[\d.]+"', found["data"].mend)


@pytest.mark.parametrize("error", [RuntimeError("x"), OSError(5, "Input/output error"), KeyError("y"), MemoryError()])
def test_the_doctor_never_crashes_whatever_a_check_throws(monkeypatch, error):
    def fall_ill():
        raise error

    monkeypatch.setattr(doctor, "CHECKS", dict.fromkeys(doctor.CHECKS, fall_ill))
    result = doctor.examine()
    assert result["can_train"] is False and len(result["findings"]) == len(doctor.CHECKS)
    assert "marked as broken" in doctor.as_text(result)


def test_a_folder_that_refuses_writing_is_broken(monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    assert [finding.status for finding in doctor._folder()] == [doctor.BROKEN]


def test_the_doctor_opens_no_sensor(monkeypatch):
    opened = []
    original = builtins.open
    monkeypatch.setattr(
        builtins, "open", lambda file, *rest, **more: opened.append(str(file)) or original(file, *rest, **more)
    )
    doctor.examine()
    assert not [name for name in opened if name.startswith("/dev/video")]
