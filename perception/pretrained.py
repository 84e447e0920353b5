"""Where `Perception.from_pretrained` finds a perception: what `save_pretrained` wrote, or the senses of a run.

A run directory is what `senseweave train` or `PPO.save` left. Of its policy the perception alone is read; what else
there is, heads and a memory, is not looked at. Nothing in a file names code.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from .checks.plain_json import parse, seal_of
from .config import PerceptionConfig
from .errors import CheckpointError, TokenizerMismatchError
from .files import Header, read_json, read_tensors
from .sharing.address import advice_on
from .spec import Spec
from .texts import shown
from .tokenizer import default_tokenizer

FORMAT, VERSION = "senseweave.perception", 1
"""Of the folders that `Perception.save_pretrained` writes."""

RUN, MODEL = "senseweave.run", "senseweave.model"
"""Formats of the run directories that `senseweave train` and `PPO.save` write, both of version 1."""

EXPORTED = "model.json"
"""What a folder holds that was exported, and can be run, but not trained any more."""

IN_A_POLICY = "features_extractor.perception."
"""How the names of a perception's weights begin in a policy."""


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """A perception in a folder, before its weights are read.

    Args:
        spec: its senses, as `Spec.to_json` wrote them.
        config: its size and its fusion, likewise.
        weights: the file.
        prefix: how the names of its weights begin there; the others are somebody else's.
        require: called with the metadata of the weights; raises if they do not belong to the description.
    """

    spec: dict[str, Any]
    config: dict[str, Any]
    weights: Path
    prefix: str
    require: Callable[[Mapping[str, str]], object]

    def described(self) -> tuple[Spec, PerceptionConfig]:
        """What a `Perception` is built of; asked for when the weights are known to belong to it.

        Raises:
            SpecError: a sense is of a kind that is not registered.
            ConfigError: a setting is out of its range.
        """
        return Spec.from_json(self.spec), PerceptionConfig.from_json(self.config)

    def read(self, require: Callable[[Mapping[str, Tensor]], object]) -> dict[str, Tensor]:
        """The weights, on the CPU, with the names that they have in a `Perception`.

        Args:
            require: called with tensors without content, before anything of their size is made.

        Raises:
            CheckpointError: the file is missing, damaged, or does not belong to the description.
        """

        def look(header: Header) -> None:
            self.require(header[1])
            require(self._own(header[0]))

        return self._own(read_tensors(self.weights, look)[0])

    def _own(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        start = self.prefix
        return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def find(folder: Path) -> Pretrained:
    """Looks into a folder.

    Raises:
        CheckpointError: there is no description, or it is damaged, of another version, or tells of no perception.
        TokenizerMismatchError: the weights were trained with another tokenizer.
    """
    if not (folder / "config.json").exists() and (folder / EXPORTED).is_file():
        raise CheckpointError(
            f"{folder} was exported: load_exported({str(folder)!r}).perceive(...) runs it, but it holds no weights to "
            "learn with; give the run or the perception that it was made of."
        )
    if not folder.exists() and (end := advice_on(folder)) != ".":
        raise CheckpointError(f'The folder "{folder}" does not exist; give one that save_pretrained made{end}')
    description = read_json(folder / "config.json")
    found, version = description.get("format"), description.get("version")
    if found not in (FORMAT, RUN, MODEL) or version != VERSION:
        raise CheckpointError(
            f"{folder / 'config.json'} must be of a run, or say format {FORMAT}, version {VERSION}; got "
            f"{shown(repr(found), 60)}, {shown(repr(version), 60)}. Use the release that wrote it."
        )
    identity = description.get("tokenizer")
    if identity is not None and identity != default_tokenizer().identity:
        raise TokenizerMismatchError(
            f"{folder} was trained with tokenizer {shown(identity, 60)}, but this release has "
            f"{default_tokenizer().identity}; use the release that trained it."
        )
    return _saved(folder, description) if found == FORMAT else _in_a_run(folder, description)


def _saved(folder: Path, description: dict[str, Any]) -> Pretrained:
    if not isinstance(description.get("spec"), dict) or not isinstance(description.get("config"), dict):
        raise CheckpointError(f"{folder / 'config.json'} lacks its spec or config; restore it or save again.")

    def require(metadata: Mapping[str, str]) -> None:
        if _parsed(metadata.get("description")) != description:
            raise CheckpointError(f"config.json and model.safetensors in {folder} are of different saves; save again.")

    return Pretrained(description["spec"], description["config"], folder / "model.safetensors", "", require)


def _in_a_run(folder: Path, description: dict[str, Any]) -> Pretrained:
    path, content = folder / "config.json", dict(description)
    if content.pop("sha256", None) != seal_of(content):
        raise CheckpointError(
            f"{path} does not match its own checksum, so it was damaged or edited; restore it or train again."
        )
    try:
        if content["format"] == RUN:
            name, spec, config = content["run"], content["spec"], content["perception"]
        else:
            told = content["settings"]["policy_kwargs"]["features_extractor_kwargs"]
            name, spec, config = content["save"], told["spec"]["$spec"], told["config"]["$perception"]
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is of a policy without a perception of senseweave ({error}).") from error

    def require(metadata: Mapping[str, str]) -> None:
        if metadata.get("run") != name:
            raise CheckpointError(f"{folder / 'policy.safetensors'} belongs to another run; put back this one's.")

    return Pretrained(spec, config, folder / "policy.safetensors", IN_A_POLICY, require)


def _parsed(description: str | None) -> Any:
    """The description in the weights' metadata, which no checksum covers; None if it is none."""
    try:
        return parse(description or "null")
    except ValueError:
        return None
