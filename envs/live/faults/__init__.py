"""Faults as data, and a scripted sensor that has them: what tests and rehearsals break."""

from ....perception.registry import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "faults": (
            "ChangesSize",
            "ChangesType",
            "ClockDrifts",
            "ClockJumps",
            "ComesInBursts",
            "DigitalSilence",
            "Ends",
            "Fault",
            "Frozen",
            "Hangs",
            "Late",
            "NotFinite",
            "NotInstalled",
            "OpensSlowly",
            "OutOfOrder",
            "OutOfRange",
            "Overflows",
            "Raises",
            "Repeats",
            "Stall",
            "Take",
            "Unplugged",
            "WrongRate",
        ),
        "scripted": ("Script", "ScriptedSensor"),
    },
)
