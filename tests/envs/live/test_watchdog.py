"""A policy that hangs: the safe action goes out without it, from another thread, and all goes on when it comes back."""

import threading
import time

import pytest

from kit.live.rigs import SENSES, collect, rig_of
from senseweave.envs.live.bodies.actuators import CallbackActuator, Command
from senseweave.envs.live.clock import SystemClock, VirtualClock, to_ns
from senseweave.envs.live.sensor import Sensor
from senseweave.envs.live.watchdog import Watchdog

LONG_S = 60.0
"""How long a test waits for what must happen at all."""


def wait_until(is_so) -> None:
    give_up_s = time.monotonic() + LONG_S
    while not is_so():
        assert time.monotonic() < give_up_s, "it did not happen"
        time.sleep(0.002)


def real_rig(**options):
    options = {"sensors": {}, "clock": SystemClock(), "step_s": 0.01, "safe_action": "stay"} | options
    rig, sent = collect(**options)
    rig.reset()
    return rig, sent


def test_the_time_out_is_five_periods_and_half_a_second_at_least() -> None:
    assert rig_of(step_s=0.1).watchdog_s == 0.5
    assert rig_of(step_s=0.05).watchdog_s == 0.5
    assert rig_of(step_s=0.4).watchdog_s == 2.0
    assert rig_of(step_s=0.05, rate_hz=2).watchdog_s == 2.5


def test_a_policy_that_hangs_is_answered_by_the_safe_action_once_and_within_the_time_out() -> None:
    rig, sent = real_rig()
    said = []
    rig.on_silence = said.append
    try:
        rig.step(0)
        hangs_ns = time.monotonic_ns()
        wait_until(lambda: len(sent) == 2)
        late_s = (sent[1].time_ns - hangs_ns) / 1e9 - rig.watchdog_s
        assert (sent[1].name, sent[1].is_safe, sent[1].tick) == ("stay", True, 1)
        assert -0.05 < late_s < LONG_S / 2, "not before its time"
        time.sleep(1.3 * rig.watchdog_s)
        assert len(sent) == 2 and len(said) == 1, "once"
        *_, info = rig.step(0)
        assert [command.name for command in sent] == ["go", "stay", "go"]
        events = [(event.kind, event.detail) for event in info["events"] if event.kind in ("safe", "resumed")]
        assert events == [("safe", said[0]), ("resumed", "")]
        assert said[0].startswith("There was no step for 0.") and info["safe_reason"] == ""
        wait_until(lambda: len(sent) == 4)
        assert sent[3].is_safe, "a second silence is answered as the first one was"
    finally:
        rig.close()


def test_who_steps_in_time_hears_nothing_of_the_watchdog() -> None:
    rig, sent = real_rig(step_s=0.1)
    try:
        infos = [rig.step(0)[4] for _ in range(8)]
        assert not [event for info in infos for event in info["events"] if event.kind != "overrun"]
        assert [command.is_safe for command in sent] == [False] * 8
    finally:
        rig.close()


def test_before_the_first_step_and_after_the_end_nobody_is_waited_for() -> None:
    before = set(threading.enumerate())
    rig, sent = real_rig()
    time.sleep(1.3 * rig.watchdog_s)
    assert sent == []
    rig.step(0)
    rig.close()
    assert [command.name for command in sent] == ["go", "stay"]
    time.sleep(1.3 * rig.watchdog_s)
    assert len(sent) == 2 and set(threading.enumerate()) <= before


def test_without_a_safe_action_a_silence_is_told_and_nothing_is_sent() -> None:
    rig, sent = real_rig(safe_action=None)
    said = []
    rig.on_silence = said.append
    try:
        rig.step(0)
        wait_until(lambda: said)
        assert len(sent) == 1
        assert [event.kind for event in rig.step(0)[4]["events"] if event.kind != "overrun"] == ["safe", "resumed"]
    finally:
        rig.close()


def test_a_sensor_that_hangs_in_the_loop_is_a_silence_too() -> None:
    class HangingSensor(Sensor):
        def start(self, clock) -> None:
            self.hangs = threading.Event()
            self.let_go = threading.Event()

        def newest(self, now_ns):
            if self.hangs.is_set():
                self.let_go.wait(LONG_S)

    touch = HangingSensor("touch", SENSES["touch"])
    rig, sent = real_rig(sensors={"touch": touch}, start_up_s=0)
    rig.step(0)
    touch.hangs.set()
    loop = threading.Thread(target=rig.step, args=(0,))
    loop.start()
    wait_until(lambda: any(command.is_safe for command in sent))
    touch.let_go.set()
    loop.join(LONG_S)
    rig.close()
    assert [command.name for command in sent] == ["go", "go", "stay", "stay"]


def test_a_body_gets_one_command_at_a_time_and_one_that_hangs_is_told() -> None:
    in_body, let_go, most = threading.Semaphore(0), threading.Event(), []
    inside = []

    def hang(command: Command) -> None:
        inside.append(command)
        most.append(len(inside))
        in_body.release()
        let_go.wait(LONG_S)
        inside.pop()

    said = []
    rig = rig_of({}, clock=SystemClock(), step_s=0.01, safe_action="stay", actuator=CallbackActuator(hang))
    rig.on_silence = said.append
    rig.reset()
    loop = threading.Thread(target=rig.step, args=(0,))
    loop.start()
    wait_until(lambda: said)
    assert "The body has not come back from the action before" in said[0]
    let_go.set()
    loop.join(LONG_S)
    *_, info = rig.step(0)
    rig.close()
    assert set(most) == {1}
    assert rig.moment is not None and "unsent" not in [event.kind for event in info["events"]]


def test_on_a_clock_that_stands_still_nobody_comes_late() -> None:
    called = []
    watchdog = Watchdog(VirtualClock(), 0.01, called.append)
    watchdog.feed()
    time.sleep(0.1)
    watchdog.stop()
    assert called == []


@pytest.mark.parametrize("error", [None, OSError("gone")])
def test_a_watchdog_calls_once_for_each_silence_whatever_is_made_of_the_call(error) -> None:
    called = []

    def call(silent_s: float) -> None:
        called.append(silent_s)
        if error is not None:
            raise error

    watchdog = Watchdog(SystemClock(), 0.05, call)
    watchdog.stop()
    watchdog = Watchdog(SystemClock(), 0.05, call)
    for silence in range(1, 4):
        watchdog.feed()
        wait_until(lambda silence=silence: len(called) == silence)
        time.sleep(0.12)
        assert len(called) == silence and called[-1] >= 0.05
    watchdog.stop()
    watchdog.stop()


def test_a_step_that_comes_while_the_watchdog_is_about_to_act_is_not_followed_by_the_safe_action() -> None:
    rig, sent = collect(safe_action="stay", step_s=0.4)
    rig.reset()
    rig.step(0)
    for more_s, names in (
        (0.0, ["go"]),
        (1.9, ["go"]),
        (0.2, ["go", "stay"]),
    ):  # its time-out is 2 s, from the step's end
        rig.clock.sleep_until_ns(rig.clock.now_ns() + to_ns(more_s))
        rig._send_safe_after_silence(2.0)
        assert [command.name for command in sent] == names, more_s


def test_no_wait_of_a_watchdog_is_longer_than_its_time_out_also_after_it_has_called() -> None:
    waits: list[float] = []
    called: list[float] = []
    clock = VirtualClock()

    class Ending(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waits.append(timeout)
            clock.sleep_until_ns(clock.now_ns() + round(timeout * 1e9))
            if len(waits) == 2:
                watchdog.feed()
            return len(waits) == 5

    watchdog = Watchdog(clock, 1.0, called.append)
    watchdog._ending = Ending()
    watchdog.feed()
    watchdog._watch()
    assert waits == [1.0] * 5
    assert called == [1.0, 1.0]  # once for each silence


def test_on_a_clock_that_stands_still_nobody_watches() -> None:
    before = threading.active_count()
    Watchdog(VirtualClock(), 0.01, lambda silent_s: None).feed()
    assert threading.active_count() == before
