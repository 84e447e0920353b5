"""How long tests wait for what must happen at all."""

HANG_S = 500.0
"""By the clock; only a hang takes as long. Below the `timeout` in pyproject.toml, whose report tells less."""
