"""`senseweave pretrain`."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Self

from ....perception.errors import ConfigError
from ...settings.pretrain import PretrainConfig
from ...settings.values import Text
from ..command import Command, Result, new_folder


@dataclasses.dataclass(frozen=True)
class PretrainOptions(PretrainConfig):
    """A pretraining and where it goes.

    Args:
        out: folder to make.
        resume: go on from this folder's newest checkpoint, with its settings.
    """

    out: Annotated[str | None, Text(metavar="DIR", unset="runs/pretrained-ENV-TIME")] = None
    resume: Annotated[str | None, Text(metavar="DIR")] = None

    @classmethod
    def from_options(cls, given: Mapping[str, Any]) -> Self:
        if "resume" in given and (others := sorted(given.keys() - {"resume", "env"})):
            word = others[0].replace("_", "-")
            raise ConfigError(f"`--resume` goes on with the settings it began with; leave out --{word}.")
        return super().from_options(given)


def _run(settings: PretrainOptions) -> Result:
    from ...train.pretrain import as_text, pretrain, resume

    if settings.resume is not None:
        result = resume(settings.resume, env=settings.env)
        return result, as_text(result)
    config = settings.part(PretrainConfig)
    source = config.env if config.dataset is None else "recording"
    result = pretrain(config, settings.out or new_folder(f"pretrained-{source}"))
    return result, as_text(result)


COMMAND = Command(
    settings=PretrainOptions,
    run=_run,
    summary="Let a perception learn without rewards, from an environment or a recording; train --perception takes it.",
    example="senseweave pretrain --objective contrastive=0.5 --out runs/senses",
    teaching="""\
objectives, in any sum:
  contrastive   what was sensed at one moment belongs together (InfoNCE)
  dcca          the senses' vectors shall correlate (Deep CCA)
  autoencoder   the state tells what every sense said, hidden ones too
  translation   one sense's tokens are made of the others' (conditional GAN)
docs/how/objectives.md has the formulas.
""",
)
