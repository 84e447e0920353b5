"""`senseweave explain`."""

from ...runs.present import require_run
from ...settings.evaluate import ExplainConfig
from ..command import Command, Result


def _run(settings: ExplainConfig) -> Result:
    require_run(settings.run)
    from ...explain.explain import as_text, explain

    result = explain(settings, bot=settings.bot, report=settings.report)
    return result, as_text(result)


COMMAND = Command(
    settings=ExplainConfig,
    run=_run,
    summary="Show which senses a trained agent uses: gates, and results with each sense taken away.",
    example="senseweave explain runs/seek --bot",
    teaching="""\
what is found:
  success with every subset of the senses, on the same episodes, and from it
  what each sense adds (Shapley values)
  the same for the choices: how far they move when a sense is taken from a
  single decision, in nats
  gates, attention, and what spoke for and against an action (integrated
  gradients), with pictures of an episode
It writes one page, explain.html, that needs nothing else, and warns of a sense
that the policy ignores. At most 6 senses are compared, as n senses have 2^n
subsets; --without takes some away. Intervals shrink with more --episodes.
""",
)
