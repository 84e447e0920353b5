"""`senseweave export`."""

from ...runs.present import is_exported, require_run
from ...settings.export import ExportConfig
from ..command import Command, Result


def _run(settings: ExportConfig) -> Result:
    if not is_exported(settings.run):
        require_run(settings.run)
    from ...export.export import as_text, export_run

    result = export_run(settings)
    return result, as_text(result)


COMMAND = Command(
    settings=ExportConfig,
    run=_run,
    summary="Write a trained agent as files that run without its training code, and without torch.",
    example="senseweave export runs/seek --out robot",
    teaching="""\
DIR/model.onnx takes the senses by name, `present` and, of a policy that
remembers, `memory` and `start`; absent senses leave no trace in it, as in
torch. model.json says all shapes. `evaluate`, `watch` and `live --policy` take
the folder, and `live` needs no torch for it. In Python:
load_exported(DIR).act(observation, memory).
""",
)
