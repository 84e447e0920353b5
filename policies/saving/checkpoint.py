"""Checkpoints: what a stopped training run needs to go on, in folders that are whole or not there.

`checkpoints/step-000123/` holds policy.safetensors, optimizer.safetensors, random.safetensors, world.safetensors,
state.json and, written last, manifest.json with the SHA-256 of each. A folder is built under a temporary name and
published by one rename; older ones are removed only after that. What is in a checkpoint is decided by those who write
one: model.py here, and agent/train/callback.py.
"""

import dataclasses
import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from ...perception.checks.files import JSON_BYTES
from ...perception.errors import CheckpointError
from ...perception.files import read_tensors, write_tensors
from .sealed import file_sha256, publish_folder, read_sealed, remove_folder, sha256_of, write_sealed, writing

FORMAT = "senseweave.checkpoint"
VERSION = 2
_TENSOR_FILES = ("policy", "optimizer", "random", "world")
_FILES = ("state.json", *(f"{name}.safetensors" for name in _TENSOR_FILES))
_NAME = re.compile(r"step-(\d+)")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """One moment of a training run, between two rollouts.

    Args:
        steps: environment steps taken until then.
        policy: the policy's state dict.
        optimizer: see `optimizer_state.to_parts`.
        random: see `random_state.capture`.
        state: everything else, as plain JSON.
        world: the environments and what the learner carries from step to step, see `PPO.snapshot`; may be empty.
    """

    steps: int
    policy: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    random: dict[str, Tensor]
    state: dict[str, Any]
    world: dict[str, Tensor] = dataclasses.field(default_factory=dict)


def folders(root: Path) -> list[Path]:
    """The published checkpoints under `root`, newest first."""
    if not root.is_dir():
        return []
    found = [(int(match[1]), path) for path in root.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def save(root: Path, run_id: str, checkpoint: Checkpoint, keep: int) -> Path:
    """Writes a checkpoint, and then removes all but the newest `keep` of this and earlier steps.

    On a full disk it makes room first: of the earlier ones only the newest stays.

    Raises:
        CheckpointError: it could not be written; earlier checkpoints are untouched then.
    """
    final = root / f"step-{checkpoint.steps:06d}"
    if final.exists():  # left from before a resume that had to go back further, or from the same moment
        try:
            load(final, run_id)
        except CheckpointError:
            remove_folder(final)
    if not final.exists():
        try:
            write(final, run_id, checkpoint)
        except CheckpointError as error:
            if not (_is_full(error) and _make_room(root)):
                raise
            remove_folder(final)  # it may have its name already, and not be known to be on the disk
            write(final, run_id, checkpoint)
    _prune(root, final, keep)
    return final


def _is_full(error: CheckpointError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)


def _make_room(root: Path) -> bool:
    """Removes all checkpoints but the newest one; False where there was none to remove."""
    older = folders(root)[1:]
    for path in older:
        remove_folder(path)
    return bool(older)


def write(final: Path, run_id: str, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint into a folder that is new: whole, or not at all.

    Raises:
        CheckpointError: it could not be written.
    """
    temporary = final.with_name(f".{final.name}.{os.getpid()}.partial")
    remove_folder(temporary)
    try:
        with writing(final.parent):
            temporary.mkdir(parents=True)
        _write_files(temporary, run_id, checkpoint)
        publish_folder(temporary, final)
    finally:
        remove_folder(temporary)


def _write_files(folder: Path, run_id: str, checkpoint: Checkpoint) -> None:
    for name in _TENSOR_FILES:
        write_tensors(folder / f"{name}.safetensors", getattr(checkpoint, name), {})
    state = {
        "format": FORMAT,
        "version": VERSION,
        "steps": checkpoint.steps,
        "parts": {name: sorted(getattr(checkpoint, name)) for name in _TENSOR_FILES},
        "state": checkpoint.state,
    }
    write_sealed(folder / "state.json", state)
    with writing(folder):
        files = {name: sha256_of(folder / name) for name in _FILES}
    write_sealed(folder / "manifest.json", {"format": FORMAT, "version": VERSION, "run": run_id, "files": files})


def _prune(root: Path, newest: Path, keep: int) -> None:
    """Keeps the newest `keep`, counted from the one just written.

    Folders with more steps than it are damaged: the run would have resumed from them otherwise.
    """
    ordered = folders(root)
    stale = ordered[: ordered.index(newest)]
    for path in stale + ordered[len(stale) + keep :]:
        remove_folder(path)
    for path in root.glob(".*.partial"):
        remove_folder(path)


def load(folder: Path, run_id: str) -> Checkpoint:
    """Reads one checkpoint and checks every byte of it.

    Raises:
        CheckpointError: something is missing, damaged, of another version, or of another run.
    """
    manifest = read_sealed(folder / "manifest.json", FORMAT, VERSION)
    if manifest.get("run") != run_id:
        raise CheckpointError(f"{folder} belongs to another run; put back the checkpoints of this one.")
    files = manifest.get("files")
    if not isinstance(files, dict) or set(files) != set(_FILES):
        raise CheckpointError(f"{folder / 'manifest.json'} must list {', '.join(_FILES)}; use an older checkpoint.")
    for name, expected in files.items():
        if file_sha256(folder / name) != expected:
            raise CheckpointError(f"{folder / name} does not match its checksum; use an older checkpoint.")
    content = read_sealed(folder / "state.json", FORMAT, VERSION, JSON_BYTES)
    tensors = {name: read_tensors(folder / f"{name}.safetensors")[0] for name in _TENSOR_FILES}
    steps, state = content.get("steps"), content.get("state")
    named = {name: sorted(held) for name, held in tensors.items()}
    if not isinstance(steps, int) or not isinstance(state, dict) or content.get("parts") != named:
        raise CheckpointError(f"{folder} lacks some of its parts; use an older checkpoint.")
    return Checkpoint(steps, state=state, **tensors)


def load_newest(
    root: Path,
    run_id: str,
    tell: Callable[[str], None],
    is_wanted: Callable[[Checkpoint], bool] = lambda checkpoint: True,
) -> Checkpoint:
    """Reads the newest checkpoint that is whole, and tells about those that are not.

    Args:
        root: where they are.
        run_id: of the run.
        tell: is told.
        is_wanted: others are passed over without a word.

    Raises:
        CheckpointError: there is none, or none is whole.
    """
    problems: list[str] = []
    for folder in folders(root):
        try:
            checkpoint = load(folder, run_id)
        except CheckpointError as error:
            problems.append(str(error))
            continue
        if not is_wanted(checkpoint):
            continue
        for problem in problems:
            tell(f"{problem} Going back to step {checkpoint.steps:,}.")
        return checkpoint
    if problems:
        raise CheckpointError(f"No checkpoint in {root} is whole; the newest: {problems[0]}")
    raise CheckpointError(f"There is no checkpoint in {root}; train from the start with a new --out.")
