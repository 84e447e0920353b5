"""Mutations of files for file_fuzz.py: of their bytes, of what they are, and of what they say, with checksums that fit.

A mutation changes a folder in place and says whether what it left may be taken at its word: a hostile value under a
right checksum is what the file says, while a flipped bit that changes what is read is silent damage.
"""

import json
import os
import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from senseweave.perception.files import digest, read_tensors, write_tensors
from senseweave.policies.saving.sealed import file_sha256, write_sealed

Mutation = Callable[[Path, random.Random], str]
"""Changes one file, and says what was done."""

SPARSE_BYTES = 10 * 2**30


def flip(path: Path, draw: random.Random) -> str:
    """Flips 1 to 8 bits."""
    content, count = bytearray(path.read_bytes()), draw.choice((1, 1, 1, 2, 8))
    for _ in range(count):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)
    return f"{count} bits of {path.name}"


def truncate(path: Path, draw: random.Random) -> str:
    """Cuts the end off, or almost all."""
    content = path.read_bytes()
    length = draw.choice((0, 1, 8, len(content) - 1, draw.randrange(len(content)), draw.randrange(len(content))))
    path.write_bytes(content[:length])
    return f"{path.name} cut to {length} bytes"


def duplicate(path: Path, draw: random.Random) -> str:
    """Repeats a piece right after itself."""
    content, (start, end) = path.read_bytes(), _piece(path, draw)
    path.write_bytes(content[:end] + content[start:end] + content[end:])
    return f"bytes {start}..{end} of {path.name} twice"


def splice(path: Path, draw: random.Random) -> str:
    """Puts a piece over another place."""
    content, (start, end) = bytearray(path.read_bytes()), _piece(path, draw)
    place = draw.randrange(len(content))
    content[place : place + end - start] = content[start:end]
    path.write_bytes(content)
    return f"bytes {start}..{end} of {path.name} over {place}"


def remove_piece(path: Path, draw: random.Random) -> str:
    """Takes a piece out."""
    content, (start, end) = path.read_bytes(), _piece(path, draw)
    path.write_bytes(content[:start] + content[end:])
    return f"bytes {start}..{end} of {path.name} gone"


def zero(path: Path, draw: random.Random) -> str:
    """Zeros a piece, as a disk that lost a block does."""
    content, (start, end) = bytearray(path.read_bytes()), _piece(path, draw)
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    return f"zeros over {start}..{end} of {path.name}"


def append(path: Path, draw: random.Random) -> str:
    """Adds bytes at the end."""
    with path.open("ab") as file:
        file.write(draw.randbytes(draw.choice((1, 8, 4096))))
    return f"more bytes after {path.name}"


def exchange(path: Path, draw: random.Random) -> str:
    """Puts another file of the folder in its place."""
    others = [other for other in path.parent.rglob("*") if other.is_file() and other != path]
    other = draw.choice(sorted(others)) if others else path
    shutil.copyfile(other, path) if other != path else None
    return f"{other.name} in the place of {path.name}"


def special(path: Path, draw: random.Random) -> str:
    """Something that is no regular file, or one of another sort, in its place."""
    sort = draw.choice(
        ("fifo", "zero", "random", "sparse", "grown", "folder", "socket", "loop", "hard", "soft", "gone")
    )
    kept = path.with_name("kept-aside")
    shutil.copyfile(path, kept)
    if sort not in ("sparse", "grown"):
        path.unlink()
    if sort == "fifo":
        os.mkfifo(path)
    elif sort in ("zero", "random"):
        path.symlink_to("/dev/zero" if sort == "zero" else "/dev/urandom")
    elif sort in ("sparse", "grown"):
        with path.open("r+b") as file:
            file.truncate(0 if sort == "sparse" else None)
            file.truncate(SPARSE_BYTES)
    elif sort == "folder":
        path.mkdir()
    elif sort == "socket":
        _socket_at(path)
    elif sort == "loop":
        path.symlink_to(path)
    elif sort in ("hard", "soft"):
        os.link(kept, path) if sort == "hard" else path.symlink_to(kept)
    return f"{sort} in the place of {path.name}"


BYTES: tuple[Mutation, ...] = (flip, flip, flip, truncate, duplicate, splice, remove_piece, zero, append, exchange)
"""Damages: what is read afterwards must be what was there, or be refused or told."""


def _piece(path: Path, draw: random.Random) -> tuple[int, int]:
    size = path.stat().st_size
    start = draw.randrange(size)
    return start, min(size, start + draw.choice((1, 16, 512, 8192)))


def _socket_at(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket may have 108 bytes
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


HOSTILE: tuple[str, ...] = (
    *("null", "true", "false", "-1", "0", "1", "0.5", "-0.0", "1e-320", "1e308", "1e400", "-1e400", "NaN", "Infinity"),
    *(
        "16384",
        "65536",
        "500000000",
        "2147483648",
        "9007199254740993",
        "18446744073709551616",
        "1180591620717411303424",
    ),
    *('""', '"nan"', '"x"', '"../../../../etc/passwd"', '"/dev/zero"', '"http://127.0.0.1:9/x"', '"os:system"'),
    *(r'"\u001b]0;PWNED\u0007"', r'"\ud800"', r'"\u0000"', r'"\u202e"', '"' + "x" * 100_000 + '"', "9" * 5000),
    *("[]", "{}", "[[]]", '[""]', '{"":0}', "[" + "0," * 50_000 + "0]", "[" * 100_000 + "]" * 100_000),
    *('{"a":' * 900 + "0" + "}" * 900, '{"a":1,"a":2}', '{"$class":"Adam"}', '{"$own":"Evil"}', '{"$spec":{}}'),
)
"""JSON that stands in the place of a value."""

_MARK = "@@hostile@@"


def with_hostile_value(content: Any, draw: random.Random) -> tuple[str, str]:
    """A JSON text in which one value is a hostile one, a key is gone, or there is one more; and what was done."""
    copy = json.loads(json.dumps(content))
    holders = [holder for holder in _holders(copy) if holder]
    holder = draw.choice(holders[: 1 + draw.randrange(len(holders))])
    key = draw.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    how, value = draw.random(), draw.choice(HOSTILE)
    if how < 0.08:
        del holder[key]
        return json.dumps(copy), f"{key} gone"
    if how < 0.14 and isinstance(holder, dict):
        holder["surprise"] = _MARK
        key = "surprise"
    else:
        holder[key] = _MARK
    return json.dumps(copy).replace(f'"{_MARK}"', value), f"{key} = {value[:40]}"


def _holders(value: Any) -> list[Any]:
    """Every list and object in a value, the outermost first."""
    found, waiting = [], [value]
    while waiting:
        holder = waiting.pop(0)
        if isinstance(holder, (dict, list)):
            found.append(holder)
            waiting += holder.values() if isinstance(holder, dict) else holder[:20]
    return found


def hostile_json(path: Path, draw: random.Random) -> str:
    """A hostile value in a sealed file, under a seal that fits as far as there can be one."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content.pop("sha256", None)
    text, what = with_hostile_value(content, draw)
    write_with_seal(path, text)
    return f"{path.name}: {what}"


def write_with_seal(path: Path, text: str) -> None:
    """Writes an object's JSON with its own checksum, where the library can make one; as it stands otherwise."""
    try:
        write_sealed(path, json.loads(text))
    except (ValueError, RecursionError):
        path.write_text('{"sha256": "0", ' + text.lstrip()[1:], encoding="utf-8")


def hostile_tensors(path: Path, draw: random.Random) -> str:
    """Another type, shape, name or value of a tensor, or other metadata, under a checksum that fits."""
    tensors, metadata = read_tensors(path)
    metadata.pop("sha256")
    names = sorted(name for name in tensors if tensors[name].numel()) or ["none"]
    name, how = draw.choice(names), draw.randrange(9)
    tensor = tensors.get(name, torch.zeros(1))
    if how == 0:
        kinds = (torch.int8, torch.bool, torch.bfloat16, torch.float16, torch.float64, torch.int64)
        tensors[name] = tensor.to(draw.choice(kinds))
    elif how == 1 and tensor.is_floating_point():
        tensors[name] = torch.full_like(tensor, draw.choice((float("nan"), float("inf"))))
    elif how == 2:
        tensors[name] = tensor.reshape(-1)[None]
    elif how == 3:
        tensors.pop(name, None)
    elif how == 4:
        tensors[draw.choice(("extra", "\x1b[2J", "a" * 10_000))] = tensor.clone()
    elif how == 5:
        tensors[name] = tensor.reshape(-1)[:1].clone()
    elif how == 6 and metadata:
        metadata[draw.choice(sorted(metadata))] = draw.choice(("", "-1", "\x1b]0;x\x07", "9" * 5000, "x" * 100_000))
    elif how == 7:
        metadata = {}
    else:
        tensors = {}
    write_tensors(path, tensors, metadata)
    return f"{path.name}: {name} in way {how} ({digest(tensors)[:8]})"


def seal_checkpoint(folder: Path) -> None:
    """Gives a checkpoint's manifest the checksums of its files, so that what they say is looked at."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest.pop("sha256", None)
    manifest["files"] = {name: file_sha256(folder / name) for name in manifest["files"]}
    write_sealed(folder / "manifest.json", manifest)
