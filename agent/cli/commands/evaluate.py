"""`senseweave evaluate`."""

from ...runs.present import require_policy
from ...settings.evaluate import EvaluateConfig
from ..command import Command, Result


def _run(settings: EvaluateConfig) -> Result:
    require_policy(settings.run)
    from ...evaluate.evaluate import as_text, evaluate

    result = evaluate(settings)
    return result, as_text(result)


COMMAND = Command(
    settings=EvaluateConfig,
    run=_run,
    summary="Measure a trained agent on episodes that it never saw, sampled and greedy.",
    example="senseweave evaluate runs/seek --episodes 1000 --without instruction",
)
