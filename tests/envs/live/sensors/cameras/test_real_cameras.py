"""Real streams over loopback: MPEG-TS by UDP and TCP, RTSP; each sender dies and another one takes its place."""

import socket
import threading
import time

import av
import numpy as np
import pytest

from kit.limits import HANG_S
from senseweave.envs.live.clock import SystemClock
from senseweave.envs.live.sensors.cameras.camera import camera_sensor
from senseweave.perception.spec import Camera

KIND = Camera(32, 32)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Sender:
    """Sends grey frames of one brightness, 25 a second, until it is killed; connects again and again before that."""

    def __init__(self, address, format_name, options, brightness):
        self.settings = address, format_name, options, brightness
        self.is_killed = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_killed.wait(0.2):
            try:
                self.send()
            except (av.FFmpegError, OSError):
                continue

    def send(self):
        address, format_name, options, brightness = self.settings
        with av.open(address, "w", format=format_name, options=options) as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 64, "yuv420p", 5
            while not self.is_killed.wait(0.04):
                frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), brightness, np.uint8), format="bgr24")
                container.mux(stream.encode(frame))

    def kill(self):
        self.is_killed.set()
        self.thread.join(10)


def wait_for(condition, what, timeout_s=HANG_S):
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.02)


@pytest.mark.parametrize("way", ["udp", "tcp", "rtsp"])
def test_a_stream_whose_sender_dies_is_seen_again_when_there_is_another(way, monkeypatch):
    port = free_port()
    at, into, format_name, options = {
        "udp": (f"udp://127.0.0.1:{port}", f"udp://127.0.0.1:{port}?pkt_size=1316", "mpegts", {}),
        "tcp": (f"tcp://127.0.0.1:{port}?listen=1", f"tcp://127.0.0.1:{port}", "mpegts", {}),
        "rtsp": (f"rtsp://127.0.0.1:{port}/x", f"rtsp://127.0.0.1:{port}/x", "rtsp", {"rtsp_transport": "tcp"}),
    }[way]
    if way == "rtsp":
        monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_flags;listen|listen_timeout;10")
    clock = SystemClock()
    sensor = camera_sensor("camera", KIND, at, read_timeout_s=1.5)
    sender = Sender(into, format_name, options, 60)
    sensor.start(clock)
    try:

        def shows(brightness):
            newest = sensor.newest(clock.now_ns())
            return newest is not None and abs(float(newest.content.mean()) - brightness) < 8

        wait_for(lambda: shows(60), f"nothing is seen: {sensor.failure}")
        sender.kill()
        wait_for(lambda: sensor.failure, "its death is not noticed")
        sender = Sender(into, format_name, options, 180)
        wait_for(lambda: shows(180), f"the second is not seen: {sensor.failure}")
        assert sensor.failure == ""
    finally:
        sensor.stop()
        sender.kill()
