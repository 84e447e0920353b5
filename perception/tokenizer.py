"""Text to token ids and back: the one tokenizer that ships with senseweave (byte-level BPE, 1024 entries).

Text is lower-cased, NFC-normalised and its white space is collapsed; beyond that nothing is lost: any two texts that
still differ have different ids, because unknown words fall back to pieces and bytes and there is no "unknown" token.
Environments call it for every observation, so encodings are cached. It is neither trained nor configurable at run
time; `data/build_tokenizer.py` made its file. numpy only, no torch.
"""

import functools
import hashlib
import os
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import tokenizers
from jaxtyping import Int32
from numpy.typing import NDArray

from .checks.files import JSON_BYTES, read_regular
from .checks.plain_json import parse
from .errors import CheckpointError, ConfigError, ObservationError
from .spec import Instruction
from .texts import shown

DEFAULT_MAX_TOKENS = 48
"""Tokens of an instruction unless told otherwise; all but the very rarest BabyAI missions fit."""

_CACHED_TEXTS = 4096
_MAX_CACHED_CHARACTERS = 1024
_DEFAULT_FILE = pathlib.Path(__file__).with_name("data") / "tokenizer.json"


class Tokenizer:
    """Encodes text as ids in 0..vocab_size - 1, where 0 is padding.

    Args:
        file: a `tokenizer.json`; the packaged one by default.

    Raises:
        CheckpointError: the file is missing or is not a tokenizer.
    """

    def __init__(self, file: str | os.PathLike[str] = _DEFAULT_FILE) -> None:
        try:
            content = read_regular(file, JSON_BYTES).decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(
                f'The tokenizer file "{file}" cannot be read ({error}); reinstall senseweave.'
            ) from error
        self._read(content, file)

    def _read(self, content: str, file: object) -> None:
        self._content = content
        try:
            self._pieces = dict(parse(content)["model"]["vocab"])
            self._tokenizer = tokenizers.Tokenizer.from_str(content)
        except BaseException as error:  # a bare Exception for what it cannot parse, and Rust's panics, which are none
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise CheckpointError(
                f'"{file}" is not a tokenizer file ({shown(error, 80)}); reinstall senseweave.'
            ) from error
        self._identity = f"senseweave-1:{hashlib.sha256(content.encode()).hexdigest()[:16]}"
        # Per instance, so that a tokenizer that goes away takes its cache with it.
        self._cached_encode = functools.lru_cache(maxsize=_CACHED_TEXTS)(self._encode)

    def __reduce__(self) -> tuple[Any, ...]:
        own = default_tokenizer()
        if self is own or self._identity == own.identity:
            return default_tokenizer, ()
        return _of_content, (type(self), self._content)

    @property
    def vocab_size(self) -> int:
        """Number of ids, padding included."""
        return len(self._pieces)

    @property
    def content(self) -> str:
        """What its file holds: a `tokenizer.json`, which the library tokenizers reads in other languages, too."""
        return self._content

    @property
    def identity(self) -> str:
        """Names this vocabulary: saved with a policy and compared when it is loaded."""
        return self._identity

    def instruction(self, max_tokens: int = DEFAULT_MAX_TOKENS) -> Instruction:
        """The kind of sense that `encode(text, max_tokens)` gives."""
        return Instruction(max_tokens, self.vocab_size)

    def encode(self, text: str, max_tokens: int = DEFAULT_MAX_TOKENS) -> tuple[Int32[np.ndarray, " max_tokens"], bool]:
        """Turns text into ids, padded with 0 at the end.

        Args:
            text: any string, also an empty one; lone surrogates are written out as escapes first.
            max_tokens: length of the result, at least 1.

        Returns:
            A new int32 array (max_tokens,), and whether the text was longer and lost its end.

        Raises:
            ObservationError: `text` is not a string.
            ConfigError: `max_tokens` is below 1.
        """
        if not isinstance(text, str):
            raise ObservationError(f"An instruction must be a string; got {type(text).__name__}: {text!r:.80}.")
        if max_tokens < 1:
            raise ConfigError(f"`max_tokens` must be at least 1; got {max_tokens}.")
        cached = self._cached_encode if len(text) <= _MAX_CACHED_CHARACTERS else self._encode
        ids, was_truncated = cached(text, max_tokens)
        return ids.copy(), was_truncated

    def decode(self, ids: Iterable[int] | NDArray[np.integer]) -> str:
        """Turns ids back into (normalised) text; padding is skipped.

        Raises:
            ObservationError: an id is outside 0..vocab_size - 1.
        """
        numbers = [int(number) for number in ids]
        outside = [number for number in numbers if not 0 <= number < self.vocab_size]
        if outside:
            raise ObservationError(f"Token ids must be in 0..{self.vocab_size - 1}; got {outside[0]}.")
        return self._tokenizer.decode([number for number in numbers if number]).removeprefix(" ")

    def _encode(self, text: str, max_tokens: int) -> tuple[NDArray[np.int32], bool]:
        try:
            encoded = self._tokenizer.encode(text).ids
        except (
            UnicodeEncodeError,
            TypeError,
        ):  # lone surrogates; the command line makes them of bytes that are no UTF-8
            encoded = self._tokenizer.encode(text.encode("utf-8", "backslashreplace").decode()).ids
        ids = np.zeros(max_tokens, np.int32)
        kept = encoded[:max_tokens]
        ids[: len(kept)] = kept
        return ids, len(encoded) > max_tokens


def _of_content(kind: type[Tokenizer], content: str) -> Tokenizer:
    tokenizer = kind.__new__(kind)
    tokenizer._read(content, "a tokenizer")
    return tokenizer


@functools.cache
def default_tokenizer() -> Tokenizer:
    """The packaged tokenizer, loaded once per process."""
    return Tokenizer()
