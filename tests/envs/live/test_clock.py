"""The two clocks: one that nobody can turn back, one that moves only when it is told to."""

import math
import threading
import time

import pytest

from senseweave.envs.live.clock import NS_PER_S, Clock, SystemClock, VirtualClock, to_ns
from senseweave.perception.errors import ConfigError


def test_seconds_become_whole_nanoseconds_and_infinity_outlasts_everything() -> None:
    assert to_ns(0.1) == 100_000_000
    assert to_ns(math.inf) > 100 * 365 * 86_400 * NS_PER_S


@pytest.mark.parametrize("spin_ns", [0, 200_000])
def test_the_system_clock_never_wakes_before_the_deadline(spin_ns: int) -> None:
    clock = SystemClock(spin_ns)
    for _ in range(20):
        deadline_ns = clock.now_ns() + 1_000_000
        clock.sleep_until_ns(deadline_ns)
        assert clock.now_ns() >= deadline_ns


def test_the_system_clock_is_pythons_monotonic_one() -> None:
    before, now, after = time.monotonic_ns(), SystemClock().now_ns(), time.monotonic_ns()
    assert before <= now <= after


def test_a_deadline_that_is_past_is_not_waited_for() -> None:
    for clock in (SystemClock(), VirtualClock(5)):
        before_ns = clock.now_ns()
        clock.sleep_until_ns(before_ns - NS_PER_S)
        assert before_ns <= clock.now_ns() < before_ns + NS_PER_S // 2


def test_waiting_ends_when_the_event_is_set_by_another_thread() -> None:
    event = threading.Event()
    thread = threading.Timer(0.01, event.set)
    thread.start()
    assert SystemClock().wait(event, math.inf)
    thread.join()
    assert not SystemClock().wait(threading.Event(), 0.001)


def test_a_virtual_clock_moves_by_exactly_what_it_is_told() -> None:
    clock = VirtualClock(7)
    clock.advance(0.25)
    assert clock.now_ns() == 250_000_007
    clock.sleep_until_ns(NS_PER_S)
    assert clock.now_ns() == NS_PER_S
    assert not clock.wait(threading.Event(), 2.0)
    assert clock.now_ns() == 3 * NS_PER_S


def test_a_virtual_clock_does_not_wait_for_what_has_happened_or_for_ever() -> None:
    clock = VirtualClock()
    event = threading.Event()
    assert not clock.wait(event, math.inf)
    event.set()
    assert clock.wait(event, 5.0)
    assert clock.now_ns() == 0


@pytest.mark.parametrize("seconds", [-1e-9, math.nan, math.inf])
def test_a_virtual_clock_goes_neither_back_nor_nowhere(seconds: float) -> None:
    with pytest.raises(ConfigError, match="0 seconds or more"):
        VirtualClock().advance(seconds)


def test_a_clock_of_ones_own_has_three_methods_to_write() -> None:
    for call in (
        lambda: Clock().now_ns(),
        lambda: Clock().sleep_until_ns(0),
        lambda: Clock().wait(threading.Event(), 0),
    ):
        with pytest.raises(NotImplementedError):
            call()
