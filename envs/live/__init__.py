"""Live sensors as a Gymnasium environment: each with a clock, an age and a mask; none of them can stop the loop.

From a device to the policy and on to the body, in the order of the files:

    sensors/open.py     "0", "clip.wav", "zed:0": an address and a kind -> a sensor
         |
    a device's thread                                            one attempt after another (backoff.py: when)
    +----------------------------------------------------+
    |  source.py      Source: open, read, close          |       one class a device: in sensors/cameras/,
    |       |                                            |       microphones/, instructions/... or yours;
    |       |                                            |       sensors/child.py: what may crash, in its own process
    |  reading.py     Reading: content, capture time     |
    |       |                                            |
    |  sensor.py      ThreadedSensor: keeps it alive     |
    |       |                                            |
    |  inbox.py       Inbox: lets good readings in       |---->  sessions/recorder.py: every reading, as it came
    +-------|--------------------------------------------+
            |  newest reading, at once                           the loop never waits for a device
    the loop, by clock.py
    +-------|--------------------------------------------+
    |  align.py       Aligner: hold, age, mask           |       event_limiter.py: no flood of events
    |       |         -> Moment: observation, ages...    |
    |  rig.py         LiveRig: a Gymnasium environment   |       timing.py: how punctual; watchdog.py: who hangs
    |       |                                            |
    |       +-> observation -> policy -> action -+       |
    |                                            |       |
    |  bodies/safety.py    the action, or the safe one   |
    |       |                                            |
    |  bodies/        Actuator: file, UDP, simulator     |       or your robot
    |       |                                            |
    |  tick.py        Tick: all of this turn             |---->  sessions/, the report, the status line: observers
    +----------------------------------------------------+

faults/ breaks devices on purpose; sessions/ writes all of it to a file and plays it again. Importing this package is
light: what is used is imported then.
"""

from typing import TYPE_CHECKING

from ...perception.registry import lazy_names, moved_modules

if TYPE_CHECKING:
    from .backoff import Backoff as Backoff
    from .backoff import Patience as Patience
    from .bodies.actuators import Actuator as Actuator
    from .bodies.actuators import Body as Body
    from .bodies.actuators import CallbackActuator as CallbackActuator
    from .bodies.actuators import Command as Command
    from .bodies.actuators import JsonLinesActuator as JsonLinesActuator
    from .bodies.actuators import UdpActuator as UdpActuator
    from .bodies.registry import BODIES as BODIES
    from .bodies.registry import register_body as register_body
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
    from .sensors.registry import SOURCES as SOURCES
    from .sensors.registry import register_source as register_source
    from .source import Source as Source
    from .source import SourceEndedError as SourceEndedError
    from .source import SourceError as SourceError

_HOMES = {
    "backoff": ("Backoff", "Patience"),
    "bodies.actuators": ("Actuator", "Body", "CallbackActuator", "Command", "JsonLinesActuator", "UdpActuator"),
    "bodies.registry": ("BODIES", "register_body"),
    "bodies.simulated": ("BodyActuator",),
    "clock": ("Clock", "SystemClock", "VirtualClock"),
    "faults.scripted": ("Script", "ScriptedSensor"),
    "reading": ("Event", "Reading"),
    "rig": ("LiveRig",),
    "sensor": ("Sensor", "ThreadedSensor"),
    "sensors.open": ("make_live", "open_sensors"),
    "sensors.registry": ("SOURCES", "register_source"),
    "source": ("Source", "SourceEndedError", "SourceError"),
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)

# Paths that documents of release 0.1 used, and what was here later.
moved_modules(
    __name__,
    {
        "actuators": (".bodies.actuators",),
        "addresses": (".sensors.open",),
        "body": (".bodies.simulated",),
        "camera": (".sensors.cameras.camera",),
        "child": (".sensors.child",),
        "feeds": (".sensors.microphones.feeds",),
        "instruction": (".sensors.instructions.instruction",),
        "microphone": (".sensors.microphones.microphone",),
        "patience": (".backoff",),
        "phrases": (".sensors.instructions.phrases",),
        "recogniser": (".sensors.instructions.recogniser",),
        "replay": (".sessions.replay",),
        "safety": (".bodies.safety",),
        "scripted": (".faults.scripted",),
        "session": (".sessions.session",),
        "speech": (".sensors.instructions.speech",),
    },
)
