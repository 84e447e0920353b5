"""A recording loses nothing that it need not, never holds the loop up, and can be read whatever ended it."""

import base64
import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mcap.reader import make_reader

from kit.limits import HANG_S
from kit.live.sessions import SENSES, make_rig, play, record
from senseweave.envs.live.faults.scripted import content_of
from senseweave.envs.live.reading import Reading
from senseweave.envs.live.sessions.file import RecordingFile
from senseweave.envs.live.sessions.format import Decoder, Encoder, as_json
from senseweave.envs.live.sessions.queue import RecordingQueue
from senseweave.envs.live.sessions.recorder import Recorder
from senseweave.envs.live.sessions.session import DamagedRecording, Session, read_session
from senseweave.perception.errors import ConfigError, MissingExtraError
from senseweave.perception.spec import Camera, Instruction, Microphone, Spec, Vector

TESTS = Path(__file__).parents[3]


def round_trip(kind: Any, readings: list[Reading]) -> list[Reading]:
    encoder, decoder = Encoder("sense", kind), Decoder("sense", kind)
    return [decoder.take_in(json.loads(encoder.encode(reading))).reading() for reading in readings]


@pytest.mark.parametrize("kind", list(SENSES.values()), ids=list(SENSES))
def test_a_reading_of_each_kind_comes_back_bit_for_bit(kind) -> None:
    readings = [Reading(content_of(kind, number), 10**9 + number, 7 * number, f"text {number}") for number in range(5)]
    for new, old in zip(round_trip(kind, readings), readings, strict=True):
        assert new.content.tobytes() == old.content.tobytes()
        assert (new.content.dtype, new.content.shape) == (old.content.dtype, old.content.shape)
        assert (new.captured_ns, new.number, new.text) == (old.captured_ns, old.number, old.text)


def test_sound_beyond_16_bit_comes_back_bit_for_bit_too() -> None:
    kind = Microphone(1, 4, 8000)
    contents = [[1.0, -1.0, 0.5, -0.0], [1 / 3, 0.1, 1e-30, 0.0], [0.25, -0.0, 2**-15, 1 - 2**-15]]
    readings = [Reading(np.array([content], np.float32), i, 4 * i) for i, content in enumerate(contents)]
    for new, old in zip(round_trip(kind, readings), readings, strict=True):
        assert new.content.tobytes() == old.content.tobytes()


def test_a_tick_finds_its_readings_however_many_came_while_the_loop_slept(tmp_path) -> None:
    rig = make_rig(faults={}, rate_hz=0.1)  # 500 windows of sound between two ticks
    record(tmp_path, 60, rig=rig)
    ticks = list(read_session(tmp_path))
    assert len(ticks) == 6 and all(info["lost"] == () for _, _, info in ticks)


def test_windows_whose_numbers_do_not_fit_their_content_are_stored_whole() -> None:
    kind = Microphone(1, 100, 8000)
    noise = np.random.default_rng(0).integers(-9, 9, (6, 1, 100)).astype(np.float32) / 2**15
    numbers = [100, 150, 150, 0, 30, 10**12]
    readings = [Reading(noise[i], i, number) for i, number in enumerate(numbers)]
    for new, old in zip(round_trip(kind, readings), readings, strict=True):
        assert new.content.tobytes() == old.content.tobytes()
        assert new.number == old.number


def test_what_is_not_finite_is_null_in_the_file() -> None:
    value = {"action": np.array([1.0, np.nan]), "deep": [{"x": float("inf")}], "number": np.int64(3), "path": Path("a")}
    assert as_json(value) == b'{"action":[1.0,null],"deep":[{"x":null}],"number":3,"path":"a"}'


def test_the_file_is_plain_mcap_with_pictures_and_sound_that_others_can_show(tmp_path) -> None:
    record(tmp_path / "a.mcap", 1.0)
    with open(tmp_path / "a.mcap", "rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None and summary.statistics is not None
        names = {channel.topic: summary.schemas[channel.schema_id].name for channel in summary.channels.values()}
        assert names["/senses/camera"] == "foxglove.CompressedImage"
        assert names["/senses/audio"] == "foxglove.RawAudio"
        _, _, message = next(iter(reader.iter_messages(topics=["/senses/camera"])))
    content = json.loads(message.data)
    png = cv2.imdecode(np.frombuffer(base64.b64decode(content["data"]), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(png[..., ::-1], content_of(Camera(16, 24), content["number"]))
    assert content["timestamp"] == {"sec": 5, "nsec": message.publish_time - 5 * 10**9}


CUT_OFF = """
import sys, time
import numpy as np
from kit.live.sessions import SENSES, make_rig, play
from senseweave.agent.record import Recorder
from senseweave.envs.live.clock import SystemClock
rig = make_rig(clock=SystemClock(), faults={}, rate_hz=30.0)
recorder = Recorder.of(rig, sys.argv[1])
def tell(tick):
    print(tick.moment.time_ns, flush=True)
play(rig, 60.0, recorder.on_tick, tell)
"""


def run_script(script: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(TESTS), "SENSEWEAVE_SHAPE_CHECKS": "0"}
    command = [sys.executable, "-P", "-c", script, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, **options)


def test_a_session_that_was_killed_is_read_up_to_its_last_second(tmp_path) -> None:
    path = tmp_path / "killed.mcap"
    process = run_script(CUT_OFF, str(path))
    assert process.stdout is not None
    times: list[int] = []
    while len(times) < 50:  # 1.7 s
        times.append(int(process.stdout.readline()))
    process.send_signal(signal.SIGKILL)
    times += [int(line) for line in process.stdout if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    with pytest.warns(DamagedRecording, match="It was cut off"):
        steps = list(read_session(path))
    assert [info["time_ns"] for _, _, info in steps] == times[: len(steps)]
    assert times[-1] - steps[-1][2]["time_ns"] < 1e9
    assert steps[-1][0]["present"].sum() == 5
    assert all(info["lost"] == () for _, _, info in steps)
    assert Session(path).policy == {}


def test_a_full_disk_ends_the_recording_in_one_sentence_and_not_the_loop(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("senseweave.envs.live.sessions.recorder.FLUSH_S", 0.02)
    monkeypatch.setattr("senseweave.envs.live.sessions.recorder.LOOK_S", 0.01)
    path, told = tmp_path / "full.mcap", []
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    rig = make_rig()
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    try:
        with Recorder.of(rig, path, tell=told.append) as recorder:
            ticks = play(rig, 10.0, recorder.on_tick, lambda tick: time.sleep(0.002))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(ticks) == 100
    assert told == [recorder.failure]
    assert recorder.failure == f"Recording into {path} has ended (File too large); what was written before can be read."
    assert recorder.close()["failure"] == recorder.failure
    with pytest.warns(DamagedRecording, match=r"It was cut off\. \d+\.\d % of its bytes were read"):
        steps = list(read_session(path))
    assert 0 < len(steps) < 100
    assert Session(path).damage == ""
    for (observation, _, _), tick in zip(steps, ticks, strict=False):
        assert all(observation[key].tobytes() == tick.moment.observation[key].tobytes() for key in observation)


class SlowFile(RecordingFile):
    """A disk that does not take anything until it is told to."""

    gate = threading.Event()

    def add(self, *arguments: Any) -> None:
        self.gate.wait()
        super().add(*arguments)


def test_a_disk_that_hangs_holds_nothing_up_and_pictures_are_dropped_first(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("senseweave.envs.live.sessions.recorder.RecordingFile", SlowFile)
    monkeypatch.setattr(SlowFile, "gate", threading.Event())
    rig, told = make_rig(faults={}), []
    recorder = Recorder(tmp_path / "slow.mcap", SENSES, clock=rig.clock, tell=told.append, max_bytes=210_000)
    recorder.listen("camera", rig.sensors["camera"])
    started = time.monotonic()
    ticks = play(rig, 2.0, recorder.on_tick)
    assert time.monotonic() - started < 30  # it does not wait for the disk, which would be for ever
    assert set(recorder.dropped) == {"camera"}
    dropped = recorder.dropped["camera"]
    SlowFile.gate.set()
    summary = recorder.close()
    assert summary["dropped"] == {"camera": dropped} and summary["failure"] == ""
    assert told == [f"camera: {dropped} readings could not be recorded: the disk is too slow."]
    session = Session(tmp_path / "slow.mcap")
    assert [(event.sense, event.kind) for event in session.events() if event.kind == "overflow"] == [
        ("camera", "overflow")
    ]
    steps = list(read_session(session.path))
    assert len(steps) == len(ticks)
    lost = [info["lost"] for _, _, info in steps]
    assert lost[0] == () and lost[-1] == ("camera",)
    camera = SENSES.names.index("camera")
    for (observation, _, info), tick in zip(steps, ticks, strict=True):
        assert observation["audio"].tobytes() == tick.moment.observation["audio"].tobytes()
        if info["lost"]:
            assert observation["present"][camera] == 0 and not observation["camera"].any()


def test_the_queue_keeps_a_quarter_for_everything_but_pictures() -> None:
    queue: RecordingQueue[int] = RecordingQueue(10_000)
    taken = [queue.put("camera", 0, 500, is_frame=True) for _ in range(10)]
    assert taken == [True] * 7 + [False] * 3
    assert [queue.put("audio", 1, 500) for _ in range(5)] == [True] * 3 + [False] * 2
    assert queue.dropped == {"camera": 3, "audio": 2}
    assert [queue.take() for _ in range(11)] == [0] * 7 + [1] * 3 + [None]
    assert queue.put("audio", 2, 9_000)
    queue.end(forget=True)
    assert queue.take() is None and not queue.put("audio", 3, 1)


def test_a_folder_gets_a_file_that_is_named_by_the_time(tmp_path) -> None:
    with Recorder(tmp_path / "runs" / "a", SENSES) as recorder:
        pass
    assert recorder.path.parent == tmp_path / "runs" / "a" and recorder.path.name.startswith("session-20")
    assert list(Session(recorder.path)) == []


def test_a_file_that_exists_is_never_overwritten(tmp_path) -> None:
    (tmp_path / "a.mcap").write_bytes(b"precious")
    with pytest.raises(ConfigError, match="exists already"):
        Recorder(tmp_path / "a.mcap", SENSES)
    assert (tmp_path / "a.mcap").read_bytes() == b"precious"


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="is a file; name a folder"):
        Recorder(tmp_path / "file" / "below", SENSES)


def test_without_mcap_the_extra_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mcap.writer", None)
    monkeypatch.setitem(sys.modules, "mcap.records", None)
    with pytest.raises(MissingExtraError, match=r"senseweave\[data\]"):
        Recorder(tmp_path / "a.mcap", SENSES)
    with pytest.raises(MissingExtraError, match=r"senseweave\[data\]"):
        Session(tmp_path / "a.mcap")


def test_a_reading_is_recorded_once_whoever_offers_it(tmp_path) -> None:
    kind = Vector(2)
    with Recorder(tmp_path / "a.mcap", Spec(compass=kind)) as recorder:
        for captured_ns in (5, 5, 3, 6, 5, 6):
            recorder.offer("compass", Reading(content_of(kind, captured_ns), captured_ns, 0))
    assert [part.captured_ns for part in Session(recorder.path)] == [5, 6]


def test_many_threads_may_offer_at_once(tmp_path) -> None:
    kinds = {f"sense_{i}": Vector(2) for i in range(8)}

    def offer(name: str) -> None:
        for captured_ns in range(1, 200):
            recorder.offer(name, Reading(np.full(2, captured_ns, np.float32), captured_ns, captured_ns))

    with Recorder(tmp_path / "a.mcap", Spec(**kinds)) as recorder:
        threads = [threading.Thread(target=offer, args=(name,)) for name in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert recorder.close()["messages"] == 8 * 199
    for name in kinds:
        own = [part.reading() for part in Session(recorder.path) if part.decoder.name == name]
        assert [reading.captured_ns for reading in own] == list(range(1, 200))
        assert all((reading.content == reading.captured_ns).all() for reading in own)


def test_an_instruction_keeps_its_text_and_its_tokens(tmp_path) -> None:
    kind = Instruction(6, 1024)
    content = np.array([4, 0, 7, 0, 0, 0], np.int32)
    with Recorder(tmp_path / "a.mcap", Spec(instruction=kind)) as recorder:
        recorder.offer("instruction", Reading(content, 1, 0, "gehe zum roten Ball \N{BLACK CIRCLE}"))
    (stored,) = Session(recorder.path)
    assert stored.reading().text == "gehe zum roten Ball \N{BLACK CIRCLE}"
    assert stored.reading().content.tolist() == content.tolist()


def test_a_damaged_reading_is_one_sentence(tmp_path) -> None:
    from senseweave.envs.live.sessions.session import SessionError

    stored = Decoder("camera", Camera(16, 16)).take_in({"captured_ns": 1, "number": 0, "format": "png", "data": "AAAA"})
    with pytest.raises(SessionError, match='A reading of "camera" in the recording is damaged'):
        stored.reading()
    with pytest.raises(SessionError, match="damaged"):
        Decoder("audio", Microphone(1, 4, 8000)).take_in(
            {"captured_ns": 1, "number": 0, "format": "pcm-s16", "data": ""}
        )


def test_a_player_of_arrays_and_a_body_that_reports_are_recorded(tmp_path) -> None:
    rig = make_rig()
    with Recorder.of(rig, tmp_path / "a.mcap") as recorder:

        def on_tick(tick: Any) -> None:
            move = dataclasses.replace(tick.move, action=np.array([0.5, np.nan], np.float32), gates=None)
            recorder.on_tick(dataclasses.replace(tick, move=move, sent=None, actuator={"reward": np.float32(1.5)}))

        play(rig, 0.5, on_tick)
    _, action, info = next(read_session(recorder.path))
    assert (action, info["chosen"], info["gates"], info["actuator"]) == (None, [0.5, None], None, {"reward": 1.5})


def test_nothing_is_left_open(tmp_path) -> None:
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    record(tmp_path / "a.mcap", 0.5)
    for _ in range(3):
        list(Session(tmp_path / "a.mcap"))
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_the_example_prints_events_and_counts_pairs_for_imitation(tmp_path) -> None:
    record(tmp_path / "a.mcap", 2.0)
    script = TESTS.parent / "examples" / "read_recording.py"
    done = subprocess.run([sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=HANG_S)
    assert done.returncode == 0, done.stderr
    assert "s  audio: failed. The device was unplugged, by the script." in done.stdout
    assert "20 pairs of an observation (camera" in done.stdout or "20 pairs of an observation (audio" in done.stdout
