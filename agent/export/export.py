"""`senseweave export`: a run becomes a folder that perceives and acts without its training code."""

from pathlib import Path
from typing import Any

from ...perception.errors import CheckpointError
from ...perception.files import read_json
from ...perception.perception import Perception
from ...perception.pretrained import FORMAT as PERCEPTION
from ...policies.export import export
from ...policies.export.description import Description, Origin
from ..runs.actions import actions_of
from ..runs.directory import RunDirectory
from ..runs.present import UNNAMED, is_exported, place_for_outputs, require_run
from ..settings.export import ExportConfig


def export_run(config: ExportConfig) -> dict[str, Any]:
    """Exports the newest policy of a run, or a saved perception.

    Returns:
        What `export --json` prints.

    Raises:
        SenseweaveError: something that the caller can fix.
    """
    if is_exported(config.run):
        raise CheckpointError(f"{config.run} was exported already; give the run that it was made of.")
    folder = require_run(config.run)
    out = Path(config.out) if config.out is not None else place_for_outputs(config.run) / config.to
    if read_json(folder / "config.json").get("format") == PERCEPTION:
        export(Perception.from_pretrained(folder), out, config.to)
    else:
        _export_policy(config, RunDirectory.open(folder), out)
    described = Description.read(out)
    return {
        "run": str(folder),
        "out": str(out),
        "to": described.to,
        "bytes": {name: (out / name).stat().st_size for name in described.files},
        "inputs": {port.name: [port.dtype, *port.shape] for port in described.inputs},
        "outputs": list(described.outputs),
        "difference": described.difference,
        "steps": described.origin.steps,
    }


def _export_policy(config: ExportConfig, run: RunDirectory, out: Path) -> None:
    actions = actions_of(run, config.env, config.env_options)
    policy, steps = run.reader.read(run.path, run.config, run.config.spec.space(), actions)
    trained = run.config.train
    origin = Origin(
        run=run.config.run,
        env=None if trained.env == UNNAMED else trained.env,
        env_options=trained.env_options,
        steps=steps,
        step_s=run.config.step_s,
        max_age_s=run.config.max_age_s,
        action_names=run.config.action_names,
    )
    export(policy, out, config.to, origin=origin)


def as_text(result: dict[str, Any]) -> str:
    """An export for people."""
    files = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in result["bytes"].items())
    lines = [
        f"{result['out']}   {files}, model.json",
        f"in    {', '.join(result['inputs'])}",
        f"out   {', '.join(result['outputs'])}",
        f"It answers as torch does, to {result['difference']:.1e}.",
    ]
    if result["to"] == "onnx" and "logits" in result["outputs"] and "camera" in result["inputs"]:
        lines.append(f"next  senseweave live --policy {result['out']} --camera 0 --instruction -")
    return "\n".join(lines)
