"""`pack`: the files of a run or a perception that others get, checked, and without what is of this machine alone.

Checkpoints, curves and the optimiser stay here. A run's configuration goes without folders that its training named, its
results with a command that works elsewhere, and a card (`card.py`) unless the folder has a README.md of its own.
"""

import dataclasses
from pathlib import Path
from typing import Any

from ...perception.checks.files import DESCRIPTION_BYTES, read_regular
from ...perception.errors import CheckpointError
from ...perception.files import read_json
from ...perception.perception import Perception
from ...perception.pretrained import FORMAT as PERCEPTION
from ...perception.sharing.hub import CARD, CONFIG, FILES, VIDEO, WEIGHTS
from ...policies.saving.model_config import RUN_FORMAT
from ...policies.saving.sealed import sealed
from ...policies.saving.weights import read_policy
from ..runs.directory import RunDirectory
from ..runs.present import is_exported, require_run
from ..runs.results import FILE as RESULTS
from ..runs.results import read_results
from ..settings.base import kinds_of
from ..settings.train import TrainConfig
from .card import PLACES, agent_card, command_of, perception_card

Parcel = dict[str, "bytes | Path"]
"""Name in the repository -> its content, or the file that has it."""


def pack(folder: Path, address: str, *, licence: str | None = None, with_video: bool = True) -> Parcel:
    """Collects and checks the files.

    Args:
        folder: a run directory, a folder of `PPO.save`, or of `Perception.save_pretrained`.
        address: by which others will name it, as in "hf://user/name"; commands in the card and the results use it.
        licence: of the weights, as the Hub names licences; None says that none was given.
        with_video: whether video.mp4 goes along, where there is one.

    Raises:
        CheckpointError: something is missing, damaged or too large, or the folder holds an exported policy.
    """
    if is_exported(folder):
        raise CheckpointError(f"{folder} was exported; give the run that it was made of.")
    require_run(folder)
    has_video = with_video and (folder / VIDEO).is_file()
    if read_json(folder / CONFIG).get("format") == PERCEPTION:
        perception = Perception.from_pretrained(folder)
        parcel: Parcel = {CONFIG: folder / CONFIG, WEIGHTS[1]: folder / WEIGHTS[1]}
        card = perception_card(perception, address, licence)
    else:
        run = RunDirectory.open(folder)
        _, steps = read_policy(folder, run.config.run)
        results = _results(run, address)
        parcel = {CONFIG: _config(run), WEIGHTS[0]: folder / WEIGHTS[0]}
        parcel |= {} if results is None else {RESULTS: sealed(results)}
        parcel |= {VIDEO: folder / VIDEO} if has_video else {}
        made_by = command_of(run.config.train) if _is_trained(run) else None
        card = agent_card(run.config, results, address, licence, steps=steps, made_by=made_by, has_video=has_video)
    parcel[CARD] = _own_card(folder) or card.encode()
    for name, content in parcel.items():
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        if size > FILES[name]:
            raise CheckpointError(f"{folder / name} has {size:,} bytes, and at most {FILES[name]:,} can leave.")
    return parcel


def _is_trained(run: RunDirectory) -> bool:
    """Whether `senseweave train` wrote it, and not `PPO.save`."""
    return read_json(run.path / CONFIG).get("format") == RUN_FORMAT


def _config(run: RunDirectory) -> bytes | Path:
    """config.json, in which "DIR" stands for folders of this machine."""
    if not _is_trained(run):
        return run.path / CONFIG
    train = run.config.train
    kinds = kinds_of(TrainConfig)
    named = {name: kind.metavar for name, kind in kinds.items() if kind.metavar in PLACES and getattr(train, name)}
    return sealed(dataclasses.replace(run.config, train=dataclasses.replace(train, **named)).to_json())


def _results(run: RunDirectory, address: str) -> dict[str, Any] | None:
    """results.json, where the run has one, with its command for others."""
    found = read_results(run)
    if found is None:
        return None
    command = f"senseweave evaluate {address} --episodes {found['evaluation'].get('episodes')} --seed 0"
    return found | {"command": command}


def _own_card(folder: Path) -> bytes | None:
    """What somebody wrote into README.md."""
    if not (folder / CARD).is_file():
        return None
    try:
        return read_regular(folder / CARD, DESCRIPTION_BYTES)
    except OSError as error:
        raise CheckpointError(f"{folder / CARD} cannot be read ({error.strerror or error}); mend it.") from error
