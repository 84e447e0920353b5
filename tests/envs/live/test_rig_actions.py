"""What a rig sends: actions once each, safe ones when they must be, nothing that is not finite; and its mistakes."""

from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest

from kit.live.rigs import SENSES, ToldSensor, collect, rig_of, scripted
from senseweave.envs.live.bodies.actuators import Actuator, CallbackActuator, Command
from senseweave.envs.live.clock import VirtualClock, to_ns
from senseweave.envs.live.faults.faults import Stall, Unplugged
from senseweave.envs.live.faults.scripted import Script, ScriptedSensor
from senseweave.envs.live.registration import LIVE_ID
from senseweave.envs.live.rig import LiveRig
from senseweave.envs.live.sensors.open import open_sensors
from senseweave.perception.errors import ConfigError, SpecError
from senseweave.perception.spec import PRESENT, Camera, Instruction, Microphone, Spec


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
        ({"safe_action": "sta"}, "no action; the actions are: "),
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
    with pytest.raises(
        ConfigError, match="any of these: left, right; say for which, left=ADDRESS .*, sense -> address"
    ):
        open_sensors(two_eyes, camera="0")
    with pytest.raises(ConfigError, match="there is none among the senses .audio, left, right.; leave it out"):
        open_sensors(two_eyes, instruction="go")
    with pytest.raises(ConfigError, match='names "audio"'):
        open_sensors(two_eyes, camera={"audio": "0"})
    with pytest.raises(ConfigError, match="must be a Spec"):
        gym.make(LIVE_ID, senses={"camera": 1})
    with pytest.raises(SpecError, match="must be of the kind"):
        gym.make(LIVE_ID, senses=SENSES, sensors={"camera": scripted()["touch"]})


def test_actions_that_cannot_be_sent_are_told_again_after_one_could() -> None:
    can_send = iter([False, False, True, False, False])

    def send(command: Command) -> None:
        if not next(can_send):
            raise OSError("no space left")

    rig = rig_of(actuator=CallbackActuator(send))
    rig.reset()
    kinds = [[event.kind for event in rig.step(0)[4]["events"]].count("unsent") for _ in range(5)]
    assert kinds == [1, 0, 0, 1, 0]


def test_a_pause_between_episodes_is_no_lateness() -> None:
    rig, _ = collect()
    rig.reset()
    rig.step(0)
    rig.clock.sleep_until_ns(rig.clock.now_ns() + to_ns(7.3))
    began_ns = rig.reset()[1]["time_ns"]
    info = rig.step(0)[4]
    assert info["overruns"] == 0 and info["time_ns"] == began_ns + to_ns(0.1)
