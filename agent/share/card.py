"""Model cards: README.md of an agent or a perception, written from what its files tell, and from nothing else.

Figures are those of results.json, with their intervals; what was not measured is not on the card.
"""

import dataclasses
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...perception.budget import count_parameters
from ...perception.perception import Perception
from ...perception.spec import Spec
from ...perception.texts import shown
from ..play.chance import told
from ..runs.config import RunConfig
from ..runs.present import UNNAMED
from ..runs.strangers import as_words
from ..settings.base import kinds_of
from ..settings.train import TrainConfig

NO_LICENCE = "No licence was named: ask its author before you use it."

PLACES = ("DIR", "FILE")
"""What the help calls settings that name a place of one machine."""

_SAYS_NOTHING = (
    *("device", "compile", "checkpoint_every", "keep_checkpoints", "evaluation_episodes", "video"),
    *("env", "env_options", "recipe", "seed"),
)
"""Settings of a training that do not change what it makes, and those that its command names in any case."""


def agent_card(
    config: RunConfig,
    results: Mapping[str, Any] | None,
    address: str,
    licence: str | None,
    *,
    steps: int,
    made_by: str | None,
    has_video: bool,
) -> str:
    """The card of a trained agent.

    Args:
        config: of its run.
        results: what results.json holds; None where it was never evaluated.
        address: by which others name it.
        licence: as the Hub names licences, or None.
        steps: environment steps that it was trained for.
        made_by: the command that trains it again; None for a model that was saved in Python.
        has_video: whether video.mp4 is beside the card.
    """
    train = config.train
    place = "its own environments" if train.env == UNNAMED else f"`{shown(train.env, 80)}`"
    about = [
        f"An agent of senseweave, trained in {place} for {steps:,} steps. It goes on acting while senses are missing.",
        *(["", "![An evaluation episode](video.mp4)"] if has_video else []),
        *("", "## What it senses", "", *_senses(config.spec)),
        *("", f"Actions: {', '.join(map(shown, config.action_names)) or 'numbers'}; a step is {config.step_s:g} s."),
    ]
    about += ["", "## How well it does", "", *_success(results, address)]
    need = "" if train.env != UNNAMED else " --env ID"
    use = [f"senseweave evaluate {address}{need}", f"senseweave watch --policy {address}{need}"]
    if "camera" in config.spec:
        use.append(f"senseweave live --policy {address} --camera 0 --instruction -")
    about += ["", "## How to use it", "", *_block("sh", use), "", *_from_python(address)]
    made = ["Its model was saved in Python, by `PPO.save`."] if made_by is None else _block("sh", [made_by])
    about += ["", "## How it was made", "", *made, "", f"With senseweave {shown(config.senseweave, 40)}."]
    return _page(address, licence, about, ["reinforcement-learning"])


def perception_card(perception: Perception, address: str, licence: str | None) -> str:
    """The card of a perception alone; see `agent_card`."""
    config = perception.config
    count = count_parameters(perception.spec, config)
    about = [
        f"Senses of senseweave, woven into a state of {config.state_dim} numbers: fusion `{config.fusion}`, "
        f"{count:,} parameters. It holds no policy.",
        *("", "## What it senses", "", *_senses(perception.spec)),
        *("", "## How to use it", "", *_from_python(address)),
    ]
    return _page(address, licence, about, [])


def command_of(train: TrainConfig) -> str:
    """`senseweave train` with what makes this training again; "DIR" stands for a folder of the machine it ran on."""
    named: dict[str, Any] = {"env": train.env, "env_options": train.env_options}
    named |= {} if train.recipe is None else {"recipe": train.recipe}
    usual, kinds = TrainConfig.of_recipe(named), kinds_of(TrainConfig)
    names = [field.name for field in dataclasses.fields(train) if field.name not in _SAYS_NOTHING]
    changed = [name for name in names if getattr(train, name) not in (None, getattr(usual, name))]
    lengths = ("imitation_steps", "steps")
    if set(changed) & set(lengths):  # one alone would scale the other
        changed = [*lengths, *(name for name in changed if name not in lengths)]
    words = [
        "senseweave train",
        *([] if train.recipe is None else [f"--recipe {train.recipe}"]),
        f"--seed {train.seed}",
    ]
    words.append(as_words(train.env, train.env_options))
    for name in changed:
        kind = kinds[name]
        value = kind.metavar if kind.metavar in PLACES else getattr(train, name)
        words += _words(kind.words(name, None)[0].text, value)
    return " ".join(words)


def _words(word: str, value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        return [f"--{word} {shlex.quote(f'{name}={_plain(part)}')}" for name, part in value.items()]
    return [f"--{word} {shlex.quote(_plain(value))}"]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _senses(spec: Spec) -> list[str]:
    rows = [f"| {shown(name, 40)} | {shown(repr(kind), 120)} |" for name, kind in spec.items()]
    return ["| sense | kind |", "|---|---|", *rows]


def _success(results: Mapping[str, Any] | None, address: str) -> list[str]:
    if results is None:
        return [f"It was not evaluated. `senseweave evaluate {address}` does it."]
    found = results["evaluation"]
    rows = [
        (f"all senses, {name}", found.get(f"{name}_success_rate"), found.get(f"{name}_success_interval"), "")
        for name in ("sampled", "greedy")
    ]
    for sense, row in (found.get("without_each") or {}).items():
        less = told(row["difference"])
        rows.append((f"without {shown(sense, 40)}, sampled", row["success_rate"], row["success_interval"], less))
    lines = [
        f"| {what} | {_share(rate, interval)} | {less} |" for what, rate, interval, less in rows if rate is not None
    ]
    if not lines:
        earned = found.get("mean_return")
        return [f"Success is not defined there; the mean return of {found.get('episodes')} episodes is {earned}."]
    about = (
        f"Held-out episodes that training never saw, {found.get('episodes')} with all senses; intervals are of 95 %. A "
        "difference is taken over the same episodes."
    )
    table = ["| | success | less all senses |", "|---|---|---|", *lines]
    return [about, "", *table, *_gates(found), "", *_block("sh", [str(results["command"])])]


def _gates(found: Mapping[str, Any]) -> list[str]:
    """How far each sense's gate is open on average, where somebody measured it."""
    gates = found.get("gates") or {}
    told_gates = ", ".join(f"{shown(name, 40)} {gate:.2f}" for name, gate in gates.items())
    return ["", f"Mean gates, 0 shut and 1 open: {told_gates}."] if gates else []


def _share(rate: float, interval: Sequence[float] | None) -> str:
    return f"{rate:.3f}" if interval is None else f"{rate:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _from_python(address: str) -> list[str]:
    code = ["from senseweave.perception import Perception", f'perception = Perception.from_pretrained("{address}")']
    return ["Its senses alone, for a policy of your own:", "", *_block("python", code)]


def _block(language: str, lines: Sequence[str]) -> list[str]:
    return [f"```{language}", *lines, "```"]


def _page(address: str, licence: str | None, about: Sequence[str], tags: Sequence[str]) -> str:
    kind = ["pipeline_tag: reinforcement-learning"] if "reinforcement-learning" in tags else []
    licensed = [] if licence is None else [f"license: {json.dumps(licence)}"]
    every = ["senseweave", "multimodal", "missing-modalities", *tags]
    head = ["---", "library_name: senseweave", *licensed, *kind, "tags:", *(f"- {tag}" for tag in every), "---"]
    title = address.rpartition("/")[2]
    end = ["", "## Licence", "", NO_LICENCE if licence is None else f"`{shown(licence, 80)}`"]
    return "\n".join([*head, "", f"# {title}", "", *about, *end, ""])
