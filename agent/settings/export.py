"""What a person asks of `senseweave export`. Nothing heavy is imported here."""

import dataclasses
from typing import Annotated, Any

from ...policies.export.formats import EXPORT_FORMATS
from .base import Section, Settings
from .several import Pairs
from .values import Choice, Text


@dataclasses.dataclass(frozen=True)
class ExportConfig(Settings):
    """One export.

    Args:
        run: run directory that `senseweave train` or PPO.save made, or a perception that was saved.
        to: the format: onnx runs without torch, torch is a file of torch.export.
        out: folder to write; files of an earlier export there are replaced.
        env: the environment again, where the run's actions are numbers and its file may not choose it.
        env_options: an option of the environment, such as size=medium.

    Raises:
        UnknownNameError: there is no such format.
    """

    run: Annotated[str, Text(metavar="DIR", is_positional=True)]
    to: Annotated[str, Choice(what="export format", table=EXPORT_FORMATS)] = "onnx"
    out: Annotated[str | None, Text(metavar="DIR", unset="a folder with the format's name in the run's")] = None
    env: Annotated[str | None, Text(metavar="ID", unset="the run's own"), Section("environment")] = None
    env_options: Annotated[dict[str, Any] | None, Pairs(word="env-option", unset="the run's own")] = None
