"""The ids of Rooms for Gymnasium and for the listing, as data: torch is imported when one of them is made."""

from ..registry import register

LEVEL_NAMES = (
    "GoToRedBallGrey",
    "GoToRedBall",
    "GoToRedBallNoDists",
    "GoToObj",
    "GoToLocal",
    "PickupLoc",
    "PutNextLocal",
    "GoToDoor",
    "OpenDoor",
    "GoTo",
    "Pickup",
    "Open",
    "Seek",
    "SeekSeen",
    "SeekHeard",
    "SeekSpoken",
    "SeekGrounded",
)
"""The keys of `levels.levels.LEVELS`."""

SPOKEN = ("SeekSpoken",)
"""Levels whose instruction is spoken unless somebody asks for it in writing."""


def rooms_id(level: str) -> str:
    """The id of a level: "senseweave/Seek-v0"."""
    return f"senseweave/{level}-v0"


def register_rooms() -> None:
    """Registers every level, for `gymnasium.make` and for `gymnasium.make_vec`."""
    for level in LEVEL_NAMES:
        register(
            rooms_id(level),
            modalities=("audio", "camera") if level in SPOKEN else ("audio", "camera", "instruction"),
            entry_point="senseweave.envs.rooms.env:RoomsEnv",
            vector_entry_point="senseweave.envs.rooms.vector_env:RoomsVectorEnv",
            kwargs={"level": level},
        )
