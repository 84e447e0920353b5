"""`ByKind`: a registry whose names are kinds, and whose answer for a kind is that of its nearest ancestor."""

from collections.abc import Mapping
from typing import TypeVar

from ..registry import Registry
from . import KINDS
from .base import Kind

Target = TypeVar("Target")


class ByKind(Registry[Target]):
    """Kind -> what reads, draws or keeps it. The keys are names of kinds; the class itself will do as well.

    A class without a name in `KINDS` goes by its whole name, so that no stranger is taken for one of ours.

    Args:
        kind: see `Registry`.
        targets: see `Registry`; "Kind" holds for every kind that has none of its own.
        package: see `Registry`.

    Example:
        ENCODERS = ByKind("encoder", {"Camera": ".camera:CameraEncoder"}, __package__)
        ENCODERS[Odour] = OdourEncoder
        ENCODERS.nearest(Odour(8))  # OdourEncoder, also for a kind that inherits from Odour
    """

    def __init__(self, kind: str, targets: Mapping[str, Target | str], package: str | None = None) -> None:
        super().__init__(kind, targets, package)

    def nearest(self, kind: Kind, *, unless_own: str | None = None) -> Target | None:
        """What its class has, or the nearest of the classes that it inherits from; None if none has anything.

        Args:
            kind: who asks.
            unless_own: a method; a class that defines it knows better than what its ancestors have here.
        """
        for ancestor in type(kind).__mro__:
            if ancestor in self:
                return self[ancestor]
            if unless_own in vars(ancestor) or ancestor is Kind:
                return None
        return None

    def __getitem__(self, kind: type[Kind] | str) -> Target:
        return super().__getitem__(self._name(kind))

    def __setitem__(self, kind: type[Kind] | str, target: Target | str) -> None:
        super().__setitem__(kind if isinstance(kind, str) else _whole_name(kind), target)

    def __delitem__(self, kind: type[Kind] | str) -> None:
        super().__delitem__(self._name(kind))

    def __contains__(self, kind: object) -> bool:
        return super().__contains__(self._name(kind) if isinstance(kind, type) else kind)

    def _name(self, kind: type | str) -> str:
        if isinstance(kind, str):
            return kind
        whole = _whole_name(kind)
        return kind.__name__ if whole not in self._targets and _is_known(kind) else whole


def _whole_name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _is_known(kind: type) -> bool:
    """Whether this class is what its name stands for in `KINDS`."""
    return kind is Kind or (kind.__name__ in KINDS and _whole_name(KINDS[kind.__name__]) == _whole_name(kind))
