"""`shown`: nothing in a text reaches a terminal or a page but what can be seen."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senseweave.perception.texts import LIMIT, shown


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b]0;PWNED\x07", r"\x1b]0;PWNED\x07"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J\x7f", r"\x9b2J\x7f"),
        ("a\nb\r\tc", r"a\x0ab\x0d\x09c"),
        ("abc\u202edcba", r"abc\u202edcba"),
        ("\u2066x\u2069\u200f", r"\u2066x\u2069\u200f"),
        ("\ufeff\u200b\U000e0041", r"\ufeff\u200b\U000e0041"),
        ("\ud800", r"\ud800"),
        ("go to the red ball", "go to the red ball"),
        ("geh zum Würfel, 行け, כדור", "geh zum Würfel, 行け, כדור"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
    ],
)
def test_controls_are_escaped_and_scripts_stay(text, seen):
    assert shown(text) == seen


def test_long_texts_are_cut_where_it_is_said():
    assert shown("a" * LIMIT) == "a" * LIMIT and shown("a" * (LIMIT + 1)) == "a" * (LIMIT - 1) + "…"
    assert (
        shown("abcdef", 4) == "abc…" and shown("\x1b" * 100, 4) == r"\x1" + "…" and len(shown("a" * 9999, None)) == 9999
    )


def test_what_a_page_needs_can_be_kept_and_anything_can_be_shown():
    assert shown("a\nb\x1b", keep="\n") == "a\nb\\x1b"
    assert shown(ValueError("x\x00")) == r"x\x00" and shown(None) == "None"


@given(st.text(st.characters(), max_size=300), st.integers(1, 300))
def test_no_text_at_all_brings_a_control_or_is_longer_than_allowed(text, limit):
    seen = shown(text, limit)
    assert len(seen) <= limit and not any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in seen
    )
    assert not set(seen) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
