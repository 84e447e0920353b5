"""The id of the live rig for Gymnasium and for the listing, as data: nothing is imported before one is made."""

from ..registry import register

LIVE_ID = "senseweave/Live-v0"


def register_live() -> None:
    """Registers the rig, for `gymnasium.make`."""
    register(
        LIVE_ID,
        senses=("audio", "camera", "instruction"),
        entry_point="senseweave.envs.live.sensors.open:make_live",
        nondeterministic=True,
    )
