"""`Description`: model.json of an exported folder, which says what the graph takes and gives. No torch here.

b batch, m modalities
"""

import dataclasses
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ...perception.errors import CheckpointError, SenseweaveError
from ...perception.spec import Spec
from ...perception.texts import shown
from ..saving.json_spaces import describe_space, read_space
from ..saving.sealed import read_sealed

FORMAT, VERSION = "senseweave.exported", 1
FILE = "model.json"
USUAL_STEP_S = 0.1
"""Seconds for a step, where nobody told."""


class Port(NamedTuple):
    """One input of the graph."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    """Without the batch axis."""

    @classmethod
    def of(cls, name: str, example: NDArray[np.generic]) -> Self:
        """The port that takes arrays like this one."""
        return cls(name, str(example.dtype), tuple(example.shape[1:]))


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where an exported policy comes from, and how it is meant to act.

    Args:
        run: name of the run; "" where there is none.
        env: id of the environment that it was trained in; None where nobody told.
        env_options: its options.
        steps: environment steps of training.
        step_s: seconds between two actions.
        max_age_s: how old a reading of each sense may be; three steps where one is not named.
        action_names: of numbered actions; empty otherwise.
    """

    run: str = ""
    env: str | None = None
    env_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    steps: int = 0
    step_s: float = USUAL_STEP_S
    max_age_s: Mapping[str, float] = dataclasses.field(default_factory=dict)
    action_names: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        held = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        own = {"env_options": dict(self.env_options), "max_age_s": dict(self.max_age_s)}
        return held | own | {"action_names": list(self.action_names)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            TypeError, ValueError: it is something else.
        """
        own: Any = {"action_names": tuple(content["action_names"])}
        held = cls(**content | own)
        is_right = (
            isinstance(held.run, str)
            and isinstance(held.env, (str, type(None)))
            and isinstance(held.env_options, dict)
            and type(held.steps) is int
            and _is_time(held.step_s)
            and isinstance(held.max_age_s, dict)
            and all(_is_time(age_s) for age_s in held.max_age_s.values())
            and all(isinstance(name, str) for name in held.action_names)
        )
        if not is_right:
            raise ValueError(f"its origin is none: {content!r:.80}")
        return held


@dataclasses.dataclass(frozen=True)
class Description:
    """What model.json holds.

    Args:
        to: the format's name.
        file: the model's.
        files: file -> SHA-256, of all the others in the folder.
        spec: the senses.
        inputs: of the graph, in its order.
        outputs: their names, in its order.
        state_dim: width of the state.
        memory: width of the memory; 0 without one.
        actions: the action space; None for a perception alone.
        tokenizer: identity of the tokenizer; None where no sense is a text.
        origin: where it comes from.
        difference: the largest one between an output of the file and of torch, over some random readings; in parts of
            the output's largest number where that is above 1.
        senseweave: version that wrote it.
    """

    to: str
    file: str
    files: Mapping[str, str]
    spec: Spec
    inputs: tuple[Port, ...]
    outputs: tuple[str, ...]
    state_dim: int
    memory: int
    actions: spaces.Space[Any] | None
    tokenizer: str | None
    origin: Origin
    difference: float
    senseweave: str = dataclasses.field(default_factory=lambda: importlib.metadata.version("senseweave"))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        held = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return held | {
            "files": dict(self.files),
            "spec": self.spec.to_json(),
            "inputs": [port._asdict() | {"shape": ["batch", *port.shape]} for port in self.inputs],
            "outputs": list(self.outputs),
            "actions": None if self.actions is None else describe_space(self.actions),
            "origin": self.origin.to_json(),
        }

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads model.json.

        Raises:
            CheckpointError: it is missing, damaged, or of another version.
            SpecError: a sense is of a kind that is not registered.
        """
        path = folder / FILE
        content = read_sealed(path, FORMAT, VERSION)
        content = {name: value for name, value in content.items() if name not in ("format", "version")}
        try:
            spec = Spec.from_json(content["spec"])
            inputs = tuple(
                Port(str(port["name"]), str(np.dtype(port["dtype"])), tuple(map(int, port["shape"][1:])))
                for port in content["inputs"]
            )
            actions = None if content["actions"] is None else read_space(content["actions"])
            described = cls(
                **content
                | {
                    "spec": spec,
                    "inputs": inputs,
                    "outputs": tuple(map(str, content["outputs"])),
                    "actions": actions,
                    "origin": Origin.from_json(content["origin"]),
                }
            )
            described._require_plain()
        except SenseweaveError:
            raise
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError, IndexError) as error:
            raise CheckpointError(
                f"{path} does not describe an exported model of this release ({shown(error, 120)}); export it again."
            ) from error
        return described

    def _require_plain(self) -> None:
        """Checks what no class of its own checks.

        Raises:
            ValueError: one field is of another sort, or tells of a file elsewhere.
        """
        is_right = {
            "files": all(_is_name(name) and isinstance(told, str) for name, told in self.files.items()),
            "file": self.file in self.files,
            "state_dim": type(self.state_dim) is int and self.state_dim > 0,
            "memory": type(self.memory) is int and 0 <= self.memory < 2**20,
            "tokenizer": isinstance(self.tokenizer, (str, type(None))),
            "to": isinstance(self.to, str),
            "difference": isinstance(self.difference, (int, float)),
        }
        for name, is_fine in is_right.items():
            if not is_fine:
                raise ValueError(f"`{name}` is wrong")


def _is_name(name: str) -> bool:
    """Whether a file of that name lies in the folder itself."""
    return isinstance(name, str) and Path(name).name == name and not name.startswith(".")


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e9
