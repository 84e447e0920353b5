"""Real PortAudio streams: ALSA's file device, exact and as fast as asked; a PulseAudio of our own, in real time.

Each program runs in a process of its own, because the sound libraries read their settings once.
"""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from kit.limits import HANG_S
from kit.live.clips import require_portaudio, sine

ALSA_SETTINGS = "/usr/share/alsa/alsa.conf"

LISTEN_TO_FILE = """
import json, sys
import numpy as np
from senseweave.envs.live.clock import SystemClock
from senseweave.envs.live.microphone import MicrophoneSource
from senseweave.envs.live.sensors.microphones.portaudio import DeviceFeed
from senseweave.perception.spec import Microphone

clock = SystemClock()
feed = DeviceFeed("filemic", 2)
feed.open(clock)
blocks = [feed.read(10.0) for _ in range(50)]
feed.close()
np.savez(sys.argv[1], ends=[block.end for block in blocks], samples=np.stack([block.samples for block in blocks]))
source = MicrophoneSource("filemic", Microphone(2, 1600, 16000))
source.clock = clock
source.open()
readings, ages_ns = [], []
while len(readings) < 3:
    if (reading := source.read()) is not None:
        readings.append(reading)
        ages_ns.append(clock.now_ns() - reading.captured_ns)
source.close()
print(json.dumps({"rate_hz": feed.rate_hz, "ages_ns": ages_ns, "loudness": float(abs(readings[0].content).max())}))
"""

KEEP_LISTENING = """
import json, sys, time
import numpy as np
from senseweave.envs.live.clock import SystemClock
from senseweave.envs.live.microphone import microphone_sensor
from senseweave.envs.live.backoff import Backoff
from senseweave.perception.spec import Microphone

sensor = microphone_sensor("audio", Microphone(1, 1600, 16000), "default")
clock = SystemClock()
sensor.start(clock)
while True:
    time.sleep(0.1)
    newest = sensor.newest(clock.now_ns())
    print(json.dumps({
        "loudness": 0.0 if newest is None else float(np.abs(newest.content).max()),
        "age_s": None if newest is None else (clock.now_ns() - newest.captured_ns) / 1e9,
        "accepted": sensor.inbox.accepted,
        "events": [[event.kind, event.detail] for event in sensor.take_events()],
    }), flush=True)
"""


@pytest.fixture
def alsa_file(tmp_path):
    """ALSA's settings with a device that plays a file: 60 s of a ramp that never repeats, left, and a sine, right."""
    require_portaudio()
    if not os.path.exists(ALSA_SETTINGS):
        pytest.skip("ALSA's settings are missing: apt-get install -y libasound2-data")
    sound = np.stack([np.arange(2_646_000) % 30_011 - 15_000, sine(440, 2_646_000, 44_100)], axis=1).astype("<i2")
    (tmp_path / "sound.raw").write_bytes(sound.tobytes())
    (tmp_path / "alsa.conf").write_text(
        f"<{ALSA_SETTINGS}>\n"
        'pcm.filemic { type plug slave { rate 44100 channels 2 format S16_LE pcm { type file slave.pcm "null" '
        f'file "/dev/null" infile "{tmp_path}/sound.raw" format "raw" }} }} }}\n'
    )
    return sound, {**os.environ, "ALSA_CONFIG_PATH": str(tmp_path / "alsa.conf")}


def test_a_stream_of_portaudio_is_heard_sample_by_sample_and_may_be_faster_than_time(alsa_file, tmp_path):
    sound, environment = alsa_file
    program = [sys.executable, "-P", "-c", LISTEN_TO_FILE, str(tmp_path / "heard.npz")]
    run = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=HANG_S)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    told = json.loads(run.stdout)
    assert told["rate_hz"] == 44_100 and told["loudness"] > 0.1
    assert all(age_ns >= 0 for age_ns in told["ages_ns"]), "however fast the device delivers, nothing is of the future"
    with np.load(tmp_path / "heard.npz") as heard:
        for end, samples in zip(heard["ends"], heard["samples"], strict=True):
            assert samples.shape == (2, 441)
            np.testing.assert_array_equal(samples, sound[end - 441 : end].T)


@pytest.fixture
def pulse(tmp_path):
    """How to start a PulseAudio of our own, and the environment in which programs find it."""
    require_portaudio()
    for program in ("pulseaudio", "paplay"):
        if shutil.which(program) is None:
            pytest.skip(
                f"{program} is missing: apt-get install -y --no-install-recommends pulseaudio pulseaudio-utils "
                "libasound2-plugins"
            )
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    (tmp_path / "mic.pa").write_text(
        "load-module module-native-protocol-unix\n"
        "load-module module-null-sink sink_name=vspeaker rate=16000 channels=1\n"
        "load-module module-remap-source master=vspeaker.monitor source_name=vmic\n"
        "set-default-sink vspeaker\nset-default-source vmic\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    started = []

    def start():
        how = ["pulseaudio", "-n", "-F", str(tmp_path / "mic.pa"), "--daemonize=no", "--exit-idle-time=-1"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(subprocess.Popen([*how, "--use-pid-file=no"], env=environment, **quiet))
        return started[-1]

    yield start, environment
    for server in started:
        server.kill()
        server.wait()


@pytest.mark.nightly
def test_a_sound_server_that_is_killed_and_started_again_is_heard_again_by_the_same_program(pulse, tmp_path):
    start, environment = pulse
    import wave

    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(sine(440, 16000, 16000).tobytes())

    def play():
        subprocess.run(
            ["paplay", "--device=vspeaker", tmp_path / "tone.wav"], env=environment, check=False, timeout=HANG_S
        )

    def until(condition):
        for line in iter(listener.stdout.readline, ""):
            told.append(json.loads(line))
            if condition(told[-1]):
                return
        raise AssertionError(f"the listener ended: {listener.stderr.read()}")

    told = []
    server = start()
    listener = subprocess.Popen(
        [sys.executable, "-P", "-c", KEEP_LISTENING],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda now: now["accepted"] > 20)
        assert told[-1]["age_s"] < 0.5
        play()
        until(lambda now: True)
        until(lambda now: max(each["loudness"] for each in told[-30:]) > 0.25)
        server.kill()
        server.wait()
        until(lambda now: any(kind in ("failed", "stalled") for kind, _ in now["events"]))
        start()
        accepted = told[-1]["accepted"]
        until(lambda now: now["accepted"] > accepted + 50)
        told.clear()
        play()
        until(lambda now: max(each["loudness"] for each in told) > 0.25)
    finally:
        listener.kill()
        listener.communicate()
