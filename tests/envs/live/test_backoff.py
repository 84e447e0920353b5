"""Sensors without threads: deadlines and delays by arithmetic, and which readings an inbox lets in."""

import math

import numpy as np
import pytest

from senseweave.envs.live import LiveRig, Script, ScriptedSensor, ThreadedSensor
from senseweave.envs.live.backoff import Backoff, Patience, RetryTimer
from senseweave.envs.live.clock import to_ns
from senseweave.envs.live.inbox import MAX_EVENTS, Inbox
from senseweave.envs.live.reading import EVENT_KINDS, Event, Reading, misfit
from senseweave.envs.live.sensor import Sensor
from senseweave.perception.errors import ConfigError
from senseweave.perception.spec import Camera, Grid, Instruction, Microphone, Spec, Vector

KIND = Vector(2)


# Deadlines and delays, by arithmetic alone.


def test_delays_double_up_to_the_limit_and_no_further() -> None:
    retry = RetryTimer(Backoff(first_delay_s=0.5, max_delay_s=5))
    delays_s = []
    for now_s in range(8):
        retry.begin(to_ns(now_s))
        delays_s.append(retry.end() / 1e9)
    assert delays_s == [0.5, 1, 2, 4, 5, 5, 5, 5]
    assert retry.attempts == 8


def test_delays_start_anew_after_an_attempt_that_lived_and_not_after_one_that_twitched() -> None:
    retry = RetryTimer(Backoff(first_delay_s=0.5, max_delay_s=8))

    def live(lived_s: float) -> float:
        retry.begin(0)
        retry.feed(to_ns(lived_s))
        return retry.end() / 1e9

    assert [live(0.1), live(0.9), live(1.9), live(3.9), live(10.0), live(0.4)] == [0.5, 1, 2, 4, 0.5, 1]


def test_a_thousand_failures_do_not_overflow_the_delay() -> None:
    retry = RetryTimer(Backoff())
    assert [retry.end() for _ in range(1000)][-1] == to_ns(5.0)


def test_the_deadline_moves_with_every_reading_and_is_the_start_up_one_before_the_first() -> None:
    retry = RetryTimer(Backoff(start_up_s=15, stall_s=2))
    retry.begin(to_ns(100))
    assert not retry.has_started
    assert retry.deadline_ns == to_ns(115)
    retry.feed(to_ns(110))
    assert retry.has_started
    assert retry.deadline_ns == to_ns(112)
    retry.begin(to_ns(200))
    assert retry.deadline_ns == to_ns(215)


def test_a_sense_that_speaks_when_it_likes_never_stalls() -> None:
    retry = RetryTimer(Backoff(start_up_s=math.inf, stall_s=math.inf))
    retry.begin(to_ns(1))
    retry.feed(to_ns(2))
    assert retry.deadline_ns > to_ns(1e9)


def test_the_name_and_the_words_of_an_earlier_release_still_work() -> None:
    assert Patience(stall_s=3, most_delay_s=8, most_hung=2) == Backoff(stall_s=3, max_delay_s=8, max_hung=2)


@pytest.mark.parametrize(
    "fields",
    [{"stall_s": 0}, {"start_up_s": -1}, {"grace_s": math.nan}, {"max_hung": 0}, {"max_delay_s": math.inf}]
    + [{"first_delay_s": 2, "max_delay_s": 1}],
)
def test_impossible_backoff_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(fields)) + "|max_delay_s"):
        Backoff(**fields)


# The inbox.


def offer(inbox: Inbox, captured_s: float, value: float = 0.0, now_s: float | None = None) -> bool:
    content = np.full(2, value, np.float32)
    return inbox.offer(Reading(content, to_ns(captured_s), 0), to_ns(captured_s if now_s is None else now_s))


def test_a_capture_time_in_the_future_becomes_the_arrival_and_does_not_lock_others_out() -> None:
    inbox = Inbox("touch", KIND)
    assert offer(inbox, 100.0, now_s=1.0)
    assert inbox.newest.captured_ns == to_ns(1.0)
    assert inbox.retimed == 1
    assert offer(inbox, 1.1)


def test_drops_are_told_again_only_after_a_quiet_while() -> None:
    inbox = Inbox("touch", KIND)
    for tenth in range(200):
        offer(inbox, tenth / 10 if tenth not in (10, 11, 12, 30, 150) else 0.0, now_s=tenth / 10)
    assert [event.time_ns for event in inbox.take_events()] == [to_ns(1.0), to_ns(15.0)]
    assert inbox.take_events() == []
    assert inbox.dropped == 5


def test_content_that_stays_the_same_counts_as_frozen_only_where_that_is_asked_for() -> None:
    strict, lenient = Inbox("touch", KIND, unchanged_s=0.25), Inbox("touch", KIND)
    taken = [(offer(strict, tenth / 10, 7.0), offer(lenient, tenth / 10, 7.0)) for tenth in range(1, 7)]
    assert taken == [(True, True)] * 3 + [(False, True)] * 3
    assert strict.newest is None
    assert lenient.newest is not None
    assert offer(strict, 0.7, 8.0)
    assert strict.newest.captured_ns == to_ns(0.7)


def test_events_that_nobody_takes_do_not_pile_up() -> None:
    inbox = Inbox("touch", KIND)
    for i in range(3 * MAX_EVENTS):
        inbox.add_event(i, "stop")  # the one kind that is never left out
    taken = inbox.take_events()
    assert len(taken) == MAX_EVENTS
    assert taken[-1].time_ns == 3 * MAX_EVENTS - 1


@pytest.mark.parametrize(
    ("kind", "content", "why"),
    [
        (Camera(16, 16), np.zeros((16, 16, 3), np.uint8), None),
        (Camera(16, 16), np.zeros((16, 17, 3), np.uint8), "shape"),
        (Camera(16, 16), np.zeros((16, 16, 3), np.float32), "float32"),
        (Camera(16, 16), [[0]], "list"),
        (Microphone(1, 4, 8000), np.full((1, 4), -1, np.float32), None),
        (Microphone(1, 4, 8000), np.full((1, 4), 1.01, np.float32), "limits"),
        (Microphone(1, 4, 8000), np.full((1, 4), np.nan, np.float32), "not finite"),
        (Microphone(1, 4, 8000), np.zeros((1, 4), np.float64), "float64"),
        (Instruction(4, 10), np.full(4, 9, np.int32), None),
        (Instruction(4, 10), np.full(4, 10, np.int32), "limits"),
        (Instruction(4, 10), np.full(4, -1, np.int32), "limits"),
        (Vector(2), np.array([1e30, -1e30], np.float32), None),
        (Vector(2), np.array([np.inf, 0], np.float32), "not finite"),
        (Grid(1, 1, (3, 2)), np.array([[[2, 1]]], np.uint8), None),
        (Grid(1, 1, (3, 2)), np.array([[[2, 2]]], np.uint8), "limits"),
    ],
)
def test_what_does_not_fit_its_kind_is_said_in_words(kind, content, why: str | None) -> None:
    told = misfit(kind, content)
    assert told is None if why is None else why in told


def test_events_are_of_known_kinds() -> None:
    assert Event(0, "", EVENT_KINDS[0]).kind == EVENT_KINDS[0]
    with pytest.raises(ConfigError, match='did you mean "absent"'):
        Event(0, "", "abscent")


def test_an_instruction_holds_for_ever_and_other_senses_do_not() -> None:
    assert Sensor("told", Instruction(4, 10)).max_age_s == math.inf
    assert Sensor("seen", Camera(16, 16)).max_age_s == 0.5
    for age_s in (0.0, -1.0, math.nan):
        with pytest.raises(ConfigError, match="above 0"):
            Sensor("seen", Camera(16, 16), age_s)


# Names of release 0.1.


def test_sensors_take_patience_as_they_did() -> None:
    patience = Patience(most_hung=1)
    scripted = ScriptedSensor("touch", Script(KIND, rate_hz=10), patience=patience)
    threaded = ThreadedSensor("touch", KIND, scripted.script.source, patience=patience)
    assert scripted._backoff is threaded._backoff is patience


def test_who_sets_when_silent_on_a_rig_is_called() -> None:
    rig = LiveRig(Spec(touch=KIND), {}, action_names=("stay",))
    rig.when_silent = print
    assert rig.on_silence is rig.when_silent is print
