"""Raw readings to tensors: numpy arrays, tensors or strings, one or a batch, complete or not.

This is the only place that looks at raw input; it runs outside any compiled graph and always returns the same keys,
so that a sensor that drops out never changes the shapes that the network sees.

b batch
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .errors import ObservationError, TokenizerMismatchError, did_you_mean
from .spec import LENGTH_SUFFIX, PRESENT, Instruction, Kind, Microphone, Spec
from .tokenizer import Tokenizer, default_tokenizer


def prepare(
    spec: Spec, raw: Mapping[str, Any], device: torch.device | str = "cpu", *, tokenizer: Tokenizer | None = None
) -> dict[str, Tensor]:
    """Makes raw readings ready for `Perception`.

    Args:
        spec: the senses.
        raw: readings by modality, each one reading or a batch, as the spec says; an instruction may be a string or a
            list of strings, sound may be int16 and shorter (the rest counts as not heard) or longer (the newest
            samples are kept). A key that is missing or None is absent. `present` may say more.
        device: where the tensors go.
        tokenizer: for strings; the one shipped with the package by default.

    Returns:
        Every modality, `present` (b, modalities) and each microphone's length (b,), batch first; never memory of `raw`.

    Raises:
        ObservationError: an unknown key, a wrong shape or type, different batch sizes.
        TokenizerMismatchError: the instruction's vocabulary is not the tokenizer's.
    """
    microphones = {name + LENGTH_SUFFIX for name, kind in spec.items() if isinstance(kind, Microphone)}
    for key in raw:
        if key not in spec and key != PRESENT and key not in microphones:
            raise ObservationError(
                f'The observation has an unknown key "{key}"; {did_you_mean(key, [*spec.names, PRESENT])}'
            )
    readings: dict[str, Tensor] = {}
    lengths: dict[str, Tensor] = {}
    for name, kind in spec.items():
        value = raw.get(name)
        if value is None:
            continue
        if isinstance(kind, Instruction):
            value = _tokens(name, kind, value, tokenizer)
        readings[name] = _reading(name, kind, value)
        if isinstance(kind, Microphone):
            readings[name], lengths[name] = _fit_sound(name, kind, readings[name])
    b = _batch_size(spec, raw, readings)
    present = torch.ones(b, len(spec), dtype=torch.bool)
    if raw.get(PRESENT) is not None:
        present = (_mask(spec, raw[PRESENT]) > 0.5).reshape(b, len(spec)).cpu()
    prepared: dict[str, Tensor] = {}
    for i, (name, kind) in enumerate(spec.items()):
        if name not in readings:
            readings[name] = torch.from_numpy(np.stack([kind.placeholder()] * b))
            present[:, i] = False
        prepared[name] = readings[name].to(device, copy=isinstance(raw.get(name), Tensor))
        if isinstance(kind, Microphone):
            length = lengths.get(name, torch.full((b,), kind.samples))
            if raw.get(name + LENGTH_SUFFIX) is not None:
                length = _length(name + LENGTH_SUFFIX, kind, raw[name + LENGTH_SUFFIX], b)
            prepared[name + LENGTH_SUFFIX] = length.to(device)
    prepared[PRESENT] = present.to(device)
    return prepared


def _tokens(name: str, kind: Instruction, value: Any, tokenizer: Tokenizer | None) -> Any:
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, np.ndarray) and texts.dtype.kind in "UO":
        texts = texts.tolist()
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts) or not texts:
        return value
    tokenizer = tokenizer or default_tokenizer()
    if tokenizer.vocab_size != kind.vocab_size:
        raise TokenizerMismatchError(
            f'The vocabulary of "{name}" must be the tokenizer\'s, {tokenizer.vocab_size}; got {kind.vocab_size}. '
            "Pass the tokenizer that made its tokens, or tokens instead of text."
        )
    return np.stack([tokenizer.encode(text, kind.max_tokens)[0] for text in texts])


def _reading(name: str, kind: Kind, value: Any) -> Tensor:
    """One reading or a batch as a tensor with a batch axis, its type checked, its shape checked but for sound."""
    tensor = _tensor(value)
    if tensor is None:
        raise ObservationError(
            f'"{name}" must be {_described(kind)}; got {type(value).__name__}. Pass a numpy array or a tensor.'
        )
    wanted = np.dtype(kind.dtype)
    if wanted == np.uint8:
        fits = tensor.dtype == torch.uint8
    elif np.issubdtype(wanted, np.integer):
        fits = not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)
    elif isinstance(kind, Microphone):
        fits = tensor.is_floating_point() or tensor.dtype == torch.int16
    else:
        fits = not tensor.is_complex()
    sound = isinstance(kind, Microphone)
    shape, wanted_shape = tuple(tensor.shape), kind.shape
    rank = len(wanted_shape)
    tail = shape[-rank:]
    same = tail[:-1] == wanted_shape[:-1] if sound else tail == wanted_shape
    if not fits or len(shape) not in (rank, rank + 1) or not same or 0 in shape:
        raise ObservationError(
            f'"{name}" must be {_described(kind)}, alone or in a batch; got {str(tensor.dtype).removeprefix("torch.")} '
            f"of shape {shape}. Convert it, or make a Spec that fits."
        )
    if tensor.dtype == torch.int16 and sound:
        tensor = tensor.float() / 32768.0
    elif np.issubdtype(wanted, np.floating):
        tensor = tensor.float()
    elif np.issubdtype(wanted, np.integer) and wanted != np.uint8:
        tensor = tensor.int()
    return tensor if len(shape) == rank + 1 else tensor[None]


def _tensor(value: Any) -> Tensor | None:
    """The value itself if it is a tensor, or a copy of it as one, whatever its memory layout; None if it cannot be."""
    if isinstance(value, Tensor):
        return value
    try:
        array = np.array(np.asarray(value), order="C")
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
    except (TypeError, ValueError, RuntimeError):
        return None


def _described(kind: Kind) -> str:
    described = f"{np.dtype(kind.dtype).name} of shape {kind.shape}"
    return f"a string, a list of strings, or {described}" if isinstance(kind, Instruction) else described


def _fit_sound(name: str, kind: Microphone, sound: Tensor) -> tuple[Tensor, Tensor]:
    """Cuts or fills recordings to the kind's number of samples, and tells how many are real."""
    heard = min(sound.shape[-1], kind.samples)
    sound = torch.nn.functional.pad(sound[..., sound.shape[-1] - heard :], (0, kind.samples - heard))
    return sound, torch.full((len(sound),), heard)


def _batch_size(spec: Spec, raw: Mapping[str, Any], readings: Mapping[str, Tensor]) -> int:
    sizes = {name: len(reading) for name, reading in readings.items()}
    if raw.get(PRESENT) is not None:
        mask = _mask(spec, raw[PRESENT])
        sizes[PRESENT] = len(mask) if mask.ndim == 2 else 1
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{size} of {name}" for name, size in sizes.items())
        raise ObservationError(f"All parts of an observation must have one batch size; got {told}.")
    return next(iter(sizes.values()), 1)


def _mask(spec: Spec, value: Any) -> Tensor:
    mask = _tensor(value)
    if mask is None or mask.is_complex() or mask.ndim not in (1, 2) or mask.shape[-1] != len(spec):
        told = type(value).__name__ if mask is None else f"{mask.dtype} of shape {tuple(mask.shape)}"
        raise ObservationError(
            f'"{PRESENT}" must have {len(spec)} entries of 0 or 1, one for each of {", ".join(spec.names)}; got {told}.'
        )
    return mask


def _length(key: str, kind: Microphone, value: Any, b: int) -> Tensor:
    length = _tensor(value)
    whole = length is not None and not (length.is_floating_point() or length.is_complex())
    if length is None or not whole or length.numel() != b or length.min() < 0 or length.max() > kind.samples:
        raise ObservationError(
            f'"{key}" must be {b} whole numbers within 0..{kind.samples}, one for each recording; got {value!r:.80}.'
        )
    return length.reshape(b).long().clone()
