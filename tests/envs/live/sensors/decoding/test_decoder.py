"""What happens to the process that decodes happens to one sense, for a while, and to nothing else."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from kit.limits import HANG_S
from kit.live.clips import next_reading, opened, write_clip
from senseweave.envs.live.backoff import Backoff
from senseweave.envs.live.clock import SystemClock
from senseweave.envs.live.sensor import ThreadedSensor
from senseweave.envs.live.sensors.cameras.camera import CameraSource
from senseweave.envs.live.sensors.decoding.decoder import MEMORY_BYTES
from senseweave.envs.live.sensors.microphones.microphone import MicrophoneSource
from senseweave.envs.live.source import SourceError
from senseweave.perception.errors import ConfigError
from senseweave.perception.spec import Camera, Microphone

KIND = Camera(32, 32)
EAR = Microphone(1, 1600, 16000)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4")


def wait_for(condition):
    end = time.monotonic() + HANG_S
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def children():
    """The numbers of this process's children, dead ones that nobody waited for among them."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # the thread has ended meanwhile
            found += map(int, (task / "children").read_text().split())
    return found


def write_bomb(path: Path, side: int = 30_000) -> Path:
    """A PNG of little more than 100 KB that is 2.7 GB when it is decoded."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    data = b"".join(rows.compress(row * 1000) for _ in range(side // 1000)) + rows.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 3, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"PLTE", bytes(6)), chunk(b"IDAT", data), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def as_sensor(make):
    return ThreadedSensor("sense", make().kind, make, backoff=Backoff(first_delay_s=0.05, max_delay_s=0.1))


@pytest.mark.parametrize("is_camera", [True, False])
def test_a_decoder_that_crashes_is_told_once_and_started_again(clip, is_camera):
    sources = []

    def make():
        kind = CameraSource(str(clip), KIND, loop=True) if is_camera else MicrophoneSource(str(clip), EAR, loop=True)
        sources.append(kind)
        return kind

    sensor = as_sensor(make)
    sensor.start(SystemClock())
    try:
        wait_for(lambda: sensor.inbox.accepted > 3)
        playback = sources[-1]._playback if is_camera else sources[-1].feed._playback
        os.kill(playback._decoder.process_id, signal.SIGSEGV)
        wait_for(lambda: sensor.failure)
        assert "was ended by SIGSEGV" in sensor.failure and "decoder" in sensor.failure
        seen = sensor.inbox.accepted
        wait_for(lambda: sensor.inbox.accepted > seen + 3)
        kinds = [event.kind for event in sensor.take_events() if event.kind != "warning"]
        assert kinds == ["opened", "failed", "opened"] and sensor.failure == ""
    finally:
        sensor.stop()


@pytest.mark.parametrize(("name", "side"), [("f_%03d.png", 30_000), ("f_000.png", 16_000)])
def test_a_picture_that_needs_too_much_memory_is_one_sentence_and_tried_again(tmp_path, name, side):
    assert write_bomb(tmp_path / "f_000.png", side).stat().st_size < 200_000 and MEMORY_BYTES < 2 << 30
    source = CameraSource(str(tmp_path / name), KIND)
    with pytest.raises(SourceError, match="more memory than the 1,024 MiB|was ended by SIGABRT") as caught:
        next_reading(opened(source, SystemClock()))
    assert name in str(caught.value)
    source.close()


def test_a_picture_that_ffmpeg_does_not_believe_is_refused_for_good(tmp_path):
    source = CameraSource(str(write_bomb(tmp_path / "a.png")), KIND)
    with pytest.raises(ConfigError, match="has no frame that can be read"):
        next_reading(opened(source, SystemClock()))
    source.close()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_decoder_that_hangs_is_stopped_in_time_and_leaves_nothing(clip):
    before, sources = set(children()), []

    def make():
        sources.append(CameraSource(str(clip), KIND, loop=True))
        return sources[-1]

    sensor = as_sensor(make)
    sensor.start(SystemClock())
    wait_for(lambda: sensor.inbox.accepted > 3)
    decoder = sources[-1]._playback._decoder
    os.kill(decoder.process_id, signal.SIGSTOP)
    time.sleep(0.2)
    began_s = time.monotonic()
    sensor.stop()
    assert time.monotonic() - began_s < HANG_S / 6
    wait_for(lambda: set(children()) <= before)


def test_a_decoder_that_hangs_while_it_opens_is_ended_with_its_attempt(silent_port):
    sensor = ThreadedSensor(
        "camera",
        KIND,
        lambda: CameraSource(f"tcp://127.0.0.1:{silent_port}", KIND, open_timeout_s=3000),
        backoff=Backoff(start_up_s=1.0, grace_s=0.1, first_delay_s=0.05, max_delay_s=0.1),
    )
    sensor.start(SystemClock())
    try:
        wait_for(lambda: sensor.inbox.retries >= 2)
        kinds = [event.kind for event in sensor.take_events()]
        assert "hung" not in kinds, "its process is ended, so that its thread is not lost"
    finally:
        sensor.stop()


@pytest.fixture
def silent_port():
    """A port at which somebody listens and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize("device", ["camera", "microphone"])
def test_a_pipe_or_a_device_that_gives_bytes_is_no_file(tmp_path, device):
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", Path("/dev/zero")):
        source = CameraSource(str(path), KIND) if device == "camera" else MicrophoneSource(str(path), EAR)
        if device == "microphone" and path.name == "zero":
            continue  # the name of a device
        with pytest.raises(Exception, match="is a pipe or a device, no regular file"):
            opened(source)


def test_the_process_of_the_loop_loads_no_library_that_decodes(clip):
    program = (
        "import sys\n"
        "from senseweave.envs.live.clock import SystemClock\n"
        "from senseweave.envs.live.sensors.cameras.camera import CameraSource\n"
        "from senseweave.envs.live.sensors.microphones.microphone import MicrophoneSource\n"
        "from senseweave.perception.spec import Camera, Microphone\n"
        f"for source in CameraSource({str(clip)!r}, Camera(16, 16)), "
        f"MicrophoneSource({str(clip)!r}, Microphone(1, 220, 22050)):\n"
        "    source.clock = SystemClock()\n"
        "    source.open()\n"
        "    while source.read() is None: pass\n"
        "    source.close()\n"
        "print('cv2' in sys.modules, 'av' in sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=HANG_S, check=True
    )
    assert result.stdout.split() == ["False", "False"]
