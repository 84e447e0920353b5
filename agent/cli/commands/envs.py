"""`senseweave envs`: every environment that can be trained in, what it senses, and what has to be installed for it."""

import dataclasses
from typing import Annotated, Any

from ....perception.errors import UnknownNameError, did_you_mean, packages_of_extra
from ....policies.tuned import tuned
from ...settings.base import Settings
from ...settings.several import Names
from ...settings.train import TrainConfig
from ..command import Command, Result


@dataclasses.dataclass(frozen=True)
class EnvsConfig(Settings):
    """Which environments are listed.

    Args:
        words: list only ids that contain each of these, in upper or lower case.
    """

    words: Annotated[tuple[str, ...], Names(metavar="WORD", is_positional=True)] = ()


def list_envs(words: tuple[str, ...] = ()) -> dict[str, Any]:
    """The environments whose id contains every word, in upper or lower case.

    Returns:
        What `envs --json` prints.

    Raises:
        UnknownNameError: there is none.
    """
    from ....envs import known

    entries = known()
    chosen = [entry for entry in entries if all(word.lower() in entry.id.lower() for word in words)]
    if not chosen:
        wanted = " ".join(words)
        raise UnknownNameError(
            f'No listed environment\'s id contains "{wanted}"; {did_you_mean(wanted, [entry.id for entry in entries])} '
            "Ids of Gymnasium that are not listed can be trained in as well."
        )
    rows = [dataclasses.asdict(entry) | {"senses": list(entry.senses)} | _recipe_of(entry.id) for entry in chosen]
    return {"environments": [row | {"modalities": row["senses"]} for row in rows]}  # their name in release 0.1


def _recipe_of(env_id: str) -> dict[str, Any]:
    """What `train --env ID` does there, and how well that was measured to go."""
    settings = TrainConfig.of_recipe({"env": env_id})
    row = tuned().get(env_id)
    measured = None if row is None or row.measured is None else dataclasses.asdict(row.measured)
    lengths = {"imitation_steps": settings.imitation_steps, "steps": settings.steps}
    return {"recipe": settings.recipe, **lengths, "measured": measured}


def as_text(result: dict[str, Any]) -> str:
    """The environments as a table for people."""
    rows = result["environments"]
    width = max(len(row["id"]) for row in rows)
    senses = max(len(", ".join(row["senses"])) for row in rows)
    lines = [f"{'environment':{width}}  {'senses':{senses}}  {'recipe':10} success"]
    for row in rows:
        mend = "" if row["is_installed"] else f"   needs: {_install(row['extra'])}"
        shown = f"{row['id']:{width}}  {', '.join(row['senses']):{senses}}"
        lines.append(f"{shown}  {row['recipe']:10} {_success(row['measured'])}".rstrip() + mend)
    usable = [row["id"] for row in rows if row["is_installed"]]
    hint = f" Train in one: senseweave train --env {usable[0]}" if usable else ""
    more = "Other ids of Gymnasium work too, and package:Id for an environment of your own."
    told = (
        "Success is that of `senseweave train --env ID`, sampled and greedy, in episodes it never saw, and how long it "
        "took; --json has seeds, steps and dates."
    )
    own = [told] if any(row["measured"] for row in rows) else []
    return "\n".join([*lines, "", f"{len(rows)} environments.{hint}", more, *own])


def _success(measured: dict[str, Any] | None) -> str:
    if measured is None:
        return ""
    return f"{measured['sampled']:.3f} {measured['greedy']:.3f} in {measured['minutes']:.0f} min"


def _install(extra: str | None) -> str:
    """The command that installs the packages of an extra of ours, or a package: senseweave itself is on no index."""
    packages = packages_of_extra(extra or "") or [extra]
    return " ".join(["pip install", *(f'"{package}"' for package in packages)])


def _run(settings: EnvsConfig) -> Result:
    result = list_envs(settings.words)
    return result, as_text(result)


COMMAND = Command(
    settings=EnvsConfig,
    run=_run,
    summary="List environments, their senses, and what has to be installed.",
    example="senseweave envs BabyAI GoTo",
)
