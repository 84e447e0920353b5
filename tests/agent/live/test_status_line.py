import io
import math
import threading
import time

import pytest

from kit.limits import HANG_S
from kit.live.ticks import tick_of
from senseweave.agent.live.status_line import Glance, StatusLine, event_text, loading_after, status_text
from senseweave.envs.live.reading import Event
from senseweave.envs.live.timing import Timing

MS = 1_000_000


def timing_of(ticks=11, period_ms=100, late_ms=2):
    timing = Timing()
    for i in range(ticks):
        timing.add(i * period_ms * MS, (i * period_ms + late_ms) * MS, 5 * MS)
    return timing


def written(stream, *, until, within_s=HANG_S):
    """What a stream holds as soon as it holds `until`."""
    give_up_s = time.monotonic() + within_s
    while until not in stream.getvalue():
        assert time.monotonic() < give_up_s, stream.getvalue()
        time.sleep(0.005)
    return stream.getvalue()


def test_the_line_shows_the_instruction_ages_gates_the_action_rate_and_jitter():
    tick = tick_of(
        {"audio": 0.031, "camera": 2.14, "instruction": 40.0},
        absent=("camera",),
        gates={"audio": 0.625, "camera": 0.0, "instruction": 0.9},
        action="forward",
        instruction="go to the red ball",
    )
    glance = Glance(tick, held=frozenset({"instruction"}))
    assert status_text(glance, timing_of()) == (
        '"go to the red ball" gate 0.90 | audio 31 ms, gate 0.62 | camera absent for 2.1 s | forward | '
        "10.0 Hz, jitter 2.0/2.0 ms"
    )


@pytest.mark.parametrize("width", [79, 90, 100])
def test_on_a_narrow_terminal_the_line_keeps_the_instruction_every_sense_and_what_is_safe(width):
    timing = timing_of()
    timing.overruns = 3
    tick = tick_of(
        {"audio": 0.031, "camera": 2.14, "instruction": 40.0},
        absent=("camera",),
        gates={"audio": 0.625, "camera": 0.0, "instruction": 0.9},
        action="forward",
        safe_reason="Without camera.",
        instruction="go to the red ball",
    )
    line = status_text(Glance(tick, held=frozenset({"instruction"})), timing, width)
    assert len(line) <= width and line.startswith('"go to the red ball" .90')
    assert "no camera" in line or "camera absent" in line
    assert all(part in line for part in ("audio", ".62", "forward (safe", "missed"))


def test_a_long_instruction_is_cut_before_any_sense_is():
    tick = tick_of({"audio": 0.01, "camera": 0.02, "odour": 0.03}, instruction="go to the red ball " * 8)
    line = status_text(Glance(tick), timing_of(), 79)
    assert len(line) <= 79 and line.startswith('"go to the red ball …') and line.count("ms") == 3


def test_a_device_that_is_tried_again_shows_how_often():
    glance = Glance(tick_of({"camera": math.inf}, absent=("camera",)), retries={"camera": 9})
    assert "camera absent, attempt 10" in status_text(glance, timing_of())


def test_the_line_says_why_the_safe_action_is_sent_and_how_many_ticks_were_missed():
    timing = timing_of()
    timing.overruns = 3
    tick = tick_of(
        {"camera": math.inf}, absent=("camera",), action="done", safe_reason="Without camera.", gates={"camera": 0.0}
    )
    told = status_text(Glance(tick), timing)
    assert "camera absent | done (safe: without camera) | 10.0 Hz" in told and told.endswith("3 ticks missed")


def test_a_sense_that_prepares_itself_is_loading_until_it_is_ready_or_has_failed():
    begins = Event(0, "instruction", "loading")
    loading = loading_after(frozenset(), [begins])
    absent = Glance(tick_of({"instruction": math.inf}, absent=("instruction",)), loading)
    assert status_text(absent, timing_of()).startswith("instruction loading |")
    held = Glance(tick_of({"instruction": 9.0}, gates={"instruction": 0.5}), loading, frozenset({"instruction"}))
    assert status_text(held, timing_of()).startswith("instruction gate 0.50, loading |")
    assert loading_after(loading, [Event(1, "camera", "failed"), Event(2, "instruction", "absent")]) == loading
    for kind in ("ready", "failed", "ended"):
        assert loading_after(loading, [Event(1, "instruction", kind)]) == frozenset(), kind
    assert loading_after(frozenset(), [begins, Event(1, "instruction", "failed"), begins]) == loading


def test_without_a_policy_the_line_has_neither_gates_nor_an_action():
    told = status_text(
        Glance(tick_of({"camera": 0.02, "instruction": 9.0}), held=frozenset({"instruction"})), timing_of()
    )
    assert told == "camera 20 ms | instruction here | 10.0 Hz, jitter 2.0/2.0 ms"


def test_on_a_terminal_the_line_redraws_itself_and_never_wraps(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    stream = io.StringIO()
    with StatusLine(timing_of(), stream, is_terminal=True) as status:
        status.show(Glance(tick_of({"camera": 0.02}, instruction="a very long instruction " * 5)))
        written(stream, until="camera")
        status.tell("A message.")
        told = written(stream, until="A message.\n")
    told = stream.getvalue()
    pieces = told.replace("\n", "").split("\r\x1b[K")
    assert all(len(piece) < 40 for piece in pieces) and pieces[0] == ""
    assert told.count("\n") == 2 and told.endswith("camera 20 ms\n"), "one for the message, one at the end"


def test_in_a_log_the_messages_come_at_once_and_the_line_now_and_then(monkeypatch):
    monkeypatch.setattr("senseweave.agent.live.status_line.LOG_EVERY_S", 0.5)
    stream = io.StringIO()
    with StatusLine(timing_of(), stream, is_terminal=False) as status:
        status.show(Glance(tick_of({"camera": 0.02})))
        status.tell("At once.")
        assert "Hz" not in written(stream, until="At once.\n")
        written(stream, until="Hz")
    assert "\r" not in stream.getvalue() and "\x1b" not in stream.getvalue()


def test_a_flapping_sense_is_told_once_in_a_while():
    stream = io.StringIO()
    with StatusLine(timing_of(), stream, is_terminal=False) as status:
        for tick in range(100):
            status.tell_events([Event(tick * 100 * MS, "camera", "absent" if tick % 2 else "back", f"Tick {tick}.")])
            status.tell_events([Event(tick * 100 * MS, "camera", "dropped", "Not worth a line.")])
    lines = stream.getvalue().splitlines()
    assert lines == [
        "camera: back. Tick 0.",
        "camera: absent. Tick 1.",
        "camera: back. Tick 50.",
        "camera: absent. Tick 51.",
    ]


def test_an_event_is_one_line_whatever_a_driver_says():
    assert event_text(Event(0, "camera", "failed", "two\nlines")) == "camera: failed. two lines"
    assert event_text(Event(0, "instruction", "instruction", "go left")) == 'instruction: "go left"'
    assert event_text(Event(0, "", "warning", "Another rate.")) == "warning. Another rate."


class HeldTerminal(io.StringIO):
    """A terminal on which somebody pressed Ctrl-S."""

    def __init__(self):
        super().__init__()
        self.goes_on = threading.Event()

    def write(self, text):
        self.goes_on.wait(60)
        return super().write(text)


def test_a_held_terminal_holds_up_neither_the_loop_nor_the_end():
    stream = HeldTerminal()
    started_s = time.monotonic()
    with StatusLine(timing_of(), stream, is_terminal=True) as status:
        for _ in range(1000):
            status.show(Glance(tick_of({"camera": 0.02})))
            status.tell("A message.")
        time.sleep(0.3)
    assert time.monotonic() - started_s < 30
    stream.goes_on.set()


@pytest.mark.parametrize("error", [BrokenPipeError, ValueError])
def test_nobody_reading_the_line_is_no_fault(error):
    class Gone(io.StringIO):
        def write(self, text):
            raise error("gone")

    with StatusLine(timing_of(), Gone(), is_terminal=True) as status:
        status.tell("A message.")
        time.sleep(0.3)
