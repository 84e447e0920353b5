"""Keeps stable-baselines3's log folders out of the system's temporary folder."""

import pytest


@pytest.fixture(autouse=True)
def log_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SB3_LOGDIR", str(tmp_path / "log"))
