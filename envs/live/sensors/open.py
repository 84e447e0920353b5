"""From addresses to a rig: `open_sensors` makes a sensor of each, `make_live` is what `gymnasium.make` calls.

An address is what a person types: a camera's index or URL, a microphone's name, a file, a text. What each sort accepts
stands with its source (`camera.py`, `microphone.py`, `instruction.py`, `speech.py`), which is imported when it is used.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ....perception.errors import ConfigError, did_you_mean
from ....perception.spec import Camera, Instruction, Kind, Microphone, Spec
from ....perception.tokenizer import default_tokenizer
from ..rig import LiveRig
from ..sensor import Sensor
from .sound_tap import SoundTap

Address = str | int | Mapping[str, str | int]
"""An address, or sense -> address where there are several senses of a kind."""

SPEECH = "speech"
"""The address of an instruction that is spoken."""

ACTION_NAMES = ("left", "right", "forward", "pickup", "drop", "toggle", "done")
"""The actions of a rig that is made without any: those of Rooms."""


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
    phrases: Sequence[str] | None = None,
) -> dict[str, Sensor]:
    """Makes sensors of addresses; no device is opened yet.

    Args:
        senses: what the readings must fit.
        camera: "0", "clip.mp4", "http://...": for the only Camera of the senses, or sense -> address.
        microphone: "default", a device's name or index, "clip.wav": for the only Microphone, or sense -> address.
        instruction: the text, "-" for lines of standard input, or "speech" for what is said: for the only Instruction,
            or sense -> text. Speech is heard through the first microphone that has an address, or else through the
            default one, opened for it alone.
        phrases: what may be said, where an instruction is "speech"; `common_phrases` by default.

    Returns:
        Sense -> sensor, for those that have an address.

    Raises:
        ConfigError: an address is for a sense that is not there, there are several senses it could be for, several
            senses are told by speech, or there are phrases that nobody listens for.
        MissingExtraError: "speech" needs the extra `speech`.
    """
    seen = _by_sense(senses, "camera", Camera, camera)
    heard = _by_sense(senses, "microphone", Microphone, microphone)
    told = _by_sense(senses, "instruction", Instruction, instruction)
    spoken = [name for name, address in told.items() if address == SPEECH]
    if len(spoken) > 1:
        raise ConfigError(f'Only one sense can be told by "{SPEECH}"; got {", ".join(spoken)}. Give the others a text.')
    if phrases is not None and not spoken:
        raise ConfigError(f'`phrases` are for an instruction that is "{SPEECH}", and there is none; leave them out.')
    tap = SoundTap() if spoken and heard else None
    ear = next(iter(heard), None)
    sensors = {name: _seen(name, senses[name], address) for name, address in seen.items()}
    sensors |= {
        name: _heard(name, senses[name], address, tap if name == ear else None) for name, address in heard.items()
    }
    return sensors | {name: _told(name, senses[name], address, tap, phrases) for name, address in told.items()}


def _seen(name: str, kind: Any, address: str | int) -> Sensor:
    from .camera import camera_sensor

    return camera_sensor(name, kind, address)


def _heard(name: str, kind: Any, address: str | int, tap: SoundTap | None) -> Sensor:
    from .microphone import microphone_sensor

    return microphone_sensor(name, kind, address, tap=tap)


def _told(name: str, kind: Any, address: str | int, tap: SoundTap | None, phrases: Sequence[str] | None) -> Sensor:
    if address == SPEECH:
        from .speech import speech_sensor

        return speech_sensor(name, kind, tap, phrases)
    from .instruction import instruction_sensor

    return instruction_sensor(name, kind, address)


def _by_sense(senses: Spec, option: str, kind: type[Kind], address: Address | None) -> dict[str, str | int]:
    """Sense -> address, with every sense of the right kind."""
    if address is None:
        return {}
    known = [name for name in senses if isinstance(senses[name], kind)]
    if isinstance(address, Mapping):
        for name in address:
            if name not in known:
                raise ConfigError(f'`{option}` names "{name}"; {did_you_mean(name, known)}')
        return dict(address)
    if len(known) != 1:
        told = f"these: {', '.join(known)}" if known else "none"
        raise ConfigError(
            f"`{option}` is for the only {kind.__name__} of the senses, and there are {told}; pass sense -> address."
        )
    return {known[0]: address}


def make_live(
    camera: Address | None = None,
    microphone: Address | None = None,
    instruction: Address | None = None,
    senses: Spec | None = None,
    sensors: Mapping[str, Sensor] | None = None,
    phrases: Sequence[str] | None = None,
    action_names: tuple[str, ...] | None = None,
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
        **options: those of `LiveRig`.

    Raises:
        SenseweaveError: see `open_sensors` and `LiveRig`.
    """
    senses = default_senses() if senses is None else senses
    if not isinstance(senses, Spec):
        raise ConfigError(f"`senses` must be a Spec, such as Spec(camera=Camera(64, 64)); got {senses!r}.")
    made = open_sensors(senses, camera=camera, microphone=microphone, instruction=instruction, phrases=phrases)
    if action_names is None:
        action_names = () if options.get("action_space") is not None else ACTION_NAMES
    return LiveRig(senses, made | dict(sensors or {}), action_names=action_names, **options)
