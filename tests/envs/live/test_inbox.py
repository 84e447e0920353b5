"""The doorkeeper alone: capture times in the future, frozen content, and how often dropped readings are told."""

import pickle

import numpy as np
import pytest

from senseweave.envs.live.clock import to_ns
from senseweave.envs.live.inbox import Inbox
from senseweave.envs.live.reading import Reading
from senseweave.perception.spec import Vector


def reading(captured_ns: int, value: float = 0.0, size: int = 2) -> Reading:
    return Reading(np.full(size, value, np.float32), captured_ns, 0)


@pytest.mark.parametrize("ahead_ns", [1, to_ns(0.5), to_ns(60)])
def test_a_capture_time_in_the_future_becomes_the_arrival(ahead_ns: int) -> None:
    inbox = Inbox("touch", Vector(2))
    assert inbox.offer(reading(to_ns(1) + ahead_ns), to_ns(1))
    assert inbox.newest is not None and inbox.newest.captured_ns == to_ns(1)
    assert inbox.retimed == 1
    assert inbox.offer(reading(to_ns(1.1)), to_ns(1.1)) and inbox.retimed == 1  # of now: as it says


def test_content_counts_as_frozen_from_the_very_moment_on() -> None:
    inbox = Inbox("touch", Vector(2), unchanged_s=0.5)
    assert inbox.offer(reading(to_ns(1.0)), to_ns(1.0))
    assert inbox.offer(reading(to_ns(1.5) - 1), to_ns(1.5) - 1)
    assert not inbox.offer(reading(to_ns(1.5)), to_ns(1.5))
    assert inbox.newest is None and inbox.dropped == 1
    assert inbox.offer(reading(to_ns(1.6), 1.0), to_ns(1.6)) and inbox.newest is not None


def test_a_series_of_dropped_readings_is_told_once_and_again_after_five_quiet_seconds() -> None:
    inbox = Inbox("touch", Vector(2))

    def told_of_a_misfit(at_s: float) -> bool:
        assert not inbox.offer(reading(to_ns(at_s), size=3), to_ns(at_s))
        return [event.kind for event in inbox.take_events()] == ["dropped"]

    assert [told_of_a_misfit(at_s) for at_s in (1, 4, 7, 10)] == [True, False, False, False]  # one series
    assert [told_of_a_misfit(at_s) for at_s in (15, 20.1, 21)] == [False, True, False]


def test_a_flood_of_different_warnings_leaves_its_beginning_and_a_sentence_and_no_memory() -> None:
    inbox = Inbox("instruction", Vector(2))
    for number in range(10_000):
        inbox.add_event(to_ns(1.0) + number, "warning", f"Only the beginning of {number} fits.")
    events = inbox.take_events()
    assert len(events) == 11
    assert events[-1].detail == 'Events of the kind "warning" come so fast that most of them are left out.'
    assert sum(len(pickle.dumps(value)) for value in vars(inbox._flood).values()) < 10_000
    inbox.add_event(to_ns(12.0), "warning", "Later.")
    assert [event.detail for event in inbox.take_events()] == ["Later."]


@pytest.mark.parametrize("kind", ["warning", "failed", "rejected", "overflow", "opened"])
def test_stop_gets_through_a_flood_of_any_kind(kind: str) -> None:
    inbox = Inbox("instruction", Vector(2))
    for number in range(5000):
        inbox.add_event(to_ns(1.0) + number, kind, f"{number}")
        if number == 17:
            inbox.add_event(to_ns(1.0) + number, "stop", "stop")
    kinds = [event.kind for event in inbox.take_events()]
    assert kinds.count("stop") == 1 and len(kinds) < 20


def test_a_warning_that_was_said_lately_is_not_said_again() -> None:
    inbox = Inbox("audio", Vector(2))
    for at_s in range(100):
        inbox.add_event(to_ns(at_s), "warning", "The microphone has one channel.")
    assert len(inbox.take_events()) == 1
