"""`senseweave convert`."""

from ...settings.convert import ConvertConfig
from ..command import Command, Result


def _run(settings: ConvertConfig) -> Result:
    from ...datasets.convert import as_text, convert

    result = convert(settings)
    return result, as_text(result)


COMMAND = Command(
    settings=ConvertConfig,
    run=_run,
    summary="Convert a dataset of episodes: recordings, Minari, LeRobotDataset v3, each into the others.",
    example="senseweave convert demos demos-lerobot --to lerobot",
    teaching="""\
formats:
  sessions   our recordings (MCAP), a file for each episode; they lose nothing
  minari     HDF5, as minari.load_dataset reads it; pictures without loss
  lerobot    LeRobotDataset v3: parquet and mp4; --format-option video=lossless
             or video=small, which loses some of the pictures
What a format cannot hold is said in a sentence; where something goes wrong,
nothing is written.
""",
)
