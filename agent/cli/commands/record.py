"""`senseweave record`."""

from ...runs.present import require_policy
from ...settings.record import RecordConfig
from ...settings.train import TrainConfig
from ..command import Command, Result, new_folder


def _run(settings: RecordConfig) -> Result:
    if settings.run:
        require_policy(settings.run)
    from ...datasets.record import as_text, record

    place = settings.env or ("policy" if settings.run else TrainConfig.env)
    result = record(settings, settings.out or new_folder(f"demos-{place}"))
    return result, as_text(result)


COMMAND = Command(
    settings=RecordConfig,
    run=_run,
    summary="Record episodes of an environment as a dataset, played by its expert, a policy or chance.",
    example="senseweave record --env senseweave/Seek-v0 --out demos",
    teaching="""\
from nothing to a policy:
  senseweave record --env senseweave/Seek-v0 --episodes 400 --out demos
  senseweave train --dataset demos --env senseweave/Seek-v0 --out runs/imitated
  senseweave watch --policy runs/imitated
`senseweave live --record DIR` records a rig; docs/how/datasets.md has the
formats.
""",
)
