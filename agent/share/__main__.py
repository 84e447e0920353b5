"""What `make pretrained` runs: trains an agent by its recipe, and puts it into the package if it is good enough.

A training that was stopped goes on where it was; one that is done is only looked at.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ...perception.errors import SenseweaveError
from ..settings.train import TrainConfig
from ..terminal.progress import tell
from ..train.train import resume, train
from .box import BAR, put_in_the_box

ENVIRONMENTS = {"seek": "senseweave/Seek-v0"}
"""Agent -> where it learns; the recipe has its name."""


def main(words: Sequence[str] | None = None) -> int:
    """Trains and ships; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="make pretrained", description="Train an agent that ships with the package, and put it there."
    )
    parser.add_argument("--name", default="seek", choices=sorted(ENVIRONMENTS), help="the agent, and its recipe")
    parser.add_argument("--seed", type=int, default=0, help="seed of the training")
    parser.add_argument("--run", type=Path, help="its run directory; a finished one is taken as it is")
    parser.add_argument("--bar", type=float, default=BAR, help="success that it must reach, 0 to 1")
    options = parser.parse_args(words)
    run = options.run or Path("runs") / f"pretrained-{options.name}"
    given = {"recipe": options.name, "seed": options.seed, "env": ENVIRONMENTS[options.name]}
    try:
        if (run / "config.json").exists():
            resume(run)
        else:
            train(TrainConfig.of_recipe(given), run)
        folder = put_in_the_box(run, options.name, bar=options.bar)
    except SenseweaveError as error:
        tell(str(error))
        return 2
    size_mb = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    tell(f"{folder} holds the agent, {size_mb:.2f} MB: senseweave evaluate {options.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
