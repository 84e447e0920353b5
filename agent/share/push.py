"""`push_to_hub`: a run or a perception becomes a repository of the Hugging Face Hub, through its own client."""

import os
from pathlib import Path
from typing import Any

from ...perception.errors import ConfigError
from ...perception.sharing.hub import client, hub_errors
from ...perception.sharing.repository import HubAddress
from ..settings.push import PushConfig
from .parcel import pack


def push_to_hub(
    folder: str | os.PathLike[str],
    repository: str,
    *,
    token: str | None = None,
    private: bool | None = None,
    licence: str | None = None,
) -> dict[str, Any]:
    """Uploads an agent or a perception, with a card, in one commit.

    Others get it by `Perception.from_pretrained("user/name@revision")`, and every command that takes a run takes
    "hf://user/name". Checkpoints, curves and the optimiser stay here, and so do folders that the training named.

    Args:
        folder: a run directory, a folder of `PPO.save`, or of `Perception.save_pretrained`. A README.md that lies there
            is taken for the card; without, one is written from config.json and results.json.
        repository: "user/name"; it is made if it is not there.
        token: of the Hub; without, HF_TOKEN or the one of `hf auth login`.
        private: whether a repository that is made is seen by its owner alone; None takes the owner's default.
        licence: of the weights, as the Hub names licences ("mit", "apache-2.0"); None leaves it open.

    Returns:
        "repository", "address" with the commit, "url", "is_private", and "files", name -> bytes.

    Raises:
        CheckpointError: a file is missing or damaged, or the Hub refuses or cannot be reached.
        ConfigError: `repository` is no such name.
        MissingExtraError: huggingface-hub is not installed.
    """
    place = HubAddress.read(repository)
    if place.revision is not None:
        raise ConfigError(f"`repository` must be USER/NAME without a revision, which the upload makes; got {place}.")
    hub = client(place)
    parcel = pack(Path(folder), str(place), licence=licence)
    with hub_errors(place):
        api = hub.HfApi(token=token, library_name="senseweave")
        api.create_repo(place.repository, private=private, exist_ok=True)
        parts = [hub.CommitOperationAdd(name, _content(content)) for name, content in parcel.items()]
        commit = api.create_commit(place.repository, parts, commit_message="An agent or a perception of senseweave")
        is_private = bool(api.model_info(place.repository).private)
    return {
        "run": str(folder),
        "repository": place.repository,
        "address": str(HubAddress(place.repository, commit.oid)),
        "url": f"{api.endpoint}/{place.repository}",
        "is_private": is_private,
        "files": {name: _size(content) for name, content in parcel.items()},
    }


def _content(content: bytes | Path) -> bytes | str:
    return str(content) if isinstance(content, Path) else content


def _size(content: bytes | Path) -> int:
    return content.stat().st_size if isinstance(content, Path) else len(content)


def push(config: PushConfig) -> dict[str, Any]:
    """What `senseweave push` does; see `push_to_hub`."""
    return push_to_hub(config.run, config.repository, private=config.private or None, licence=config.licence)


def as_text(result: dict[str, Any]) -> str:
    """An upload for people."""
    files = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in result["files"].items())
    seen_by = "its owner alone" if result["is_private"] else "everybody"
    return f"{result['url']}   seen by {seen_by}\n{files}\nnext  senseweave evaluate {result['address']}"
