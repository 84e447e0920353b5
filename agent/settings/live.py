"""What a person asks of `senseweave live`: a frozen dataclass, checked when it is made. Nothing heavy is imported here.

Whether a device is there, a file readable and a sense known to the policy is seen when they are used.
"""

import dataclasses
from typing import Any

from ...perception.checks import require_device, require_number
from ...perception.errors import ConfigError
from .checks import JsonSettings, require_text

MAX_HZ = 1000.0
"""The highest rate of a loop; the system's timers are no finer."""


@dataclasses.dataclass(frozen=True)
class LiveConfig(JsonSettings):
    """One session with live sensors.

    Args:
        policy: the run directory of the policy that acts; None only senses.
        camera: a device's index, a file, an image sequence (frame_%03d.png) or an address (http, udp, tcp, rtsp).
        microphone: a device's name or index, "default", or a file with sound.
        instruction: a text, "-" for lines of standard input, or "speech" for what is said into the microphone, or into
            the default one where none is named.
        replay: a recorded session, or the folder of one, that is sensed again instead of sensors.
        full_speed: whether it passes as fast as it can, with the very observations that were recorded, instead of in
            the time that it took.
        body: a Gymnasium environment that the actions drive, and whose senses count where no sensor is named.
        body_options: options of that environment.
        rate_hz: ticks in a second, up to `MAX_HZ`; None takes the policy's own.
        seconds: how long; None goes on until Ctrl-C.
        required: senses without which the safe action is sent.
        max_age_s: by sense, how old a reading may be; others as the policy's run says.
        safe_action: the action's name.
        actions: a file for the actions, one JSON object in each line.
        record: a folder for a recording of everything.
        report: an HTML file about the session.
        greedy: whether the policy takes the most probable action instead of a sampled one.
        seed: of the sampled actions and of the body.
        device: as in `TrainConfig`.

    Raises:
        ConfigError: there is no sensor, a value is out of its range, or two of them contradict each other.
    """

    policy: str | None = None
    camera: str | None = None
    microphone: str | None = None
    instruction: str | None = None
    replay: str | None = None
    full_speed: bool = False
    body: str | None = None
    body_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    rate_hz: float | None = None
    seconds: float | None = None
    required: tuple[str, ...] = ()
    max_age_s: dict[str, float] = dataclasses.field(default_factory=dict)
    safe_action: str | None = None
    actions: str | None = None
    record: str | None = None
    report: str | None = None
    greedy: bool = False
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        sources = ("camera", "microphone", "instruction", "body", "replay")
        for field in (*sources, "policy", "safe_action", "actions", "record", "report"):
            if getattr(self, field) is not None:
                require_text(field, getattr(self, field))
        if all(getattr(self, field) is None for field in sources):
            raise ConfigError(
                "There is nothing to sense; give --camera, --microphone or --instruction "
                "(`senseweave doctor` lists this machine's devices)."
            )
        if self.rate_hz is not None:
            require_number("rate_hz", self.rate_hz, above=0, at_most=MAX_HZ)
        if self.seconds is not None:
            require_number("seconds", self.seconds, above=0, hint="Leave it out to go on until Ctrl-C.")
        for sense, age_s in self.max_age_s.items():
            require_number("max_age_s", age_s, above=0, of=f'"{sense}"', hint="0.5 is a good start.")
        if self.report is not None and not self.report.lower().endswith((".html", ".htm")):
            raise ConfigError(f"`report` must end in .html; got {self.report!r}.")
        require_device(self.device)
        object.__setattr__(self, "required", tuple(self.required))
        self._require_agreement()

    def _require_agreement(self) -> None:
        if self.policy is None:
            for field, told in (
                ("greedy", "greedy"),
                ("actions", "actions"),
                ("safe_action", "safe-action"),
                ("required", "required"),
                ("body", "body"),
            ):
                if getattr(self, field):
                    raise ConfigError(f"`{told}` is about acting, but nobody acts; add --policy DIR, or leave it out.")
        for field in ("camera", "microphone", "instruction", "body"):
            if self.replay is not None and getattr(self, field) is not None:
                raise ConfigError(f"`replay` gives every sense as it was recorded; leave out --{field}.")
        if self.full_speed and self.replay is None:
            raise ConfigError("`full-speed` is for recorded sessions, the world has its own; add --replay DIR.")
        if self.required and self.safe_action is None:
            raise ConfigError("`required` needs to know what is safe when a sense is missing; add --safe-action NAME.")
        if self.body is not None and self.actions is not None:
            raise ConfigError("`actions` go to one place; got a file and a body. Leave one of them out.")
