"""A disk for tests that fails at one chosen moment of saving."""

import os

import pytest

CALLS = ("fsync", "replace", "open", "mkdir", "fdopen")


class FailingDisk:
    """Makes the n-th of the system calls that saving consists of fail, once or for good."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, error: int, is_for_good: bool) -> None:
        self.count, self.at, self.error, self.is_for_good = 0, at, error, is_for_good
        for name in CALLS:
            monkeypatch.setattr(os, name, self._failing(getattr(os, name)))

    def _failing(self, original):
        def call(*arguments, **settings):
            self.count += 1
            if self.count == self.at or (self.is_for_good and self.count > self.at):
                raise OSError(self.error, os.strerror(self.error))
            return original(*arguments, **settings)

        return call

    @property
    def has_failed(self) -> bool:
        return self.count >= self.at
