"""`senseweave watch`."""

from ...runs.present import require_policy
from ...settings.watch import WatchConfig
from ..command import Command, Result


def _run(settings: WatchConfig) -> Result:
    if settings.policy is not None:
        require_policy(settings.policy)
    from ...evaluate.watch import as_text, watch

    result = watch(settings)
    return result, as_text(result)


COMMAND = Command(
    settings=WatchConfig,
    run=_run,
    summary="Play some episodes and write them as a video with sound: what the agent sees, hears and is told.",
    example="senseweave watch senseweave/Seek-v0 --expert --out seek.mp4",
)
