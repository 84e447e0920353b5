"""Tensors in files that are either whole or not there, with a checksum. No pickle anywhere.

What needs no torch for it is in checks/whole_files.py, and named here too.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .checks.files import DESCRIPTION_BYTES, TENSOR_BYTES, open_regular
from .checks.whole_files import create_atomically as create_atomically
from .checks.whole_files import read_json as read_json
from .checks.whole_files import sync_folder as sync_folder
from .checks.whole_files import write_atomically as write_atomically
from .errors import CheckpointError, SenseweaveError
from .texts import shown

_DTYPES: dict[str, torch.dtype] = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8},
    "BOOL": torch.bool,
}
"""What safetensors calls the types of tensors that a model of ours may have."""


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of tensors."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file with a checksum of its content."""
    held = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, save(held, dict(metadata) | {"sha256": digest(held)}))


Header = tuple[dict[str, Tensor], dict[str, str]]
"""Tensors without content, on the device "meta", and metadata: what a file of tensors says before it is read."""


def read_tensors(
    path: Path, require: Callable[[Header], object] = lambda header: None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads what `write_tensors` wrote, onto the CPU, and checks it.

    Args:
        path: the file.
        require: called with the header before anything of the tensors' size is made; raises what is wrong with it.

    Raises:
        CheckpointError: the file is missing, truncated or changed.
    """
    try:
        with open_regular(path, TENSOR_BYTES) as opened:
            _require_header(opened)
            with safe_open(_name_of(opened, path), framework="pt") as file:
                metadata = dict(file.metadata() or {})
                outlines = {name: _outline(file.get_slice(name)) for name in file.keys()}  # noqa: SIM118
                require((outlines, metadata))
                tensors = {name: file.get_tensor(name) for name in outlines}
    except SenseweaveError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(f"{path} is missing; is this the right folder, and was saving finished?") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); restore it or use an older save.") from error
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is damaged or truncated; restore it or use an older save.") from error
    if metadata.get("sha256") != digest(tensors):
        raise CheckpointError(f"{path} does not match its checksum; restore it or use an older save.")
    return tensors, metadata


def _require_header(file: BinaryIO) -> None:
    """Checks how long the header says that it is, before a library takes its word for it."""
    length = int.from_bytes(file.read(8), "little")
    if length > min(DESCRIPTION_BYTES, os.fstat(file.fileno()).st_size - 8):
        raise ValueError("its header is longer than it can be")


def _name_of(file: BinaryIO, path: Path) -> Path:
    """A name of the very file that is open, where the system has one: nothing can be put in its place."""
    own = Path(f"/proc/self/fd/{file.fileno()}")
    return own if own.exists() else path


def _outline(part: Any) -> Tensor:
    """A tensor of that shape and type without any content."""
    dtype = _DTYPES.get(part.get_dtype())
    if dtype is None:
        raise ValueError(f"it has the unknown type {part.get_dtype()}")
    return torch.empty(part.get_shape(), dtype=dtype, device="meta")


def shapes_of(build: Callable[[], torch.nn.Module]) -> dict[str, Tensor] | None:
    """Names, shapes and types of a module's state, without the memory that it will take.

    Args:
        build: makes the module; it is called once, on torch's device "meta".

    Returns:
        Its state on that device, as `state_of` gives it; None where the module is of somebody's own and cannot be made
        there.

    Raises:
        SenseweaveError: there can be no such module.
    """
    try:
        with torch.device("meta"):
            return state_of(build())
    except SenseweaveError:
        raise
    except Exception:  # whatever an encoder of a user's own does with numbers that are not there
        return None


def require_fit(own: Mapping[str, Tensor] | None, tensors: Mapping[str, Tensor], source: Path | str) -> None:
    """Checks that tensors have the names, shapes and types of a module's state.

    A tensor that the module holds under several names must be there by the first; files of release 0.1 have it by each.

    Args:
        own: the module's state, as `state_of` gives it; None where it is not known, and anything fits.
        tensors: what is to be put into it, on any device.
        source: where they are from, for the sentence.

    Raises:
        CheckpointError: they differ.
    """
    if own is None:
        return
    missing, extra = sorted(set(_first_names(own).values()) - tensors.keys()), sorted(tensors.keys() - own.keys())
    if missing or extra:
        fault = f"lacks {missing[0]}" if missing else f"has the unknown {shown(extra[0], 80)}"
        raise CheckpointError(
            f"{source} does not fit this model: it {fault} ({len(missing)} missing, {len(extra)} unknown)."
        )
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            raise CheckpointError(
                f"{source} does not fit this model: {name} has shape {tuple(tensor.shape)}, "
                f"not {tuple(own[name].shape)}."
            )
        if tensor.dtype != own[name].dtype:
            raise CheckpointError(
                f"{source} does not fit this model: {name} is {_plain(tensor.dtype)}, not {_plain(own[name].dtype)}; "
                "save the model in the precision that it is loaded in."
            )


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def load_strictly(module: torch.nn.Module, tensors: Mapping[str, Tensor], source: Path | str) -> None:
    """Copies tensors into a module's state after checking them all; nothing is copied on an error.

    Raises:
        CheckpointError: names, shapes or types differ, a number is not finite, or two copies of one tensor differ.
    """
    own = state_of(module)
    require_fit(own, tensors, source)
    require_finite(tensors, source)
    for name, first in _first_names(own).items():
        if name != first and name in tensors and not torch.equal(tensors[name], tensors[first]):
            raise CheckpointError(
                f"{source} does not fit this model, where {first} and {name} are one tensor: its copies differ; use an "
                "older save."
            )
    module.load_state_dict(in_own_names(module, tensors))


def require_finite(tensors: Mapping[str, Tensor], source: Path | str) -> None:
    """Checks that no weight is NaN or infinite.

    Raises:
        CheckpointError: one is.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{source} holds numbers that are not finite ({name}); use an older save.")


def state_of(module: torch.nn.Module) -> dict[str, Tensor]:
    """A module's whole state, by the names that it has where no part of it is wrapped by `torch.compile`.

    A tensor that stands there under several names, as the perception does in a policy of stable-baselines3, is one
    object: the names of copies can be told from it.
    """
    return {_plain_name(name): tensor for name, tensor in module.state_dict(keep_vars=True).items()}


def weights_of(module: torch.nn.Module) -> dict[str, Tensor]:
    """What a file holds of a module: its state, each tensor once, by the first of its names."""
    own = state_of(module)
    return {name: own[name].detach() for name, first in _first_names(own).items() if name == first}


def in_own_names(module: torch.nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that `weights_of` named, by all the names that the module itself has for them."""
    first, filled = _first_names(state_of(module)), dict(tensors)
    for own in module.state_dict():
        plain = _plain_name(own)
        source = plain if plain in tensors else first[plain]
        if source in tensors:
            filled.pop(plain, None)
            filled[own] = tensors[source]
    return filled


def _first_names(own: Mapping[str, Tensor]) -> dict[str, str]:
    """Name -> the first name of the same tensor."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(tensor), name) for name, tensor in own.items()}


def _plain_name(name: str) -> str:
    return name.replace("_orig_mod.", "")  # what torch.compile(module) puts before the names of what it wraps
