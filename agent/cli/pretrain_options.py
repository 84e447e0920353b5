"""The options of `senseweave pretrain`. Nothing heavy is imported here."""

import argparse

from ..settings.pretrain import IMPUTATION_NAMES, OBJECTIVE_NAMES, PretrainConfig
from .option_values import decimal_number, key_value, name_and_perhaps_weight, whole_number


def add_pretrain_options(parser: argparse.ArgumentParser) -> None:
    """Adds them to its parser."""
    d = PretrainConfig()
    parser.add_argument("--out", metavar="DIR", help="folder to make (default: runs/pretrained-ENV-TIME)")
    what = parser.add_argument_group(
        "what to learn",
        "Any set of objectives, each with its weight in the sum (NAME alone weighs 1):\n"
        "  contrastive   what was sensed at one moment belongs together (InfoNCE, as in CLIP)\n"
        "  dcca          the senses' vectors shall correlate (Deep CCA)\n"
        "  autoencoder   the state tells what every sense said, also those that were hidden\n"
        "  translation   the tokens of one sense are made of the others' (conditional GAN)\n"
        "docs/how/objectives.md has the formulas.",
    )
    what.add_argument(
        "--objective",
        type=name_and_perhaps_weight,
        action="append",
        metavar="NAME=WEIGHT",
        help=f"{', '.join(OBJECTIVE_NAMES)}; may be repeated "
        f"(default: {', '.join(f'{name}={weight:g}' for name, weight in d.objectives.items())})",
    )
    what.add_argument(
        "--imputation",
        metavar="NAME",
        help=f"{', '.join(IMPUTATION_NAMES)}: guess absent senses from the others, then and later (default: none)",
    )
    what.add_argument(
        "--modality-dropout",
        type=decimal_number,
        metavar="P",
        help=f"how often a sense is hidden from the autoencoder (default: {d.modality_dropout})",
    )
    source = parser.add_argument_group("from what")
    way = source.add_mutually_exclusive_group()
    way.add_argument("--env", metavar="ID", help=f"play this environment, see `senseweave envs` (default: {d.env})")
    way.add_argument("--dataset", metavar="DIR", help="sessions that `senseweave live --record DIR` wrote")
    source.add_argument(
        "--env-option",
        type=key_value,
        action="append",
        metavar="KEY=VALUE",
        help="an option of the environment, such as size=medium; may be repeated",
    )
    source.add_argument(
        "--num-envs", type=whole_number, metavar="N", help=f"environments side by side (default: {d.num_envs})"
    )
    how = parser.add_argument_group("how")
    how.add_argument("--steps", type=whole_number, metavar="N", help=f"minibatches (default: {d.steps:,})")
    how.add_argument(
        "--batch-size", type=whole_number, metavar="N", help=f"observations each (default: {d.batch_size})"
    )
    how.add_argument("--learning-rate", type=decimal_number, metavar="X", help="at the start; it falls to a tenth")
    how.add_argument("--seed", type=whole_number, metavar="S", help=f"of everything random (default: {d.seed})")
    how.add_argument("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto, CUDA if it is there)")
    how.add_argument("--preset", metavar="NAME", help="network size: laptop, base, large (default: laptop)")
    how.add_argument("--fusion", metavar="NAME", help="as in `senseweave train` (default: gated_cross_attention)")
