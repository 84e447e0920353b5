"""What a person asks of `senseweave convert`. Nothing heavy is imported here."""

import dataclasses
from typing import Annotated, Any

from .base import Section, Settings
from .several import Pairs
from .values import Text


@dataclasses.dataclass(frozen=True)
class ConvertConfig(Settings):
    """A dataset in another format.

    Args:
        source: the dataset: a folder, an .mcap file, or minari:ID; its format is recognised.
        out: folder to make.
        to: the format to write: sessions, minari, lerobot, or one that an installed package adds.
        options: an option of that format, such as video=small.
        reading: what an observation of somebody else's dataset is, where that cannot be told, such as
            sample_rate_hz=16000.
        allow_damaged: convert what is whole of a dataset that is damaged or was cut off.
    """

    source: Annotated[str, Text(metavar="IN", is_positional=True)]
    out: Annotated[str, Text(metavar="OUT", is_positional=True)]
    to: Annotated[str, Text(metavar="FORMAT")]
    options: Annotated[dict[str, Any], Pairs(word="format-option"), Section("formats")] = dataclasses.field(
        default_factory=dict
    )
    reading: Annotated[dict[str, Any], Pairs(word="read-option")] = dataclasses.field(default_factory=dict)
    allow_damaged: bool = False
