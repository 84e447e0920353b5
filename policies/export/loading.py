"""`load_exported`: from a folder that `export` wrote to something that perceives, or acts. No torch for ONNX."""

import hashlib
import os
from pathlib import Path

from ...perception.checks import require_whole
from ...perception.checks.files import JSON_BYTES, TENSOR_BYTES, read_regular
from ...perception.errors import CheckpointError, ConfigError
from ...perception.spec import PRESENT, Spec, key_of
from ...perception.tokenizer import Tokenizer, default_tokenizer
from .acting import ExportedPolicy
from .description import FILE, Description
from .formats import EXPORT_FORMATS
from .perceiving import Exported

TOKENIZER = "tokenizer.json"


def is_exported(directory: str | os.PathLike[str]) -> bool:
    """Whether a folder is one that `export` wrote, as far as a glance tells."""
    return (Path(directory).expanduser() / FILE).is_file()


def load_exported(
    directory: str | os.PathLike[str], *, threads: int = 1, trusts_code: bool = False
) -> Exported | ExportedPolicy:
    """Reads an exported folder.

    Args:
        directory: what `export` wrote; "~" is the home directory.
        threads: of the CPU for one call, 1 to 256. A network of laptop size gains nothing from more.
        trusts_code: whether a format may be opened whose files can run code: torch.export's can, ONNX cannot.

    Returns:
        An `ExportedPolicy`, which acts, or an `Exported` perception, which perceives.

    Raises:
        CheckpointError: a file is missing, damaged, not the one that was exported, or of another version.
        ConfigError: the format can run code, and the caller does not trust it.
        SpecError: a sense is of a kind that is not registered.
        UnknownNameError: it is of a format that is not known here.
        MissingExtraError: a package is missing that runs it.
    """
    require_whole("threads", threads, 1, 256)
    folder = Path(directory).expanduser()
    described = Description.read(folder)
    form = EXPORT_FORMATS[described.to]()
    if form.runs_code and not trusts_code:
        raise ConfigError(
            f"{folder / described.file} can run code when it is opened, as any file of torch.export can; export to "
            "onnx, or pass load_exported(..., trusts_code=True) if you made it yourself."
        )
    _require_ports(folder, described)
    contents = {name: _read(folder / name, told, described) for name, told in described.files.items()}
    tokenizer = None
    if described.tokenizer is not None:
        tokenizer = default_tokenizer()
        if described.tokenizer != tokenizer.identity:
            tokenizer = Tokenizer(folder / TOKENIZER)
        if described.tokenizer != tokenizer.identity:
            raise CheckpointError(f"{folder / TOKENIZER} is not the tokenizer that the model was trained with.")
    run = form.runner(contents[described.file], list(described.outputs), threads)
    kind = Exported if described.actions is None else ExportedPolicy
    return kind(folder, described, run, tokenizer)


def _read(path: Path, told: str, described: Description) -> bytes:
    """A file of the folder, whole and unchanged."""
    try:
        content = read_regular(path, JSON_BYTES if path.name == TOKENIZER else TENSOR_BYTES)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); export the model again.") from error
    if hashlib.sha256(content).hexdigest() != told:
        raise CheckpointError(f"{path} does not match its checksum; restore it, or export the model again.")
    return content


def _require_ports(folder: Path, described: Description) -> None:
    """Checks that the graph takes what the senses give.

    Raises:
        CheckpointError: it does not.
    """
    own = _known_inputs(described.spec)
    memory = {"memory": (described.memory,), "start": ()} if described.memory else {}
    for port in described.inputs:
        known = own | memory
        if port.name not in known or known[port.name] != port.shape:
            raise CheckpointError(
                f'{folder / FILE} tells of an input "{port.name}" of shape {port.shape}, which its senses do not give; '
                "export the model again."
            )
    if missing := sorted({*described.spec, PRESENT, *memory} - {port.name for port in described.inputs}):
        raise CheckpointError(f'{folder / FILE} lacks the input "{missing[0]}"; export the model again.')
    needed = {"state", "gates", *(("value",) if described.actions is not None else ())}
    if described.actions is not None and not {"logits", "mean"} & set(described.outputs):
        needed |= {"logits"}
    if missing := sorted(needed - set(described.outputs)):
        raise CheckpointError(f'{folder / FILE} tells of no output "{missing[0]}"; export the model again.')


def _known_inputs(spec: Spec) -> dict[str, tuple[int, ...]]:
    """Name -> shape without the batch, of all that readings can give."""
    shapes = {name: tuple(kind.shape) for name, kind in spec.items()} | {PRESENT: (len(spec),)}
    return shapes | {key_of(name, part): () for name, kind in spec.items() for part in kind.beside}
