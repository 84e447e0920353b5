"""The scripts of faults in real threads: what `ScriptedSensor` works out is what `ThreadedSensor` does."""

from kit.live.watched_sensor import Device, Watched
from senseweave.envs.live.backoff import Backoff
from senseweave.envs.live.clock import SystemClock
from senseweave.envs.live.faults.faults import Hangs, Raises, Stall, Unplugged
from senseweave.envs.live.faults.scripted import Script
from senseweave.envs.live.sensor import ThreadedSensor
from senseweave.perception.spec import Vector

KIND = Vector(2)
QUICK = Backoff(start_up_s=0.2, stall_s=0.15, grace_s=0.05, first_delay_s=0.02, max_delay_s=0.04)


def test_the_scripts_of_faults_run_in_real_threads_too() -> None:
    faults = (Stall(0.1, 0.3), Raises(0.5, 0.05), Hangs(0.7, 0.5), Unplugged(1.4, 0.1))
    script = Script(KIND, 200, faults)
    sensor = ThreadedSensor("touch", KIND, script.source, backoff=QUICK)
    watched = Watched(sensor, Device(lambda source, read: None))
    sensor.start(SystemClock())
    try:
        watched.until(lambda: script.origin_ns is not None)
        end_ns = script.moment_ns(1.7)
        watched.until(lambda: (newest := sensor.newest(0)) is not None and newest.captured_ns > end_ns)
        kinds = watched.kinds()
        assert kinds.count("stalled") >= 2
        assert kinds.count("failed") >= 2
        assert "hung" in kinds
        assert kinds[0] == kinds[-1] == "opened"
    finally:
        script.released.set()
        sensor.stop()
