import http.server
import os
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest

from kit.limits import HANG_S
from kit.live.clips import next_reading, opened, write_clip
from senseweave.envs.live.backoff import Backoff
from senseweave.envs.live.clock import NS_PER_S, SystemClock, VirtualClock
from senseweave.envs.live.sensor import ThreadedSensor
from senseweave.envs.live.sensors.cameras.camera import CameraSource, camera_sensor, without_password
from senseweave.envs.live.sensors.decoding.frames import fit_frame
from senseweave.envs.live.source import SourceEndedError, SourceError
from senseweave.perception.errors import ConfigError, ObservationError
from senseweave.perception.spec import Camera

KIND = Camera(32, 32)
FRAME_NS = NS_PER_S // 20


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.avi")


def brightness(reading):
    return round(float(reading.content.mean()) / 8)


# Frames


def test_a_frame_is_cut_to_the_aspect_around_its_middle_and_becomes_rgb():
    frame = np.zeros((40, 80, 3), np.uint8)
    frame[:, 20:60] = (200, 100, 50)  # blue, green, red
    frame[:, :20], frame[:, 60:] = 255, 255
    fitted = fit_frame(frame, 20, 20)
    assert fitted.shape == (20, 20, 3) and fitted.dtype == np.uint8
    np.testing.assert_array_equal(fitted, np.broadcast_to(np.array([50, 100, 200], np.uint8), (20, 20, 3)))


def test_shrinking_averages_areas():
    frame = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    mean = frame.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))[..., ::-1]
    assert np.abs(fit_frame(frame, 16, 16).astype(float) - mean).max() <= 0.51


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 1), (48, 64, 3), (48, 64, 4), (7, 5, 3), (1, 900)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_colour_transparent_deep_tall_and_tiny_frames_all_fit(shape, dtype):
    fitted = fit_frame(np.full(shape, np.iinfo(dtype).max, dtype), 24, 32)
    assert fitted.shape == (24, 32, 3) and (fitted == 255).all() and fitted.flags.c_contiguous


@pytest.mark.parametrize("frame", [np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 3))])
def test_what_is_no_picture_is_refused(frame):
    with pytest.raises(ObservationError, match="A frame must be"):
        fit_frame(frame, 16, 16)


def test_a_frame_that_needs_no_change_is_still_a_copy():
    frame = np.zeros((16, 16, 3), np.uint8)
    fitted = fit_frame(frame, 16, 16)
    frame[:] = 9
    assert not fitted.any()


# Files


def test_a_file_is_played_at_its_own_rate_by_the_clock_and_ends_once(clip):
    clock = VirtualClock()
    source = opened(CameraSource(str(clip), KIND), clock)
    readings = [next_reading(source) for _ in range(20)]
    assert [brightness(reading) for reading in readings] == list(range(20))
    assert [reading.number for reading in readings] == list(range(20))
    assert [reading.captured_ns for reading in readings] == [number * FRAME_NS for number in range(20)]
    with pytest.raises(SourceEndedError, match="ended after 20 frames"):
        next_reading(source)
    assert clock.now_ns() == 20 * FRAME_NS, "the last frame was shown as long as the others"
    source.close()


def test_frames_that_come_too_late_are_skipped(clip):
    clock = VirtualClock()
    source = opened(CameraSource(str(clip), KIND), clock)
    next_reading(source)
    clock.advance(0.52)
    reading = next_reading(source)
    assert (reading.number, brightness(reading), reading.captured_ns) == (10, 10, 10 * FRAME_NS)


def test_a_file_goes_on_where_it_was_after_the_computer_slept(clip):
    clock = VirtualClock()
    source = opened(CameraSource(str(clip), KIND), clock)
    next_reading(source)
    clock.advance(3600)
    reading = next_reading(source)
    assert reading.number == 1 and reading.captured_ns == clock.now_ns()


def test_a_looped_file_begins_again_and_time_goes_on(clip):
    source = opened(CameraSource(str(clip), KIND, loop=True))
    readings = [next_reading(source) for _ in range(45)]
    assert [brightness(reading) for reading in readings] == [number % 20 for number in range(45)]
    assert [reading.captured_ns for reading in readings] == [number * FRAME_NS for number in range(45)]


def test_another_rate_may_be_asked_for(clip):
    source = opened(CameraSource(str(clip), KIND, rate_hz=10))
    assert [next_reading(source).captured_ns for _ in range(3)] == [0, NS_PER_S // 10, NS_PER_S // 5]


def test_a_sequence_of_images_is_played_exactly_whatever_their_colours(tmp_path):
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(3)]
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"f_{number:03d}.png"), picture)
    source = opened(CameraSource(str(tmp_path / "f_%03d.png"), KIND, rate_hz=25))
    for number, picture in enumerate(pictures):
        reading = next_reading(source)
        np.testing.assert_array_equal(reading.content, picture[..., ::-1])
        assert reading.captured_ns == number * NS_PER_S // 25
    with pytest.raises(SourceEndedError):
        next_reading(source)


def test_images_of_a_sequence_may_change_their_size(tmp_path):
    for number, shape in enumerate([(32, 32, 3), (64, 96, 3), (48, 48)]):
        cv2.imwrite(str(tmp_path / f"f_{number:03d}.png"), np.full(shape, 40 * number, np.uint8))
    source = opened(CameraSource(str(tmp_path / "f_%03d.png"), KIND))
    assert [int(next_reading(source).content.mean()) for _ in range(3)] == [0, 40, 80]


def test_a_file_that_is_missing_or_no_video_is_told_in_a_sentence_and_not_tried_again(tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    for name in (tmp_path / "nothing.mp4", text, tmp_path / "f_%03d.png"):
        with pytest.raises(ConfigError, match="camera's file"):
            opened(CameraSource(str(name), KIND))
    with pytest.raises(ConfigError, match="begin with one of"):
        CameraSource("ftp://camera", KIND)
    with pytest.raises(ConfigError, match="rate_hz"):
        CameraSource("0", KIND, rate_hz=0.0)


def test_a_camera_that_is_not_there_may_be_plugged_in_later():
    with pytest.raises(SourceError, match="There is no camera 77") as caught:
        opened(CameraSource(77, KIND))
    assert not isinstance(caught.value, SourceEndedError)


def test_passwords_are_not_shown():
    assert without_password("rtsp://me:secret@host/x") == "rtsp://host/x"
    assert without_password("http://host/a@b") == "http://host/a@b"


# Network


class Pictures(http.server.BaseHTTPRequestHandler):
    """Endless motion JPEG, 20 frames a second, each brighter."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        number = 0
        while not self.server.is_killed:
            picture = np.full((48, 64, 3), number % 32 * 8, np.uint8)
            data = cv2.imencode(".jpg", picture)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + data + b"\r\n")
            except OSError:
                return
            number += 1
            time.sleep(0.05)

    def log_message(self, *_):
        pass


class CameraServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    is_killed = False

    def start(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def kill(self):
        self.is_killed = True
        self.shutdown()
        self.server_close()


def wait_for(condition, timeout_s=HANG_S):
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it did not happen")
        time.sleep(0.01)


def test_a_network_camera_is_killed_and_comes_back_without_a_restart_of_the_program():
    server = CameraServer(("127.0.0.1", 0), Pictures).start()
    port = server.server_address[1]
    sensor = ThreadedSensor(
        "camera",
        KIND,
        lambda: CameraSource(f"http://127.0.0.1:{port}/", KIND, open_timeout_s=2, read_timeout_s=1),
        backoff=Backoff(first_delay_s=0.1, max_delay_s=0.2),
    )
    sensor.start(SystemClock())
    try:
        wait_for(lambda: sensor.inbox.accepted > 5)
        server.kill()
        wait_for(lambda: sensor.failure)
        seen = sensor.inbox.accepted
        assert "127.0.0.1" in sensor.failure
        server = CameraServer(("127.0.0.1", port), Pictures).start()
        wait_for(lambda: sensor.inbox.accepted > seen + 5)
        assert sensor.failure == ""
        kinds = [event.kind for event in sensor.take_events()]
        assert kinds[0] == "opened" and kinds[-1] == "opened" and "failed" in kinds
    finally:
        sensor.stop()
        server.kill()


def test_frames_that_piled_up_while_nobody_looked_are_skipped():
    server = CameraServer(("127.0.0.1", 0), Pictures).start()
    source = opened(CameraSource(f"http://127.0.0.1:{server.server_address[1]}/", KIND), SystemClock())
    try:
        first = [next_reading(source) for _ in range(5)][-1]
        time.sleep(1.0)  # 20 frames
        later = next_reading(source)
        later = next_reading(source)
        assert later.number - first.number >= 15
        assert source.clock.now_ns() - later.captured_ns < NS_PER_S // 2
    finally:
        source.close()
        server.kill()


def test_nothing_is_printed_about_cameras_that_do_not_answer(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    program = (
        "from senseweave.envs.live.sensors.cameras.camera import CameraSource\n"
        "from senseweave.envs.live.clock import SystemClock\n"
        "from senseweave.perception.errors import SenseweaveError\n"
        "from senseweave.perception.spec import Camera\n"
        "for name in ('http://127.0.0.1:9/', 'text.mp4', 'f_%03d.png', '77', 'tcp://127.0.0.1:9'):\n"
        "    source = CameraSource(name, Camera(32, 32), open_timeout_s=1)\n"
        "    source.clock = SystemClock()\n"
        "    try:\n"
        "        source.open()\n"
        "    except SenseweaveError:\n"
        "        print(name)\n"
        "    source.close()\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENCV")}
    result = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert result.stdout.split() == ["http://127.0.0.1:9/", "text.mp4", "f_%03d.png", "77", "tcp://127.0.0.1:9"]
    assert result.stderr == ""


def test_only_devices_that_are_plugged_in_can_be_frozen(clip):
    inboxes = [camera_sensor("camera", KIND, source).inbox for source in (0, "/dev/video1", str(clip), "http://host/")]
    assert [inbox._unchanged_ns < 10 * NS_PER_S for inbox in inboxes] == [True, True, False, False]
