"""results.json of a run directory: how well its policy did in held-out episodes, and the command that measured it."""

import importlib.metadata
from collections.abc import Mapping
from typing import Any

from ...perception.errors import CheckpointError
from ...policies.saving.sealed import read_sealed, write_sealed
from .directory import RunDirectory
from .next_steps import command_for

FORMAT, VERSION = "senseweave.results", 1
FILE = "results.json"
SHOWN = ("success_rate", "mean_return", "greedy_success_rate")


def write_results(run: RunDirectory, steps: int, evaluation: Mapping[str, Any]) -> None:
    """Writes results.json.

    Args:
        run: whose policy it was.
        steps: environment steps that the policy was trained for.
        evaluation: what `evaluate_policy` returned: success with its interval, sampled and greedy, episodes, seeds.

    Raises:
        CheckpointError: it cannot be written.
    """
    repeated = f"{command_for(run, 'evaluate')} --episodes {evaluation['episodes']} --seed 0"
    content = {
        "format": FORMAT,
        "version": VERSION,
        "run": run.config.run,
        "steps": steps,
        "training_seed": run.config.train.seed,
        "command": repeated,
        "senseweave": importlib.metadata.version("senseweave"),
        "evaluation": dict(evaluation),
    }
    write_sealed(run.path / FILE, content)


def read_results(run: RunDirectory) -> dict[str, Any] | None:
    """Reads results.json; None where the run has none.

    Raises:
        CheckpointError: it is damaged, or of another run.
    """
    path = run.path / FILE
    if not path.exists():
        return None
    content = read_sealed(path, FORMAT, VERSION)
    if content.get("run") != run.config.run or not isinstance(content.get("evaluation"), dict):
        raise CheckpointError(f"{path} belongs to another run; remove it, and evaluate this one again.")
    return content


def evaluation_figures(evaluation: Mapping[str, Any] | None) -> dict[str, Any]:
    """The figures that stand beside an evaluation in what `train --json` prints."""
    return {} if evaluation is None else {name: evaluation.get(name) for name in SHOWN}
