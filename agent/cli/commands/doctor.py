"""`senseweave doctor`: what works on this machine, and the command that fixes what does not.

Every check stands alone and a check that fails is a finding, so that the doctor itself never falls ill. Sensors are
looked for, not opened: a camera that is in use stays in use.
"""

import ctypes.util
import dataclasses
import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ....perception.checks.files import DESCRIPTION_BYTES, read_regular
from ....perception.texts import shown
from ...settings.base import Settings
from ..command import Command, Result

OK, MISSING, BROKEN = "ok", "missing", "broken"
"""What a finding can be: MISSING is optional, BROKEN is needed for training."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: what it is.
        status: OK, MISSING or BROKEN.
        detail: what was found.
        mend: a command or a step that helps; empty where nothing has to be done.
    """

    name: str
    status: str
    detail: str
    mend: str = ""


def examine() -> dict[str, Any]:
    """Runs every check.

    Returns:
        What `doctor --json` prints.
    """
    findings: list[Finding] = []
    for name, check in CHECKS.items():
        try:
            findings += check()
        except Exception as error:  # whatever a broken installation throws is a finding, never a crash
            findings.append(Finding(name, BROKEN, f"{type(error).__name__}: {error}", "reinstall the package"))
    return {
        "findings": [dataclasses.asdict(finding) for finding in findings],
        "can_train": all(finding.status != BROKEN for finding in findings),
    }


def _python() -> list[Finding]:
    version = platform.python_version()
    is_new = sys.version_info >= (3, 11)
    found = f"{version} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return [Finding("python", OK if is_new else BROKEN, found, "" if is_new else "install Python 3.11 or newer")]


def _packages() -> list[Finding]:
    needed = ("senseweave", "numpy", "gymnasium", "stable-baselines3", "sb3-contrib", "minigrid", "tokenizers")
    findings = []
    for name in (*needed, "safetensors", "tensorboard", "tqdm"):
        try:
            findings.append(Finding(name, OK, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            findings.append(Finding(name, BROKEN, "not installed", f"pip install {name}"))
    return findings


def _torch() -> list[Finding]:
    import torch

    release = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    is_new = release >= (2, 10)
    findings = [
        Finding("torch", OK if is_new else BROKEN, torch.__version__, "" if is_new else 'pip install "torch>=2.10"')
    ]
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            memory_gb = torch.cuda.get_device_properties(i).total_memory / 1e9
            findings.append(Finding(f"cuda:{i}", OK, f"{torch.cuda.get_device_name(i)}, {memory_gb:.0f} GB"))
    elif torch.version.cuda:
        mend = "check the driver with: nvidia-smi"
        findings.append(Finding("cuda", MISSING, "torch was built for CUDA, but sees no GPU", mend))
    elif shutil.which("nvidia-smi"):
        mend = "install a CUDA build of torch: https://pytorch.org/get-started/locally"
        findings.append(Finding("cuda", MISSING, "there is an NVIDIA driver, but this torch has no CUDA", mend))
    else:
        findings.append(Finding("cuda", MISSING, "no GPU; training runs on the CPU"))
    return findings


def _opencv() -> list[Finding]:
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        is_library = "lib" in str(error)
        mend = "apt-get install -y libgl1 libglib2.0-0" if is_library else "pip install opencv-python"
        return [Finding("opencv", MISSING, f"needed for videos and cameras ({error})", mend)]
    return [Finding("opencv", OK, cv2.__version__)]


def _video() -> list[Finding]:
    try:
        av = importlib.import_module("av")
    except ImportError as error:
        return [Finding("video", MISSING, f"needed to write video.mp4 ({error})", "pip install av")]
    codec = "H.264" if "libx264" in av.codecs_available else "MPEG-4, as this PyAV has no H.264"
    return [Finding("video", OK, f"PyAV {av.__version__} writes {codec}")]


def _microphones() -> list[Finding]:
    from ....envs.live.sensors.microphones.portaudio import load_sounddevice, microphone_names
    from ....perception.errors import MissingExtraError

    try:
        sounddevice = load_sounddevice()
    except MissingExtraError as error:
        told, _, mend = str(error).rpartition("; run: ")
        return [Finding("microphone", MISSING, told, mend)]
    names = microphone_names(sounddevice)
    if names:
        return [Finding("microphone", OK, name) for name in names]
    if Path("/dev/snd").exists():
        found = "PortAudio works, but sees no microphone"
        mend = "plug one in, or let this user have it: sudo usermod -aG audio " + _user()
    else:
        found = "PortAudio works, but the system has no sound card and no sound server"
        mend = "plug one in; for a virtual one: apt-get install -y pulseaudio libasound2-plugins"
    return [Finding("microphone", MISSING, found, mend)]


EXTRAS = {
    "atari": "Atari games",
    "data": "recordings and datasets: live --record and --replay, record, convert, --dataset",
    "hub": "agents and perceptions of the Hugging Face Hub: push, hf://USER/NAME",
    "onnx": "export, and running what it wrote: live --policy",
    "pretrained": "encoders from transformers, which are trained already",
    "rllib": "training with Ray's RLlib",
    "serve": "policies on another machine: serve, live --remote",
    "speech": "spoken instructions: live --instruction speech",
    "torchrl": "training with TorchRL",
    "view": "pictures of curves, and Rerun",
    "vizdoom": "Doom with sound",
}
"""What each extra of pyproject.toml is for; those for working on senseweave itself are not looked at."""


def _extras() -> list[Finding]:
    from ....perception.errors import packages_of_extra

    findings = []
    for extra, purpose in EXTRAS.items():
        packages = packages_of_extra(extra)
        missing = [package for package in packages if not _has_package(re.split(r"[^\w.-]", package)[0])]
        if not packages:
            findings.append(Finding(extra, MISSING, "senseweave itself is not installed", "pip install -e ."))
        elif missing:
            mend = "pip install " + " ".join(f'"{package}"' for package in missing)
            findings.append(Finding(extra, MISSING, f"needed for {purpose}", mend))
        else:
            findings.append(Finding(extra, OK, purpose))
    return findings


def _cameras() -> list[Finding]:
    if platform.system() != "Linux":
        return [Finding("camera", MISSING, f"not looked for on {platform.system()}")]
    from ....envs.live.sensors.cameras.devices import camera_devices

    devices = camera_devices()
    if not devices:
        found = "there is no /dev/video*; files and addresses (http, rtsp, udp) work as cameras"
        return [Finding("camera", MISSING, found, "plug one in")]
    return [
        Finding("camera", OK, f"{device} {_camera_name(device)}".strip())
        if os.access(device, os.R_OK | os.W_OK)
        else Finding("camera", MISSING, f"{device} may not be opened", f"sudo usermod -aG video {_user()}")
        for device in devices
    ]


def _camera_name(device: Path) -> str:
    """What the camera calls itself, where the system tells."""
    try:
        name = read_regular(f"/sys/class/video4linux/{device.name}/name", DESCRIPTION_BYTES)
    except OSError:
        return ""
    return shown(name.decode("utf-8", "replace").strip())


def _has_package(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _openal() -> list[Finding]:
    library = ctypes.util.find_library("openal")
    if library:
        return [Finding("openal", OK, library)]
    detail = "without it ViZDoom is silent, and says nothing about it"
    return [Finding("openal", MISSING, detail, "apt-get install -y libopenal1")]


def _folder() -> list[Finding]:
    folder = Path.cwd()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"senseweave")
    except OSError as error:
        mend = "change to a folder that you may write to"
        return [Finding("this folder", BROKEN, f"{folder}: {error.strerror}", mend)]
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < 1:
        return [Finding("this folder", BROKEN, f"{folder}: only {free_gb:.1f} GB free", "free some space")]
    return [Finding("this folder", OK, f"{folder} is writable, {free_gb:.0f} GB free")]


def _environments() -> list[Finding]:
    from ....envs import known

    entries = known()
    usable = sum(entry.is_installed for entry in entries)
    return [Finding("environments", OK, f"{usable} of {len(entries)} can be used now; see: senseweave envs")]


def _user() -> str:
    return os.environ.get("USER", "$USER")


CHECKS: dict[str, Callable[[], list[Finding]]] = {
    "python": _python,
    "packages": _packages,
    "torch": _torch,
    "opencv": _opencv,
    "video": _video,
    "camera": _cameras,
    "microphone": _microphones,
    "extras": _extras,
    "openal": _openal,
    "this folder": _folder,
    "environments": _environments,
}


def as_text(result: dict[str, Any]) -> str:
    """The findings for people, with what fixes them."""
    findings = result["findings"]
    width = max(len(finding["name"]) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding['status']:8} {finding['name']:{width}}  {finding['detail']}")
        if finding["mend"]:
            lines.append(f"{'':8} {'':{width}}  -> {finding['mend']}")
    end = "Training works here." if result["can_train"] else "Training needs what is marked as broken."
    return "\n".join([*lines, "", f"{end} What is missing is optional."])


@dataclasses.dataclass(frozen=True)
class DoctorConfig(Settings):
    """It can be told nothing."""


def _run(settings: DoctorConfig) -> Result:
    result = examine()
    return result, as_text(result)


COMMAND = Command(
    settings=DoctorConfig,
    run=_run,
    summary="Look at this machine: what works, and how to fix the rest.",
    example="senseweave doctor",
)
