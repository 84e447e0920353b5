"""What a command can be told, as frozen dataclasses that check themselves; one field is one option."""

from .base import Section, Settings
from .several import Names, Numbers, Pairs
from .values import Choice, Device, FileName, Hidden, Number, OneOf, Switch, Text, Value, Whole, Word

__all__ = [
    "Choice",
    "Device",
    "FileName",
    "Hidden",
    "Names",
    "Number",
    "Numbers",
    "OneOf",
    "Pairs",
    "Section",
    "Settings",
    "Switch",
    "Text",
    "Value",
    "Whole",
    "Word",
]
