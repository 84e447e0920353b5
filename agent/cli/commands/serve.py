"""`senseweave serve`."""

from ...runs.present import require_policy
from ...settings.serve import ServeConfig
from ..command import Command, Result


def _run(settings: ServeConfig) -> Result:
    require_policy(settings.run)
    from ...serve.serve import as_text, serve

    result = serve(settings)
    return result, as_text(result)


COMMAND = Command(
    settings=ServeConfig,
    run=_run,
    summary="Let a trained agent act for robots on other machines, until Ctrl-C.",
    example="senseweave serve runs/seek --port 8765",
    teaching="""\
A robot runs `senseweave live --remote ws://HOST:PORT`, with its own sensors,
and needs neither torch nor the run. What is not answered within a tick is a
missed tick; the robot's safe action does not need this server. Without --token,
only this machine is served. To reach it from elsewhere, take a tunnel,
`ssh -L 8765:127.0.0.1:8765 HERE`, or make a token:

python -c "import secrets; print(secrets.token_urlsafe())" > FILE
chmod 600 FILE
""",
)
