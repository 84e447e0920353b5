"""What comes and goes is told one by one, then as one sentence, then when it has settled."""

from kit.live.rigs import collect
from senseweave.envs.live.clock import to_ns
from senseweave.envs.live.event_limiter import MAX_CHANGES, SETTLED_S, EventLimiter
from senseweave.envs.live.faults.faults import WrongRate
from senseweave.envs.live.faults.scripted import Script, ScriptedSensor
from senseweave.perception.spec import PRESENT, Vector


def update(changes: EventLimiter, values: str, every_s: float = 0.1) -> list[str]:
    """What is told of a value at each update; "." is nothing."""
    return [changes.update(value, to_ns(every_s * i))[:1] or "." for i, value in enumerate(values)]


def test_a_few_changes_are_told_one_by_one() -> None:
    assert "".join(update(EventLimiter("a"), "aabbbaabccca")) == "..c..c.cc..c"


def test_the_value_that_was_known_before_is_not_told() -> None:
    assert "".join(update(EventLimiter("a"), "aaaa")) == "...."


def test_a_flood_is_told_once_and_the_end_of_it_when_it_has_settled() -> None:
    changes = EventLimiter("a")
    told = "".join(update(changes, "ba" * 50 + "b" * 60))
    assert told[:7] == "c" * MAX_CHANGES + "u" and told[7 : 100 + 50].strip(".") == ""
    assert told.count("u") == 1 and told.index("c", 7) == 100 + 10 * SETTLED_S
    assert told[100:].count("c") == 1 and not changes.is_unsteady


def test_what_settles_where_it_was_told_to_be_is_not_told_again() -> None:
    told = "".join(update(EventLimiter("a"), "ba" * 50 + "a" * 60))
    assert told == "c" * MAX_CHANGES + "u" + "." * (160 - 7), "the last that was told was a"


def test_changes_that_take_their_time_are_all_told_for_ever() -> None:
    assert "".join(update(EventLimiter("a"), "ba" * 50, every_s=2.0)) == "c" * 100


def test_after_a_flood_has_settled_changes_are_told_one_by_one_again() -> None:
    told = "".join(update(EventLimiter("a"), "ba" * 10 + "b" * 60 + "ab"))
    assert told[-2:] == "cc"


def test_a_source_just_slower_than_its_max_age_does_not_flood_anybody_with_events() -> None:
    touch = Script(Vector(3), 40, (WrongRate(1.0, 20.0, factor=0.1),))  # a reading each 0.25 s, good for 0.15 s
    sensors = {"touch": ScriptedSensor("touch", touch, max_age_s=0.15)}
    rig, sent = collect(sensors=sensors, required=("touch",), safe_action="stay")
    events, present = list(rig.reset()[1]["events"]), []
    for _ in range(300):
        observation, *_, info = rig.step(0)
        events += info["events"]
        present.append(int(observation[PRESENT][1]))
    changes = sum(new != old for new, old in zip(present[1:], present, strict=False))
    assert changes > 100, "the agent is told the truth at every tick"
    assert [command.is_safe for command in sent[1:]] == [not here for here in present[:-1]], "and acts on it"
    kinds = [event.kind for event in events if event.kind in ("absent", "back", "unsteady", "safe", "resumed")]
    assert len(kinds) <= 2 * (MAX_CHANGES + 2) and kinds.count("unsteady") == 2, "of the sense, and of the safe action"
    assert "0.15 s apart" in next(event.detail for event in events if event.kind == "unsteady" and event.sense)
    last = [event.kind for event in events if event.sense == "touch" and event.kind in ("absent", "back")][-1]
    assert (last, present[-1]) == ("back", 1), "it has settled"
