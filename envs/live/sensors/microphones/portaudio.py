"""`DeviceFeed`: a microphone through PortAudio, at the device's own rate.

PortAudio's callback needs the GIL, so it only copies a block into a bounded queue and counts. PortAudio lists the
devices once, when it starts; it is started anew, when no stream is open, so that what was plugged in later is found.
"""

import collections
import contextlib
import ctypes
import ctypes.util
import threading
from typing import Any

from .....perception.errors import MissingExtraError
from ...clock import NS_PER_S, Clock
from ...source import SourceError
from .feeds import BLOCK_S, MAX_WAIT_S, Block, Feed

QUEUE_S = 2.0
"""How much sound waits for a reader who is late; then the oldest is lost, and counted."""

MAX_LATENCY_S = 1.0
"""Devices that claim to be later than this are not believed."""


class _Streams:
    """How many streams are open in this process, and whether PortAudio's list of devices may be old."""

    lock = threading.Lock()
    open_now = 0
    is_list_old = False


class DeviceFeed(Feed):
    """One input device.

    Args:
        name: "default", an index, or a name or a part of one that no other device has.
        wanted_channels: how many channels are of use.
    """

    is_live = True

    def __init__(self, name: str, wanted_channels: int) -> None:
        self.name = name
        self.wanted_channels = wanted_channels
        self._stream: Any = None
        self._counted = 0
        self._arrived = threading.Event()

    def open(self, clock: Clock) -> None:
        self._clock = clock
        sounddevice = load_sounddevice()
        with _Streams.lock:
            if _Streams.is_list_old and _Streams.open_now == 0:
                with contextlib.suppress(sounddevice.PortAudioError):
                    sounddevice._terminate()
                sounddevice._initialize()
            _Streams.is_list_old = True
            device = self._find(sounddevice)
            most = int(device["max_input_channels"])
            # A stereo microphone that is heard as mono is averaged here, where we know how.
            self.channels = min(most, 2 if most == 2 else self.wanted_channels)
            self.rate_hz = round(device["default_samplerate"])
            size = max(1, round(BLOCK_S * self.rate_hz))
            self._blocks: collections.deque[Block] = collections.deque(maxlen=max(4, round(QUEUE_S / BLOCK_S)))
            try:
                self._stream = sounddevice.InputStream(
                    device=int(device["index"]),
                    samplerate=self.rate_hz,
                    channels=self.channels,
                    dtype="int16",
                    blocksize=size,
                    latency="high",
                    callback=self._callback,
                )
                _Streams.open_now += 1
                self._stream.start()
            except (sounddevice.PortAudioError, ValueError) as error:
                raise SourceError(f'The microphone "{device["name"]}" cannot be opened: {_reason(error)}.') from error

    def read(self, timeout_s: float = MAX_WAIT_S) -> Block | None:
        if not self._blocks and timeout_s > 0:
            self._arrived.clear()
            if not self._blocks:
                self._clock.wait(self._arrived, timeout_s)
        with contextlib.suppress(IndexError):  # the queue is empty
            return self._blocks.popleft()
        if not self._stream.active:
            raise SourceError(f'The microphone "{self.name}" has stopped; is it still plugged in?')
        return None

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.abort(ignore_errors=True)
            stream.close(ignore_errors=True)
            with _Streams.lock:
                _Streams.open_now -= 1

    def _callback(self, heard: Any, count: int, times: Any, status: Any) -> None:
        now_ns = self._clock.now_ns()
        self._counted += count
        age_s = times.currentTime - times.inputBufferAdcTime - count / self.rate_hz
        if not (times.inputBufferAdcTime > 0 and 0.0 <= age_s <= MAX_LATENCY_S):
            age_s = 0.0
        reported_ns = now_ns - round(age_s * NS_PER_S)
        self._blocks.append(Block(heard.T.copy(), self._counted, reported_ns, bool(status.input_overflow)))
        self._arrived.set()

    def _find(self, sounddevice: Any) -> dict[str, Any]:
        """What PortAudio knows of the device."""
        wanted: int | str | None = int(self.name) if self.name.isdecimal() else self.name
        try:
            if wanted == "default" and not any(d["name"] == "default" for d in sounddevice.query_devices()):
                wanted = None
            device = sounddevice.query_devices(wanted, "input")
            if device["max_input_channels"] > 0:
                return device
        except (ValueError, sounddevice.PortAudioError):
            pass
        known = ", ".join(f'"{name}"' for name in microphone_names(sounddevice))
        found = f"PortAudio has {known}" if known else "PortAudio has none; plug one in, or start the sound server"
        raise SourceError(f'There is no microphone "{self.name}"; {found}.')


def load_sounddevice() -> Any:
    """Sounddevice with PortAudio, quiet.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    _silence("asound", "snd_lib_error_set_handler")
    try:
        import sounddevice
    except ImportError as error:
        raise MissingExtraError(
            f"A microphone needs sounddevice, which cannot be imported ({error}); run: pip install sounddevice"
        ) from error
    except OSError as error:
        raise MissingExtraError(
            f"A microphone needs the system's PortAudio ({error}); run: apt-get install -y libportaudio2"
        ) from error
    _silence("portaudio", "PaUtil_SetDebugPrintFunction")
    return sounddevice


def microphone_names(sounddevice: Any) -> list[str]:
    """The names of the devices that can be listened to."""
    return [device["name"] for device in sounddevice.query_devices() if device["max_input_channels"] > 0]


def _reason(error: Exception) -> str:
    """PortAudio's words, without its numbers."""
    message = str(error.args[0] if error.args else error)
    return message.removeprefix("Error opening InputStream: ").partition(" [PaErrorCode")[0].rstrip(".")


def _silence(library: str, setter: str) -> None:
    """Takes from a C library its habit of writing to standard error, where it can be.

    It is given `getpid` to call instead of printing: a function that ignores its arguments, needs no Python, and so
    may be called by any thread, also while the program ends.
    """
    name = ctypes.util.find_library(library)
    if name is not None:
        with contextlib.suppress(OSError, AttributeError):
            getattr(ctypes.CDLL(name), setter)(ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p))
