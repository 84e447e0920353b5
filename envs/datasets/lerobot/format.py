"""The format "lerobot": LeRobotDataset v3, a folder of parquet, mp4 and JSON, written and read without LeRobot."""

from pathlib import Path
from typing import Any

from ....perception.errors import ConfigError, did_you_mean, unknown_option
from ...adapters.wishes import Wishes
from ..episodes import Source
from ..facts import DatasetFacts
from ..registry import Format, Writer

VIDEOS = ("lossless", "small")
"""What the option `video` can be: h264 of RGB that is the same bit for bit, or h264 of yuv420p as others have it."""


class LeRobotFormat(Format):
    """A folder with meta/info.json."""

    title = "LeRobotDataset v3 (parquet, mp4)"

    def recognises(self, path: Path) -> bool:
        return (path / "meta" / "info.json").is_file()

    def source(self, path: Path, *, allow_damaged: bool, wishes: Wishes) -> Source:
        from .reader import LeRobotSource

        return LeRobotSource(path, allow_damaged=allow_damaged, wishes=wishes)

    def write(self, path: Path, facts: DatasetFacts, **options: Any) -> Writer:
        from .writer import LeRobotWriter

        video = options.pop("video", VIDEOS[0])
        for name in options:
            raise unknown_option(self.title, name, "it takes `video` alone.")
        if video not in VIDEOS:
            raise ConfigError(f"`video` must be one of {', '.join(VIDEOS)}; {did_you_mean(str(video), VIDEOS)}")
        return LeRobotWriter(path, facts, video=video)
