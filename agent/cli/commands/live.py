"""`senseweave live`."""

from ...runs.present import require_policy
from ...settings.live import LiveConfig
from ..command import Command, Result


def _run(settings: LiveConfig) -> Result:
    if settings.policy is not None:
        require_policy(settings.policy)
    from ...live.live import as_text, live

    result = live(settings)
    return result, as_text(result)


COMMAND = Command(
    settings=LiveConfig,
    run=_run,
    summary="Run a trained agent on real sensors, or only show and record what they give. Ctrl-C ends it.",
    example="senseweave live --policy runs/seek --camera 0 --instruction -",
)
