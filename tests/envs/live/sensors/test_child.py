"""A child process: it dies with its parent and by itself, and nobody who waits for it waits for ever."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kit.limits import HANG_S
from senseweave.envs.live.sensors.child import Child
from senseweave.envs.live.source import SourceError

ECHO = """
import json, sys, time
from senseweave.envs.live.sensors.child import obey_parent, tell
obey_parent(sys.argv[1:])
tell(sys.stdout.buffer, {"hello": True})
for line in sys.stdin.buffer:
    order = json.loads(line)
    if "bytes_wanted" in order:
        tell(sys.stdout.buffer, {"here": 1}, b"x" * order["bytes_wanted"])
    if "memory" in order:
        bytearray(order["memory"])
    if "junk" in order:
        sys.stdout.buffer.write(order["junk"].encode()); sys.stdout.buffer.flush()
    if "sleep" in order:
        time.sleep(1000)
    if "abort" in order:
        import os; os.abort()
    if "leave" in order:
        sys.exit(3)
"""


@pytest.fixture
def child(tmp_path, monkeypatch):
    (tmp_path / "echoing_child.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    child = Child("echoing_child", "The echo", memory_bytes=300 << 20)
    assert child.receive(HANG_S) == ({"hello": True}, b"")
    yield child
    child.close()


def lives(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(process_id: int) -> None:
    end = time.monotonic() + HANG_S
    while lives(process_id):
        assert time.monotonic() < end, "the child lives on"
        time.sleep(0.02)


def test_messages_come_with_the_bytes_behind_them_however_many(child):
    for size in (0, 1, 5_000_000):
        child.send({"bytes_wanted": size}, HANG_S, "late")
        header, content = child.receive(HANG_S)
        assert header["here"] == 1 and content == b"x" * size
    assert child.receive(0.0) is None


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ({"abort": 1}, "The echo was ended by SIGABRT, perhaps for want of memory: it may have 300 MiB."),
        ({"leave": 1}, "The echo has ended by itself (exit status 3)."),
        ({"memory": 1 << 30}, "The echo has ended by itself (exit status 1)."),
        ({"junk": "nonsense\n"}, "The echo sends what makes no sense."),
        ({"junk": "[1]\n"}, "The echo sends what makes no sense."),
        ({"junk": '{"bytes": 1e9}\n'}, "The echo sends what makes no sense."),
        ({"junk": '{"bytes": 99999999999}\n'}, "The echo sends what makes no sense."),
    ],
)
def test_a_child_that_dies_or_talks_nonsense_is_one_sentence(child, order, sentence):
    child.send(order, HANG_S, "late")
    with pytest.raises(SourceError) as caught:
        while True:
            child.receive(HANG_S)
    assert str(caught.value) == sentence


def test_a_child_that_hangs_does_not_hold_up_who_closes_it(child):
    child.send({"sleep": 1}, HANG_S, "late")
    began_s = time.monotonic()
    assert child.receive(0.05) is None
    child.close()
    assert time.monotonic() - began_s < HANG_S / 4 and not lives(child.process_id)
    with pytest.raises(SourceError):
        child.send({"sleep": 1}, HANG_S, "late")
    with pytest.raises(SourceError):
        child.receive(0.0)


def test_a_child_that_is_forgotten_ends(child, tmp_path):
    other = Child("echoing_child", "Another")
    process_id = other.process_id
    del other
    wait_until_gone(process_id)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_child_dies_with_its_parent_even_if_it_hangs_and_ctrl_c_reaches_the_parent_alone(tmp_path, end):
    (tmp_path / "echoing_child.py").write_text(ECHO)
    program = (
        "import sys, time\n"
        "from senseweave.envs.live.sensors.child import Child\n"
        "child = Child('echoing_child', 'The echo')\n"
        "child.receive(60)\n"
        "child.send({'sleep': 1}, 5, 'late')\n"
        "print(child.process_id, flush=True)\n"
        "time.sleep(1000)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        text=True,
        start_new_session=True,
    ) as parent:
        child_id = int(parent.stdout.readline())
        assert os.getsid(child_id) != os.getsid(parent.pid) and lives(child_id)
        parent.send_signal(end)
        parent.wait(HANG_S)
        wait_until_gone(child_id)
