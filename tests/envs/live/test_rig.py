"""The rig as an environment: Gymnasium's checks, pacing by absolute deadlines, safe actions, stops and mistakes."""

import json
import subprocess
import sys
import time
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import senseweave.envs as envs
import senseweave.envs.live as live
from senseweave.envs.live.actuators import Actuator, CallbackActuator, Command, JsonLinesActuator
from senseweave.envs.live.addresses import ACTION_NAMES, default_senses, open_sensors
from senseweave.envs.live.body import BodyActuator
from senseweave.envs.live.clock import NS_PER_S, SystemClock, VirtualClock, to_ns
from senseweave.envs.live.faults import NotInstalled, Stall, Unplugged
from senseweave.envs.live.reading import Event, Reading
from senseweave.envs.live.registration import LIVE_ID
from senseweave.envs.live.rig import LiveRig
from senseweave.envs.live.scripted import Script, ScriptedSensor
from senseweave.envs.live.sensor import Sensor, ThreadedSensor
from senseweave.envs.live.timing import KEPT_TICKS, Timing
from senseweave.envs.rooms.codes import ACTIONS
from senseweave.perception.errors import ConfigError, SenseweaveError, SpecError
from senseweave.perception.spec import PRESENT, Camera, Instruction, Microphone, Spec, Vector

SENSES = Spec(camera=Camera(16, 16), touch=Vector(3))


def scripted(senses: Spec = SENSES, rate_hz: float = 40, **faults) -> dict[str, Sensor]:
    return {
        name: ScriptedSensor(name, Script(kind, rate_hz, faults.get(name, ())), max_age_s=0.15)
        for name, kind in senses.items()
    }


def rig_of(sensors: dict[str, Sensor] | None = None, **options) -> LiveRig:
    options = {"action_names": ("go", "stay"), "step_s": 0.1, "clock": VirtualClock()} | options
    return LiveRig(SENSES, scripted() if sensors is None else sensors, **options)


def collect(**options) -> tuple[LiveRig, list[Command]]:
    sent: list[Command] = []
    return rig_of(actuator=CallbackActuator(sent.append), **options), sent


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
    assert ACTION_NAMES == ACTIONS
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
        "import sys, senseweave.envs, senseweave.envs.live.addresses\n"
        "print([name for name in ('cv2', 'sounddevice', 'av', 'mcap', 'pocketsphinx', 'torch') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_name_that_the_package_offers_is_there_and_no_other() -> None:
    assert all(getattr(live, name).__name__ == name for name in live.__all__)
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


def test_punctuality_is_measured_over_a_bounded_past() -> None:
    timing = Timing()
    assert timing.summary()["lateness_p99_ms"] == 0
    for i in range(KEPT_TICKS):
        timing.add(i * 1000, i * 1000 + 9_000_000, 0)
    for i in range(KEPT_TICKS):
        timing.add(i * NS_PER_S // 10, i * NS_PER_S // 10 + 1_000_000 * (i % 100), 5_000_000)
    assert timing.ticks == 2 * KEPT_TICKS
    assert timing.p50_ms == pytest.approx(49.5, abs=1)
    assert timing.p99_ms == pytest.approx(98, abs=1)
    assert timing.summary()["work_p50_ms"] == 5
    assert json.loads(json.dumps(timing.summary()))["lateness_max_ms"] == 99


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


def test_every_action_is_sent_once_with_its_name_time_and_tick() -> None:
    rig, sent = collect()
    start_ns = rig.reset()[1]["time_ns"]
    infos = [rig.step(action)[4] for action in (0, 1, np.int64(0))]
    assert [command.name for command in sent] == ["go", "stay", "go"]
    assert [command.tick for command in sent] == [0, 1, 2]
    assert [command.time_ns - start_ns for command in sent] == [0, to_ns(0.1), to_ns(0.2)]
    assert [info["sent"] for info in infos] == sent
    assert [info["tick"] for info in infos] == [1, 2, 3]


def test_without_a_required_sense_the_safe_action_is_sent_which_is_told_once() -> None:
    rig, sent = collect(
        sensors=scripted(touch=(Unplugged(0.5, 1.0),), camera=(Unplugged(2.5),)),
        required=("touch",),
        safe_action="stay",
    )
    events = list(rig.reset()[1]["events"])
    reasons = []
    for _ in range(40):
        *_, info = rig.step(0)
        events += info["events"]
        reasons.append(info["safe_reason"])
    is_safe = [command.is_safe for command in sent]
    assert [command.name for command in sent] == ["stay" if safe else "go" for safe in is_safe]
    assert "".join(" *"[safe] for safe in is_safe).strip().count(" ") == 0  # one stretch, although the camera goes too
    assert [(event.kind, event.detail) for event in events if event.sense == "" and event.kind != "warning"] == [
        ("safe", "Without touch."),
        ("resumed", ""),
    ]
    assert set(reasons) == {"", "Without touch."}


def test_a_sense_that_grows_too_old_while_the_policy_thinks_is_seen_before_the_action_is_sent() -> None:
    clock = VirtualClock()
    rig, sent = collect(sensors=scripted(touch=(Stall(0.51),)), required=("touch",), safe_action=1, clock=clock)
    observation, info = rig.reset()
    while info["time_ns"] < to_ns(0.6):
        observation, *_, info = rig.step(0)
    assert observation[PRESENT].tolist() == [1, 1]
    clock.advance(0.09)
    rig.step(0)
    assert sent[-1].is_safe


@pytest.mark.parametrize("action", [np.array([np.nan, 0], np.float32), np.array([0, np.inf], np.float32)])
def test_an_action_that_is_not_finite_is_never_sent(action) -> None:
    sent: list[Command] = []
    options = {"action_space": gym.spaces.Box(-1, 1, (2,), np.float32), "actuator": CallbackActuator(sent.append)}
    calm = np.zeros(2, np.float32)
    rig = rig_of(action_names=(), safe_action=calm, **options)
    rig.reset()
    info = rig.step(action)[4]
    assert info["safe_reason"] == "The policy's action is not finite."
    assert sent[0].action is calm
    rig = rig_of(action_names=(), **options)
    rig.reset()
    assert rig.step(action)[4]["sent"] is None
    assert len(sent) == 1


class ToldSensor(Sensor):
    """An instruction that a test says out loud."""

    def __init__(self) -> None:
        super().__init__("instruction", Instruction(4, 10))
        self.reading: Reading | None = None
        self.events: list[Event] = []

    def start(self, clock) -> None:
        self.clock = clock

    def newest(self, now_ns: int) -> Reading | None:
        return self.reading

    def take_events(self) -> list[Event]:
        taken, self.events = self.events, []
        return taken

    def say(self, text: str) -> None:
        if text == "stop":
            self.events.append(Event(self.clock.now_ns(), "instruction", "stop", text))
        else:
            self.reading = Reading(np.ones(4, np.int32), self.clock.now_ns(), 0, text)


@pytest.mark.parametrize("safe_action", ["stay", None])
def test_stop_is_obeyed_until_there_is_a_new_instruction(safe_action: str | None) -> None:
    told, sent = ToldSensor(), []
    rig = LiveRig(
        Spec(instruction=Instruction(4, 10)),
        {"instruction": told},
        action_names=("go", "stay"),
        actuator=CallbackActuator(sent.append),
        clock=VirtualClock(),
        safe_action=safe_action,
        start_up_s=0,
    )
    rig.reset()
    said = {2: "go to the ball", 5: "stop", 9: "go to the ball"}
    kinds = []
    for tick in range(13):
        if tick in said:
            told.say(said[tick])
        info = rig.step(0)[4]
        kinds += [event.kind for event in info["events"]]
        assert (info["sent"] is None) == (safe_action is None and 5 < tick <= 9)
    ticks = [command.tick for command in sent if not command.is_safe]
    assert ticks == [0, 1, 2, 3, 4, 5, 10, 11, 12]
    assert len(sent) == (13 if safe_action else 9)
    assert kinds.count("stop") == kinds.count("safe") == kinds.count("resumed") == 1


def test_a_body_that_fails_loses_actions_and_nothing_else() -> None:
    class BrokenActuator(Actuator):
        def send(self, command: Command) -> None:
            if 3 <= command.tick < 7:
                raise OSError("no space left")

    rig = rig_of(actuator=BrokenActuator())
    rig.reset()
    infos = [rig.step(0)[4] for _ in range(10)]
    assert [info["sent"] is None for info in infos] == [3 <= i < 7 for i in range(10)]
    unsent = [event.detail for info in infos for event in info["events"] if event.kind == "unsent"]
    assert unsent == ["OSError: no space left"]


def test_closing_sends_the_safe_action_stops_the_sensors_and_may_happen_twice() -> None:
    stopped: list[str] = []

    class StoppingSensor(ScriptedSensor):
        def stop(self) -> None:
            stopped.append(self.name)

    rig, sent = collect(sensors={"touch": StoppingSensor("touch", Script(SENSES["touch"], 40))}, safe_action="stay")
    rig.reset()
    rig.step(0)
    rig.close()
    rig.close()
    assert [command.name for command in sent] == ["go", "stay"]
    assert stopped == ["touch"]
    with pytest.raises(ConfigError, match="was closed"):
        rig.reset()


# Mistakes, a sentence each.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"step_s": 0}, "step_s"),
        ({"step_s": float("nan")}, "step_s"),
        ({"rate_hz": -5}, "rate_hz"),
        ({"rate_hz": float("inf")}, "rate_hz"),
        ({"start_up_s": -1}, "start_up_s"),
        ({"max_steps": 0}, "max_steps"),
        ({"required": ("touch",)}, "needs a `safe_action`"),
        ({"required": ("tuch",), "safe_action": 0}, 'did you mean "touch"'),
        ({"safe_action": "sta"}, 'did you mean "stay"'),
        ({"safe_action": 2}, "Discrete"),
        ({"action_names": ()}, "action_names"),
        ({"action_space": gym.spaces.Discrete(3)}, "do not fit"),
        ({"max_age_s": {"nose": 1.0}}, "nose"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        rig_of(**options)


@pytest.mark.parametrize("misuse", [lambda rig: rig.step(0), lambda rig: (rig.reset(), rig.step(2))])
def test_wrong_use_is_refused(misuse: Callable[[LiveRig], object]) -> None:
    with pytest.raises(ConfigError):
        misuse(rig_of())


def test_reset_takes_no_options() -> None:
    with pytest.raises(ConfigError, match="takes no reset options; got weather"):
        rig_of().reset(options={"weather": "fine"})


def test_an_address_must_be_for_a_sense_and_for_one_alone() -> None:
    two_eyes = Spec(left=Camera(16, 16), right=Camera(16, 16), audio=Microphone(1, 160, 16000))
    with pytest.raises(ConfigError, match="these: left, right; pass sense -> address"):
        open_sensors(two_eyes, camera="0")
    with pytest.raises(ConfigError, match="there are none"):
        open_sensors(two_eyes, instruction="go")
    with pytest.raises(ConfigError, match='names "audio"'):
        open_sensors(two_eyes, camera={"audio": "0"})
    with pytest.raises(ConfigError, match="must be a Spec"):
        gym.make(LIVE_ID, senses={"camera": 1})
    with pytest.raises(SpecError, match="must be of the kind"):
        gym.make(LIVE_ID, senses=SENSES, sensors={"camera": scripted()["touch"]})
