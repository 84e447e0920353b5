"""Raw readings to tensors: numpy arrays, tensors or strings, one or a batch, complete or not.

This is the only place that looks at raw input; it runs outside any compiled graph and always returns the same keys,
so that a sensor that drops out never changes the shapes that the network sees. What is peculiar to a kind of sense is
in observation/raw.py.

b batch
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .errors import ObservationError, did_you_mean
from .observation.layout import READING
from .observation.raw import as_tensor, raw_reading
from .spec import PRESENT, Spec, key_of
from .tokenizer import Tokenizer


def prepare(
    spec: Spec, raw: Mapping[str, Any], device: torch.device | str = "cpu", *, tokenizer: Tokenizer | None = None
) -> dict[str, Tensor]:
    """Makes raw readings ready for `Perception`.

    Args:
        spec: the senses.
        raw: readings by modality, each one reading or a batch, as the spec says; an instruction may be a string or a
            list of strings, sound may be int16 and shorter (the rest counts as not heard) or longer (the newest
            samples are kept). A key that is missing or None is absent, and so is None in a list of readings.
            `present` may say more.
        device: where the tensors go.
        tokenizer: for strings; the one shipped with the package by default.

    Returns:
        Every modality, `present` (b, modalities) and each microphone's length (b,), batch first; never memory of `raw`.

    Raises:
        ObservationError: an unknown key, a wrong shape or type, different batch sizes, or values that cannot be meant:
            tokens that the vocabulary lacks, sound that was never scaled.
        TokenizerMismatchError: the instruction's vocabulary is not the tokenizer's.
    """
    _check_keys(spec, raw)
    senses = {name: raw_reading(name, kind, tokenizer) for name, kind in spec.items()}
    read = {name: sense.read(raw[name]) for name, sense in senses.items() if raw.get(name) is not None}
    given = {name: parts for name, (parts, _) in read.items()}
    b = _batch_size(spec, raw, {name: parts[READING] for name, parts in given.items()})
    present = torch.ones(b, len(spec), dtype=torch.bool)
    if raw.get(PRESENT) is not None:
        present = (_mask(spec, raw[PRESENT]) > 0.5).reshape(b, len(spec)).cpu()
    prepared: dict[str, Tensor] = {}
    for i, (name, sense) in enumerate(senses.items()):
        present[:, i] &= name in given
        if name in given:
            here = read[name][1]
            present[:, i] &= True if here is None else here
            rows = given[name][READING]
            sense.require_values(rows if bool(present[:, i].all()) else rows[present[:, i].to(rows.device)])
        parts = given[name] if name in given else sense.nothing(b)
        prepared[name] = parts[READING].to(device, copy=isinstance(raw.get(name), Tensor))
        for part in spec[name].beside:
            key = key_of(name, part)
            if raw.get(key) is None:
                numbers = parts.get(part, torch.full((b,), sense.most_beside()))
            else:
                numbers = sense.beside(part, raw[key], b)
            prepared[key] = numbers.to(device)
    prepared[PRESENT] = present.to(device)
    return prepared


def _check_keys(spec: Spec, raw: Mapping[str, Any]) -> None:
    beside = {key_of(name, part) for name, kind in spec.items() for part in kind.beside}
    for key in raw:
        if key not in spec and key != PRESENT and key not in beside:
            raise ObservationError(
                f'The observation has an unknown key "{key}"; {did_you_mean(key, [*spec.names, PRESENT])}'
            )


def _batch_size(spec: Spec, raw: Mapping[str, Any], readings: Mapping[str, Tensor]) -> int:
    sizes = {name: len(reading) for name, reading in readings.items()}
    if raw.get(PRESENT) is not None:
        mask = _mask(spec, raw[PRESENT])
        sizes[PRESENT] = len(mask) if mask.ndim == 2 else 1
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{size} of {name}" for name, size in sizes.items())
        raise ObservationError(f"All parts of an observation must have one batch size; got {listed}.")
    return next(iter(sizes.values()), 1)


def _mask(spec: Spec, value: Any) -> Tensor:
    mask = as_tensor(value)
    if mask is None or mask.is_complex() or mask.ndim not in (1, 2) or mask.shape[-1] != len(spec):
        got = type(value).__name__ if mask is None else f"{mask.dtype} of shape {tuple(mask.shape)}"
        raise ObservationError(
            f'"{PRESENT}" must have {len(spec)} entries of 0 or 1, one for each of {", ".join(spec.names)}; got {got}.'
        )
    return mask
