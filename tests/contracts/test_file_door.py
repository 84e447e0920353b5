"""Every file that may be somebody else's is opened by `perception/checks/files.py`, and JSON is parsed strictly.

The check reads the sources; it is itself tested on code that goes beside the door.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("perception", "envs", "policies", "agent")
DOOR = ("perception/checks/files.py", "perception/checks/plain_json.py")

READERS = {"read_text", "read_bytes", "safe_open", "load_file", "fromfile", "memmap", "genfromtxt", "loadtxt"}
"""Calls that read a file, whatever they are called on."""

ALLOWED = {
    "perception/files.py": {
        "safe_open": "behind the door: it gets the name of the file that the door has opened",
    },
    "perception/checks/whole_files.py": {"open": "x: writes a file that is new"},
    "perception/data/build_tokenizer.py": {"*": "makes the packaged file; nobody runs it but a developer"},
    "envs/rooms/sound/data/build_speech.py": {"*": "makes the packaged files; nobody runs it but a developer"},
    "envs/rooms/sound/recordings.py": {"av.open": "sounds of the package itself"},
    "envs/live/sensors/decoding/container.py": {"av.open": "a clip that the user names; FFmpeg opens it"},
    "envs/datasets/lerobot/video.py": {"av.open": "a dataset that the user names, whose files were looked at before"},
    "envs/datasets/lerobot/reader.py": {"json.loads": "what the door has read; statistics may be NaN"},
    "envs/datasets/minari/checks.py": {"json.loads": "what the door has read; limits of spaces may be infinite"},
    "envs/live/sensors/decoding/decoder.py": {"json.loads": "what the parent process writes on a pipe"},
    "envs/live/sensors/child.py": {"json.loads": "what the child process writes on a pipe"},
    "envs/live/sensors/instructions/recogniser.py": {"json.loads": "what the parent process writes on a pipe"},
    "agent/settings/several.py": {"json.loads": "what the user types"},
    "policies/saving/environment_facts.py": {"json.loads": "what it has just written"},
    "agent/train/metrics.py": {"open": "a: goes on writing the table that was written anew just before"},
    "agent/show/film.py": {"av.open": "writes a video"},
}
"""File -> call -> why it may."""

OWN_OPENS = (
    "RunDirectory",
    "ExportedRun",
    "Place",
    "feed",
    "source",
    "_own",
    "_actuator",
    "self",
    "cls",
    "_decoder",
    "_playback",
)
"""What has a method `open` of its own, which opens no file by a path; those files are looked at themselves."""


def beside_the_door(source: str) -> list[tuple[int, str]]:
    """(line, call) of every call that opens or parses a file by another way than the door's."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
        last = owner.split(".")[-1].split("(")[0]
        if name in READERS:
            found.append((node.lineno, name))
        elif name in ("loads", "load") and last == "json":
            found.append((node.lineno, f"json.{name}"))
        elif name == "open" and last in ("av", "_av", "wave"):
            found.append((node.lineno, "av.open"))
        elif name == "open" and last == "os":
            if not _writes_by_flags(node):
                found.append((node.lineno, "os.open"))
        elif name == "open" and last not in OWN_OPENS:
            found.append((node.lineno, "open"))
    return found


def _writes_by_flags(call: ast.Call) -> bool:
    """Whether `os.open` is for a folder that is synchronised or locked, for the null device, or for writing."""
    text = ast.unparse(call)
    return any(word in text for word in ("O_WRONLY", "O_DIRECTORY", "flags", "os.open(folder, os.O_RDONLY)"))


SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_opened_beside_the_door(path):
    name = str(path.relative_to(ROOT))
    if name in DOOR:
        return
    allowed = ALLOWED.get(name, {})
    beside = beside_the_door(path.read_text(encoding="utf-8"))
    assert [(line, call) for line, call in beside if call not in allowed and "*" not in allowed] == []


def test_what_is_allowed_is_still_there():
    for name, calls in ALLOWED.items():
        found = {call for _, call in beside_the_door((ROOT / name).read_text(encoding="utf-8"))}
        assert calls.keys() - {"*"} <= found, f"{name} needs no leave for {sorted(calls.keys() - found)} any more"


@pytest.mark.parametrize(
    "source",
    [
        "path.read_text()",
        "(folder / 'config.json').read_bytes()",
        "with open(path) as file: pass",
        "Path(name).open('rb')",
        "(folder / 'x').open()",
        "import json\njson.loads(text)",
        "import json\njson.load(file)",
        "from safetensors import safe_open\nsafe_open(path)",
        "from safetensors.torch import load_file\nload_file(path)",
        "import os\nos.open(path, os.O_RDONLY)",
        "import av\nav.open(path)",
        "np.fromfile(path)",
    ],
)
def test_a_way_beside_the_door_is_found(source):
    assert len(beside_the_door(source)) == 1


@pytest.mark.parametrize(
    "source", ["RunDirectory.open(path)", "self.feed.open(clock)", "open_regular(path, 1)", "read_json(path)"]
)
def test_the_door_itself_and_what_opens_no_file_pass(source):
    assert beside_the_door(source) == []
