"""`senseweave pretrain`."""

import dataclasses
from typing import Annotated

from ...settings.base import Section
from ...settings.pretrain import PretrainConfig
from ...settings.values import Text
from ..command import Command, Result, new_folder


@dataclasses.dataclass(frozen=True)
class PretrainOptions(PretrainConfig):
    """A pretraining and where it goes.

    Args:
        out: folder to make.
    """

    out: Annotated[str | None, Text(metavar="DIR", unset="runs/pretrained-ENV-TIME"), Section("output")] = None


def _run(settings: PretrainOptions) -> Result:
    from ...train.pretrain import as_text, pretrain

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
