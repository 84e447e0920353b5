"""Cameras, microphones and instructions: what each sort of address accepts stands with its source."""

from ....perception.registry import moved_modules

moved_modules(
    __name__,
    {
        "camera": (".cameras.camera",),
        "devices": (".cameras.devices",),
        "feeds": (".microphones.feeds",),
        "frames": (".decoding.frames",),
        "instruction": (".instructions.instruction",),
        "microphone": (".microphones.microphone",),
        "phrases": (".instructions.phrases",),
        "portaudio": (".microphones.portaudio",),
        "recogniser": (".instructions.recogniser",),
        "resample": (".microphones.resample",),
        "sample_clock": (".microphones.sample_clock",),
        "sound_tap": (".microphones.sound_tap",),
        "speech": (".instructions.speech",),
    },
)
