"""From addresses to a rig: `open_sensors` makes a sensor of each, `make_live` is what `gymnasium.make` calls.

An address is what a person types: a camera's index or URL, a microphone's name, a file, a text; or "zed:0", a source of
`SOURCES` (registry.py) by its name. What each sort accepts stands with its source, which is imported when it is used.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ....perception.errors import ConfigError, did_you_mean
from ....perception.spec import Camera, Instruction, Kind, Microphone, Spec
from ....perception.tokenizer import default_tokenizer
from ...contract import ACTIONS
from ..rig import LiveRig
from ..scheme import split_scheme
from ..sensor import Sensor, ThreadedSensor
from .microphones.sound_tap import SoundTap
from .registry import SOURCES

Address = str | int | Mapping[str, str | int]
"""An address, or sense -> address where there are several senses of a kind."""

SPEECH = "speech"
"""The address of an instruction that is spoken, and the scheme of its source."""

_PLAIN: dict[type[Kind], dict[str | None, str]] = {
    Camera: {None: "camera"},
    Microphone: {None: "microphone"},
    Instruction: {"-": "lines", SPEECH: SPEECH, None: "text"},
}
"""Kind -> the source of an address without a scheme: of these very words, and of any other address (None)."""

EAR_KIND = Microphone(1, 1600, 16000)
"""How a microphone is opened that serves speech alone."""


def default_senses() -> Spec:
    """What a rig senses unless somebody says otherwise: as Rooms."""
    return Spec(
        camera=Camera(64, 64), audio=Microphone(2, 1600, 16000), instruction=default_tokenizer().instruction(48)
    )


def open_sensors(
    senses: Spec,
    *,
    camera: Address | None = None,
    microphone: Address | None = None,
    instruction: Address | None = None,
    sources: Mapping[str, str] | None = None,
    phrases: Sequence[str] | None = None,
    loop: bool = False,
    ear: str | None = None,
) -> dict[str, Sensor]:
    """Makes sensors of addresses; no device is opened yet.

    Args:
        senses: what the readings must fit.
        camera: "0", "clip.mp4", "http://...": for the only Camera of the senses, or sense -> address.
        microphone: "default", a device's name or index, "clip.wav": for the only Microphone, or sense -> address.
        instruction: the text, "-" for lines of standard input, or "speech" for what is said: for the only Instruction,
            or sense -> text. Speech is heard through the first microphone that has an address, or else through the
            default one, opened for it alone.
        sources: sense -> address, for a sense of any kind; of a kind other than those three the address needs a scheme,
            "lidar:/dev/ttyUSB0".
        phrases: what may be said, where an instruction is "speech"; `common_phrases` by default.
        loop: a file begins again at its end.
        ear: a name for `microphone` where it serves speech alone and no sense: the sensor gets it. None: it serves a
            sense, and speech too if there is any.

    Returns:
        Sense -> sensor, for those that have an address; `ear` -> sensor where one is asked for.

    Raises:
        ConfigError: an address is for a sense that is not there, there are several senses it could be for, its source
            gives something else, several senses are told by speech, or there are phrases that nobody listens for.
        MissingExtraError: "speech" needs the extra `speech`.
    """
    kinds: dict[str, Kind] = dict(senses)
    addresses = _by_sense(senses, "camera", Camera, camera)
    if ear is None or microphone is None:
        addresses |= _by_sense(senses, "microphone", Microphone, microphone)
    elif isinstance(microphone, Mapping):
        raise ConfigError(f"`microphone` serves speech alone here, and there is one for that; got {dict(microphone)}.")
    else:
        kinds[ear] = EAR_KIND
        addresses |= {ear: str(microphone)}
    addresses |= _by_sense(senses, "instruction", Instruction, instruction)
    addresses |= _checked(senses, sources or {}, addresses)
    heard = [name for name in addresses if isinstance(kinds[name], Microphone)]
    spoken = [name for name in addresses if _source_of(addresses[name], kinds[name])[0] == SPEECH]
    if len(spoken) > 1:
        raise ConfigError(f'Only one sense can be told by "{SPEECH}"; got {", ".join(spoken)}. Give the others a text.')
    if phrases is not None and not spoken:
        raise ConfigError(f'`phrases` are for an instruction that is "{SPEECH}", and there is none; leave them out.')
    tap = SoundTap() if spoken and heard else None
    tapped = {*spoken, *heard[:1]}
    return {
        name: sensor_at(name, kinds[name], address, loop=loop, tap=tap if name in tapped else None, phrases=phrases)
        for name, address in addresses.items()
    }


def sensor_at(name: str, kind: Kind, address: str | int, **options: Any) -> ThreadedSensor:
    """The supervised sensor of one address.

    Args:
        name: the sense.
        kind: what its readings must be.
        address: see `open_sensors`.
        **options: see `Source.at`.

    Raises:
        SenseweaveError: the address cannot be, or its source gives something else.
    """
    scheme, rest = _source_of(str(address), kind)
    source = SOURCES[scheme]
    if source.kinds and not isinstance(kind, source.kinds):
        given = " or ".join(known.__name__ for known in source.kinds)
        raise ConfigError(f'The source "{scheme}" is for {given}, but "{name}" is of the kind {type(kind).__name__}.')
    return ThreadedSensor.of(name, kind, lambda: source.at(rest, kind, **options))


def _source_of(address: str, kind: Kind) -> tuple[str, str]:
    """The name of an address's source, and the address as that source takes it."""
    scheme, rest = split_scheme(address, SOURCES)
    is_a_sentence = kind.is_text and scheme is not None and not isinstance(kind, SOURCES[scheme].kinds or Kind)
    if scheme is not None and not is_a_sentence:  # "camera: look left" is told, and names no source of texts
        return scheme, rest
    plain = next((schemes for known, schemes in _PLAIN.items() if isinstance(kind, known)), None)
    if plain is None:
        raise ConfigError(
            f'"{address}" does not name a source for a {type(kind).__name__}; write it before a colon, as in "zed:0". '
            f"There are: {', '.join(SOURCES.all_names())}."
        )
    return (plain[address], "") if address in plain else (plain[None], address)


def _by_sense(senses: Spec, option: str, kind: type[Kind], address: Address | None) -> dict[str, str]:
    """Sense -> address, with every sense of the right kind."""
    if address is None:
        return {}
    known = [name for name in senses if isinstance(senses[name], kind)]
    if isinstance(address, Mapping):
        for name in address:
            if name not in known:
                raise ConfigError(f'`{option}` names "{name}"; {did_you_mean(name, known)}')
        return {name: str(each) for name, each in address.items()}
    if not known:
        raise ConfigError(
            f"`{option}` is for a {kind.__name__}, and there is none among the senses ({', '.join(senses)}); "
            "leave it out."
        )
    if len(known) > 1:
        raise ConfigError(
            f"`{option}` could be for any of these: {', '.join(known)}; say for which, {known[0]}=ADDRESS on the "
            "command line, sense -> address in code."
        )
    return {known[0]: str(address)}


def _checked(senses: Spec, sources: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    for name in sources:
        if name not in senses:
            raise ConfigError(f'`sources` names "{name}", which is no sense; {did_you_mean(name, senses)}')
        if name in others:
            raise ConfigError(f'"{name}" has two addresses, {others[name]} and {sources[name]}; leave one of them out.')
    return dict(sources)


def make_live(
    camera: Address | None = None,
    microphone: Address | None = None,
    instruction: Address | None = None,
    senses: Spec | None = None,
    sensors: Mapping[str, Sensor] | None = None,
    phrases: Sequence[str] | None = None,
    action_names: tuple[str, ...] | None = None,
    sources: Mapping[str, str] | None = None,
    **options: Any,
) -> LiveRig:
    """Makes "senseweave/Live-v0".

    Args:
        camera: see `open_sensors`.
        microphone: see `open_sensors`.
        instruction: see `open_sensors`.
        senses: what is sensed; a camera of 64 x 64, a stereo microphone and an instruction where nothing is said.
        sensors: sensors that exist already, beside or instead of those made from addresses.
        phrases: see `open_sensors`.
        action_names: those of Rooms where nothing is said and there is no `action_space` either.
        sources: see `open_sensors`.
        **options: those of `LiveRig`.

    Raises:
        SenseweaveError: see `open_sensors` and `LiveRig`.
    """
    senses = default_senses() if senses is None else senses
    if not isinstance(senses, Spec):
        raise ConfigError(f"`senses` must be a Spec, such as Spec(camera=Camera(64, 64)); got {senses!r}.")
    made = open_sensors(
        senses, camera=camera, microphone=microphone, instruction=instruction, sources=sources, phrases=phrases
    )
    if action_names is None:
        action_names = () if options.get("action_space") is not None else ACTIONS
    return LiveRig(senses, made | dict(sensors or {}), action_names=action_names, **options)
