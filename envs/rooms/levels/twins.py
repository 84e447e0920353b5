"""`twin_of`: the batched level with the rules, draws and limits of one of minigrid's BabyAI levels. Data only.

tests/envs/rooms/levels compare each pair: size, limit, missions, and statistics of the rooms.
"""

from typing import Any

_RED_BALLS = {f"BabyAI-{name}-v0": (name, {}) for name in ("GoToRedBallGrey", "GoToRedBall", "GoToRedBallNoDists")}
_SIZES = ((5, 2), (6, 2), (6, 3), (6, 4), (7, 4), (7, 5), (8, 2), (8, 3), (8, 4), (8, 5), (8, 6), (8, 7))
"""(cells along the room's side, things in it) of the GoToLocal levels that say so in their names."""

TWINS: dict[str, tuple[str, dict[str, Any]]] = {
    **_RED_BALLS,
    "BabyAI-GoToObj-v0": ("GoToObj", {}),
    "BabyAI-GoToObjS4-v0": ("GoToObj", {"room_size": 4}),
    "BabyAI-GoToObjS6-v1": ("GoToObj", {"room_size": 6}),
    "BabyAI-GoToLocal-v0": ("GoToLocal", {}),
    **{f"BabyAI-GoToLocalS{s}N{n}-v0": ("GoToLocal", {"room_size": s, "objects": n}) for s, n in _SIZES},
    "BabyAI-PickupLoc-v0": ("PickupLoc", {}),
    "BabyAI-PutNextLocal-v0": ("PutNextLocal", {}),
    "BabyAI-PutNextLocalS5N3-v0": ("PutNextLocal", {"room_size": 5, "objects": 3}),
    "BabyAI-PutNextLocalS6N4-v0": ("PutNextLocal", {"room_size": 6, "objects": 4}),
    "BabyAI-GoToDoor-v0": ("GoToDoor", {}),
    "BabyAI-OpenDoor-v0": ("OpenDoor", {}),
    "BabyAI-OpenDoorColor-v0": ("OpenDoor", {"select_by": "colour"}),
    "BabyAI-OpenDoorLoc-v0": ("OpenDoor", {"select_by": "place"}),
    "BabyAI-GoTo-v0": ("GoTo", {}),
    "BabyAI-GoToOpen-v0": ("GoTo", {"doors_open": True}),
    "BabyAI-GoToObjMaze-v0": ("GoTo", {"objects": 1}),
    "BabyAI-GoToObjMazeOpen-v0": ("GoTo", {"objects": 1, "doors_open": True}),
    "BabyAI-GoToObjMazeS4R2-v0": ("GoTo", {"rooms": 2, "room_size": 4, "objects": 1}),
    **{f"BabyAI-GoToObjMazeS{s}-v0": ("GoTo", {"room_size": s, "objects": 1}) for s in (4, 5, 6, 7)},
    "BabyAI-Pickup-v0": ("Pickup", {}),
    "BabyAI-Open-v0": ("Open", {}),
}
"""minigrid's id -> name of our level, and the options that make it the same."""


def twin_of(env_id: str) -> tuple[str, dict[str, Any]] | None:
    """The batched environment with the same rules as one of minigrid's.

    Args:
        env_id: "BabyAI-GoToLocalS7N4-v0".

    Returns:
        Its id and its options, ("senseweave/GoToLocal-v0", {"room_size": 7, "objects": 4}); None where there is none.
        What it senses is another matter: `senses="grid,instruction"` is what `make_babyai` shows without options.
    """
    found = TWINS.get(env_id)
    return None if found is None else (f"senseweave/{found[0]}-v0", dict(found[1]))
