"""Where observations come from. Importing it is light and registers our environments' ids, nothing else."""

import importlib
from typing import TYPE_CHECKING, Any

from .live.registration import register_live
from .rooms.registration import register_rooms

if TYPE_CHECKING:
    from .adapters.babyai import BabyAISenses as BabyAISenses
    from .adapters.babyai import make_babyai as make_babyai
    from .adapters.generic import adapt as adapt
    from .registry import EnvEntry as EnvEntry
    from .registry import known as known
    from .registry import make as make
    from .wrappers import OutageProcess as OutageProcess
    from .wrappers import SensorOutages as SensorOutages
    from .wrappers import WithoutSenses as WithoutSenses

_HOMES = {
    "adapters.babyai": ("BabyAISenses", "make_babyai"),
    "adapters.generic": ("adapt",),
    "registry": ("EnvEntry", "known", "make"),
    "wrappers": ("OutageProcess", "SensorOutages", "WithoutSenses"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

register_rooms()
register_live()

__all__ = sorted(_HOME_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
