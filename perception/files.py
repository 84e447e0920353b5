"""Files that are either whole or not there: atomic, durable writes, and tensors with a checksum. No pickle anywhere."""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .errors import CheckpointError


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that, after a crash at any moment, the old or the new content is there, never a part.

    Raises:
        CheckpointError: the file cannot be written; nothing has changed then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")  # mkstemp's would be readable by us alone
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise CheckpointError(
            f"{path} could not be written ({error.strerror or error}); free space or choose another folder."
        ) from error


def sync_folder(folder: Path) -> None:
    """Makes a rename in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        CheckpointError: the file is missing or is not a JSON object.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); is this the right folder?") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON and may be damaged; restore it or train again.") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} must hold a JSON object; got a {type(data).__name__}.")
    return data


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


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads what `write_tensors` wrote, onto the CPU, and checks it.

    Raises:
        CheckpointError: the file is missing, truncated or changed.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; is this the right folder, and was saving finished?")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is damaged or truncated; restore it or use an older save.") from error
    if metadata.get("sha256") != digest(tensors):
        raise CheckpointError(f"{path} does not match its checksum; restore it or use an older save.")
    return tensors, metadata


def load_strictly(module: torch.nn.Module, tensors: Mapping[str, Tensor], source: Path | str) -> None:
    """Copies tensors into a module's state after checking every name and shape; nothing is copied on an error.

    Raises:
        CheckpointError: names or shapes differ.
    """
    own = weights_of(module)
    missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if missing or extra:
        fault = f"lacks {missing[0]}" if missing else f"has the unknown {extra[0]}"
        raise CheckpointError(
            f"{source} does not fit this model: it {fault} ({len(missing)} missing, {len(extra)} unknown)."
        )
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            raise CheckpointError(
                f"{source} does not fit this model: {name} has shape {tuple(tensor.shape)}, "
                f"not {tuple(own[name].shape)}."
            )
    module.load_state_dict(in_own_names(module, tensors))


def weights_of(module: torch.nn.Module) -> dict[str, Tensor]:
    """A module's state dict, by the names that it has where no part of it is wrapped by `torch.compile`."""
    return {_plain_name(name): tensor for name, tensor in module.state_dict().items()}


def in_own_names(module: torch.nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that `weights_of` named, by the names that the module itself has for them."""
    own = {_plain_name(name): name for name in module.state_dict()}
    return {own.get(name, name): tensor for name, tensor in tensors.items()}


def _plain_name(name: str) -> str:
    return name.replace("_orig_mod.", "")  # what torch.compile(module) puts before the names of what it wraps
