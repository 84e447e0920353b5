"""The checks that every package shares: a whole number, a number, a text, a device.

Each takes a setting's name and its value, and raises one sentence: field, rule, value got. A name that chooses from a
table is checked by the table itself (`Registry.require`). torch is imported only where a device is looked for, so that
the command line and the environments can use the rest for free.
"""

import math
import re
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError

if TYPE_CHECKING:
    import torch


def require_whole(
    field: str,
    value: Any,
    low: int | None = None,
    high: int | None = None,
    *,
    of: str = "",
    why: str = "",
    error: type[Exception] = ConfigError,
) -> int:
    """A whole number in low..high. numpy's integers are some; True and False are none.

    Args:
        field: the setting's name.
        value: what was given.
        low: the least value; None for no end.
        high: the greatest; None for no end. It needs `low`.
        of: what has that setting, where the name alone would not say: "RoomsEars".
        why: what the range depends on: "for `room_size` 8".
        error: what is raised.

    Returns:
        The value as an int.

    Raises:
        ConfigError: it is no such number.
    """
    number = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None
    if number is None or (low is not None and number < low) or (high is not None and number > high):
        ends = "" if low is None else f" of at least {low}" if high is None else f" in {low}..{high}"
        raise error(_sentence(field, of, f"a whole number{ends} {why}".rstrip(), value))
    return number


def require_number(
    field: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    of: str = "",
    hint: str = "",
) -> None:
    """A finite number within bounds. True and False are none.

    Args:
        field: the setting's name.
        value: what was given.
        above: the lower bound, itself excluded.
        at_least: the lower bound, itself allowed.
        at_most: the upper bound, itself allowed.
        below: the upper bound, itself excluded.
        of: what has that setting, where the name alone would not say.
        hint: the next step, as a sentence.

    Raises:
        ConfigError: it is no such number.
    """
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    is_within = (
        math.isfinite(number)
        and (above is None or number > above)
        and (at_least is None or number >= at_least)
        and (at_most is None or number <= at_most)
        and (below is None or number < below)
    )
    if not is_within:
        raise ConfigError(_sentence(field, of, _range(above, at_least, at_most, below), value, hint))


def _range(above: float | None, at_least: float | None, at_most: float | None, below: float | None) -> str:
    """The bounds in words: "in 0..1, 1 excluded", "above 0"."""
    low, high = (above if at_least is None else at_least), (below if at_most is None else at_most)
    if low is not None and high is not None:
        excluded = "".join(f", {bound:g} excluded" for bound in (above, below) if bound is not None)
        return f"in {low:g}..{high:g}{excluded}"
    if low is not None:
        return f"above {low:g}" if at_least is None else f"at least {low:g}"
    return "a finite number" if high is None else f"at most {high:g}" if below is None else f"below {high:g}"


def _sentence(field: str, of: str, rule: str, value: Any, hint: str = "") -> str:
    owner = f" of {of}" if of else ""
    return f"`{field}`{owner} must be {rule}; got {value!r}.{f' {hint}' if hint else ''}"


def require_utf8(what: str, text: str) -> str:
    """A text that is UTF-8, as what is given to libraries and written into files must be.

    A file's name need not be: Python keeps the bytes that are none as lone surrogates, on which C++ and Rust crash.

    Args:
        what: it is, the subject of the sentence: "`out`".
        text: the text.

    Returns:
        It, as it was.

    Raises:
        ConfigError: it is not.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = text.encode("utf-8", "backslashreplace").decode()
        raise ConfigError(f'{what} must be UTF-8; got "{shown}". Rename it, or use a UTF-8 locale.') from None
    return text


def require_device(name: Any) -> None:
    """Checks that a device is auto, cpu, cuda or cuda:N. Whether it is there is seen when it is chosen.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(name, str) or not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise ConfigError(f'`device` must be "auto", "cpu", "cuda" or "cuda:N"; got {name!r}.')


def choose_device(name: "str | torch.device") -> "torch.device":
    """Turns "auto" into CUDA where it is there, and the CPU elsewhere.

    Raises:
        ConfigError: no device has that name, or it is not here.
    """
    import torch

    require_device(str(name))
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f'`device` "{device}" is not here: torch sees {torch.cuda.device_count()} CUDA devices. Take "auto", and '
            "run `senseweave doctor`."
        )
    return device
