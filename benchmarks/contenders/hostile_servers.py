"""Servers that no camera should be: what answers at the addresses of `hostile_sources.py`. Loopback only.

Each behaviour is a function of one connection, named as the table names it; `BEHAVIOURS` holds them with the scheme of
their address. A server lives as long as its block, takes any number of connections, and forgets what clients do.
"""

import contextlib
import functools
import gzip
import io
import os
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

Behaviour = Callable[[socket.socket], None]

PAUSE_S = 1.0
HEAD = b"HTTP/1.1 200 OK\r\n"
MJPEG = HEAD + b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"


@functools.cache
def jpeg(width: int = 160, height: int = 120, seed: int = 0) -> bytes:
    """A picture of random blocks."""
    import cv2

    blocks = np.random.default_rng(seed).integers(0, 256, (max(1, height // 8), max(1, width // 8), 3), np.uint8)
    pixels = cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def part(picture: bytes) -> bytes:
    """A frame of a multipart stream."""
    return b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(picture), picture)


def answers(reply: bytes) -> Behaviour:
    """Sends this, and closes."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(reply)

    return serve


def repeats(reply: bytes, pieces: Callable[[int], bytes], pause_s: float = 0.0, count: int = 1 << 60) -> Behaviour:
    """Sends this, and then piece after piece."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(reply)
        for number in range(count):
            connection.sendall(pieces(number))
            time.sleep(pause_s)

    return serve


def silent(connection: socket.socket) -> None:
    """Takes what comes and says nothing."""
    while connection.recv(65536):
        pass


def resets(connection: socket.socket) -> None:
    """Closes with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def stalls(connection: socket.socket) -> None:
    """Ten frames, and then nothing for ever."""
    repeats(MJPEG, lambda number: part(jpeg(seed=number)), 0.05, 10)(connection)
    silent(connection)


def damaged(picture: bytes, seed: int, share: float = 0.02) -> bytes:
    """A picture with some of its bytes changed, its header but for two."""
    random = np.random.default_rng(seed)
    pixels = np.frombuffer(picture, np.uint8).copy()
    places = 2 + random.integers(0, len(pixels) - 2, max(1, round(share * len(pixels))))
    pixels[places] = random.integers(0, 256, len(places))
    return pixels.tobytes()


@functools.cache
def claims_size(width: int, height: int) -> bytes:
    """A picture whose header says another size than it has."""
    picture = bytearray(jpeg())
    start = picture.find(b"\xff\xc0") + 5
    picture[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(picture)


@functools.cache
def png_bomb(side: int = 30_000) -> bytes:
    """A black picture of 30,000 x 30,000 pixels, compressed to next to nothing."""
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    packer, packed = zlib.compressobj(9), b""
    for _ in range(side):
        packed += packer.compress(bytes(1 + 3 * side))
    packed += packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@functools.cache
def gzip_bomb() -> bytes:
    """A hundred megabytes of zeros in a hundred kilobytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        for _ in range(100):
            file.write(bytes(1 << 20))
    return packed.getvalue()


def noise(number: int) -> bytes:
    """64 KB of noise."""
    return np.random.default_rng(number).bytes(65536)


def redirects(target: str) -> Behaviour:
    """Sends clients elsewhere; {port} is this server's own."""

    def serve(connection: socket.socket) -> None:
        port = connection.getsockname()[1]
        connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {target.format(port=port)}\r\n\r\n".encode())

    return serve


def typed(kind: str, body: bytes) -> Behaviour:
    """A whole answer of a type."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return answers(head.encode() + body)


PLAYLIST = b"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n"
SDP = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n" + b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n" * 20_000

BEHAVIOURS: dict[str, tuple[str, Behaviour]] = {
    "a good camera": ("http", repeats(MJPEG, lambda number: part(jpeg(seed=number % 30)), 0.04)),
    "says nothing": ("http", silent),
    "closes at once": ("http", lambda connection: None),
    "resets": ("http", resets),
    "a header byte a second": ("http", repeats(b"H", lambda number: b"T", PAUSE_S)),
    "headers without end": ("http", repeats(HEAD, lambda number: b"X-%d: %s\r\n" % (number, b"x" * 1000))),
    "a header of 4 MB": ("http", answers(HEAD + b"X: " + b"x" * (4 << 20) + b"\r\n\r\n")),
    "404": ("http", answers(b"HTTP/1.1 404 Not Found\r\n\r\n")),
    "500": ("http", answers(b"HTTP/1.1 500 Oh\r\nContent-Type: text/html\r\n\r\n<h1>no</h1>")),
    "401": ("http", answers(b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="x"\r\n\r\n')),
    "a redirect to itself": ("http", redirects("http://127.0.0.1:{port}/again")),
    "a redirect to a file": ("http", redirects("file:///etc/passwd")),
    "a redirect to nobody": ("http", redirects("http://127.0.0.1:1/x")),
    "no body": ("http", answers(HEAD + b"Content-Length: 0\r\n\r\n")),
    "zeros without end": ("http", repeats(HEAD + b"\r\n", lambda number: bytes(65536))),
    "noise without end": ("http", repeats(HEAD + b"\r\n", noise)),
    "a page": ("http", typed("text/html", b"<html>" + b"<p>no camera</p>" * 1000)),
    "a gzip bomb": (
        "http",
        lambda connection: answers(HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip_bomb())(connection),
    ),
    "less than it said": ("http", answers(HEAD + b"Content-Length: 99999999999\r\n\r\nlittle")),
    "a negative length": ("http", answers(HEAD + b"Content-Length: -5\r\n\r\nlittle")),
    "bad chunks": ("http", answers(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nno\r\n-1\r\nx\r\n")),
    "a chunk of 2^63": ("http", answers(HEAD + b"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nx")),
    "stalls after ten frames": ("http", stalls),
    "closes after ten frames": ("http", repeats(MJPEG, lambda number: part(jpeg(seed=number)), 0.05, 10)),
    "frames cut in half": ("http", repeats(MJPEG, lambda number: part(jpeg(seed=number % 30)[:2000]), 0.04)),
    "frames with wrong bytes": ("http", repeats(MJPEG, lambda number: part(damaged(jpeg(), number)), 0.04)),
    "a size a frame": ("http", repeats(MJPEG, lambda number: part(jpeg(16 * (1 + number % 60), 64)), 0.04)),
    "frames of 8000 x 8000": ("http", repeats(MJPEG, lambda number: part(jpeg(8000, 8000)), 0.04)),
    "frames of one pixel": ("http", repeats(MJPEG, lambda number: part(jpeg(1, 1)), 0.04)),
    "frames that say 65500 x 65500": ("http", repeats(MJPEG, lambda number: part(claims_size(65500, 65500)), 0.04)),
    "frames as fast as they go": ("http", repeats(MJPEG, lambda number: part(jpeg(seed=number % 30)))),
    "another boundary": (
        "http",
        repeats(MJPEG.replace(b"=frame", b"=other"), lambda number: part(jpeg()), 0.04),
    ),
    "a part without end": ("http", repeats(MJPEG + b"--frame\r\nContent-Type: image/jpeg\r\n\r\n", noise)),
    "a PNG bomb": ("http", lambda connection: typed("image/png", png_bomb())(connection)),
    "a playlist of local files": (
        "http",
        typed("application/vnd.apple.mpegurl", PLAYLIST + b"#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"),
    ),
    "a playlist without end": (
        "http",
        repeats(
            HEAD + b"Content-Type: application/vnd.apple.mpegurl\r\n\r\n" + PLAYLIST,
            lambda number: b"#EXTINF:1,\nhttp://127.0.0.1:1/%d.ts\n" % number,
        ),
    ),
    "a list for FFmpeg": ("http", typed("text/plain", b"ffconcat version 1.0\nfile /etc/passwd\n" * 100)),
    "tcp: noise": ("tcp", repeats(b"", noise)),
    "tcp: says nothing": ("tcp", silent),
    "tcp: packets of MPEG-TS": ("tcp", repeats(b"", lambda number: b"\x47\x40\x00\x10" + noise(number)[:184])),
    "rtsp: says nothing": ("rtsp", silent),
    "rtsp: noise": ("rtsp", repeats(b"", noise)),
    "rtsp: a description of a megabyte": (
        "rtsp",
        repeats(
            b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n",
            lambda number: (
                b"RTSP/1.0 200 OK\r\nCSeq: %d\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n"
                % (number + 2, len(SDP))
                + SDP
            ),
            PAUSE_S,
        ),
    ),
    "udp: noise": ("udp", silent),
    "udp: nobody": ("udp", silent),
}
"""What a case is called -> the scheme of its address, and what is done with each connection."""


@contextlib.contextmanager
def serving(name: str) -> Iterator[str]:
    """One of `BEHAVIOURS` while the block lasts.

    Yields:
        Its address.
    """
    scheme, behaviour = BEHAVIOURS[name]
    with _flooding(noise=name == "udp: noise") if scheme == "udp" else _listening(scheme, behaviour) as address:
        yield address


@contextlib.contextmanager
def _listening(scheme: str, behaviour: Behaviour) -> Iterator[str]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                if scheme == "http":
                    self.request.settimeout(10.0)
                    self.request.recv(65536)
                    self.request.settimeout(None)
                behaviour(self.request)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"{scheme}://127.0.0.1:{server.server_address[1]}/camera"
        finally:
            server.shutdown()


@contextlib.contextmanager
def _flooding(*, noise: bool) -> Iterator[str]:
    """A port that somebody else shall listen at; noise is sent there, or nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ended = threading.Event()

    def flood() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not ended.wait(0.001):
                with contextlib.suppress(OSError):
                    sender.sendto(os.urandom(1316), ("127.0.0.1", port))

    if noise:
        threading.Thread(target=flood, daemon=True).start()
    try:
        yield f"udp://127.0.0.1:{port}"
    finally:
        ended.set()
