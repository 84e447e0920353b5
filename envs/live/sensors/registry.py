"""`SOURCES`: what an address can name before its colon; nothing is imported before a source is made.

A plain address (a number, a file, a URL, "default", "-", "speech", a text) has no scheme: `open.py` takes the source
that fits the kind of the sense.
"""

from ....perception.registry import Registry
from ..source import Source

SOURCES: Registry[type[Source]] = Registry(
    "source",
    {
        "camera": ".cameras.camera:CameraSource",
        "microphone": ".microphones.microphone:MicrophoneSource",
        "text": ".instructions.instruction:TextSource",
        "lines": ".instructions.instruction:LinesSource",
        "speech": ".instructions.speech:SpeechSource",
    },
    __package__,
)
"""Scheme -> class: "camera:0" is the first camera, as "0" is where a camera is asked for."""


def register_source(scheme: str, target: type[Source] | str) -> None:
    """Adds a source of your own: `--camera zed:0` reaches it, and so does every address that the package takes.

    An installed package can declare it instead, as an entry point in the group `senseweave.sources`; the command line
    finds it then.

    Args:
        scheme: what stands before the colon, "zed" of "zed:0".
        target: the class, or "module:Class". It is made by `Source.at`.

    Raises:
        ConfigError: there is another source of that name.
    """
    SOURCES.register(scheme, target)
