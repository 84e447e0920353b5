"""What travels between a rig and a policy server: msgpack maps of numbers, strings, bytes and lists, strictly read.

Nothing that is received can become an object: extension types and timestamps are refused, arrays are bytes whose dtype
and shape must be those of the Spec, and whatever is too long, too deep or not expected is a `RemoteError`. Sockets are
in link.py and in agent/serve/.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from ....perception.errors import MissingExtraError, SenseweaveError, how_to_install
from ....perception.spec import PRESENT, Spec
from ..reading import misfit

PROTOCOL = 1
"""The version of these messages; both sides must have the same."""

SUBPROTOCOL = f"senseweave.{PROTOCOL}"
"""What a WebSocket handshake must agree on."""

HELLO_BYTES = 2**20
"""The most bytes that a server's message may have."""

MAX_ITEMS = 256
"""The most entries of a map or a list."""

MAX_DEPTH = 6
"""How deep maps and lists may stand in each other; a Spec's kinds need four."""

MAX_NUMBER = 2**53
"""No whole number of a message is greater."""

MAX_AGE_S = 1e9

T = TypeVar("T")


class RemoteError(SenseweaveError, RuntimeError):
    """The other side cannot be reached, or what it says cannot be meant."""


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """An observation as a server reads it.

    Attributes:
        number: counts a client's observations; it grows.
        is_first: whether an episode begins here, so that nothing before is remembered.
        observation: every sense of the Spec, and `present`; what was not sent is absent.
        ages_s: sense -> seconds since it was captured, by the client's clock; None where there never was a reading.
    """

    number: int
    is_first: bool
    observation: dict[str, NDArray[Any]]
    ages_s: dict[str, float | None]


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """What a policy does.

    Attributes:
        number: of the observation that it answers.
        action: a whole number, or an array.
        gates: sense -> how far the policy let it in, 0..1.
    """

    number: int
    action: Any
    gates: dict[str, float]


def import_msgpack() -> Any:
    """The package that packs.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import msgpack
    except ImportError as error:
        raise MissingExtraError(f"A policy server needs msgpack; {how_to_install('serve')}.") from error
    return msgpack


def pack(message: Mapping[str, Any]) -> bytes:
    """A message as bytes."""
    return import_msgpack().packb(message, use_bin_type=True)


def unpack(data: Any, at_most: int) -> dict[str, Any]:
    """The message in some bytes.

    Args:
        data: what was received.
        at_most: bytes that it may have.

    Raises:
        RemoteError: it is longer, or no map of plain values.
    """
    if not isinstance(data, bytes):
        raise RemoteError(f"A message must be binary; got {type(data).__name__}. Send msgpack.")
    if len(data) > at_most:
        raise RemoteError(f"A message must have at most {at_most:,} bytes here; got {len(data):,}.")
    msgpack = import_msgpack()
    try:
        message = msgpack.unpackb(
            data,
            strict_map_key=True,
            object_pairs_hook=_map_of,
            ext_hook=_refuse_extension,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_ITEMS,
        )
    except RemoteError:
        raise
    except Exception as error:  # msgpack raises many kinds, all of which mean that this is none of its messages
        raise RemoteError(f"A message must be one msgpack map ({type(error).__name__}: {error!s:.60}).") from error
    if not isinstance(message, dict):
        raise RemoteError(f"A message must be a map; got {type(message).__name__}.")
    _require_plain(message, MAX_DEPTH)
    return message


def field(message: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """An entry of a message; whole numbers are bounded, and no number is a bool.

    Raises:
        RemoteError: it is missing, or of another type.
    """
    value = message.get(name)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) <= MAX_NUMBER else None
    if type(value) is not kind or (isinstance(value, int) and abs(value) > MAX_NUMBER):
        raise RemoteError(f'"{name}" of a message must be {kind.__name__}; got {value!r:.60}.')
    return value


def require_keys(message: Mapping[str, Any], *names: str) -> None:
    """Checks that a message has these entries and no others.

    Raises:
        RemoteError: one is missing, or not known.
    """
    if wrong := sorted(message.keys() ^ set(names)):
        problem = "is not known" if wrong[0] in message else "is missing"
        raise RemoteError(f"{wrong[0]!r:.60} of a message {problem}; it has {', '.join(names)}.")


def pack_array(array: NDArray[Any]) -> list[Any]:
    """An array as a message holds it: dtype, shape, bytes in C order, little-endian."""
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return [plain.dtype.str, list(array.shape), plain.tobytes()]


def unpack_array(packed: Any, name: str, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """The array in a message; its dtype and shape are known beforehand and are only compared.

    Raises:
        RemoteError: it is another one.
    """
    wanted = np.dtype(dtype).newbyteorder("<")
    if not isinstance(packed, list) or len(packed) != 3 or not isinstance(packed[2], bytes):
        raise RemoteError(f'"{name}" must be [dtype, shape, bytes].')
    if packed[0] != wanted.str or packed[1] != list(shape):
        raise RemoteError(
            f'"{name}" must be {wanted.str} of shape {list(shape)}; got {packed[0]!r:.20} of shape {packed[1]!r:.60}.'
        )
    if len(packed[2]) != (size := wanted.itemsize * math.prod(shape)):
        raise RemoteError(f'"{name}" must have {size:,} bytes; got {len(packed[2]):,}.')
    return np.frombuffer(packed[2], wanted).reshape(shape).astype(np.dtype(dtype), copy=False)


def observation_bytes(senses: Spec) -> int:
    """The most bytes that an observation's message may have."""
    return 1024 + sum(
        128 + 4 * len(name.encode()) + np.dtype(kind.dtype).itemsize * math.prod(kind.shape)
        for name, kind in senses.items()
    )


def pack_observation(
    number: int,
    observation: Mapping[str, NDArray[Any]],
    ages_s: Mapping[str, float],
    *,
    senses: Spec,
    own: Spec,
    is_first: bool,
) -> bytes:
    """An observation as a message; see `Asked`.

    Args:
        number: of the observation.
        observation: with `present`, in the order of the rig's senses.
        ages_s: sense -> seconds; infinite where there never was a reading.
        senses: the policy's; others are not sent.
        own: the rig's.
        is_first: whether an episode begins here.
    """
    present = dict(zip(own.names, np.asarray(observation[PRESENT]).tolist(), strict=True))
    sent = {name: pack_array(observation[name]) for name in senses if present.get(name)}
    ages = {name: age_s if (age_s := ages_s.get(name, math.inf)) < MAX_AGE_S else None for name in senses}
    return pack({"n": number, "start": is_first, "senses": sent, "ages_s": ages})


def read_observation(message: Mapping[str, Any], senses: Spec) -> Asked:
    """The observation in a message.

    Raises:
        RemoteError: it is none of these senses.
    """
    require_keys(message, "n", "start", "senses", "ages_s")
    sent, told = field(message, "senses", dict), field(message, "ages_s", dict)
    for name in (*sent, *told):
        if name not in senses.names:
            raise RemoteError(f"{name!r:.60} is no sense of this policy; it has {', '.join(senses)}.")
    observation = senses.placeholder()
    for i, (name, kind) in enumerate(senses.items()):
        if name in sent:
            reading = unpack_array(sent[name], name, kind.dtype, kind.shape)
            if fault := misfit(kind, reading):
                raise RemoteError(f'"{name}" {fault}.')
            observation[name] = reading
            observation[PRESENT][i] = 1
    ages_s = {name: _age_s(told, name, is_here=name in sent) for name in senses}
    number = field(message, "n", int)
    if number < 0:
        raise RemoteError(f'"n" of a message must be at least 0; got {number}.')
    return Asked(number, field(message, "start", bool), observation, ages_s)


def pack_answer(answer: Answer) -> bytes:
    """An answer as a message."""
    action = answer.action
    plain = int(action) if np.ndim(action) == 0 and np.asarray(action).dtype.kind in "iu" else None
    sent = pack_array(np.asarray(action)) if plain is None else plain
    return pack({"n": answer.number, "action": sent, "gates": dict(answer.gates)})


def read_answer(message: Mapping[str, Any], senses: Spec, actions: gymnasium.Space[Any]) -> Answer:
    """The answer in a message.

    Raises:
        RemoteError: it is none, it says why there is none, or its action is none of `actions`.
    """
    if "error" in message:
        raise RemoteError(f"The server refuses it: {field(message, 'error', str):.240}")
    require_keys(message, "n", "action", "gates")
    gates = field(message, "gates", dict)
    for name in gates:
        if name not in senses.names or not 0.0 <= field(gates, name, float) <= 1.0:
            raise RemoteError(f"The gate of {name!r:.60} must be a sense's, in 0..1.")
    if isinstance(actions, gymnasium.spaces.Discrete):
        action: Any = field(message, "action", int)
        is_one = 0 <= action < int(actions.n)
    else:
        action = unpack_array(message["action"], "action", actions.dtype, tuple(actions.shape or ()))
        is_one = bool(np.isfinite(action).all())
    if not is_one:
        raise RemoteError(f"The action must be one of {actions}; got {action!r:.80}.")
    return Answer(field(message, "n", int), action, {name: float(gate) for name, gate in gates.items()})


def _age_s(told: Mapping[str, Any], name: str, *, is_here: bool) -> float | None:
    if name not in told:
        raise RemoteError(f'"ages_s" must have the age of every sense; "{name}" is missing.')
    if told[name] is None and not is_here:
        return None
    age_s = field(told, name, float)
    if not 0.0 <= age_s < MAX_AGE_S:
        raise RemoteError(f'The age of "{name}" must be in seconds, at least 0; got {age_s!r}.')
    return age_s


def _map_of(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) != len(pairs) or not all(isinstance(key, str) for key in whole):
        raise RemoteError("A map of a message must have strings as keys, each once.")
    return whole


def _refuse_extension(code: int, data: bytes) -> Any:
    raise RemoteError(f"A message must have no extension types; got number {code}.")


def _require_plain(value: Any, depth: int) -> None:
    """Checks that there are only maps, lists, strings, bytes, numbers, bools and None, and not too deep.

    Raises:
        RemoteError: there is something else.
    """
    if isinstance(value, dict | list):
        if depth == 0:
            raise RemoteError(f"A message must have at most {MAX_DEPTH} levels.")
        for part in value.values() if isinstance(value, dict) else value:
            _require_plain(part, depth - 1)
    elif value is not None and not isinstance(value, str | bytes | bool | int | float):
        raise RemoteError(f"A message must hold plain values; got {type(value).__name__}.")
