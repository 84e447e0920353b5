"""What a person asks of `senseweave live`. Nothing heavy is imported here.

Whether a device is there, a file readable and a sense known to the policy is seen when they are used.
"""

import dataclasses
from typing import Annotated, Any

from ...perception.errors import ConfigError
from .base import Section, Settings
from .several import Addresses, Names, Numbers, Pairs
from .values import Device, FileName, Number, OneOf, Text, Whole, Word

MAX_HZ = 1000.0
"""The highest rate of a loop; the system's timers are no finer."""

SOURCES = ("camera", "microphone", "instruction", "body", "replay")
"""What gives senses."""

AGES = Numbers(
    word="max-age",
    number=Number(above=0, hint="0.5 is a good start."),
    noun="max_age_s",
    metavar="SENSE=SECONDS",
    example="camera=0.5",
    unset="as trained",
)


@dataclasses.dataclass(frozen=True)
class LiveConfig(Settings):
    """One session with live sensors.

    Args:
        camera: a number (0 is the first camera), a video file, pictures (frame_%03d.png), an address (http, udp, tcp
            or rtsp), or NAME:ADDRESS of a registered source; of several cameras each as SENSE=SOURCE.
        microphone: default, a device's name or number, a file with sound (wav, mp4), or NAME:ADDRESS of a registered
            source.
        instruction: what the agent is told. "-" reads it from standard input, line by line; "speech" takes it from
            what is said into --microphone, or into the default one.
        max_age_s: how old a reading may be before its sense counts as absent.
        replay: sense a session again that --record made, instead of all of these.
        full_speed: replay as fast as possible, with the very observations that were recorded.
        policy: run directory of the agent that acts.
        remote: a policy on another machine acts, ws://HOST:PORT as `senseweave serve` tells it. What it does not answer
            within a tick is a missed tick.
        token: file with the secret that the server of --remote wants.
        greedy: whether the policy takes the most probable action instead of a sampled one.
        actions: write the actions to this file, one JSON object a line; udp:PORT sends them, and so does NAME:ADDRESS
            of a registered body.
        body: drive this environment, or NAME:ADDRESS of a registered body, which also gives the senses that are not
            named.
        body_options: an option of the body.
        required: senses without which the safe action is sent.
        safe_action: action that is sent while a required sense is absent.
        seed: seed of sampled actions and of the body.
        device: auto (CUDA where it is there), cpu, cuda or cuda:N.
        rate_hz: ticks in a second.
        seconds: how long the session lasts.
        record: record everything losslessly into this folder.
        report: write a page with pictures and curves at the end.

    Raises:
        ConfigError: there is no sensor, a value is out of its range, or two of them contradict each other.
    """

    camera: Annotated[
        str | dict[str, str] | None,
        Addresses(),
        Section(
            "sensing",
            "Any sense may fail and come back: the agent knows what is absent, and the loop goes on. A file plays at "
            "its own speed, again and again.",
        ),
    ] = None
    microphone: Annotated[str | dict[str, str] | None, Addresses()] = None
    instruction: Annotated[str | None, Text(is_spoken=True)] = None
    max_age_s: Annotated[dict[str, float], AGES] = dataclasses.field(default_factory=dict)
    replay: Annotated[str | None, Text(metavar="DIR")] = None
    full_speed: bool = False
    policy: Annotated[
        str | None,
        Text(metavar="DIR"),
        Section("acting", "Without --policy or --remote, the senses are only shown and recorded."),
    ] = None
    remote: Annotated[str | None, Text(metavar="URL")] = None
    token: Annotated[str | None, Text(metavar="FILE")] = None
    greedy: Annotated[
        bool,
        OneOf(
            options=(
                Word(text="sample", value=False, help="take sampled actions"),
                Word(text="greedy", value=True, help="take the most probable actions"),
            )
        ),
    ] = False
    actions: Annotated[str | None, Text(metavar="PATH")] = None
    body: Annotated[str | None, Text(metavar="ENV")] = None
    body_options: Annotated[dict[str, Any], Pairs(word="body-option")] = dataclasses.field(default_factory=dict)
    required: Annotated[tuple[str, ...], Names(metavar="SENSE")] = ()
    safe_action: Annotated[str | None, Text(metavar="NAME")] = None
    seed: Annotated[int, Whole()] = 0
    device: Annotated[str, Device()] = "auto"
    rate_hz: Annotated[
        float | None,
        Number(word="rate", above=0, at_most=MAX_HZ, metavar="HZ", unset="as the policy was trained"),
        Section("timing"),
    ] = None
    seconds: Annotated[
        float | None,
        Number(above=0, metavar="T", unset="until Ctrl-C", hint="Leave it out to go on until Ctrl-C."),
    ] = None
    record: Annotated[str | None, Text(metavar="DIR"), Section("output")] = None
    report: Annotated[str | None, FileName(suffixes=(".html", ".htm"))] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if all(getattr(self, field) is None for field in SOURCES):
            raise ConfigError(
                "There is nothing to sense; give --camera, --microphone or --instruction "
                "(`senseweave doctor` lists this machine's devices)."
            )
        self._require_agreement()

    def _require_agreement(self) -> None:
        if self.policy is not None and self.remote is not None:
            raise ConfigError(f"One agent acts; got --policy {self.policy} and --remote {self.remote}. Leave one out.")
        if self.token is not None and self.remote is None:
            raise ConfigError("`token` is for a server; got none. Add --remote ws://HOST:PORT, or leave out --token.")
        if self.greedy and self.remote is not None:
            raise ConfigError("`greedy` is how a policy acts, which its server is told; add --greedy to `serve`.")
        if self.policy is None and self.remote is None:
            for field, told in (
                ("greedy", "greedy"),
                ("actions", "actions"),
                ("safe_action", "safe-action"),
                ("required", "required"),
                ("body", "body"),
            ):
                if getattr(self, field):
                    raise ConfigError(
                        f"`{told}` is about acting, but nobody acts; add --policy DIR or --remote URL, or leave it out."
                    )
        for field in ("camera", "microphone", "instruction", "body"):
            if self.replay is not None and getattr(self, field) is not None:
                raise ConfigError(f"`replay` gives every sense as it was recorded; leave out --{field}.")
        if self.full_speed and self.replay is None:
            raise ConfigError("`full-speed` is for recorded sessions, the world has its own; add --replay DIR.")
        if self.required and self.safe_action is None:
            raise ConfigError("`required` needs to know what is safe when a sense is missing; add --safe-action NAME.")
        if self.body is not None and self.actions is not None:
            raise ConfigError("`actions` go to one place; got a file and a body. Leave one of them out.")
