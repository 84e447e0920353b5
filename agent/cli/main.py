"""The command line: reads options, runs a command, prints its result, and turns every error into one sentence.

Standard output carries the result alone (with `--json`, one JSON object); everything else that happens, libraries'
own prints included, goes to standard error. Commands are imported when they are chosen, so that `--help` is quick.
"""

import argparse
import contextlib
import json
import math
import os
import re
import shlex
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...perception.errors import ConfigError, SenseweaveError
from ..settings.live import LiveConfig
from ..settings.pretrain import PretrainConfig
from ..settings.train import EXPLAIN_EPISODES, EvaluateConfig, TrainConfig, WatchConfig
from .options import build_parser

SUCCESS, FAULT, MISTAKE, INTERRUPTED = 0, 1, 2, 130
CHANGES_WHEN_RESUMING = (
    "env",
    "steps",
    "device",
    "evaluation_episodes",
    "video",
    "checkpoint_every",
    "keep_checkpoints",
)

Result = tuple[dict[str, Any], str]
"""What a command gives back: values for `--json`, and a text for people."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: words after `senseweave`; those of this process by default.

    Returns:
        The exit status: 0 success, 2 a mistake that the person can mend, 1 a fault, 130 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    shows_traceback = "--traceback" in words
    try:
        options = build_parser().parse(words or ["--help"])
        with _output_kept_clean(), warnings.catch_warnings():
            if not sys.warnoptions and not shows_traceback:
                warnings.simplefilter("ignore")
            values, text = RUN[options.command](options)
        return _print(json.dumps(without_non_finite(values), allow_nan=False) if options.json else text)
    except SystemExit as end:  # --help
        return int(end.code or 0)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if shows_traceback:
            traceback.print_exc()
        if isinstance(error, SenseweaveError):
            print(_one_line(error), file=sys.stderr)
            return MISTAKE
        print(
            f"A fault in senseweave or in a library: {type(error).__name__}: {_one_line(error)} "
            "(add --traceback to see where, and report it with that).",
            file=sys.stderr,
        )
        return FAULT


def _one_line(error: BaseException) -> str:
    message = error.args[0] if isinstance(error, KeyError) and error.args else error
    return " ".join(str(message).split()) or "no message"


@contextlib.contextmanager
def _output_kept_clean() -> Iterator[None]:
    """Sends what anybody writes to standard output, C libraries included, to standard error."""
    with contextlib.redirect_stdout(sys.stderr):
        try:
            is_real = sys.__stdout__ is not None and sys.__stdout__.fileno() == 1 and sys.stderr.fileno() == 2
        except (OSError, ValueError, AttributeError):
            is_real = False
        if not is_real:
            yield
            return
        kept = os.dup(1)
        try:
            os.dup2(2, 1)
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


def _print(text: str) -> int:
    if int(os.environ.get("RANK", "0")) > 0:  # of torchrun: the first process speaks for all
        return SUCCESS
    try:
        print(text, flush=True)
    except BrokenPipeError:  # `senseweave envs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return SUCCESS


def without_non_finite(value: Any) -> Any:
    """Plain JSON values, in which NaN and infinity are null."""
    if isinstance(value, dict):
        return {str(key): without_non_finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_non_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _train(options: argparse.Namespace) -> Result:
    given = _given(options, TrainConfig)
    if options.resume is not None:
        for name in given:
            if name not in CHANGES_WHEN_RESUMING:
                word = name.replace("_", "-").removesuffix("s" if name == "env_options" else "")
                raise ConfigError(f"`--{word}` cannot change when a run resumes; leave it out, or take a new --out.")
        TrainConfig(**given)  # complains about a bad value before anything heavy is imported
        from ..train.train import resume

        result = resume(options.resume, **given)
    else:
        config = TrainConfig.of_recipe(given)
        out = options.out if options.out is not None else _new_run_name(config.env)
        if not out:
            raise ConfigError('"--out" must name a folder; got an empty text.')
        from ..train.train import train

        result = train(config, out)
    return result, _train_text(result)


def _train_text(result: dict[str, Any]) -> str:
    from ..evaluate.evaluate import as_text

    lines = [] if result["evaluation"] is None else [as_text(result["evaluation"])]
    lines.append(f"run directory   {result['run']}")
    if result["video"]:
        lines.append(f"video           {result['video']}")
    if not result["was_interrupted"]:
        lines.append(f"which senses?   senseweave explain {shlex.quote(result['run'])}")
    return "\n".join(lines)


def _pretrain(options: argparse.Namespace) -> Result:
    given = _given(options, PretrainConfig)
    if options.objective is not None:
        given["objectives"] = _each_once(options.objective, "objective")
    config = PretrainConfig(**given)
    source = config.env if config.dataset is None else "recording"
    out = _new_run_name(f"pretrained-{source}") if options.out is None else options.out
    if not out:
        raise ConfigError('"--out" must name a folder; got an empty text.')
    from ..train.pretrain import as_text, pretrain

    result = pretrain(config, out)
    return result, as_text(result)


def _evaluate(options: argparse.Namespace) -> Result:
    config = EvaluateConfig(**_given(options, EvaluateConfig))
    from ..evaluate.evaluate import as_text, evaluate

    result = evaluate(config)
    return result, as_text(result)


def _explain(options: argparse.Namespace) -> Result:
    given: dict[str, Any] = {"episodes": EXPLAIN_EPISODES}
    config = EvaluateConfig(**given | _given(options, EvaluateConfig))
    from ..explain.explain import as_text, explain

    result = explain(config, bot=options.bot, report=options.report)
    return result, as_text(result)


def _watch(options: argparse.Namespace) -> Result:
    config = WatchConfig(**_given(options, WatchConfig))
    from ..evaluate.watch import as_text, watch

    result = watch(config)
    return result, as_text(result)


def _live(options: argparse.Namespace) -> Result:
    given = _given(options, LiveConfig)
    for field, pairs, told in (
        ("max_age_s", options.max_age_s, "max-age"),
        ("body_options", options.body_option, "body-option"),
    ):
        if pairs is not None:
            given[field] = _each_once(pairs, told)
    config = LiveConfig(**given)
    from ..live.live import as_text, live

    result = live(config)
    return result, as_text(result)


def _envs(options: argparse.Namespace) -> Result:
    from .listing import as_text, list_envs

    result = list_envs(tuple(options.words))
    return result, as_text(result)


def _doctor(options: argparse.Namespace) -> Result:
    from .doctor import as_text, examine

    result = examine()
    return result, as_text(result)


def _given(options: argparse.Namespace, config: type) -> dict[str, Any]:
    """The options that were really given, by the names of `config`'s fields."""
    values = {key: value for key, value in vars(options).items() if value is not None}
    if "env_option" in values:
        values["env_options"] = _each_once(values.pop("env_option"), "env-option", "key")
    if "auxiliary" in values:
        values["auxiliary"] = _each_once(values["auxiliary"], "auxiliary")
    return {key: value for key, value in values.items() if key in config.__dataclass_fields__}


def _each_once(pairs: Sequence[tuple[str, Any]], option: str, what: str = "name") -> dict[str, Any]:
    """The pairs of an option that may be repeated.

    Raises:
        ConfigError: two of them are of the same name.
    """
    given = dict(pairs)
    if len(given) < len(pairs):
        raise ConfigError(f"`--{option}` must give each {what} once; one was given twice.")
    return given


def _new_run_name(env_id: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", env_id).strip("-.") or "run"
    return os.path.join("runs", f"{plain}-{time.strftime('%Y%m%d-%H%M%S')}")


RUN: dict[str, Callable[[argparse.Namespace], Result]] = {
    "train": _train,
    "pretrain": _pretrain,
    "evaluate": _evaluate,
    "explain": _explain,
    "watch": _watch,
    "live": _live,
    "envs": _envs,
    "doctor": _doctor,
}

if __name__ == "__main__":
    sys.exit(main())
