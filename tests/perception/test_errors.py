"""The errors' family, and what a message says when a name is not known."""

import builtins
import inspect

import pytest

from senseweave.perception import errors
from senseweave.perception.errors import SenseweaveError, did_you_mean, unknown_name

CLASSES = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, Exception)]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_belongs_to_one_family(error):
    assert issubclass(error, SenseweaveError)


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("SpecError", "ValueError"),
        ("ObservationError", "ValueError"),
        ("ConfigError", "ValueError"),
        ("UnknownNameError", "LookupError"),
        ("CheckpointError", "RuntimeError"),
        ("TokenizerMismatchError", "RuntimeError"),
        ("MissingExtraError", "ImportError"),
    ],
)
def test_an_error_is_caught_by_the_builtin_that_a_stranger_would_catch(name, builtin):
    with pytest.raises(getattr(builtins, builtin)):
        raise getattr(errors, name)("a sentence.")


@pytest.mark.parametrize(
    ("name", "known", "ending"),
    [
        ("gated_sun", ["concat", "gated_sum"], 'did you mean "gated_sum"?'),
        ("CONCAT", ["concat", "gated_sum"], 'did you mean "concat"?'),
        ("babyai-gotolocal-v0", ["BabyAI-GoToLocal-v0", "BabyAI-Open-v0"], 'did you mean "BabyAI-GoToLocal-v0"?'),
        ("zzz", ["gated_sum", "concat"], "choose one of: concat, gated_sum."),
        ("", ["one"], "choose one of: one."),
        ("zzz", [f"name{number}" for number in range(24)], None),
        ("zzz", [f"name{number}" for number in range(25)], "25 names are known."),
        ("gated sum", iter(["concat", "gated_sum"]), 'did you mean "gated_sum"?'),
        ("Zoë 🎤", ["zoe"], None),
    ],
)
def test_a_suggestion_is_the_nearest_name_or_a_short_list(name, known, ending):
    sentence = did_you_mean(name, known)
    assert sentence.endswith((".", "?"))
    if ending is None:
        assert sentence.startswith(("choose one of: ", "did you mean "))
    else:
        assert sentence == ending


def test_an_unknown_name_says_what_it_is_what_came_and_what_to_do():
    error = unknown_name("The fusion", "gated_sun", ["gated_sum"])
    assert isinstance(error, errors.UnknownNameError)
    assert str(error) == 'The fusion "gated_sun" is not known; did you mean "gated_sum"?'
