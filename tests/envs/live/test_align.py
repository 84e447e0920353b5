"""One tick: what is held, what is too old, what is told, and that nothing a sensor does can raise."""

import math

import numpy as np
import pytest

from senseweave.envs.live.align import Aligner, Moment
from senseweave.envs.live.clock import Clock, VirtualClock, to_ns
from senseweave.envs.live.reading import Event, Reading
from senseweave.envs.live.sensor import Sensor
from senseweave.perception.errors import ConfigError, SpecError
from senseweave.perception.spec import PRESENT, Camera, Instruction, Spec, Vector

SENSES = Spec(camera=Camera(16, 16), touch=Vector(2), instruction=Instruction(4, 10))


class HandSensor(Sensor):
    """Holds whatever a test puts into its hand."""

    def __init__(self, name: str, max_age_s: float | None = None) -> None:
        super().__init__(name, SENSES[name], max_age_s)
        self.reading: Reading | None = None
        self.events: list[Event] = []
        self.error: Exception | None = None

    def start(self, clock: Clock) -> None:
        pass

    def newest(self, now_ns: int) -> Reading | None:
        if self.error is not None:
            raise self.error
        return self.reading

    def take_events(self) -> list[Event]:
        taken, self.events = self.events, []
        return taken

    def give(self, value: float, captured_s: float, text: str = "") -> None:
        content = np.full(self.kind.shape, value, self.kind.dtype)
        self.reading = Reading(content, to_ns(captured_s), 0, text)


@pytest.fixture
def hands() -> dict[str, HandSensor]:
    return {
        "camera": HandSensor("camera", 0.5),
        "touch": HandSensor("touch", 0.2),
        "instruction": HandSensor("instruction"),
    }


def told(moment: Moment) -> list[tuple[str, str]]:
    return [(event.sense, event.kind) for event in moment.events]


def test_before_any_reading_everything_is_absent_which_is_told_once(hands) -> None:
    aligner = Aligner(SENSES, hands)
    first, second = aligner.align(to_ns(1)), aligner.align(to_ns(2))
    assert SENSES.space().contains(first.observation)
    assert not any(content.any() for content in first.observation.values())
    assert first.ages_s == {"camera": math.inf, "instruction": math.inf, "touch": math.inf}
    assert first.absent == ("camera", "instruction", "touch")
    assert told(first) == [("camera", "absent"), ("instruction", "absent"), ("touch", "absent")]
    assert told(second) == []


def test_a_reading_is_held_until_it_is_too_old_and_not_a_nanosecond_longer(hands) -> None:
    aligner = Aligner(SENSES, hands)
    hands["touch"].give(3.0, 1.0)
    for now_ns, is_here in ((to_ns(1.0), 1), (to_ns(1.2), 1), (to_ns(1.2) + 1, 0)):
        moment = aligner.align(now_ns)
        assert moment.observation[PRESENT].tolist() == [0, 0, is_here]
        assert moment.observation["touch"].tolist() == [3.0 * is_here] * 2
        assert (moment.readings["touch"] is not None) == bool(is_here)
        assert aligner.is_here("touch", now_ns) == bool(is_here)
        assert moment.ages_s["touch"] == pytest.approx((now_ns - to_ns(1.0)) / 1e9)


def test_loss_and_return_are_told_once_each_time(hands) -> None:
    aligner = Aligner(SENSES, {"touch": hands["touch"]})
    history = []
    for tenth in range(1, 40):
        if tenth < 10 or 20 <= tenth < 25:
            hands["touch"].give(1.0, tenth / 10)
        history += [(event.kind, event.time_ns) for event in aligner.align(to_ns(tenth / 10)).events]
    assert history == [("absent", to_ns(1.2)), ("back", to_ns(2.0)), ("absent", to_ns(2.7))]


def test_a_sense_without_a_sensor_is_absent_and_nothing_is_said(hands) -> None:
    moment = Aligner(SENSES, {"touch": hands["touch"]}).align(0)
    assert told(moment) == [("touch", "absent")]
    assert moment.ages_s["camera"] == math.inf


def test_an_instruction_holds_for_ever_and_a_new_one_is_told(hands) -> None:
    aligner = Aligner(SENSES, hands)
    hands["instruction"].give(1, 1.0, "go to the red ball")
    moment = aligner.align(to_ns(2))
    assert ("instruction", "instruction") in told(moment)
    assert moment.events[0].detail == "go to the red ball"
    later = aligner.align(to_ns(86_400))
    assert later.instruction == "go to the red ball"
    assert later.observation["instruction"].tolist() == [1, 1, 1, 1]
    hands["instruction"].give(2, 90_000.0, "go to the key")
    assert told(aligner.align(to_ns(90_000))) == [("instruction", "instruction")]


def test_ages_of_the_caller_stand_before_those_of_the_sensors(hands) -> None:
    aligner = Aligner(SENSES, hands, {"touch": 9.0})
    assert aligner.max_age_s == {"camera": 0.5, "instruction": math.inf, "touch": 9.0}
    hands["touch"].give(1.0, 1.0)
    hands["camera"].give(1, 1.0)
    assert aligner.align(to_ns(9.0)).observation[PRESENT].tolist() == [0, 0, 1]


def test_a_reading_from_the_future_has_no_negative_age(hands) -> None:
    hands["touch"].give(1.0, 5.0)
    assert Aligner(SENSES, hands).align(to_ns(1)).ages_s["touch"] == 0


def test_observations_share_no_memory_with_readings_placeholders_or_each_other(hands) -> None:
    aligner = Aligner(SENSES, hands)
    hands["camera"].give(7, 1.0)
    one, other = aligner.align(to_ns(1)), aligner.align(to_ns(1))
    for key, content in one.observation.items():
        assert not np.shares_memory(content, other.observation[key])
        content[...] = 1
    assert hands["camera"].reading.content.max() == 7
    third = aligner.align(to_ns(1))
    assert third.observation["touch"].tolist() == [0, 0]
    assert third.observation["camera"].min() == 7


@pytest.mark.parametrize("content", [np.zeros(3, np.float32), np.array([np.nan, 0], np.float32), np.zeros(2), None])
def test_content_that_does_not_fit_makes_the_sense_absent_whoever_gave_it(hands, content) -> None:
    aligner = Aligner(SENSES, {"touch": hands["touch"]})
    hands["touch"].reading = Reading(content, to_ns(1), 0)
    assert told(aligner.align(to_ns(1))) == [("touch", "failed"), ("touch", "absent")]
    assert told(aligner.align(to_ns(1))) == []
    hands["touch"].give(1.0, 1.0)
    moment = aligner.align(to_ns(1))
    assert told(moment) == [("touch", "back")]
    assert moment.observation["touch"].tolist() == [1, 1]


def test_a_sensor_that_raises_does_not_stop_the_others(hands) -> None:
    aligner = Aligner(SENSES, hands)
    for name in hands:
        hands[name].give(1, 1.0)
    hands["touch"].error = ZeroDivisionError("a bug")
    moment = aligner.align(to_ns(1))
    assert moment.observation[PRESENT].tolist() == [1, 1, 0]
    assert "ZeroDivisionError: a bug" in [event.detail for event in moment.events]


def test_the_events_of_all_sensors_come_in_the_order_of_time(hands) -> None:
    hands["camera"].events = [Event(30, "camera", "opened"), Event(50, "camera", "failed")]
    hands["touch"].events = [Event(10, "touch", "opened"), Event(40, "touch", "stalled")]
    times = [event.time_ns for event in Aligner(SENSES, hands).align(60).events]
    assert times == sorted(times)
    assert len(times) == 7


def test_sensors_and_ages_that_do_not_fit_the_senses_are_refused(hands) -> None:
    with pytest.raises(SpecError, match='no sense "nose"'):
        Aligner(SENSES, {"nose": hands["touch"]})
    with pytest.raises(SpecError, match="must be of the kind"):
        Aligner(SENSES, {"camera": hands["touch"]})
    with pytest.raises(ConfigError, match='"camera", which has no sensor'):
        Aligner(SENSES, {"touch": hands["touch"]}, {"camera": 1.0})
    with pytest.raises(ConfigError, match="above 0"):
        Aligner(SENSES, hands, {"camera": 0.0})


def test_looking_whether_a_sense_is_here_tells_nothing_and_changes_nothing(hands) -> None:
    aligner = Aligner(SENSES, hands)
    assert not aligner.is_here("touch", VirtualClock().now_ns())
    assert not aligner.is_here("nose", 0)
    assert ("touch", "absent") in told(aligner.align(0))


def test_each_of_several_instructions_is_told_once_also_one_that_was_said_before(hands) -> None:
    aligner = Aligner(SENSES, hands)
    aligner.align(to_ns(1))
    for at_s, text in ((2, "left"), (3, "right"), (4, "left")):
        hands["instruction"].give(1, at_s, text)
        for later_s, count in ((0.1, 1), (0.2, 0)):
            events = [event for event in aligner.align(to_ns(at_s + later_s)).events if event.kind == "instruction"]
            assert [event.detail for event in events] == [text] * count


def test_a_sensor_that_fails_again_after_it_had_worked_is_told_of_again(hands) -> None:
    aligner = Aligner(SENSES, hands)
    counts = []
    for tick in range(6):
        hands["touch"].give(1, tick)
        hands["touch"].error = RuntimeError("broken") if tick in (1, 2, 4, 5) else None
        counts.append(told(aligner.align(to_ns(tick))).count(("touch", "failed")))
    assert counts == [0, 1, 0, 0, 1, 0]


def test_an_age_from_before_the_loop_began_is_told_as_that(hands) -> None:
    aligner = Aligner(SENSES, hands)
    hands["camera"].give(1, 5.0)
    hands["touch"].give(1, 9.9)
    (absent,) = [event for event in aligner.align(to_ns(10)).events if event.sense == "camera"]
    assert absent.detail == "There was a reading 5.000 s ago, before the loop began, and none since."
    hands["camera"].give(1, 10.1)
    aligner.align(to_ns(10.1))
    absent = [event for event in aligner.align(to_ns(11)).events if event.sense == "camera"][-1]
    assert absent.detail == "Its newest reading is 0.900 s old."


def test_a_sense_without_a_limit_that_comes_and_goes_is_not_asked_about_infinity(hands) -> None:
    aligner, details = Aligner(SENSES, hands), []
    for n in range(20):
        hands["instruction"].give(1, n * 0.1, "go")
        if n % 2:
            hands["instruction"].reading = None
        details += [event.detail for event in aligner.align(to_ns(n * 0.1)).events if event.kind == "unsteady"]
    assert details == ["It comes and goes."]
