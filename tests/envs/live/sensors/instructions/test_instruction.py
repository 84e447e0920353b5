import os
import subprocess
import sys
import threading
import time

import pytest

from kit.limits import HANG_S
from kit.live.clips import next_reading, opened
from senseweave.envs.live.clock import SystemClock
from senseweave.envs.live.sensors.instructions.instruction import (
    LinesSource,
    TextSource,
    instruction_sensor,
    means_stop,
)
from senseweave.perception.errors import ConfigError
from senseweave.perception.spec import Instruction
from senseweave.perception.tokenizer import default_tokenizer

KIND = default_tokenizer().instruction(16)


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as file:
        yield file, writing


def test_a_fixed_text_is_told_once_and_holds():
    source = opened(TextSource("  Go to the\tred ball ", KIND))
    reading = next_reading(source)
    assert reading.text == "Go to the red ball" and reading.number == 0
    assert default_tokenizer().decode(reading.content) == "go to the red ball"
    assert [source.read() for _ in range(3)] == [None] * 3
    assert source.clock.now_ns() == 300_000_000, "it waits through the clock"


def test_an_instruction_that_is_too_long_loses_its_end_and_this_is_told():
    source = opened(TextSource("put the red ball next to the blue box " * 3, KIND))
    assert next_reading(source).content.shape == (16,)
    assert [kind for kind, _ in source.take_notes()] == ["warning"] and source.take_notes() == []


@pytest.mark.parametrize("text", ["", "  ", "stop", "Stop!"])
def test_a_fixed_text_must_say_what_to_do(text):
    with pytest.raises(ConfigError, match="must say what to do"):
        TextSource(text, KIND)


def test_another_vocabulary_is_refused():
    with pytest.raises(ConfigError, match="tokens of 1024 kinds"):
        TextSource("go", Instruction(16, 77))


def test_stop_is_a_word_alone():
    assert means_stop(" STOP ") and means_stop("Halt.") and means_stop("stop!!")
    assert not means_stop("stop at the red ball") and not means_stop("") and not means_stop("nonstop")


def test_lines_become_readings_as_they_come_however_they_are_cut(pipe):
    file, writing = pipe
    source = opened(LinesSource(KIND, file))
    assert source.read() is None
    os.write(writing, b"go to the red b")
    assert source.read() is None
    os.write(writing, b"all\r\n\n  \ngo to the key\nopen")
    assert [next_reading(source).text for _ in range(2)] == ["go to the red ball", "go to the key"]
    os.write(writing, " the düor".encode()[:-2])
    assert source.read() is None
    os.close(writing)
    last = next_reading(source)
    assert last.text == "open the dü" and last.number == 2
    assert [source.read() for _ in range(3)] == [None] * 3, "the last one holds"


def test_two_lines_at_once_are_two_readings_in_order(pipe):
    file, writing = pipe
    os.write(writing, b"a\nb\na\n")
    source = opened(LinesSource(KIND, file))
    readings = [next_reading(source) for _ in range(3)]
    assert [reading.text for reading in readings] == ["a", "b", "a"]
    assert readings[0].captured_ns < readings[1].captured_ns < readings[2].captured_ns
    os.close(writing)


def test_stop_in_a_line_is_a_note_and_never_a_reading(pipe):
    file, writing = pipe
    source = opened(LinesSource(KIND, file))
    os.write(writing, b"go to the key\n")
    assert next_reading(source).text == "go to the key" and source.take_notes() == []
    os.write(writing, b"Stop!\ngo to the key\n")
    assert source.read() is None and source.take_notes() == [("stop", "Stop!")]
    assert next_reading(source).number == 1
    os.close(writing)


def test_stop_overtakes_everything_that_waits_in_front_of_it(pipe):
    file, writing = pipe
    source = opened(LinesSource(KIND, file))
    os.write(writing, b"".join(b"go to the key %d\n" % number for number in range(2000)) + b"stop\nopen the door\n")
    assert source.read() is None
    assert source.take_notes() == [("stop", "stop")]
    assert next_reading(source).text == "open the door" and source.read() is None
    os.write(writing, b"go to the ball\n" * 1000)
    assert next_reading(source).text == "go to the ball"
    os.write(writing, b"STOP\n")
    assert source.read() is None and source.take_notes()[-1] == ("stop", "STOP")
    assert source.read() is None, "what waited before the stop is forgotten"
    os.close(writing)


def test_stop_is_found_behind_200_000_lines_of_a_writer_that_does_not_wait(pipe):
    file, writing = pipe
    source = opened(LinesSource(KIND, file))
    flood = b"go to the red ball\n" * 200_000 + b"stop\n"

    def write() -> None:
        with os.fdopen(writing, "wb") as stream:
            stream.write(flood)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    notes, reads = [], 0
    while ("stop", "stop") not in notes:
        source.read()
        notes = source.take_notes()
        reads += 1
    assert reads < 2000, "lines are taken together, not one by one"
    writer.join(HANG_S)


def test_of_a_flood_of_lines_the_newest_are_kept_and_the_others_counted(pipe):
    file, writing = pipe
    source = opened(LinesSource(KIND, file))
    os.write(writing, b"".join(b"open door %d\n" % number for number in range(1000)))
    assert next_reading(source).text == "open door 984"
    assert source.take_notes() == [("dropped", "984 lines were overtaken by newer ones before they were read.")]
    assert [next_reading(source).text for _ in range(15)][-1] == "open door 999"
    os.close(writing)


def test_bytes_that_are_no_text_and_lines_without_end_are_borne(pipe):
    file, writing = pipe
    source = opened(LinesSource(KIND, file))
    os.write(writing, b"go \xff\xfe\n" + b"x" * 5000)
    assert next_reading(source).text.startswith("go ")
    assert next_reading(source).text == "x" * 5000
    os.close(writing)


def test_a_program_without_standard_input_is_told_so():
    source = LinesSource(KIND)
    source.file = object()
    with pytest.raises(ConfigError, match="no standard input"):
        opened(source)


def test_a_program_that_listens_to_standard_input_can_end_while_nobody_types():
    program = (
        "import time\n"
        "from senseweave.envs.live.clock import SystemClock\n"
        "from senseweave.envs.live.sensors.instructions.instruction import instruction_sensor\n"
        "from senseweave.perception.tokenizer import default_tokenizer\n"
        "sensor = instruction_sensor('instruction', default_tokenizer().instruction(16), '-')\n"
        "sensor.start(SystemClock())\n"
        "while sensor.newest(0) is None:\n"
        "    time.sleep(0.01)\n"
        "print(sensor.newest(0).text, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdin.write(b"go to the red ball\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"go to the red ball\n"
        assert process.wait(20) == 0 and process.stderr.read() == b""


def test_a_text_becomes_a_supervised_sensor_whose_reading_never_ages():
    sensor = instruction_sensor("instruction", KIND, "go to the red ball")
    sensor.start(SystemClock())
    end = time.monotonic() + 10
    while sensor.newest(0) is None and time.monotonic() < end:
        time.sleep(0.01)
    assert sensor.newest(0).text == "go to the red ball" and sensor.max_age_s == float("inf")
    sensor.stop()
    with pytest.raises(ConfigError):
        instruction_sensor("instruction", KIND, " ")
