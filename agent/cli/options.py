"""The command line's words: commands, options, help. Nothing heavy is imported here.

Plain argparse: it imports in 20 ms where tyro takes 200, has `--sample | --greedy` and `--out | --resume` as they
are, and lets us end a mistake in one sentence of our own.
"""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from ...perception.errors import ConfigError, did_you_mean
from ...policies.choices import MEMORIES
from ...policies.recipes import RECIPES, resolved
from ...policies.trainer import TRAINERS
from ..settings.live import MOST_HZ
from ..settings.train import EXPLAIN_EPISODES, EvaluateConfig, TrainConfig, WatchConfig
from .option_values import decimal_number, key_value, name_and_weight, sense_seconds, whole_number
from .pretrain_options import add_pretrain_options

FUSION_NAMES = (
    "gated_cross_attention",
    "early",
    "late",
    "hierarchical",
    "concat",
    "sum",
    "gated_sum",
    "tensor",
    "low_rank_tensor",
    "additive_attention",
    "cross_attention",
    "transformer",
    "co_attention",
)
PRESET_NAMES = ("laptop", "base", "large")
"""For the help alone; what counts are `FUSIONS` and `PerceptionConfig.preset`, and a test compares them."""

DESCRIPTION = """\
Trains agents that see, hear and are told what to do, and shows which of their senses they use.

  senseweave train                                  learn to seek what is seen or heard, as told
  senseweave pretrain --out runs/senses             learn to perceive first, without rewards
  senseweave evaluate runs/NAME                     how well it does on episodes that it never saw
  senseweave explain runs/NAME                      which senses it uses
  senseweave watch --policy runs/NAME               see and hear it play, as a video
  senseweave live --policy runs/NAME --camera 0     run it on this machine's camera, microphone and your words
  senseweave envs BabyAI GoTo                       environments to train in
  senseweave doctor                                 what works on this machine, and how to mend the rest
"""

EXPLAIN_TEACHING = """\
what is found:
  success with every subset of the senses, on the same episodes, and from it what each sense adds (Shapley values)
  the same for the choices: how far they move when a sense is taken from a single decision, in nats
  gates, attention, and what spoke for and against an action (integrated gradients), with pictures of an episode
It writes one page, explain.html, that needs nothing else, and warns of a sense that the policy ignores. At most 6
senses are compared, as n senses have 2^n subsets; --without takes some away. Intervals shrink with more --episodes.
"""


class Parser(argparse.ArgumentParser):
    """Raises a `ConfigError` of one sentence where argparse would print its usage and leave."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.commands: dict[str, Parser] = {}

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parses, and names the command's own options where one is misspelt."""
        options, unknown = self.parse_known_args(words)
        if unknown:
            word = unknown[0].partition("=")[0]
            if not word.startswith("-"):
                raise ConfigError(f'"{word}" is one word too many; see: senseweave {options.command} --help.')
            known = self.commands[options.command].option_words()
            raise ConfigError(f'`{options.command}` has no option "{word}"; {did_you_mean(word, known)}')
        return options

    def error(self, message: str) -> NoReturn:
        option, _, problem = message.removeprefix("argument ").partition(": ")
        if option == "COMMAND" and "'" in problem:
            name = problem.split("'")[1]
            raise ConfigError(f'There is no command "{name}"; {did_you_mean(name, COMMANDS)}')
        if problem.startswith("not allowed with argument "):
            problem = f"cannot be given together with {problem.removeprefix('not allowed with argument ')}"
        told = f"`{option}` {problem}" if option.startswith("-") else f"{message[:1].upper()}{message[1:]}"
        raise ConfigError(f"{told}; see: {self.prog} --help.")

    def option_words(self) -> list[str]:
        """Every option of this parser."""
        return [word for action in self._actions for word in action.option_strings]


def build_parser() -> Parser:
    """The whole command line."""
    parser = Parser(prog="senseweave", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")
    for name, (add_options, summary, example) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary, epilog=f"example:\n  {example}")
        add_options(command)
        parser.commands[name] = command
        command.add_argument("--json", action="store_true", help="print one JSON object, and nothing else, on stdout")
        command.add_argument("--traceback", action="store_true", help="show where in the code a fault arose")
    return parser


def _train(parser: argparse.ArgumentParser) -> None:
    d = TrainConfig()
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", metavar="DIR", help="run directory to make (default: runs/ENV-TIME)")
    where.add_argument("--resume", metavar="DIR", help="go on from this run's newest checkpoint, with its settings")
    r = resolved("seek", {})
    task = parser.add_argument_group(
        "what to learn",
        "A level of Rooms (senseweave/...) without --steps and --imitation-steps takes "
        f"{r['imitation_steps']:,} steps of imitation, then "
        f"{r['steps']:,} of learning, {r['num_envs']} environments, modality dropout {r['modality_dropout']} and a "
        f"learning rate of {r['learning_rate']}.",
    )
    task.add_argument("--recipe", metavar="NAME", help=f"{', '.join(RECIPES.names)}; options change it")
    task.add_argument("--env", metavar="ID", help=f"see `senseweave envs` (default: {d.env})")
    _env_option(task)
    task.add_argument(
        "--steps",
        type=whole_number,
        metavar="N",
        help=f"steps of reinforcement learning (default: {d.steps:,})",
    )
    task.add_argument(
        "--imitation-steps",
        type=whole_number,
        metavar="N",
        help=f"steps before those that imitate the environment's expert (default: {d.imitation_steps:,})",
    )
    task.add_argument(
        "--num-envs", type=whole_number, metavar="N", help=f"environments side by side (default: {d.num_envs})"
    )
    task.add_argument("--seed", type=whole_number, metavar="S", help=f"of everything random (default: {d.seed})")
    how = parser.add_argument_group("how to learn")
    how.add_argument("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto, CUDA if it is there)")
    how.add_argument("--fusion", metavar="NAME", help=f"{', '.join(FUSION_NAMES)} (default: {FUSION_NAMES[0]})")
    how.add_argument("--preset", metavar="NAME", help=f"network size: {', '.join(PRESET_NAMES)} (default: laptop)")
    how.add_argument(
        "--memory",
        metavar="NAME",
        help=f"{', '.join(MEMORIES.names)} (default: {d.memory}); with --trainer sb3, gru is sb3-contrib's LSTM policy",
    )
    how.add_argument("--trainer", metavar="NAME", help=f"{', '.join(TRAINERS.names)} (default: {d.trainer})")
    how.add_argument("--learning-rate", type=decimal_number, metavar="X", help="of PPO at the start; it falls to 0")
    how.add_argument(
        "--auxiliary",
        type=name_and_weight,
        action="append",
        metavar="NAME=WEIGHT",
        help="a loss beside the trainer's: instruction_words, mission, or an objective of `pretrain`; may be repeated",
    )
    how.add_argument(
        "--modality-dropout",
        type=decimal_number,
        metavar="P",
        help="fraction of the training episodes in which a sense is missing, each by itself (default: 0)",
    )
    how.add_argument("--perception", metavar="DIR", help="start from Perception.save_pretrained weights")
    how.add_argument(
        "--compile",
        action="store_true",
        default=None,
        help="let torch compile the perception: a minute or so at the start, then faster; on a CPU it needs g++",
    )
    keep = parser.add_argument_group("what to keep")
    keep.add_argument(
        "--checkpoint-every", type=whole_number, metavar="N", help=f"steps between (default: {d.checkpoint_every:,})"
    )
    keep.add_argument(
        "--keep-checkpoints", type=whole_number, metavar="N", help=f"newest to keep (default: {d.keep_checkpoints})"
    )
    keep.add_argument(
        "--evaluation-episodes",
        type=whole_number,
        metavar="N",
        help=f"held-out episodes at the end; 0 for none (default: {d.evaluation_episodes})",
    )
    keep.add_argument("--no-video", dest="video", action="store_false", default=None, help="write no video.mp4")


def _evaluate(parser: argparse.ArgumentParser, video: bool = True, episodes: int = EvaluateConfig.episodes) -> None:
    parser.add_argument("run", metavar="DIR", help="run directory that train made")
    parser.add_argument("--env", metavar="ID", help="another environment with the same senses and actions")
    _env_option(parser)
    parser.add_argument("--episodes", type=whole_number, metavar="N", help=f"held-out episodes (default: {episodes})")
    parser.add_argument(
        "--seed", type=whole_number, metavar="S", help="which set of held-out seeds, 0 to 1000 (default: 0)"
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--sample", dest="greedy", action="store_false", help="judge sampled actions (default)")
    way.add_argument("--greedy", dest="greedy", action="store_true", help="judge the most probable actions")
    parser.add_argument("--without", nargs="+", metavar="SENSE", help="take senses away; name them after DIR")
    parser.add_argument("--num-envs", type=whole_number, metavar="N", help="episodes at once, for speed alone")
    parser.add_argument("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.set_defaults(greedy=None)
    if video:
        parser.add_argument("--video", metavar="FILE", help="also write the first episodes as a video, .mp4")


def _explain(parser: argparse.ArgumentParser) -> None:
    _evaluate(parser, video=False, episodes=EXPLAIN_EPISODES)
    parser.add_argument("--bot", action="store_true", help="compare lengths with an expert (BabyAI's bot, say)")
    parser.add_argument("--report", metavar="FILE", help="where the page goes (default: explain.html in DIR)")
    parser.epilog = f"{EXPLAIN_TEACHING}\n{parser.epilog}"


def _watch(parser: argparse.ArgumentParser) -> None:
    d = WatchConfig()
    parser.add_argument(
        "env", nargs="?", metavar="ENV", help=f"any id (default: the policy's own, or {TrainConfig().env})"
    )
    _env_option(parser)
    who = parser.add_argument_group("who plays", "an expert where there is one, else chance, unless you say otherwise")
    way = who.add_mutually_exclusive_group()
    way.add_argument("--policy", metavar="DIR", help="the agent of this run directory; its gates are drawn as well")
    way.add_argument("--expert", dest="player", action="store_const", const="expert", help="one who knows everything")
    way.add_argument("--random", dest="player", action="store_const", const="random", help="chance")
    who.add_argument("--greedy", action="store_true", default=None, help="with --policy: the most probable actions")
    who.add_argument("--without", nargs="+", metavar="SENSE", help="take senses away; name ENV before them")
    who.add_argument(
        "--unplug", nargs="+", metavar="SENSE@STEP", help="take senses away in mid-episode: camera@3 from step 3 on"
    )
    who.add_argument("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="the video, .mp4, or .webp: silent, slow, and without end (default: runs/watch/ENV-PLAYER-SEED.mp4)",
    )
    parser.add_argument("--episodes", type=whole_number, metavar="N", help=f"how many (default: {d.episodes})")
    parser.add_argument(
        "--seed", type=whole_number, metavar="S", help="which set of held-out seeds, 0 to 1000 (default: 0)"
    )


def _live(parser: argparse.ArgumentParser) -> None:
    senses = parser.add_argument_group(
        "what it senses",
        "Any of them may break and come back: the agent is told what is absent, and the loop goes on.\n"
        "A file is played at its own speed, again and again.",
    )
    senses.add_argument(
        "--camera",
        metavar="SRC",
        help="a number (0 is the first camera), a video file, pictures (frame_%%03d.png), or an address: http, udp, "
        "tcp or rtsp",
    )
    senses.add_argument(
        "--microphone", metavar="SRC", help="default, a device's name or number, or a file with sound (wav, mp4)"
    )
    senses.add_argument(
        "--instruction",
        metavar="TEXT",
        help="what the agent is told; - reads it from standard input, a line each; speech takes it from what is said "
        "into --microphone, or into the default one",
    )
    senses.add_argument(
        "--max-age",
        dest="max_age_s",
        type=sense_seconds,
        action="append",
        metavar="SENSE=S",
        help="how old a reading may be before its sense counts as absent; may be repeated (default: as trained)",
    )
    senses.add_argument(
        "--replay", metavar="DIR", help="sense a recorded session again, made with --record, instead of all of these"
    )
    senses.add_argument(
        "--full-speed",
        action="store_true",
        default=None,
        help="replay as fast as possible, with the very observations that were recorded (default: as long as it took)",
    )
    acts = parser.add_argument_group("what it does", "without --policy, the senses are only shown and recorded")
    acts.add_argument("--policy", metavar="DIR", help="run directory of the agent")
    way = acts.add_mutually_exclusive_group()
    way.add_argument("--sample", dest="greedy", action="store_false", help="take sampled actions (default)")
    way.add_argument("--greedy", dest="greedy", action="store_true", help="take the most probable actions")
    parser.set_defaults(greedy=None)
    acts.add_argument(
        "--actions", metavar="PATH", help="write the actions there, a JSON line each; udp:PORT sends them"
    )
    acts.add_argument("--body", metavar="ENV", help="drive this environment; it gives the senses that are not named")
    acts.add_argument(
        "--body-option", type=key_value, action="append", metavar="KEY=VALUE", help="an option of it; may be repeated"
    )
    acts.add_argument("--required", nargs="+", metavar="SENSE", help="without these the safe action is sent")
    acts.add_argument("--safe-action", metavar="NAME", help="what is done when a required sense is missing")
    acts.add_argument("--seed", type=whole_number, metavar="S", help="of sampled actions and the body (default: 0)")
    acts.add_argument("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)")
    when = parser.add_argument_group("when")
    when.add_argument(
        "--rate",
        dest="rate_hz",
        type=decimal_number,
        metavar="HZ",
        help=f"ticks in a second, at most {MOST_HZ:g} (default: the rate that the policy was trained at)",
    )
    when.add_argument("--seconds", type=decimal_number, metavar="T", help="how long (default: until Ctrl-C)")
    keep = parser.add_argument_group("what to keep")
    keep.add_argument("--record", metavar="DIR", help="record everything losslessly into this new folder")
    keep.add_argument("--report", metavar="FILE", help="write a page with pictures and curves at the end, .html")


def _envs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help="list only ids that contain each of these")


def _doctor(parser: argparse.ArgumentParser) -> None:
    """It needs no options of its own."""


def _env_option(parser: Any) -> None:
    parser.add_argument(
        "--env-option",
        type=key_value,
        action="append",
        metavar="KEY=VALUE",
        help="an option of the environment, such as size=medium; may be repeated",
    )


COMMANDS: dict[str, tuple[Any, str, str]] = {
    "train": (
        _train,
        "Train an agent, and leave a run directory with the policy, its curves and a video.",
        "senseweave train --out runs/seek",
    ),
    "pretrain": (
        add_pretrain_options,
        "Let a perception learn without rewards, from an environment or a recording; train --perception takes it.",
        "senseweave pretrain --objective contrastive=1 --objective autoencoder=0.5 --out runs/senses",
    ),
    "evaluate": (
        _evaluate,
        "Measure a trained agent on episodes that it never saw, sampled and greedy.",
        "senseweave evaluate runs/local --episodes 1000 --without instruction",
    ),
    "explain": (
        _explain,
        "Show which senses a trained agent uses: gates, and results with each sense taken away.",
        "senseweave explain runs/local --bot",
    ),
    "watch": (
        _watch,
        "Play some episodes and write them as a video with sound: what the agent sees, hears and is told.",
        "senseweave watch senseweave/Seek-v0 --expert --out seek.mp4",
    ),
    "live": (
        _live,
        "Run a trained agent on real sensors, or only show and record what they give. Ctrl-C ends it.",
        "senseweave live --policy runs/local --camera 0 --microphone default --instruction speech",
    ),
    "envs": (_envs, "List environments, their senses, and what has to be installed.", "senseweave envs BabyAI GoTo"),
    "doctor": (_doctor, "Look at this machine: what works, and how to mend the rest.", "senseweave doctor"),
}
"""Name -> (adds its options, one sentence, an example)."""
