"""Tables of names that a test may add to, and find as they were afterwards."""

import contextlib
from collections.abc import Iterator

from senseweave.perception.registry import Registry


@contextlib.contextmanager
def unchanged(*registries: Registry) -> Iterator[None]:
    """Takes back what is registered in the block."""
    before = [dict(registry._targets) for registry in registries]
    try:
        yield
    finally:
        for registry, targets in zip(registries, before, strict=True):
            registry._targets.clear()
            registry._targets.update(targets)
