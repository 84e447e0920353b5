"""Raw readings to arrays, as `Perception.prepare` makes tensors of them; numpy alone.

One or a batch, complete or not, texts to tokens. perception/prepare.py says what each form means; a test holds the two
beside each other.

b batch, m modalities
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...perception.errors import ObservationError, TokenizerMismatchError, did_you_mean
from ...perception.kinds.base import Kind
from ...perception.spec import LOUDEST, PRESENT, Depth, Instruction, Microphone, Spec, key_of
from ...perception.tokenizer import Tokenizer, default_tokenizer

LENGTH = "length"
"""The part that stands beside a recording."""

MOST = 2**31 - 1
"""Stands for a number beside a reading that nobody told."""


class Ready(NamedTuple):
    """Readings as a graph takes them."""

    arrays: dict[str, NDArray[np.generic]]
    """Every sense, what stands beside them, and `present` (b, m), bool."""
    is_batch: bool
    """Whether rows were given, or one reading of each sense."""
    non_finite: NDArray[np.bool_]
    """Which senses were said to be here, but hold NaN or inf; (b, m). The graph takes them for absent."""


def prepare(spec: Spec, raw: Mapping[str, Any], tokenizer: Tokenizer | None = None) -> Ready:
    """Makes raw readings ready.

    Args:
        spec: the senses.
        raw: see `senseweave.perception.Perception.prepare`.
        tokenizer: for texts; the one shipped with the package by default.

    Raises:
        ObservationError: an unknown key, a wrong shape or type, different batch sizes, or values that cannot be meant.
        TokenizerMismatchError: the instruction's vocabulary is not the tokenizer's.
    """
    beside = {key_of(name, part): (name, part) for name, kind in spec.items() for part in kind.beside}
    for key in raw:
        if key not in spec and key != PRESENT and key not in beside:
            raise ObservationError(
                f'The observation has an unknown key "{key}"; {did_you_mean(key, [*spec.names, PRESENT])}'
            )
    given = {name: _rows(name, kind, raw[name], tokenizer) for name, kind in spec.items() if raw.get(name) is not None}
    said = None if raw.get(PRESENT) is None else _mask(spec, raw[PRESENT])
    sizes = {name: len(rows.here) for name, rows in given.items()}
    sizes |= {} if said is None else {PRESENT: len(said) if said.ndim == 2 else 1}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{size} of {name}" for name, size in sizes.items())
        raise ObservationError(f"All parts of an observation must have one batch size; got {listed}.")
    b = next(iter(sizes.values()), 1)
    present = np.ones((b, len(spec)), bool) if said is None else (said > 0.5).reshape(b, len(spec))
    arrays: dict[str, NDArray[np.generic]] = {}
    non_finite = np.zeros_like(present)
    for i, (name, kind) in enumerate(spec.items()):
        rows = given.get(name)
        present[:, i] &= False if rows is None else rows.here
        readings = np.stack([kind.placeholder()] * b) if rows is None else rows.readings
        _require_values(name, kind, readings[present[:, i]])
        arrays[name] = np.ascontiguousarray(readings)
        if np.issubdtype(readings.dtype, np.floating):
            non_finite[:, i] = present[:, i] & ~np.isfinite(readings).reshape(b, -1).all(axis=1)
        for part in kind.beside:
            own = None if rows is None or part != LENGTH else rows.length
            most = _most(kind, part)
            told = raw.get(key_of(name, part))
            numbers = np.full(b, most) if own is None else own
            arrays[key_of(name, part)] = (
                numbers.astype(np.int64) if told is None else _beside(key_of(name, part), told, b, most)
            )
    arrays[PRESENT] = present
    is_batch = any(rows.is_batch for rows in given.values()) or (said is not None and said.ndim == 2)
    return Ready(arrays, is_batch, non_finite)


class _Rows(NamedTuple):
    """Readings of one sense with a batch axis."""

    readings: NDArray[np.generic]
    here: NDArray[np.bool_]
    is_batch: bool
    length: NDArray[np.int64] | None = None


def _rows(name: str, kind: Kind, value: Any, tokenizer: Tokenizer | None) -> _Rows:
    """One reading or a batch; a list may hold None, or recordings of different lengths."""
    if isinstance(value, (list, tuple)) and value and (any(one is None for one in value) or _is_ragged(value)):
        each = [None if one is None else _whole(name, kind, one, tokenizer) for one in value]
        if any(one is not None and len(one.readings) != 1 for one in each):
            raise ObservationError(
                f'"{name}" must be one reading in each place of the list; got a batch in one of them. Pass one list or '
                "one batch."
            )
        nothing = kind.placeholder()[None]
        readings = np.concatenate([nothing if one is None else one.readings for one in each])
        lengths = [MOST if one is None or one.length is None else int(one.length[0]) for one in each]
        length = np.minimum(lengths, _most(kind, LENGTH)).astype(np.int64) if LENGTH in kind.beside else None
        return _Rows(readings, np.array([one is not None for one in each]), True, length)
    return _whole(name, kind, value, tokenizer)


def _whole(name: str, kind: Kind, value: Any, tokenizer: Tokenizer | None) -> _Rows:
    if isinstance(kind, Instruction):
        value = _tokens(name, kind, value, tokenizer)
    array = _as_array(value)
    shape = () if array is None else array.shape
    is_sound, rank = isinstance(kind, Microphone), len(kind.shape)
    fits = shape[-rank:][:-1] == kind.shape[:-1] if is_sound else shape[-rank:] == kind.shape
    if array is None or not fits or len(shape) not in (rank, rank + 1) or 0 in shape or not _fits_type(kind, array):
        got = type(value).__name__ if array is None else f"{array.dtype} of shape {shape}"
        texts = "a text, a list of texts, or " if isinstance(kind, Instruction) else ""
        raise ObservationError(
            f'"{name}" must be {texts}{np.dtype(kind.dtype).name} of shape {kind.shape}, alone or in a batch; got '
            f"{got}. Convert it, or export a policy with other senses."
        )
    is_batch = len(shape) == rank + 1
    rows = array if is_batch else array[None]
    if is_sound and rows.dtype == np.int16:
        rows = rows.astype(np.float32) / 32768.0
    rows = rows.astype(kind.dtype)
    length = None
    if is_sound:
        heard = min(rows.shape[-1], kind.shape[-1])
        rows = np.pad(rows[..., rows.shape[-1] - heard :], ((0, 0), (0, 0), (0, kind.shape[-1] - heard)))
        length = np.full(len(rows), heard, np.int64)
    return _Rows(rows, np.ones(len(rows), bool), is_batch, length)


def _tokens(name: str, kind: Instruction, value: Any, tokenizer: Tokenizer | None) -> Any:
    """Ids of a text or of several; anything else as it is."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "UO":
        value = value.tolist()
    texts: Any = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not texts or not all(isinstance(text, str) for text in texts):
        return value
    own = tokenizer or default_tokenizer()
    if own.vocab_size != kind.vocab_size:
        raise TokenizerMismatchError(
            f'The vocabulary of "{name}" must be the tokenizer\'s, {own.vocab_size}; got {kind.vocab_size}. Pass '
            "tokens instead of text."
        )
    ids = np.stack([own.encode(text, kind.max_tokens)[0] for text in texts])
    return ids[0] if isinstance(value, str) else ids


def _fits_type(kind: Kind, array: NDArray[Any]) -> bool:
    wanted = np.dtype(kind.dtype)
    if wanted == np.uint8:
        return array.dtype == np.uint8
    if isinstance(kind, Microphone):
        return array.dtype == np.int16 or np.issubdtype(array.dtype, np.floating)
    if np.issubdtype(wanted, np.integer):
        return np.issubdtype(array.dtype, np.integer)
    return array.dtype.kind in "fiub"


def _require_values(name: str, kind: Kind, here: NDArray[Any]) -> None:
    """Looks at the values of readings that are here, as perception/observation/raw.py does.

    Raises:
        ObservationError: they cannot be meant.
    """
    if not here.size:
        return
    if np.issubdtype(here.dtype, np.integer):
        low, high = _limits(kind)
        if low is not None and ((here < low).any() or (here > high).any()):
            raise ObservationError(
                f'"{name}" must be within {int(low.min())}..{int(high.max())}, as its kind says; got '
                f"{int(here.min())}..{int(here.max())}. Look where the numbers come from."
            )
        return
    if not isinstance(kind, (Microphone, Depth)):
        return
    finite = here[np.isfinite(here)]
    most = float(finite.max()) if finite.size else 0.0
    if isinstance(kind, Microphone) and (most := max(most, -float(finite.min(initial=0.0)))) > LOUDEST:
        raise ObservationError(
            f'"{name}" must be sound within -1..1; got samples up to {most:g}. Divide 16-bit samples by 32768, or pass '
            "them as int16."
        )
    if isinstance(kind, Depth) and most > 100.0 * kind.max_m:
        raise ObservationError(
            f'"{name}" must be in metres up to {kind.max_m:g}; got up to {most:g}. Divide millimetres by 1000.'
        )


@functools.lru_cache(maxsize=256)
def _limits(kind: Kind) -> tuple[Any, Any]:
    """The least and the greatest value at each place; None where the type holds no others."""
    dtype: Any = np.dtype(kind.dtype)
    box, dtype = kind.space(), np.iinfo(dtype)
    is_free = bool((box.low == dtype.min).all() and (box.high == dtype.max).all())
    return (None, None) if is_free else (box.low, box.high)


def _beside(key: str, value: Any, b: int, most: int) -> NDArray[np.int64]:
    numbers = _as_array(value)
    is_whole = numbers is not None and np.issubdtype(numbers.dtype, np.integer)
    if numbers is None or not is_whole or numbers.size != b or numbers.min() < 0 or numbers.max() > most:
        raise ObservationError(
            f'"{key}" must be {b} whole numbers within 0..{most}, one for each reading; got {value!r:.80}.'
        )
    return numbers.reshape(b).astype(np.int64)


def _most(kind: Kind, part: str) -> int:
    return kind.samples if isinstance(kind, Microphone) and part == LENGTH else MOST


def _mask(spec: Spec, value: Any) -> NDArray[Any]:
    mask = _as_array(value)
    if mask is None or mask.dtype.kind not in "biuf" or mask.ndim not in (1, 2) or mask.shape[-1] != len(spec):
        got = type(value).__name__ if mask is None else f"{mask.dtype} of shape {mask.shape}"
        raise ObservationError(
            f'"{PRESENT}" must have {len(spec)} entries of 0 or 1, one for each of {", ".join(spec.names)}; got {got}.'
        )
    return mask


def _is_ragged(value: Sequence[Any]) -> bool:
    return not all(isinstance(one, str) for one in value) and _as_array(value) is None


def _as_array(value: Any) -> NDArray[Any] | None:
    """The value as an array of numbers in this machine's order; None if it cannot be one."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        return None
    if array.dtype.kind not in "biuf":
        return None
    return array.astype(array.dtype.newbyteorder("="), copy=False)
