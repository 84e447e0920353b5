"""`senseweave convert`: a dataset in another format, and a sentence about what that cannot hold."""

import shlex
import time
from pathlib import Path
from typing import Any

from ...envs.datasets import Episode, open_dataset, write_dataset
from ...envs.datasets.open import require_new
from ..settings.convert import ConvertConfig
from ..terminal.progress import Progress, duration, tell


def convert(config: ConvertConfig) -> dict[str, Any]:
    """Converts.

    Returns:
        What `convert --json` prints.

    Raises:
        SenseweaveError: something that the caller can fix; nothing was written then.
    """
    require_new(Path(config.out))
    began = time.monotonic()
    episodes = open_dataset(config.source, allow_damaged=config.allow_damaged, **config.reading)
    damage = list(episodes.source.damage)
    for sentence in damage:
        tell(sentence)
    with Progress(len(episodes), "episodes") as progress:

        def note(episode: Episode) -> None:
            progress.advance(1)

        losses = write_dataset(episodes, config.out, config.to, on_episode=note, **config.options)
    seconds = time.monotonic() - began
    tell(f"Converted {len(episodes):,} episodes in {duration(seconds)}.")
    for sentence in losses:
        tell(sentence)
    return {
        "source": config.source,
        "from": episodes.source.format,
        "out": config.out,
        "to": config.to,
        "episodes": len(episodes),
        "steps": episodes.steps,
        "senses": list(episodes.spec),
        "bytes_before": _bytes_of(Path(config.source)),
        "bytes_after": _bytes_of(Path(config.out)),
        "seconds": round(seconds, 3),
        "damage": damage,
        "losses": losses,
    }


def _bytes_of(path: Path) -> int | None:
    """Bytes of all files there; None where it is no path."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else None


def as_text(result: dict[str, Any]) -> str:
    """The result for people."""
    before, after = (
        "?" if size is None else f"{size / 2**20:.2f} MiB" for size in (result["bytes_before"], result["bytes_after"])
    )
    out = shlex.quote(result["out"])
    return "\n".join(
        [
            f"{result['episodes']:,} episodes, {result['steps']:,} steps: {result['from']} ({before}) to "
            f"{result['to']} ({after})",
            f"dataset         {result['out']}",
            f"learn from it   senseweave train --dataset {out}",
        ]
    )
