"""The token: read from a file that others cannot read, compared in one way however much of it is right."""

import pytest

from senseweave.envs.live.remote.token import authorization, is_authorized, read_token
from senseweave.perception.errors import ConfigError


def test_a_token_is_read_without_the_white_space_around_it(tmp_path):
    path, told = tmp_path / "token", []
    path.write_text("  abcdefgh-12345678\n")
    path.chmod(0o600)
    assert read_token(str(path), told.append) == "abcdefgh-12345678" and not told


def test_a_file_that_others_can_read_is_told(tmp_path):
    path, told = tmp_path / "token", []
    path.write_text("abcdefgh-12345678")
    path.chmod(0o644)
    read_token(str(path), told.append)
    assert len(told) == 1 and "(mode 644)" in told[0] and f"chmod 600 {path}" in told[0]


@pytest.mark.parametrize("content", [b"short", b"x" * 600, b"two words that are long", b"\xff" * 20, b""])
def test_what_is_no_secret_is_refused_and_the_cure_is_told(tmp_path, content):
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"make one|Make another one"):
        read_token(str(path))
    with pytest.raises(ConfigError, match="No such file"):
        read_token(str(tmp_path / "nowhere"))


def test_only_the_very_token_is_taken():
    assert is_authorized(authorization("abcdefgh-12345678"), "abcdefgh-12345678")
    for header in (None, "", "abcdefgh-12345678", "Bearer abcdefgh-1234567", "Bearer é", "bearer abcdefgh-12345678"):
        assert not is_authorized(header, "abcdefgh-12345678")
