import gc
import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from senseweave.agent.live.loop import MAX_HEAPS, SWITCH_S, WARM_UP_CALLS, punctual, run_loop
from senseweave.envs.live.bodies.actuators import Actuator, CallbackActuator
from senseweave.envs.live.clock import VirtualClock
from senseweave.envs.live.faults.faults import Unplugged
from senseweave.envs.live.faults.scripted import Script, ScriptedSensor
from senseweave.envs.live.rig import LiveRig
from senseweave.envs.live.tick import Move
from senseweave.perception.spec import Camera, Spec, Vector

SENSES = Spec(camera=Camera(16, 16), touch=Vector(3))


class Steps:
    """Plays 0, 1, 2, 0... and remembers what it saw."""

    has_gates = True

    def __init__(self, n=3):
        self.n, self.seen, self.starts = n, [], []

    def start(self, seed):
        self.starts.append((seed, len(self.seen)))
        self.turn = 0

    def act(self, observation):
        self.seen.append(observation["present"].tolist())
        self.turn += 1
        return Move((self.turn - 1) % self.n, {"camera": 0.5, "touch": 1.0})


def make_rig(camera_faults=(), actuator=None, **options):
    sensors = {
        "camera": ScriptedSensor("camera", Script(SENSES["camera"], 30, camera_faults), max_age_s=0.3),
        "touch": ScriptedSensor("touch", Script(SENSES["touch"], 100), max_age_s=0.3),
    }
    names = ("left", "right", "stay")
    return LiveRig(SENSES, sensors, action_names=names, clock=VirtualClock(), actuator=actuator, **options)


def test_a_session_lasts_as_long_as_asked_and_its_actions_come_in_order():
    sent = []
    player = Steps()
    rig = make_rig(actuator=CallbackActuator(lambda command: sent.append(command.name)))
    tally = run_loop(rig, player, seconds=2.0, seed=7)
    rig.close()
    assert tally.ticks == 20 and tally.seconds == pytest.approx(2.0)
    assert sent == (["left", "right", "stay"] * 7)[:20]
    assert tally.presence == {"camera": 1.0, "touch": 1.0} and tally.safe_ticks == 0
    assert player.starts == [(0, 0), (7, WARM_UP_CALLS)], "the memory of the warm-up is gone"


def test_an_unplugged_camera_is_counted_as_absent_and_the_safe_action_as_sent():
    sent = []
    rig = make_rig(
        [Unplugged(at_s=1.0, for_s=1.0)],
        CallbackActuator(lambda command: sent.append(command.is_safe)),
        required=("camera",),
        safe_action="stay",
    )
    ticks = []
    tally = run_loop(rig, Steps(), seconds=4.0, observers=[ticks.append])
    assert tally.ticks == 40 == len(ticks) == len(sent)
    absent = sum("camera" in tick.moment.absent for tick in ticks)
    assert 5 <= absent <= 14 and tally.presence["camera"] == 1 - absent / 40
    assert tally.safe_ticks == sum(sent) == sum(bool(tick.safe_reason) for tick in ticks) > 0
    assert tally.events["absent"] == tally.events["back"] == 1
    safe = [tick for tick in ticks if tick.safe_reason]
    assert {tick.sent.name for tick in safe} == {"stay"} and safe[0].safe_reason == "Without camera."


def test_somebody_who_wants_to_stop_is_heard_within_a_tick():
    ticks = []
    tally = run_loop(make_rig(), Steps(), wants_to_stop=lambda: len(ticks) == 5, observers=[ticks.append])
    assert tally.ticks == 5


def test_the_events_of_the_last_observation_are_told_although_nobody_acts_on_it():
    def kinds(tick):
        return [event.kind for event in tick.moment.events]

    faults, ticks = [Unplugged(at_s=0.55, for_s=9)], []
    run_loop(make_rig(faults), Steps(), seconds=2.0, observers=[ticks.append])
    number = next(i for i, tick in enumerate(ticks) if "absent" in kinds(tick))
    ticks, last = [], []
    rig = make_rig(faults)
    tally = run_loop(rig, Steps(), seconds=number * 0.1, observers=[ticks.append], on_end=last.extend)
    acted_on = [event for tick in ticks for event in tick.moment.events]
    assert "absent" in [event.kind for event in last] and last == rig.moment.events
    assert "absent" not in [event.kind for event in acted_on]
    assert tally.events.total() == len(acted_on) + len(last)


def test_without_a_player_the_senses_are_looked_at_and_nothing_is_sent():
    ticks = []
    tally = run_loop(make_rig(), None, seconds=1.0, observers=[ticks.append])
    assert tally.ticks == 10 and all(tick.move is None and tick.sent is None for tick in ticks)


def test_a_tick_holds_the_very_observation_that_was_acted_on():
    class Echo(Steps):
        def act(self, observation):
            move = super().act(observation)
            self.last = observation["camera"].copy()
            return move

    player, same = Echo(), []
    run_loop(
        make_rig(),
        player,
        seconds=1.0,
        observers=[lambda tick: same.append(np.array_equal(tick.moment.observation["camera"], player.last))],
    )
    assert len(same) == 10 and all(same)


def test_a_new_episode_of_the_body_begins_with_an_empty_memory():
    class Body(Actuator):
        steps = 0

        def send(self, command):
            self.steps += 1

        def report(self):
            return {"terminated": self.steps % 4 == 0}

    player = Steps()
    run_loop(make_rig(actuator=Body()), player, seconds=1.0)
    begun = [seen - WARM_UP_CALLS for _, seen in player.starts[1:]]
    assert begun == [0, 4, 8]


def test_the_process_is_set_for_punctuality_and_set_back_whatever_happens():
    before = sys.getswitchinterval()
    with pytest.raises(ZeroDivisionError), punctual():
        assert sys.getswitchinterval() == pytest.approx(SWITCH_S) and gc.get_freeze_count() > 0
        raise ZeroDivisionError
    assert sys.getswitchinterval() == pytest.approx(before) and gc.get_freeze_count() == 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such heaps")
def test_threads_that_come_and_go_leave_no_heaps_of_their_own():
    program = """
import sys, threading
from senseweave.agent.live_loop import limit_heaps
if sys.argv[1] == "few":
    limit_heaps()
together = threading.Barrier(12)
def work():
    together.wait()
    kept = [bytearray(3000) for _ in range(500)]  # 18 MB together: one heap holds 64
    together.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
heaps = 0
maps = [line.split() for line in open("/proc/self/maps")]
for (place, powers, *others), (after, rest, *_) in zip(maps, maps[1:], strict=False):  # neighbours of one list
    start, end = (int(edge, 16) for edge in place.split("-"))
    left, right = (int(edge, 16) for edge in after.split("-"))
    anonymous = powers == "rw-p" and len(others) == 3
    # 64 MiB at a multiple of 64 MiB, the used part and then the unused one; a stack may start at one, too.
    heaps += anonymous and start % 2**26 == 0 and end == left and rest == "---p" and right >= start + 2**26
print(heaps)
"""
    free = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    heaps = {}
    for way in ("few", "many"):
        words = [sys.executable, "-P", "-c", program, way]
        heaps[way] = int(subprocess.run(words, env=free, capture_output=True, text=True, check=True).stdout)
    assert heaps["few"] <= MAX_HEAPS - 1 < 4 < heaps["many"], "besides the first heap, which is not counted"
