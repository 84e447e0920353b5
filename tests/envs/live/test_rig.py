"""The rig as an environment: Gymnasium's checks, pacing by absolute deadlines, safe actions, stops and mistakes."""

import subprocess
import sys
import time

import gymnasium as gym
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

import senseweave.envs as envs
import senseweave.envs.live as live
from kit.live.rigs import SENSES, ToldSensor, rig_of, scripted
from senseweave.envs.live.bodies.actuators import JsonLinesActuator
from senseweave.envs.live.bodies.simulated import BodyActuator
from senseweave.envs.live.clock import SystemClock, VirtualClock, to_ns
from senseweave.envs.live.faults.faults import NotInstalled, Stall
from senseweave.envs.live.faults.scripted import Script, ScriptedSensor
from senseweave.envs.live.registration import LIVE_ID
from senseweave.envs.live.rig import LiveRig
from senseweave.envs.live.sensor import ThreadedSensor
from senseweave.envs.live.sensors.open import default_senses
from senseweave.perception.errors import ConfigError, SenseweaveError
from senseweave.perception.registry import Registry
from senseweave.perception.spec import PRESENT, Instruction, Spec, Vector

# An environment like any other.


@pytest.mark.filterwarnings("error")
def test_gymnasium_finds_nothing_to_say_against_a_rig() -> None:
    senses = default_senses()
    env = gym.make(f"senseweave.envs:{LIVE_ID}", sensors=scripted(senses), clock=VirtualClock())
    check_env(env.unwrapped, skip_render_check=True)


def test_the_default_rig_has_the_senses_actions_and_rate_of_rooms() -> None:
    env = envs.make(LIVE_ID)
    room = envs.make("senseweave/Seek-v0")
    for attribute in ("senses", "action_names", "step_s"):
        assert env.get_wrapper_attr(attribute) == room.get_wrapper_attr(attribute)
    assert env.observation_space == room.observation_space
    assert env.action_space == room.action_space


def test_the_rig_is_listed_and_an_option_that_it_does_not_take_is_refused() -> None:
    assert LIVE_ID in [entry.id for entry in envs.known()]
    with pytest.raises(ConfigError, match='does not take the option "camra"; did you mean "camera"'):
        envs.make(LIVE_ID, camra="0")
    with pytest.raises(SenseweaveError, match="rate_hz"):
        envs.make(LIVE_ID, rate_hz=0)


def test_importing_the_environments_imports_no_device_library() -> None:
    code = (
        "import sys, senseweave.envs, senseweave.envs.live.sensors.open\n"
        "print([name for name in ('cv2', 'sounddevice', 'av', 'mcap', 'pocketsphinx', 'torch') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_name_that_the_package_offers_is_there_and_no_other() -> None:
    tables = {"BODIES", "SOURCES"}
    assert all(getattr(live, name).__name__ == name for name in live.__all__ if name not in tables)
    assert all(isinstance(getattr(live, name), Registry) for name in tables)
    assert live.LiveRig is LiveRig
    assert "LiveRig" in dir(live)
    with pytest.raises(AttributeError, match="has no attribute 'Rig'"):
        _ = live.Rig


def test_a_rig_without_any_sensor_runs_and_senses_nothing() -> None:
    rig = rig_of({})
    observation, info = rig.reset()
    assert rig.observation_space.contains(observation)
    observation, *_, info = rig.step(0)
    assert observation[PRESENT].tolist() == [0, 0]
    assert info["events"] == []
    assert info["time_ns"] == to_ns(0.1)


def test_episodes_end_by_max_steps_alone() -> None:
    rig = rig_of(max_steps=3)
    rig.reset()
    assert [rig.step(0)[2:4] for _ in range(3)] == [(False, False), (False, False), (False, True)]
    rig.reset()
    assert rig.step(0)[2:4] == (False, False)


def test_a_wrapped_rig_tells_its_spec_although_no_device_can_be_copied() -> None:
    options = {"actuator": BodyActuator(gym.make("senseweave/GoToLocal-v0")), "clock": SystemClock()}
    sensor = ThreadedSensor("camera", default_senses()["camera"], Script(default_senses()["camera"], 5).source)
    env = gym.make(LIVE_ID, sensors={"camera": sensor}, **options)
    assert env.spec.kwargs["sensors"]["camera"] is sensor
    assert env.unwrapped.sensors["camera"] is sensor
    assert env.spec.kwargs["actuator"] is options["actuator"]


def test_a_sensor_that_is_no_sense_is_watched_too() -> None:
    ear = ToldSensor()
    rig = rig_of(watched=[ear])
    ear.start(rig.clock)
    rig.reset()
    ear.say("stop")
    assert [(event.sense, event.kind) for event in rig.step(0)[4]["events"]] == [("instruction", "stop")]


def test_actions_that_are_no_number_and_no_array_are_refused() -> None:
    with pytest.raises(ConfigError, match="a number or an array; got Dict"):
        rig_of(action_names=(), action_space=spaces.Dict({"go": spaces.Discrete(2)}))


def test_a_trainer_can_train_on_a_rig() -> None:
    from stable_baselines3 import PPO

    senses = Spec(touch=Vector(3))
    rig = LiveRig(senses, scripted(senses), action_names=("go", "stay"), clock=VirtualClock(), max_steps=8)
    model = PPO("MultiInputPolicy", rig, n_steps=16, batch_size=16, n_epochs=1, device="cpu", seed=0)
    model.learn(32)
    assert rig.timing.ticks == 32


# Time.


def test_deadlines_are_absolute_so_that_lateness_never_adds_up() -> None:
    class SluggishClock(VirtualClock):
        def sleep_until_ns(self, deadline_ns: int) -> None:
            super().sleep_until_ns(deadline_ns)
            self.advance(0.007)

    rig = rig_of({}, clock=SluggishClock(), start_up_s=0)
    start_ns = rig.reset()[1]["time_ns"]
    times = [rig.step(0)[4]["time_ns"] - start_ns for _ in range(200)]
    assert times == [to_ns(0.1 * (i + 1) + 0.007) for i in range(200)]
    assert rig.timing.p50_ms == pytest.approx(7)


@pytest.mark.parametrize(("work_s", "skipped"), [(0.0, 0), (0.1, 0), (0.1001, 1), (0.2, 1), (0.25, 2), (3.05, 30)])
def test_a_policy_that_comes_late_skips_ticks_and_is_on_time_again_at_once(work_s: float, skipped: int) -> None:
    clock = VirtualClock()
    rig = rig_of({}, clock=clock, start_up_s=0)
    rig.reset()
    rig.step(0)
    clock.advance(work_s)
    *_, info = rig.step(0)
    assert info["overruns"] == skipped
    assert info["time_ns"] == info["due_ns"] == to_ns(0.1 * (2 + skipped))
    assert [event.kind for event in info["events"]] == ["overrun"] * (skipped > 0)
    *_, info = rig.step(0)
    assert info["overruns"] == skipped
    assert info["time_ns"] == to_ns(0.1 * (3 + skipped))
    assert info["tick"] == 3


def test_the_rate_is_trainings_unless_another_is_asked_for_which_warns_once() -> None:
    rig = rig_of(step_s=0.05)
    assert rig.period_s == 0.05
    assert [event.kind for event in rig.reset()[1]["events"] if event.sense == ""] == []
    rig = rig_of(step_s=0.05, rate_hz=40)
    warnings = [event for event in rig.reset()[1]["events"] if event.kind == "warning"]
    assert len(warnings) == 1
    assert "20 Hz" in warnings[0].detail
    start_ns = rig.clock.now_ns()
    assert rig.step(0)[4]["time_ns"] - start_ns == to_ns(0.025)
    assert [event.kind for event in rig.reset()[1]["events"] if event.kind == "warning"] == []


def test_on_the_real_clock_no_tick_comes_early_and_the_mean_rate_holds() -> None:
    rig = rig_of({}, clock=SystemClock(), step_s=0.01)
    start_ns = rig.reset()[1]["time_ns"]
    infos = [rig.step(0)[4] for _ in range(60)]
    assert all(info["time_ns"] >= info["due_ns"] for info in infos)
    assert all((info["due_ns"] - start_ns) % to_ns(0.01) == 0 for info in infos)
    assert infos[-1]["due_ns"] - start_ns == to_ns(0.01) * (60 + infos[-1]["overruns"])
    rig.close()


def test_a_real_device_that_hangs_holds_nobody_up() -> None:
    script = Script(SENSES["touch"], 200)
    sensor = ThreadedSensor("touch", SENSES["touch"], script.source, max_age_s=0.1)
    rig = rig_of({"touch": sensor}, clock=SystemClock(), step_s=0.02)
    try:
        assert rig.reset()[0][PRESENT].tolist() == [0, 1]
        script.faults = (Stall(script.seconds(time.monotonic_ns())),)
        kinds = []
        for _ in range(100):
            observation, *_, info = rig.step(0)
            kinds += [event.kind for event in info["events"]]
            if "absent" in kinds:
                break
        assert observation[PRESENT].tolist() == [0, 0]
        assert info["ages_s"]["touch"] > 0.1
        script.faults = ()
        for _ in range(400):
            kinds += [event.kind for event in rig.step(0)[4]["events"]]
            if "back" in kinds:
                break
        assert [kind for kind in kinds if kind in ("absent", "back")] == ["absent", "back"]
    finally:
        rig.close()


# Beginning.


def test_the_first_reset_waits_for_all_sensors_and_no_longer() -> None:
    sensors = {
        "camera": ScriptedSensor("camera", Script(SENSES["camera"], 2)),
        "touch": ScriptedSensor("touch", Script(SENSES["touch"], 100)),
    }
    rig = rig_of(sensors)
    observation, info = rig.reset()
    assert observation[PRESENT].tolist() == [1, 1]
    assert info["time_ns"] == to_ns(0.5)
    assert rig.reset()[1]["time_ns"] == to_ns(0.5)


def test_nobody_is_waited_for_to_give_an_instruction() -> None:
    rig = LiveRig(
        Spec(instruction=Instruction(4, 10)),
        {"instruction": ToldSensor()},
        action_names=("go",),
        clock=VirtualClock(),
        start_up_s=20,
    )
    assert rig.reset()[1]["time_ns"] == to_ns(0.3)


def test_a_sensor_that_never_comes_delays_the_beginning_by_the_start_up_time_alone() -> None:
    rig = rig_of(scripted(camera=(NotInstalled(),)), start_up_s=0.8)
    observation, info = rig.reset()
    assert observation[PRESENT].tolist() == [0, 1]
    assert info["time_ns"] == to_ns(0.8)
    assert [event.kind for event in info["events"] if event.sense == "camera"] == ["failed", "ended", "absent"]


def test_an_actuator_that_cannot_work_is_told_before_anything_starts(tmp_path) -> None:
    rig = rig_of(actuator=JsonLinesActuator(tmp_path))
    with pytest.raises(ConfigError, match="cannot be written"):
        rig.reset()
    rig.close()


# Acting.
