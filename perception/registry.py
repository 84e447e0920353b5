"""`Registry`: a table of names that somebody chooses from, each imported when it is asked for.

Every choice of the toolkit is one: fusions, encoders, objectives, memories, levels, sources, trainers, commands.
Listing the names imports nothing. A user's own joins by `register`, or by an entry point of an installed package in the
group `senseweave.<plural>`; files (runs, recordings, configurations) name no code and can add nothing.
"""

import importlib
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from importlib import metadata
from importlib.machinery import ModuleSpec
from typing import Any, Generic, TypeVar

from .errors import ConfigError, MissingExtraError, SenseweaveError, unknown_name

Target = TypeVar("Target")

_READING = threading.RLock()
"""Held while a table reads entry points: a second thread waits until the names are there."""


class Registry(MutableMapping[str, Target], Generic[Target]):
    """Name -> what it stands for: a class or a function, imported on first use.

    Args:
        kind: what is chosen, in the singular, for messages and for the group of entry points: "fusion" reads
            `senseweave.fusions`, "memory" `senseweave.memories`.
        targets: name -> the thing itself, or "module:Name".
        package: what a module that begins with a dot is relative to, the `__package__` of the module with the table.

    Example:
        FUSIONS = Registry("fusion", {"early": ".early:EarlyFusion"}, __package__)
        FUSIONS.names  # ("early",), nothing is imported
        FUSIONS["early"]  # the class
        FUSIONS.register("mean", MeanFusion)

    In an installed package's pyproject.toml:
        [project.entry-points."senseweave.fusions"]
        mean = "my_package.fusions:MeanFusion"
    """

    def __init__(self, kind: str, targets: Mapping[str, Target | str], package: str | None = None) -> None:
        self.kind = kind
        self.group = "senseweave." + _plural(kind).replace(" ", "_")
        self._package = package
        self._targets: dict[str, Any] = dict(targets)
        self._has_read_entry_points = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names that are known without looking for other packages' entry points, in the table's order."""
        return tuple(self._targets)

    def all_names(self) -> tuple[str, ...]:
        """Every name, those of installed packages' entry points included; nothing is imported."""
        self._read_entry_points()
        return self.names

    def register(self, name: str, target: Target | str) -> None:
        """Adds a choice.

        Args:
            name: of the choice, as users type it.
            target: the class or function, or "module:Name" of it.

        Raises:
            ConfigError: the name is taken, or is no text.
        """
        if not isinstance(name, str) or not name:
            raise ConfigError(f"The name of a {self.kind} must be a text; got {name!r}.")
        if name in self._targets and not self._stands_for(name, target):
            raise ConfigError(f'There is a {self.kind} "{name}" already; register yours under another name.')
        self._targets[name] = target

    def require(self, name: str) -> None:
        """Checks that there is such a choice, without importing it.

        Raises:
            UnknownNameError: there is none.
        """
        if name not in self:
            raise unknown_name(f"The {self.kind}", str(name), self._targets)

    def __getitem__(self, name: str) -> Target:
        self.require(name)
        target = self._targets[name]
        if isinstance(target, str):
            target = self._targets[name] = self._load(name, target)
        return target

    def __setitem__(self, name: str, target: Target | str) -> None:
        self._targets[name] = target

    def __delitem__(self, name: str) -> None:
        del self._targets[name]

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):  # a value out of JSON may be anything, lists included
            return False
        if name not in self._targets:
            self._read_entry_points()
        return name in self._targets

    def __iter__(self) -> Iterator[str]:
        return iter(self._targets)

    def __len__(self) -> int:
        return len(self._targets)

    def __repr__(self) -> str:
        return f"Registry({self.kind!r}, {', '.join(self._targets)})"

    def _stands_for(self, name: str, target: Any) -> bool:
        """Whether a name has this very target already, so that a module may be run twice."""
        known = self._targets[name]
        return known is target or (isinstance(known, str) and known == target)

    def _load(self, name: str, target: str) -> Any:
        module, _, attribute = target.partition(":")
        if module.startswith(".") and self._package is None:
            raise ConfigError(
                f'The {self.kind} "{name}" is at {target}, but its table has no `package`; name the module whole.'
            )
        try:
            found = importlib.import_module(module, self._package)
        except ModuleNotFoundError as error:
            raise MissingExtraError(f'The {self.kind} "{name}" needs {error.name}, which is not installed.') from error
        except Exception as error:
            if module.startswith(".") or isinstance(error, SenseweaveError):
                raise  # ours, and so a fault
            raise ConfigError(
                f'The {self.kind} "{name}" cannot be imported from {target} ({type(error).__name__}: {error}); '
                "fix or uninstall that package."
            ) from error
        try:
            return getattr(found, attribute)
        except AttributeError as error:
            raise ConfigError(f'The {self.kind} "{name}" is to be found at {target}, but is not there.') from error

    def _read_entry_points(self) -> None:
        """Adds what installed packages declare; ours go before theirs, and the first of two with one name is taken."""
        with _READING:
            if self._has_read_entry_points:
                return
            taken = []
            for point in metadata.entry_points(group=self.group):
                if point.name in self._targets:
                    taken.append(point)
                else:
                    self._targets[point.name] = point.value
            self._has_read_entry_points = True
        for point in taken:  # at the end, as a warning may be an error
            warnings.warn(
                f'"{point.name}" of {self.group} is declared by {point.value}, but the name is taken; that one '
                "is left out.",
                stacklevel=4,
            )


def _plural(word: str) -> str:
    if word.endswith("y"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith("s") else "s")


def lazy_names(
    package: str, homes: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package whose names are imported on first use.

    Args:
        package: its `__name__`.
        homes: module, relative to the package -> the names that it defines.
    """
    home_of = {name: module for module, names in homes.items() for name in names}
    names = sorted(home_of)

    def get(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f".{home_of[name]}", package), name)

    return get, lambda: names, names


class _MovedModule(types.ModuleType):
    """Stands where a module was: its names come from the modules where they are now."""

    def __init__(self, name: str, package: str, homes: tuple[str, ...]) -> None:
        super().__init__(name, f"Moved to {', '.join(homes)}.")
        self.__spec__ = ModuleSpec(name, None)  # `importlib.util.find_spec` refuses a module without one
        self._package, self._homes = package, homes

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python asks of every module
            raise AttributeError(name)
        for home in self._homes:
            module = importlib.import_module(home, self._package)
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}; it moved to {self._homes}")


def moved_modules(package: str, homes: Mapping[str, tuple[str, ...]]) -> None:
    """Keeps documented import paths of an earlier release alive; nothing is imported before a name is asked for.

    Args:
        package: the `__name__` of the package that they were in.
        homes: the old module, relative to the package -> where its names are now, relative to the package, too.
    """
    for old, new in homes.items():
        name = f"{package}.{old}"
        if name not in sys.modules:
            sys.modules[name] = _MovedModule(name, package, new)
            setattr(importlib.import_module(package), old, sys.modules[name])  # as importing it would have done
