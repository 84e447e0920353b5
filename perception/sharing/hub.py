"""Repositories of the Hugging Face Hub, through its own client (extra `hub`): what is fetched, and how errors read.

Of a repository only files that have a name of ours and a size within its limit are fetched; others are not looked at,
and nothing is unpickled. What the Hub tells of a file's SHA-256 is compared here; the checksums that the files carry
themselves are compared when they are read. No torch here.
"""

import contextlib
import functools
import hashlib
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..checks.files import DESCRIPTION_BYTES, JSON_BYTES, MIB, open_regular
from ..errors import CheckpointError, MissingExtraError, SenseweaveError, how_to_install
from ..texts import shown
from .repository import HubAddress

CONFIG, CARD, VIDEO = "config.json", "README.md", "video.mp4"
WEIGHTS = ("policy.safetensors", "model.safetensors")
"""Of an agent, and of a perception alone."""

WEIGHT_BYTES = 2048 * MIB
"""The most that fetched weights may have."""

FILES = {
    CONFIG: DESCRIPTION_BYTES,
    **dict.fromkeys(WEIGHTS, WEIGHT_BYTES),
    "results.json": DESCRIPTION_BYTES,
    CARD: DESCRIPTION_BYTES,
    VIDEO: 256 * MIB,
    "tokenizer.json": JSON_BYTES,
}
"""What may be fetched: name -> the most bytes that it may have."""

_COMMIT = re.compile(r"[0-9a-f]{40}")


def client(place: HubAddress) -> Any:
    """The module `huggingface_hub`.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise MissingExtraError(f"{place} needs huggingface-hub; {how_to_install('hub')}") from error


def download(place: HubAddress) -> Path:
    """Fetches what is ours of a repository into the client's cache, and checks it.

    A commit that is in the cache already is not asked for again, so that it works without a network.

    Args:
        place: the repository; without a revision its newest commit is taken.

    Returns:
        The folder with the files, in the cache; do not write there.

    Raises:
        CheckpointError: the repository, the revision or a file cannot be had, or is not what it should be.
        MissingExtraError: huggingface-hub is not installed.
    """
    hub = client(place)
    with hub_errors(place):
        if (kept := _kept(hub, place)) is not None:
            return kept
        api = hub.HfApi(library_name="senseweave")
        info = api.model_info(place.repository, revision=place.revision, files_metadata=True)
        offered = {part.rfilename: part for part in info.siblings or () if part.rfilename in FILES}
        _require_complete(offered, place)
        for name, part in offered.items():
            _require_size(name, part.size or 0, place)
        paths = [_fetched(api, place, info.sha, part) for part in offered.values()]
    return paths[0].parent


@contextlib.contextmanager
def hub_errors(place: HubAddress) -> Iterator[None]:
    """Turns what the client raises in the block into one sentence about `place`.

    Raises:
        CheckpointError: the block raised.
    """
    try:
        yield
    except SenseweaveError:
        raise
    except Exception as error:  # of the client, of its HTTP library, of the disk: each release has others
        raise CheckpointError(_sentence(error, place)) from error


def _kept(hub: Any, place: HubAddress) -> Path | None:
    """The folder of a commit that is in the cache already."""
    if place.revision is None or not _COMMIT.fullmatch(place.revision):
        return None
    look = functools.partial(hub.try_to_load_from_cache, place.repository, revision=place.revision)
    held = {name: Path(path) for name in FILES if isinstance(path := look(name), str)}
    return held[CONFIG].parent if CONFIG in held and held.keys() & set(WEIGHTS) else None


def _require_complete(offered: dict[str, Any], place: HubAddress) -> None:
    missing = CONFIG if CONFIG not in offered else " or ".join(WEIGHTS)
    if CONFIG not in offered or not offered.keys() & set(WEIGHTS):
        raise CheckpointError(
            f"{place} has no {missing}, so it holds no agent and no perception of senseweave; choose another."
        )


def _require_size(name: str, size: int, place: HubAddress) -> None:
    if size > FILES[name]:
        raise CheckpointError(
            f"{name} of {place} has {size:,} bytes, and at most {FILES[name]:,} are fetched; choose another."
        )


def _fetched(api: Any, place: HubAddress, commit: str, part: Any) -> Path:
    path = Path(api.hf_hub_download(place.repository, part.rfilename, revision=commit))
    _require_size(part.rfilename, path.stat().st_size, place)
    if part.lfs is not None:
        with open_regular(path, FILES[part.rfilename]) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != part.lfs.sha256:
            path.resolve().unlink(missing_ok=True)  # else the cache would give it again
            path.unlink(missing_ok=True)
            raise CheckpointError(
                f"{part.rfilename} of {place} does not match the SHA-256 that the Hub tells; fetch it again, and if it "
                "stays so, do not use it."
            )
    return path


def _sentence(error: Exception, place: HubAddress) -> str:
    """What went wrong, and what to do."""
    errors = importlib.import_module("huggingface_hub.errors")
    around = type(error) is RuntimeError or isinstance(error, errors.LocalEntryNotFoundError)
    if around and isinstance(error.__cause__, Exception):  # what stopped an upload, or a look
        error = error.__cause__
    status = getattr(getattr(error, "response", None), "status_code", None)
    login = "log in with `hf auth login`, or set HF_TOKEN"
    match error:
        case errors.GatedRepoError():
            return f"{place} is given only to those who accept its conditions; do so on its page, and {login}."
        case errors.RepositoryNotFoundError():
            return f"{place} does not exist, or is private; check its name, or {login}."
        case errors.RevisionNotFoundError():
            return f'{place.repository} has no revision "{place.revision}"; name a branch, a tag or a commit of it.'
        case errors.LocalTokenNotFoundError():
            return f"{place} needs a token, and there is none; {login}."
        case errors.OfflineModeIsEnabled():
            return f"{place} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it; unset it."
        case errors.EntryNotFoundError():
            return f"A file of {place} is not there any more ({shown(error, 100)}); try again."
        case _ if status in (401, 403):
            return f"The Hub refuses this of {place} ({status}); {login} of a user who may do it."
        case _ if "Consistency check failed" in str(error):
            return f"A file of {place} came incomplete; try again."
    told = shown(f"{type(error).__name__}: {error}".partition("\n")[0], 160)
    return f"{place} cannot be reached ({told}); check the network, and try again."
