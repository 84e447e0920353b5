"""`senseweave envs`: every environment that can be trained in, what it senses, and what has to be installed for it."""

import dataclasses
from typing import Any

from ..envs import known
from ..perception.errors import UnknownNameError, did_you_mean


def list_envs(words: tuple[str, ...] = ()) -> dict[str, Any]:
    """The environments whose id contains every word, in upper or lower case.

    Returns:
        What `envs --json` prints.

    Raises:
        UnknownNameError: there is none.
    """
    entries = known()
    chosen = [entry for entry in entries if all(word.lower() in entry.id.lower() for word in words)]
    if not chosen:
        wanted = " ".join(words)
        raise UnknownNameError(
            f'No environment\'s id contains "{wanted}"; {did_you_mean(wanted, [entry.id for entry in entries])}'
        )
    rows = [dataclasses.asdict(entry) for entry in chosen]
    return {"environments": [row | {"modalities": list(row["modalities"])} for row in rows]}


def as_text(result: dict[str, Any]) -> str:
    """The environments as a table for people."""
    rows = result["environments"]
    width = max(len(row["id"]) for row in rows)
    lines = []
    for row in rows:
        if row["is_installed"]:
            mend = ""
        else:
            mend = f'   needs: pip install "senseweave[{row["extra"]}]"' if row["extra"] else "   not installed"
        lines.append(f"{row['id']:{width}}  {', '.join(row['modalities'])}{mend}")
    return "\n".join([*lines, "", f"{len(rows)} environments. Train in one: senseweave train --env {rows[0]['id']}"])
