"""Live sensors as a Gymnasium environment: each with a clock, an age and a mask; none of them can stop the loop.

Importing it is light; what is used is imported then. Read in this order: reading.py and clock.py, source.py and
sensor.py (a device and who keeps it alive), align.py (one tick), rig.py (the environment), faults.py (what goes wrong).
"""

from typing import TYPE_CHECKING

from ...perception.registry import lazy_names, moved_modules

if TYPE_CHECKING:
    from .backoff import Patience as Patience
    from .bodies.actuators import Actuator as Actuator
    from .bodies.actuators import CallbackActuator as CallbackActuator
    from .bodies.actuators import Command as Command
    from .bodies.actuators import JsonLinesActuator as JsonLinesActuator
    from .bodies.actuators import UdpActuator as UdpActuator
    from .bodies.simulated import BodyActuator as BodyActuator
    from .clock import Clock as Clock
    from .clock import SystemClock as SystemClock
    from .clock import VirtualClock as VirtualClock
    from .faults.scripted import Script as Script
    from .faults.scripted import ScriptedSensor as ScriptedSensor
    from .reading import Event as Event
    from .reading import Reading as Reading
    from .rig import LiveRig as LiveRig
    from .sensor import Sensor as Sensor
    from .sensor import ThreadedSensor as ThreadedSensor
    from .sensors.open import make_live as make_live
    from .sensors.open import open_sensors as open_sensors
    from .source import Source as Source
    from .source import SourceEndedError as SourceEndedError
    from .source import SourceError as SourceError

_HOMES = {
    "bodies.actuators": ("Actuator", "CallbackActuator", "Command", "JsonLinesActuator", "UdpActuator"),
    "sensors.open": ("make_live", "open_sensors"),
    "bodies.simulated": ("BodyActuator",),
    "clock": ("Clock", "SystemClock", "VirtualClock"),
    "backoff": ("Patience",),
    "reading": ("Event", "Reading"),
    "rig": ("LiveRig",),
    "faults.scripted": ("Script", "ScriptedSensor"),
    "sensor": ("Sensor", "ThreadedSensor"),
    "source": ("Source", "SourceEndedError", "SourceError"),
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)

moved_modules(
    __name__,
    {
        "actuators": (".bodies.actuators",),
        "addresses": (".sensors.open",),
        "body": (".bodies.simulated",),
        "camera": (".sensors.camera",),
        "feeds": (".sensors.feeds",),
        "instruction": (".sensors.instruction",),
        "microphone": (".sensors.microphone",),
        "patience": (".backoff",),
        "phrases": (".sensors.phrases",),
        "recogniser": (".sensors.recogniser",),
        "replay": (".sessions.replay",),
        "scripted": (".faults.scripted",),
        "session": (".sessions.session",),
        "speech": (".sensors.speech",),
    },
)
