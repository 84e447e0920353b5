"""The values of options as people write them on the command line. Nothing heavy is imported here."""

import argparse
import json
from typing import Any


def whole_number(text: str) -> int:
    """Reads 300000, 300_000 or 3e5."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
        if number != int(number):
            raise ValueError
        return int(number)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"must be a whole number; got {text!r}") from None


def decimal_number(text: str) -> float:
    """Reads 0.001 or 1e-3."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number; got {text!r}") from None


def key_value(text: str) -> tuple[str, Any]:
    """Reads key=value, where the value is JSON (12, true, 0.5) or else a plain text."""
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise argparse.ArgumentTypeError(f"must be key=value; got {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def name_and_weight(text: str) -> tuple[str, float]:
    """Reads NAME=WEIGHT, contrastive=0.5, say."""
    name, equals, weight = text.partition("=")
    try:
        if not equals or not name:
            raise ValueError
        return name, float(weight)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be NAME=WEIGHT, contrastive=0.5, say; got {text!r}") from None


def sense_seconds(text: str) -> tuple[str, float]:
    """Reads SENSE=SECONDS, camera=0.5, say."""
    sense, equals, seconds = text.partition("=")
    try:
        if not equals or not sense.isidentifier():
            raise ValueError
        return sense, float(seconds)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be SENSE=SECONDS, camera=0.5, say; got {text!r}") from None


def name_and_perhaps_weight(text: str) -> tuple[str, float]:
    """Reads NAME=WEIGHT, or NAME alone, whose weight is 1."""
    return name_and_weight(text if "=" in text else f"{text}=1")
