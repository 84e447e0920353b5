"""Which checkpoint a run goes on from, and what it must be told again."""

import shlex
from collections.abc import Mapping
from typing import Any

from ...perception.errors import CheckpointError, ConfigError
from ...perception.texts import shown
from ...policies.processes import is_first
from ...policies.saving.checkpoint import Checkpoint, folders
from ...policies.saving.weights import FILE
from ..runs.directory import RunDirectory
from ..settings.train import TrainConfig
from ..terminal.progress import tell
from .demonstrations import Demonstrations


def checkpoint_of(run: RunDirectory, exact: bool) -> Checkpoint | None:
    """The checkpoint to go on from; None where there is none yet.

    Raises:
        ConfigError: an exact one is wanted, and none is kept.
    """
    if not folders(run.path / "checkpoints"):
        if (run.path / FILE).exists():
            raise CheckpointError(
                f"{run.path} has a policy, but no checkpoint to go on from, and to begin anew would write over it; put "
                "the checkpoints back, or train with a new --out."
            )
        return None
    try:
        return run.load_checkpoint(tell, exact=exact)
    except CheckpointError as error:
        if not exact:
            raise
        raise ConfigError(
            f"`exact` needs a checkpoint from which the run goes on bit for bit, and {run.path} keeps none; leave "
            "--exact out, or train from the start with a new --out."
        ) from error


def put_back_policy(run: RunDirectory, checkpoint: Checkpoint) -> None:
    """Writes a finished run's policy again, out of its checkpoint, where the file is gone, damaged or older than that.

    Raises:
        CheckpointError: it cannot be written.
    """
    if not is_first():
        return
    try:
        steps = run.load_policy()[1]
        fault = f"The policy in {run.path} is that of step {steps:,}." if steps < checkpoint.steps else ""
    except CheckpointError as error:
        fault = str(error)
    if fault:
        with run.held():
            run.save_policy(checkpoint.policy, checkpoint.steps)
        tell(f"{fault} It is written again, as it stands in the checkpoint of step {checkpoint.steps:,}.")


def demonstrations_of(
    run: RunDirectory, config: TrainConfig, changes: Mapping[str, Any], checkpoint: Checkpoint | None
) -> Demonstrations | None:
    """The dataset of a run, where it still learns from it.

    Args:
        run: the run.
        config: its settings, with the changes.
        changes: what the user named.
        checkpoint: what it goes on from.

    Raises:
        ConfigError: the user must name the dataset, as a file may not choose what is opened.
        SenseweaveError: it is another dataset, or damaged.
    """
    if config.dataset is None or (config.plan.learning and checkpoint and checkpoint.steps >= config.plan.imitation):
        return None
    if "dataset" not in changes:
        raise ConfigError(
            f"`dataset` must be named again, as a file may not choose it; add --dataset "
            f"{shown(shlex.quote(config.dataset), 200)} if you trust it."
        )
    demonstrations = Demonstrations.of(config)
    if demonstrations is not None:
        demonstrations.require_same(run.config.algorithm, run.path)
    return demonstrations
