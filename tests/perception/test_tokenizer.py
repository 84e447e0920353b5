"""The tokenizer: every text is encodable, different texts differ, the same text is the same everywhere."""

import hashlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from senseweave.perception.errors import CheckpointError, ConfigError, ObservationError
from senseweave.perception.spec import Instruction
from senseweave.perception.tokenizer import Tokenizer, default_tokenizer

DATA = pathlib.Path(__file__).parents[2] / "perception" / "data"

BABYAI_WORDS = [
    *[
        "a",
        "after",
        "and",
        "ball",
        "behind",
        "blue",
        "box",
        "door",
        "front",
        "go",
        "green",
        "grey",
        "in",
        "key",
        "left",
    ],
    *["next", "object", "of", "on", "open", "pick", "purple", "put", "red", "right", "the", "then", "to", "up"],
    *["yellow", "you", "your", ","],
]


def normalised(text: str) -> str:
    """What may be lost: case, canonical equivalence and the amount of white space."""
    return " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower()).split())


def test_there_are_1024_ids_and_zero_is_padding() -> None:
    tokenizer = default_tokenizer()
    assert tokenizer.vocab_size == 1024
    assert tokenizer.instruction() == Instruction(48, 1024)
    ids, was_truncated = tokenizer.encode("", 5)
    assert ids.tolist() == [0] * 5
    assert not was_truncated


def test_an_encoding_is_int32_of_the_length_asked_for() -> None:
    ids, was_truncated = default_tokenizer().encode("go to the red ball", 7)
    assert ids.dtype == np.int32
    assert ids.shape == (7,)
    assert (ids[:5] > 0).all() and (ids[5:] == 0).all()
    assert not was_truncated


@pytest.mark.parametrize("word", BABYAI_WORDS)
def test_every_word_of_babyai_is_one_token(word: str) -> None:
    ids, _ = default_tokenizer().encode("go" + word if word == "," else word, 8)
    assert np.count_nonzero(ids) == (2 if word == "," else 1)


def test_case_and_white_space_do_not_matter() -> None:
    encode = default_tokenizer().encode
    assert encode("  Go\tto the\n RED  ball ", 9)[0].tolist() == encode("go to the red ball", 9)[0].tolist()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("go to the zorb", "go to the blorp"),
        ("redball", "red ball"),
        ("走到红球", "走到蓝球"),
        ("\N{ROBOT FACE}", "\N{GHOST}"),
        ("x²", "x2"),
        ("<no token>", ""),
        ("caf\u00e9", "cafe"),
        ("a\x00", "a"),
        ("ball,", "ball"),
    ],
)
def test_different_texts_have_different_ids(one: str, other: str) -> None:
    encode = default_tokenizer().encode
    assert encode(one, 48)[0].tolist() != encode(other, 48)[0].tolist()


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_decoding_gives_the_normalised_text_back(text: str) -> None:
    tokenizer = default_tokenizer()
    ids, was_truncated = tokenizer.encode(text, 2000)
    assert not was_truncated
    decoded = tokenizer.decode(ids)
    # Rust and Python know different Unicode versions and final-sigma rules; what counts is that nothing got lost.
    if text.isascii():
        assert decoded == " ".join(text.lower().split()) or any(ord(character) < 32 for character in text)
    assert tokenizer.encode(decoded, 2000)[0].tolist() == ids.tolist()


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=12), st.text(max_size=12))
def test_texts_that_still_differ_after_normalising_never_collide(one: str, other: str) -> None:
    if normalised(one).casefold() != normalised(other).casefold():
        encode = default_tokenizer().encode
        assert encode(one, 200)[0].tolist() != encode(other, 200)[0].tolist()


def test_a_text_that_is_too_long_is_cut_and_reported() -> None:
    tokenizer = default_tokenizer()
    short, cut_short = tokenizer.encode("go to the red ball", 5)
    long, cut_long = tokenizer.encode("go to the red ball now", 5)
    assert (cut_short, cut_long) == (False, True)
    assert short.tolist() == long.tolist()
    ids, was_truncated = tokenizer.encode("走x" * 5000, 48)
    assert was_truncated and (ids > 0).all()


def test_lone_surrogates_are_encodable() -> None:
    ids, _ = default_tokenizer().encode("go \udcff", 48)
    assert np.count_nonzero(ids) > 1


def test_encodings_never_share_memory() -> None:
    tokenizer = default_tokenizer()
    first, _ = tokenizer.encode("go to the red ball", 8)
    expected = first.tolist()
    first[:] = 7
    second, _ = tokenizer.encode("go to the red ball", 8)
    assert second.tolist() == expected


def test_the_identity_is_the_hash_of_the_file() -> None:
    digest = hashlib.sha256((DATA / "tokenizer.json").read_bytes()).hexdigest()
    assert default_tokenizer().identity == f"senseweave-1:{digest[:16]}"


@pytest.mark.parametrize("hash_seed", ["0", "1", "12345"])
def test_other_processes_encode_the_same(hash_seed: str) -> None:
    texts = ["put the blue ball on your left next to a grey box, then open it", "zorb \N{ROBOT FACE} 走"]
    program = (
        "import json, sys; from senseweave.perception.tokenizer import default_tokenizer as d; t = d();"
        "print(json.dumps([t.identity, [t.encode(x, 48)[0].tolist() for x in json.loads(sys.argv[1])],"
        " 'torch' in sys.modules]))"
    )
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    output = subprocess.run(
        [sys.executable, "-c", program, json.dumps(texts)], env=environment, capture_output=True, text=True, check=True
    ).stdout
    tokenizer = default_tokenizer()
    expected = [tokenizer.identity, [tokenizer.encode(text, 48)[0].tolist() for text in texts], False]
    assert json.loads(output) == expected


def test_the_builder_makes_the_committed_file_again() -> None:
    module_spec = importlib.util.spec_from_file_location("build_tokenizer", DATA / "build_tokenizer.py")
    assert module_spec is not None and module_spec.loader is not None
    builder = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(builder)
    built = json.loads(builder.build().to_str())["model"]
    committed = json.loads((DATA / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    assert built["vocab"] == committed["vocab"]
    assert [tuple(pair) for pair in built["merges"]] == [tuple(pair) for pair in committed["merges"]]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda t: t.encode(b"go", 8), ObservationError, "string; got bytes"),
        (lambda t: t.encode(None, 8), ObservationError, "string; got NoneType"),
        (lambda t: t.encode("go", 0), ConfigError, "at least 1; got 0"),
        (lambda t: t.decode([1024]), ObservationError, "0..1023; got 1024"),
        (lambda t: t.decode([-1]), ObservationError, "got -1"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, error, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=words):
        call(default_tokenizer())


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"model": {"vocab": {}}}'])
def test_a_damaged_file_is_refused(tmp_path: pathlib.Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointError, match="not a tokenizer file"):
        Tokenizer(tmp_path / "tokenizer.json")


def test_a_file_over_which_the_library_panics_is_refused(tmp_path: pathlib.Path) -> None:
    content = json.loads((DATA / "tokenizer.json").read_text(encoding="utf-8"))
    content["model"]["continuing_subword_prefix"] = "http://127.0.0.1:9/x"
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="not a tokenizer file"):
        Tokenizer(tmp_path / "tokenizer.json")


def test_a_missing_file_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        Tokenizer(tmp_path / "nothing.json")
