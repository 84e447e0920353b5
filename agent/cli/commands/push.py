"""`senseweave push`."""

from ...runs.present import require_run
from ...settings.push import PushConfig
from ..command import Command, Result


def _run(settings: PushConfig) -> Result:
    require_run(settings.run)
    from ...share.push import as_text, push

    result = push(settings)
    return result, as_text(result)


COMMAND = Command(
    settings=PushConfig,
    run=_run,
    summary="Upload a trained agent or a perception to the Hugging Face Hub, with a card.",
    example="senseweave push runs/seek user/seek --licence mit",
    teaching="""\
It needs the extra `hub`, and a token: `hf auth login`, or HF_TOKEN. Weights,
configuration, results, the video and a card go; checkpoints and curves stay.
Others then give hf://USER/NAME where a command takes a run.
""",
)
