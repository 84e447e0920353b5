"""A dictionary of modules under any modality's name; torch's `ModuleDict` refuses names such as "values" or "type"."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar, cast

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


class NamedModules(nn.Module, Generic[Module]):
    """Sub-modules by name, in the order given; the names appear unchanged in the state dict."""

    def __init__(self, modules: Mapping[str, Module]) -> None:
        super().__init__()
        self._modules.update(modules)

    def __getitem__(self, name: str) -> Module:
        return cast(Module, self._modules[name])

    def items(self) -> Iterator[tuple[str, Module]]:
        """Pairs of name and module."""
        return iter(cast(dict[str, Module], self._modules).items())
