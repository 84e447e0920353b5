"""policy.safetensors: a policy's weights, tied to the run or the save that they belong to."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from ...perception.errors import CheckpointError
from ...perception.files import Header, read_tensors, require_fit, write_tensors

FILE = "policy.safetensors"


def write_policy(folder: Path, run: str, policy: Mapping[str, Tensor], steps: int) -> None:
    """Writes policy.safetensors, atomically.

    Args:
        folder: where.
        run: name of the run, or of the save.
        policy: the state dict.
        steps: environment steps that it was trained for.

    Raises:
        CheckpointError: it cannot be written; the old one is still whole.
    """
    metadata = {"run": run, "steps": str(steps)}
    write_tensors(folder / FILE, policy, metadata | {"seal": _seal_of(metadata)})


def read_policy(
    folder: Path, run: str, shapes: Callable[[], Mapping[str, Tensor] | None] = lambda: None
) -> tuple[dict[str, Tensor], int]:
    """Reads what `write_policy` wrote.

    Args:
        folder: where.
        run: name of the run, or of the save.
        shapes: tells the state of the policy that it is for, see `shapes_of`; compared before the weights are read.

    Returns:
        The state dict, and the steps that it was trained for.

    Raises:
        CheckpointError: it is missing, damaged, of another run or another policy.
    """
    path = folder / FILE
    if not path.exists():
        raise CheckpointError(
            f"{path} is missing: training has not come to its first checkpoint, or somebody took it away; wait for it, "
            "or resume to write it again."
        )

    def require(header: Header) -> None:
        tensors, metadata = header
        if "run" in metadata and metadata["run"] != run:
            raise CheckpointError(f"{path} belongs to another run; put back the file of this one.")
        require_fit(shapes(), tensors, path)

    tensors, metadata = read_tensors(path, require)
    if metadata.get("run") != run:
        raise CheckpointError(f"{path} belongs to another run; put back the file of this one.")
    if metadata.get("seal") != _seal_of(metadata) or not metadata["steps"].isdecimal():
        raise CheckpointError(f"{path} does not match its checksum; restore it, or resume to write it again.")
    return tensors, int(metadata["steps"])


def chooses_one_of(policy: Mapping[str, Tensor], count: int) -> bool:
    """Whether a policy with these weights chooses one of so many actions, and not several at once, or numbers."""
    return "log_std" not in policy and "action_net.bias" in policy and len(policy["action_net.bias"]) == count


def _seal_of(metadata: Mapping[str, str]) -> str:
    return hashlib.sha256(f"{metadata.get('run')} {metadata.get('steps')}".encode()).hexdigest()
