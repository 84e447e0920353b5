"""Kinds of values: each reads what people write, checks what it gets however it was given, and says what it takes."""

import dataclasses
from typing import Annotated, Any

import numpy as np
import pytest

from senseweave.agent.cli.options import options_of
from senseweave.agent.settings import (
    Choice,
    FileName,
    Hidden,
    Names,
    Number,
    Numbers,
    OneOf,
    Pairs,
    Section,
    Settings,
    Switch,
    Text,
    Whole,
    Word,
)
from senseweave.perception.errors import ConfigError, SenseweaveError
from senseweave.perception.registry import Registry

SIDES = OneOf(options=(Word(text="left", value="l", help="go left"), Word(text="right", value="r", help="go right")))
WEIGHTS = Numbers(number=Number(above=0), noun="weight", metavar="NAME=WEIGHT", example="a=1", alone=1.0)
NAMED = dataclasses.replace(WEIGHTS, names=Choice(what="loss", table=("kl", "mse")))


@pytest.mark.parametrize(
    ("kind", "texts", "value"),
    [
        (Text(), ["a b"], "a b"),
        (Whole(), ["-3"], -3),
        (Whole(), ["1e6"], 1_000_000),
        (Number(), ["1e-3"], 0.001),
        (Names(), ["a", "b"], ("a", "b")),
        (Pairs(), ["a=1", "b=x", 'c=["d"]', "e="], {"a": 1, "b": "x", "c": ["d"], "e": ""}),
        (WEIGHTS, ["a=0.5", "b"], {"a": 0.5, "b": 1.0}),
    ],
)
def test_what_people_write_is_read(kind, texts, value):
    assert kind.read(texts) == value


@pytest.mark.parametrize(
    ("kind", "texts", "problem"),
    [
        (Whole(), ["1.5"], "must be a whole number; got '1.5'"),
        (Whole(), ["inf"], "must be a whole number; got 'inf'"),
        (Number(), ["fast"], "must be a number; got 'fast'"),
        (Pairs(), ["a"], "must be key=value; got 'a'"),
        (Pairs(), ["a b=1"], "must be key=value; got 'a b=1'"),
        (Pairs(), ["a=1", "a=2"], "must give each name once; one was given twice"),
        (WEIGHTS, ["a=x"], "must be NAME=WEIGHT, a=1, say; got 'a=x'"),
        (WEIGHTS, ["=1"], "must be NAME=WEIGHT, a=1, say; got '=1'"),
        (dataclasses.replace(WEIGHTS, alone=None), ["a"], "must be NAME=WEIGHT, a=1, say; got 'a'"),
    ],
)
def test_what_cannot_be_read_is_said_after_the_name_of_the_option(kind, texts, problem):
    with pytest.raises(ValueError) as raised:
        kind.read(texts)
    assert str(raised.value) == problem


@pytest.mark.parametrize(
    ("kind", "value", "held"),
    [
        (Whole(low=0), np.int64(3), 3),
        (Names(), ["a", "b"], ("a", "b")),
        (FileName(suffixes=(".mp4", ".mkv")), "A.MP4", "A.MP4"),
        (Choice(what="loss", table=("kl", "mse")), "kl", "kl"),
        (SIDES, "l", "l"),
        (Switch(), True, True),
        (NAMED, {"kl": 2}, {"kl": 2}),
    ],
)
def test_a_value_is_held_in_the_type_of_its_field(kind, value, held):
    assert kind.check("x", value) == held and type(kind.check("x", value)) is type(held)


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        (Text(), "", "`x` must be a name; got ''."),
        (Text(), 3, "`x` must be a name; got 3."),
        (FileName(suffixes=(".html",)), "a.pdf", "`x` must end in .html; got 'a.pdf'."),
        (FileName(suffixes=(".mp4", ".mkv", ".mov")), "a", "`x` must end in .mp4, .mkv or .mov; got 'a'."),
        (Choice(what="loss", table=("kl", "mse")), "kll", 'The loss "kll" is not known; did you mean "kl"?'),
        (
            Choice(what="loss", table=Registry("loss", {"kl": "no.such:Loss"}, "x")),
            ["kl"],
            "The loss \"['kl']\" is not",
        ),
        (SIDES, "up", 'The x "up" is not known; choose one of: l, r.'),
        (Switch(), 1, "`x` must be True or False; got 1."),
        (Names(), "camera", "`x` must be several names; got 'camera'."),
        (Pairs(), ["a"], "`x` must map names to values; got ['a']."),
        (WEIGHTS, {"a": 0}, '`weight` of "a" must be above 0; got 0.'),
        (NAMED, {"msee": 1.0}, 'The loss "msee" is not known; did you mean "mse"?'),
    ],
)
def test_a_value_that_a_field_cannot_hold_is_one_sentence(kind, value, sentence):
    with pytest.raises(SenseweaveError) as raised:
        kind.check("x", value)
    assert str(raised.value).startswith(sentence)


@dataclasses.dataclass(frozen=True)
class Base(Settings):
    """A few of everything.

    Args:
        place: where it
            goes.
        size: how large.
        is_new: whether it is.
        side: which side.
    """

    place: Annotated[str, Text(metavar="DIR", is_positional=True)]
    size: int = 3
    is_new: bool = True
    side: Annotated[str | None, SIDES, Section("steering", "Left or right.")] = None
    weights: Annotated[dict[str, float], NAMED] = dataclasses.field(default_factory=lambda: {"kl": 1.0})


@dataclasses.dataclass(frozen=True)
class Derived(Base):
    """A little more.

    Args:
        size: how tall.
    """

    size: Annotated[int | None, Whole(unset="as it comes")] = None
    weights: Annotated[dict[str, float], Hidden()] = dataclasses.field(default_factory=dict)


def told(settings: type[Settings]) -> list[tuple[str, str, str, str]]:
    return [(option.name, option.help, option.hint, option.section.title) for option in options_of(settings)]


def test_one_field_is_one_option_with_its_docstring_its_default_and_its_section():
    assert told(Base) == [
        ("DIR", "where it goes", "", ""),
        ("--size", "how large", "default: 3", ""),
        ("--no-is-new", "whether it is", "", ""),
        ("--left", "go left", "", "steering"),
        ("--right", "go right", "", "steering"),
        ("--weights", "", "one of: kl, mse; may be repeated; default: kl=1", "steering"),
    ]


def test_a_derived_class_keeps_the_options_of_its_base_and_may_change_or_hide_them():
    assert [row for row in told(Derived) if row not in told(Base)] == [
        ("--size", "how tall", "default: as it comes", "")
    ]
    assert "--weights" not in [name for name, *_ in told(Derived)]


def test_settings_check_every_field_and_none_only_where_it_is_the_default():
    assert Base("here", size=np.int64(4)).size == 4 and Derived("here").size is None
    for wrong in ({"size": None}, {"size": "3"}, {"is_new": 1}, {"side": "up"}, {"weights": {"kl": -1.0}}):
        with pytest.raises(SenseweaveError):
            Base("here", **wrong)


def test_a_part_of_the_settings_is_that_of_the_base_class():
    part = Derived("here", size=2).part(Base)
    assert type(part) is Base and part == Base("here", size=2, weights={})


def test_a_type_that_no_kind_reads_is_refused_by_name():
    @dataclasses.dataclass(frozen=True)
    class Odd(Settings):
        when: complex = 0j

    with pytest.raises(ConfigError, match="`when` is of the type .*complex.*, which no kind of value reads"):
        Odd()


def test_an_optional_type_is_read_as_the_type(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Plain(Settings):
        a: int | None = None
        b: tuple[str, ...] = ()
        c: dict[str, Any] = dataclasses.field(default_factory=dict)
        d: float = 0.5

    assert [option.kind for option in options_of(Plain)] == [Whole(), Names(), Pairs(), Number()]
