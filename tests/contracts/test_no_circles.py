"""No circle of imports stands anywhere: not between modules, and not between what lies in one folder.

The check reads the sources, late imports and those for type checkers alone included. Doors are exempt: what a
`Registry` names as "module:Class" is imported when somebody asks for it, and may use the table that it stands in.
`circles` is itself tested.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("perception", "envs", "policies", "agent")
Graph = dict[str, set[str]]


def module_name(path: Path) -> str:
    """perception/fusion/__init__.py -> "perception.fusion"."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, path: Path, known: set[str]) -> Iterator[str]:
    """The modules in `known` that a module imports, by any statement anywhere in it.

    The package that a module itself lies in does not count: importing `a.b` runs `a/__init__.py` in any case.
    """
    package = path.parent.parts
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = package[: len(package) - (node.level - 1)]
        target = ".".join([*base, *filter(None, [node.module])])
        for alias in node.names:
            found = f"{target}.{alias.name}".lstrip(".")
            found = found if found in known else target
            if found in known and not module_name(path).startswith(f"{found}."):
                yield found


def graph_of(sources: Mapping[Path, str]) -> Graph:
    """Module -> the modules that it imports. `__main__` is started, and imported by nobody."""
    known = {module_name(path) for path in sources}
    return {
        module_name(path): set(imported(source, path, known)) - {module_name(path)}
        for path, source in sources.items()
        if path.name != "__main__.py"
    }


def within(graph: Graph, folder: str) -> Graph:
    """The same arrows between what lies directly in a folder: its modules, and its folders as one place each."""
    depth = folder.count(".") + 2 if folder else 1

    def place(module: str) -> str | None:
        is_inside = not folder or module.startswith(f"{folder}.")
        return ".".join(module.split(".")[:depth]) if is_inside else None

    places: Graph = {}
    for module, targets in graph.items():
        if (own := place(module)) is not None:
            found = {place(target) for target in targets}
            places.setdefault(own, set()).update(target for target in found if target not in (None, own))
    return places


def circles(graph: Graph) -> list[str]:
    """Groups of places that can all be reached from each other (Tarjan 1972), as "a, b, c"."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(place: str) -> None:
        index[place] = lowest[place] = len(index)
        stack.append(place)
        for target in sorted(graph.get(place, ())):
            if target not in index:
                visit(target)
                lowest[place] = min(lowest[place], lowest[target])
            elif target in stack:
                lowest[place] = min(lowest[place], index[target])
        if lowest[place] == index[place]:
            group = stack[stack.index(place) :]
            del stack[stack.index(place) :]
            if len(group) > 1:
                found.append(", ".join(sorted(group)))

    for place in sorted(graph):
        if place not in index:
            visit(place)
    return found


SOURCES = {
    path.relative_to(ROOT): path.read_text(encoding="utf-8")
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
GRAPH = graph_of(SOURCES)
FOLDERS = sorted({"", *(".".join(path.parent.parts) for path in SOURCES)})


def test_no_module_is_imported_by_what_it_imports():
    assert circles(GRAPH) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_in_a_folder_is_imported_by_what_it_imports(folder):
    assert circles(within(GRAPH, folder)) == []


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({"a/x.py": "from .y import f", "a/y.py": ""}, []),
        ({"a/x.py": "from .y import f", "a/y.py": "from .x import g"}, ["a.x, a.y"]),
        ({"a/x.py": "from . import y", "a/y.py": "def late():\n    from .x import g"}, ["a.x, a.y"]),
        ({"a/x.py": "if TYPE_CHECKING:\n    from .y import f", "a/y.py": "from .x import g"}, ["a.x, a.y"]),
        ({"a/x.py": "from .y import f", "a/y.py": "from .z import f", "a/z.py": "from .x import f"}, ["a.x, a.y, a.z"]),
        ({"a/__init__.py": "from .x import f", "a/x.py": "from . import g"}, []),
    ],
)
def test_a_circle_of_modules_is_found(sources, expected):
    assert circles(graph_of({Path(path): source for path, source in sources.items()})) == expected


def test_a_circle_of_folders_is_found_where_no_module_is_in_one():
    sources = {"a/b/x.py": "from ..c.x import f", "a/c/x.py": "", "a/c/y.py": "from ..b.y import f", "a/b/y.py": ""}
    graph = graph_of({Path(path): source for path, source in sources.items()})
    assert circles(graph) == []
    assert circles(within(graph, "a")) == ["a.b, a.c"]
