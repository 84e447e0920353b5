"""Which addresses are cameras that are plugged in, by number or by any name of their device file; are they there?

Cameras are character devices of major number 81 on Linux; /dev/v4l/by-id and what udev makes are links to them.
"""

import os
import re
import stat
from pathlib import Path

from ...source import SourceError

V4L_MAJOR = 81
"""The major number of video devices on Linux (Documentation/admin-guide/devices.txt of the kernel)."""

_DEVICE_NAMES = re.compile(r"\d+|/dev/video[^/]*|/dev/v4l/.*")
"""What is a camera's name, also while it is not plugged in."""


def is_camera_device(source: str) -> bool:
    """Whether a source is a camera that is plugged in, or would be if it were."""
    if _DEVICE_NAMES.fullmatch(source):
        return True
    try:
        status = os.stat(source)  # of what a link leads to
    except (OSError, ValueError):
        return False
    return stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) == V4L_MAJOR


def device_path(source: str) -> str:
    """The device file of a camera: "0" is /dev/video0, and a link is what it leads to now."""
    return f"/dev/video{int(source)}" if source.isdecimal() else os.path.realpath(source)


def camera_devices() -> list[Path]:
    """The cameras that Linux knows, as /dev/video0 and so on."""
    devices = [path for path in Path("/dev").glob("video*") if path.name.removeprefix("video").isdecimal()]
    return sorted(devices, key=lambda path: int(path.name.removeprefix("video")))


def require_device(source: str) -> None:
    """Looks whether a camera is plugged in and may be opened, without opening it.

    Args:
        source: its number, or a name of its device file.

    Raises:
        SourceError: it is not, or may not.
    """
    device = Path(device_path(source))
    if not device.exists():
        known = ", ".join(map(str, camera_devices())) or "none"
        missing = str(device) if source.isdecimal() else source
        raise SourceError(f"There is no camera {source}: {missing} is missing (cameras here: {known}); plug it in.")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(f"{device} may not be opened; run: sudo usermod -aG video $USER, then log in again.")
