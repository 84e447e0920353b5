"""A `Perception` on disk: config.json (what it is) and model.safetensors (its weights). Strict, and no pickle.

The weights carry the same description as config.json inside, so that two halves of different saves are noticed.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .config import PerceptionConfig
from .errors import CheckpointError, TokenizerMismatchError
from .files import load_strictly, read_json, read_tensors, write_atomically, write_tensors
from .spec import Instruction, Spec
from .tokenizer import default_tokenizer

if TYPE_CHECKING:
    from .perception import Perception

AnyPerception = TypeVar("AnyPerception", bound="Perception")

FORMAT = "senseweave.perception"
VERSION = 1


def describe(spec: Spec, config: PerceptionConfig) -> dict[str, Any]:
    """What is needed to build the same network again."""
    reads = any(isinstance(kind, Instruction) for kind in spec.values())
    return {
        "format": FORMAT,
        "version": VERSION,
        "spec": spec.to_json(),
        "config": config.to_json(),
        "tokenizer": default_tokenizer().identity if reads else None,
    }


def save_pretrained(perception: "Perception", directory: str | os.PathLike[str]) -> None:
    """Writes both files, weights first.

    Raises:
        CheckpointError: the folder cannot be written; what was there is still whole.
    """
    folder = Path(directory)
    description = json.dumps(describe(perception.spec, perception.config), indent=2)
    write_tensors(folder / "model.safetensors", perception.state_dict(), {"description": description})
    write_atomically(folder / "config.json", description.encode() + b"\n")


def load_pretrained(cls: type[AnyPerception], directory: str | os.PathLike[str]) -> AnyPerception:
    """Builds the network that config.json describes and fills in the weights, or changes nothing.

    Raises:
        CheckpointError: a file is missing, damaged, of another version, or does not fit.
        TokenizerMismatchError: the weights were trained with another tokenizer.
        SpecError: a modality is of a kind that is not registered.
    """
    folder = Path(directory)
    description = read_json(folder / "config.json")
    if description.get("format") != FORMAT or description.get("version") != VERSION:
        raise CheckpointError(
            f"{folder / 'config.json'} must say format {FORMAT}, version {VERSION}; got "
            f"{description.get('format')!r}, {description.get('version')!r}. Use the release that wrote it."
        )
    if not isinstance(description.get("spec"), dict) or not isinstance(description.get("config"), dict):
        raise CheckpointError(f"{folder / 'config.json'} lacks its spec or config; restore it or save again.")
    tensors, metadata = read_tensors(folder / "model.safetensors")
    if _parsed(metadata.get("description")) != description:
        raise CheckpointError(f"config.json and model.safetensors in {folder} are of different saves; save again.")
    identity = description.get("tokenizer")
    if identity is not None and identity != default_tokenizer().identity:
        raise TokenizerMismatchError(
            f"{folder} was trained with tokenizer {identity}, but this release has {default_tokenizer().identity}; "
            "use the release that trained it."
        )
    perception = cls(Spec.from_json(description["spec"]), PerceptionConfig.from_json(description["config"]))
    load_strictly(perception, tensors, folder / "model.safetensors")
    return perception


def _parsed(description: str | None) -> Any:
    """The description in the weights' metadata, which no checksum covers; None if it is none."""
    try:
        return json.loads(description or "null")
    except (ValueError, RecursionError):
        return None
