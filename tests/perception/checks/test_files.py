"""The door to files: whatever lies there is read, or refused in one sentence at once; nothing waits or grows."""

import os
import socket

import pytest

from senseweave.perception.checks.files import open_regular, read_regular


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


def test_a_file_a_link_to_one_and_a_second_name_of_one_are_read(path, tmp_path):
    (tmp_path / "link").symlink_to(path)
    os.link(path, tmp_path / "second")
    assert [read_regular(tmp_path / name, 7) for name in ("file", "link", "second")] == [b"content"] * 3


def make_socket(place):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(place))


OTHERS = {
    "a FIFO": os.mkfifo,
    "a device": lambda place: place.symlink_to("/dev/zero"),
    "a folder": os.mkdir,
    "a socket": make_socket,
}


@pytest.mark.parametrize("sort", OTHERS)
def test_what_is_no_regular_file_is_refused_by_its_name(sort, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "it"
    OTHERS[sort](place if sort != "a socket" else "it")
    with pytest.raises(OSError, match=f"it is {sort}, not a file"):
        read_regular(place, 100)


def test_a_device_is_not_even_opened(tmp_path, monkeypatch):
    (tmp_path / "it").symlink_to("/dev/zero")
    monkeypatch.setattr("senseweave.perception.checks.files.os.open", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(OSError, match="it is a device"):
        open_regular(tmp_path / "it", 1)


def test_what_takes_a_files_place_between_two_looks_is_seen(path, monkeypatch):
    whole = os.stat(path)
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr("senseweave.perception.checks.files.os.stat", lambda _: whole)
    with pytest.raises(OSError, match="it is a FIFO, not a file"):
        open_regular(path, 100)


def test_a_file_that_is_too_large_is_refused_whether_it_has_holes_or_grows(path):
    with pytest.raises(OSError, match="it has 7 bytes, and at most 6 are read"):
        read_regular(path, 6)
    with path.open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match=r"it has 1,099,511,627,776 bytes"):
        read_regular(path, 2**30)
    with pytest.raises(OSError, match="at most 10 are read"):
        read_regular("/proc/self/status", 10)  # which says that it has none


@pytest.mark.parametrize("name", ["", "none", "none/none", "nul\0byte"])
def test_a_name_without_a_file_is_an_error_of_the_system(name, tmp_path):
    with pytest.raises(OSError):
        read_regular(f"{tmp_path}/{name}", 100)


def test_a_file_that_is_open_is_not_inherited_by_other_programs(path):
    with open_regular(path, 100) as file:
        assert not os.get_inheritable(file.fileno())
