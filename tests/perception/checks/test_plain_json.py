"""JSON means one thing, is finite and shallow, or is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senseweave.perception.checks.plain_json import MAX_DEPTH, parse, parse_object

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(), parts, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_whatever_we_write_is_read_again(value):
    assert parse(json.dumps(value)) == value
    assert (
        parse(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
        is not ...
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("NaN", "NaN is no number"),
        ("[Infinity]", "Infinity is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ("1e400", "too large"),
        ("-1e999999", "too large"),
        ("18446744073709551616", "too large"),
        ("-9223372036854775809", "too large"),
        ("9" * 5000, "too large"),
        ('{"a": 1, "a": 1}', "'a' twice"),
        ('[{"b": {"a": 1, "c": 2, "a": 3}}]', "'a' twice"),
        ("[" * 100_000 + "]" * 100_000, "nested deeper"),
        ('{"a":' * (MAX_DEPTH + 1) + "0" + "}" * (MAX_DEPTH + 1), "nested deeper"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested deeper"),
        ("", "Expecting value"),
        ("{} {}", "Extra data"),
    ],
    ids=range(15),
)
def test_what_is_ambiguous_endless_or_no_json_is_refused(text, why):
    with pytest.raises(ValueError, match=why) as caught:
        parse(text)
    assert len(str(caught.value)) < 200


def test_the_deepest_and_the_greatest_that_is_allowed_is_read():
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert parse("[18446744073709551615, -9223372036854775808]") == [2**64 - 1, -(2**63)]
    assert len(parse("[" + "[]," * 1000 + "[]]")) == 1001  # many, but not deep


def test_bytes_are_utf_8_and_an_object_is_asked_for_by_its_name():
    assert parse('{"ü": 1}'.encode()) == {"ü": 1}
    with pytest.raises(ValueError):
        parse(b"\xff\xfe{}")
    with pytest.raises(ValueError, match="a list, no object"):
        parse_object("[]")
