"""Where observations come from. Importing it is light and registers our environments' ids, nothing else."""

from typing import TYPE_CHECKING

from ..perception.registry import lazy_names
from .live.registration import register_live
from .rooms.registration import register_rooms

if TYPE_CHECKING:
    from .adapters.babyai import BabyAISenses as BabyAISenses
    from .adapters.babyai import make_babyai as make_babyai
    from .adapters.generic import adapt as adapt
    from .live.bodies.registry import register_body as register_body
    from .live.sensors.registry import register_source as register_source
    from .registry import EnvEntry as EnvEntry
    from .registry import known as known
    from .registry import make as make
    from .rooms.levels.twins import twin_of as twin_of
    from .rooms.registration import register_level as register_level
    from .wrappers import OutageProcess as OutageProcess
    from .wrappers import SensorOutages as SensorOutages
    from .wrappers import WithoutSenses as WithoutSenses

_HOMES = {
    "adapters.babyai": ("BabyAISenses", "make_babyai"),
    "adapters.generic": ("adapt",),
    "live.bodies.registry": ("register_body",),
    "live.sensors.registry": ("register_source",),
    "registry": ("EnvEntry", "known", "make"),
    "rooms.registration": ("register_level",),
    "rooms.levels.twins": ("twin_of",),
    "wrappers": ("OutageProcess", "SensorOutages", "WithoutSenses"),
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)

register_rooms()
register_live()
