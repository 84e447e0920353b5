"""Names of cameras and files: devices by any name, a % that is a letter, sequences, names that are no UTF-8."""

import os
import stat
from pathlib import Path

import cv2
import numpy as np
import pytest

from kit.live.clips import next_reading, opened, write_clip
from senseweave.envs.live.sensors.cameras.camera import CameraSource, camera_sensor
from senseweave.envs.live.sensors.cameras.devices import V4L_MAJOR, device_path, is_camera_device, require_device
from senseweave.envs.live.sensors.microphones.microphone import MicrophoneSource
from senseweave.envs.live.source import SourceError
from senseweave.perception.errors import ConfigError
from senseweave.perception.spec import Camera, Microphone

KIND = Camera(32, 32)


def write_picture(path, grey):
    cv2.imwrite(str(path), np.full((32, 32, 3), grey, np.uint8))


def greys(source, count):
    opened(source)
    readings = [next_reading(source) for _ in range(count)]
    source.close()
    return [(reading.number, int(reading.content.mean())) for reading in readings]


@pytest.mark.parametrize("name", ["100%.png", "%d%d.png", "f_%03d.png", "100%s.png"])
def test_a_file_that_is_there_is_that_file_whatever_its_name_looks_like(tmp_path, name):
    write_picture(tmp_path / name, 90)
    assert greys(CameraSource(str(tmp_path / name), KIND), 1) == [(0, 90)]


def test_a_film_with_a_percent_sign_in_its_name_is_seen_and_heard(tmp_path):
    path = str(write_clip(tmp_path / "50%d off.mp4", frames=5))
    assert next_reading(opened(CameraSource(path, KIND))).number == 0
    assert next_reading(opened(MicrophoneSource(path, Microphone(1, 800, 16000)))).content.any()


def test_a_sequence_begins_at_the_lowest_number_that_is_there_and_a_gap_keeps_its_time(tmp_path):
    for number, grey in ((100, 10), (101, 20), (104, 50)):
        write_picture(tmp_path / f"f_{number}.png", grey)
    write_picture(tmp_path / "f_7.png", 200)  # of fewer digits than the pattern asks for
    assert greys(CameraSource(str(tmp_path / "f_%03d.png"), KIND), 3) == [(0, 10), (1, 20), (4, 50)]


@pytest.mark.parametrize("name", ["f_%03d.png", "f_%s.png", "%d_%d.png", "50%.png", "%"])
def test_a_pattern_without_pictures_is_one_sentence(tmp_path, name):
    with pytest.raises(ConfigError, match=r"The camera's file .* cannot be played: (No image|It is no file)"):
        opened(CameraSource(str(tmp_path / name), KIND))


# Devices


@pytest.fixture
def node(tmp_path):
    """A device file of a camera that is not plugged in."""
    path = tmp_path / "node"
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(V4L_MAJOR, 250))
    except OSError as error:
        pytest.skip(f"device files cannot be made here: {error}")
    return path


def test_a_link_to_a_camera_is_a_camera_by_what_it_leads_to(node, tmp_path):
    link = tmp_path / "video-wrist"
    link.symlink_to(tmp_path / "by-id")
    (tmp_path / "by-id").symlink_to(node)
    assert is_camera_device(str(link)) and device_path(str(link)) == os.path.realpath(node)
    assert CameraSource(str(link), KIND).is_device and camera_sensor("a", KIND, str(link)).inbox._unchanged_ns < 6e9
    with pytest.raises(SourceError, match="video-wrist (is there but cannot|may not) be opened"):
        opened(CameraSource(str(link), KIND))


@pytest.mark.parametrize(
    "name",
    ["/dev/v4l/by-id/usb-046d_C920-video-index0", "/dev/v4l/by-path/pci-0:1.2", "/dev/video-wrist", "/dev/video9"],
)
def test_a_camera_that_is_not_plugged_in_is_one_by_its_name_and_waited_for(name):
    source = CameraSource(name, KIND)
    assert source.is_device
    with pytest.raises(SourceError, match=f"There is no camera {name}: {name} is missing"):
        opened(source)


def test_other_devices_and_links_to_files_are_no_cameras(tmp_path):
    (tmp_path / "link").symlink_to(write_clip(tmp_path / "clip.mp4", frames=2))
    assert not any(
        map(is_camera_device, ("/dev/null", "/dev/zero", str(tmp_path / "link"), "/dev/shm/clip.mp4", "a\0b"))
    )
    assert next_reading(opened(CameraSource(str(tmp_path / "link"), KIND))).number == 0
    require = pytest.raises(SourceError, match=r"There is no camera 77: /dev/video77 is missing")
    with require:
        require_device("77")


@pytest.mark.parametrize(
    ("option", "value"),
    [("frame_width", 0), ("frame_height", 10**6), ("fourcc", "MJPEG"), ("fourcc", ""), ("rate_hz", -1)],
)
def test_what_a_device_is_asked_for_is_looked_at(option, value):
    with pytest.raises(ConfigError, match=f"`{option}` of a camera must be"):
        CameraSource(0, KIND, **{option: value})


# Names that are no UTF-8


def test_a_name_that_is_no_utf8_is_one_sentence_before_any_library_sees_it(tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")
    write_clip(tmp_path / "clip.mp4", frames=2)
    Path(tmp_path / "clip.mp4").rename(name)
    for make in (lambda: CameraSource(name, KIND), lambda: opened(MicrophoneSource(name, Microphone(1, 800, 16000)))):
        with pytest.raises(ConfigError, match=r'must be UTF-8; got ".*caf\\udce9.mp4"'):
            make()
