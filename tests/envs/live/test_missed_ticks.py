"""A tick whose action does not come in time: nothing is sent, it counts, and the safe action follows as for a hang."""

import time

import pytest

from kit.live.rigs import ToldSensor, collect, rig_of, scripted
from kit.live.serving import scripted_rig
from senseweave.envs.live.bodies.actuators import CallbackActuator
from senseweave.envs.live.clock import VirtualClock
from senseweave.envs.live.faults.faults import Unplugged
from senseweave.envs.live.reading import EVENT_KINDS
from senseweave.envs.live.rig import LiveRig
from senseweave.perception.errors import ConfigError
from senseweave.perception.spec import Instruction, Spec, Vector


def test_a_missed_tick_sends_nothing_counts_and_keeps_the_time():
    rig, sent = collect()
    rig.reset()
    rig.step(0)
    assert rig.next_due_ns == rig.clock.now_ns() + 100_000_000
    _, reward, terminated, truncated, info = rig.skip("No answer.")
    assert (reward, terminated, truncated) == (0.0, False, False) and info["tick"] == 2 and info["overruns"] == 1
    assert info["sent"] is None and info["safe_reason"] == "No answer." and info["time_ns"] == info["due_ns"]
    assert [command.action for command in sent] == [0]
    info = rig.step(1)[-1]
    assert info["tick"] == 3 and info["safe_reason"] == "" and [command.action for command in sent] == [0, 1]


def test_a_tick_cannot_be_missed_before_the_first_reset():
    with pytest.raises(ConfigError, match="call reset"):
        rig_of().skip("No answer.")


def test_a_required_sense_that_is_absent_has_the_safe_action_sent_although_nobody_answers():
    rig, sent = collect(
        sensors=scripted(camera=[Unplugged(at_s=0.5, for_s=9)]), required=("camera",), safe_action="stay"
    )
    rig.reset()
    for _ in range(12):
        info = rig.skip("No answer.")[-1]
    assert info["safe_reason"] == "Without camera." and info["sent"].is_safe
    assert {command.name for command in sent} == {"stay"} and 2 <= len(sent) <= 12


def test_stop_is_obeyed_although_nobody_answers():
    told, sent = ToldSensor(), []
    rig = LiveRig(
        Spec(instruction=Instruction(4, 10), touch=Vector(3)),
        {"instruction": told},
        action_names=("go", "stay"),
        safe_action="stay",
        clock=VirtualClock(),
        start_up_s=0.0,
        actuator=CallbackActuator(sent.append),
    )
    rig.reset()
    told.say("stop")
    rig.skip("No answer.")
    info = rig.skip("No answer.")[-1]
    assert info["safe_reason"] == "It was told to stop." and [command.name for command in sent] == ["stay"]


@pytest.mark.parametrize("steps", [0, 3], ids=["never answered", "answered before"])
def test_after_as_long_as_a_policy_may_hang_the_safe_action_is_sent_once_and_then_it_goes_on(steps):
    rig, sent = scripted_rig(Spec(touch=Vector(3)), ("go", "stay"))
    rig.reset()
    for _ in range(steps):
        rig.step(0)
    began_s, events = time.monotonic(), []
    while time.monotonic() - began_s < rig.watchdog_s + 0.5:
        events += rig.skip("No answer.")[-1]["events"]
    assert [command.is_safe for command in sent] == [False] * steps + [True]
    assert 0 <= sent[-1].time_ns / 1e9 - began_s - rig.watchdog_s < 0.3, "within its deadline"
    assert [event.kind for event in events if event.kind in ("safe", "resumed")] == ["safe"]
    events = rig.step(0)[-1]["events"]
    rig.close()
    assert "resumed" in [event.kind for event in events] and not sent[steps + 1].is_safe


def test_what_somebody_notes_is_an_event_of_the_next_observation():
    rig = rig_of()
    rig.reset()
    rig.note("late", "It took 3 s.")
    assert [(event.kind, event.sense) for event in rig.step(0)[-1]["events"]] == [("late", "")]
    with pytest.raises(ConfigError):
        rig.note("lat", "")
    assert {"connected", "lost", "late"} < set(EVENT_KINDS)
