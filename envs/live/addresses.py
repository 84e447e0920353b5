"""From addresses to a rig: `open_sensors` makes a sensor of each, `make_live` is what `gymnasium.make` calls.

An address is what a person types: a camera's index or URL, a microphone's name, a file, a text. What each sort accepts
stands with its source (`camera.py`, `microphone.py`, `instruction.py`), which is imported when it is used.
"""

from collections.abc import Mapping
from typing import Any

from ...perception.errors import ConfigError, did_you_mean
from ...perception.spec import Camera, Instruction, Kind, Microphone, Spec
from ...perception.tokenizer import default_tokenizer
from .rig import LiveRig
from .sensor import Sensor

Address = str | int | Mapping[str, str | int]
"""An address, or sense -> address where there are several senses of a kind."""

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
) -> dict[str, Sensor]:
    """Makes sensors of addresses; no device is opened yet.

    Args:
        senses: what the readings must fit.
        camera: "0", "clip.mp4", "http://...": for the only Camera of the senses, or sense -> address.
        microphone: "default", a device's name or index, "clip.wav": for the only Microphone, or sense -> address.
        instruction: the text, or "-" for lines of standard input: for the only Instruction, or sense -> text.

    Returns:
        Sense -> sensor, for those that have an address.

    Raises:
        ConfigError: an address is for a sense that is not there, or there are several senses it could be for.
    """
    sensors: dict[str, Sensor] = {}
    for option, kind, address in (
        ("camera", Camera, camera),
        ("microphone", Microphone, microphone),
        ("instruction", Instruction, instruction),
    ):
        for name, one in _by_sense(senses, option, kind, address).items():
            sensors[name] = _sensor(option, name, senses[name], one)
    return sensors


def _sensor(option: str, name: str, kind: Any, address: str | int) -> Sensor:
    if option == "camera":
        from .camera import camera_sensor

        return camera_sensor(name, kind, address)
    if option == "microphone":
        from .microphone import microphone_sensor

        return microphone_sensor(name, kind, address)
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
        action_names: those of Rooms where nothing is said and there is no `action_space` either.
        **options: those of `LiveRig`.

    Raises:
        SenseweaveError: see `open_sensors` and `LiveRig`.
    """
    senses = default_senses() if senses is None else senses
    if not isinstance(senses, Spec):
        raise ConfigError(f"`senses` must be a Spec, such as Spec(camera=Camera(64, 64)); got {senses!r}.")
    made = open_sensors(senses, camera=camera, microphone=microphone, instruction=instruction)
    if action_names is None:
        action_names = () if options.get("action_space") is not None else ACTION_NAMES
    return LiveRig(senses, made | dict(sensors or {}), action_names=action_names, **options)
