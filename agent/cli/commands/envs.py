"""`senseweave envs`: every environment that can be trained in, what it senses, and what has to be installed for it."""

import dataclasses
from typing import Annotated, Any

from ....perception.errors import UnknownNameError, did_you_mean, packages_of_extra
from ...settings.base import Settings
from ...settings.several import Names
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
    rows = [dataclasses.asdict(entry) | {"senses": list(entry.senses)} for entry in chosen]
    return {"environments": [row | {"modalities": row["senses"]} for row in rows]}  # their name in release 0.1


def as_text(result: dict[str, Any]) -> str:
    """The environments as a table for people."""
    rows = result["environments"]
    width = max(len(row["id"]) for row in rows)
    lines = []
    for row in rows:
        mend = "" if row["is_installed"] else f"   needs: {_install(row['extra'])}"
        lines.append(f"{row['id']:{width}}  {', '.join(row['senses'])}{mend}")
    usable = [row["id"] for row in rows if row["is_installed"]]
    hint = f" Train in one: senseweave train --env {usable[0]}" if usable else ""
    more = "Other ids of Gymnasium work too, and package:Id for an environment of your own."
    return "\n".join([*lines, "", f"{len(rows)} environments.{hint}", more])


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
