"""How fast `Perception` is beside the same network with its fusion written with other libraries.

    python benchmarks/perception_speed.py              eager, 1 and 2 threads, CUDA where present
    python benchmarks/perception_speed.py --compile    compiled as well: minutes of waiting

First table: the preset "base" (width 128, 2 layers, 8 latents) for 64 x 64 RGB, 1 s of 16 kHz stereo and 16 tokens:
forward of one sample, forward and backward of a batch. Second table: the preset "laptop" with 0.1 s of sound, for each
fusion, in milliseconds a sample on one core, and where the time goes. Contenders take turns, round by round; a ratio
is the median of the ratios within the rounds. See other_fusions.py for what is compared.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping

import torch
from contenders.other_fusions import OTHER_FUSIONS, installed, sizes_of
from parts.result_rows import Result, add_option, write_results
from parts.stopwatch import Job, Timing, take_turns
from parts.tables import machine, print_json, print_table, tell
from torch import Tensor, nn

from senseweave.perception import (
    FUSIONS,
    Camera,
    Instruction,
    Microphone,
    Perception,
    PerceptionConfig,
    Spec,
    TokenGroup,
)
from senseweave.perception.observation.absence import clean
from senseweave.perception.observation.layout import READING

OURS = "senseweave"
SAMPLE_RATE_HZ = 16_000
SECONDS_BASE, SECONDS_LAPTOP = 1.0, 0.1
QUICK_BATCH = 8
Row = dict[str, object]


def senses(sound_s: float) -> Spec:
    """64 x 64 RGB, stereo sound of that many seconds, 16 tokens."""
    return Spec(
        camera=Camera(64, 64),
        audio=Microphone(2, round(sound_s * SAMPLE_RATE_HZ), SAMPLE_RATE_HZ),
        instruction=Instruction(16, 1024),
    )


def observation(spec: Spec, batch: int, device: str) -> dict[str, Tensor]:
    """Random frames, noise and full instructions, everything present."""
    generator = torch.Generator().manual_seed(batch)
    obs = {"present": torch.ones(batch, len(spec), dtype=torch.int8)}
    for name, kind in spec.items():
        if isinstance(kind, Microphone):
            obs[name] = torch.rand(batch, *kind.shape, generator=generator) * 0.2 - 0.1
        else:
            dtype = torch.uint8 if isinstance(kind, Camera) else torch.int32
            high = 256 if isinstance(kind, Camera) else 1024
            obs[name] = torch.randint(1, high, (batch, *kind.shape), generator=generator).to(dtype)
    return {name: value.to(device) for name, value in obs.items()}


@contextlib.contextmanager
def precision(device: str, dtype: str) -> Iterator[None]:
    """bf16 by autocast, or nothing."""
    if dtype == "float32":
        yield
        return
    with torch.autocast(device, torch.bfloat16):
        yield


def trains(module: nn.Module, run: Callable[[], Tensor], device: str = "cpu", dtype: str = "float32") -> Job:
    """Forward and backward, from fresh gradients; the gradient that comes in from behind is the same every time."""
    behind: list[Tensor] = []

    def job() -> None:
        module.zero_grad(set_to_none=True)
        with precision(device, dtype):
            out = run()
        if not behind:
            behind.append(torch.randn_like(out))
        out.backward(behind[0])

    return job


def acts(run: Callable[[], object], device: str, dtype: str) -> Job:
    """Forward alone, as an agent that acts runs it."""

    def job() -> None:
        with torch.inference_mode(), precision(device, dtype):
            run()

    return job


def leaf_groups(perception: Perception, obs: Mapping[str, Tensor]) -> dict[str, TokenGroup]:
    """What the fusion gets, cut off from the encoders, but with gradients to the tokens."""
    groups = {}
    with torch.no_grad():
        parts = clean(perception.layout, obs).parts
        for name, encoder in perception.encoders.items():
            group = encoder(parts[name][READING])
            groups[name] = TokenGroup(group.tokens.clone(), group.mask)
    for group in groups.values():
        group.tokens.requires_grad_()
    return groups


def base_contenders(wanted: list[str], device: str) -> dict[str, Perception]:
    """The preset "base", ours and with other fusions in its place."""
    config, spec = PerceptionConfig.preset("base"), senses(SECONDS_BASE)
    others, missing = installed()
    for name in set(missing) & set(wanted):
        tell(f'{name} is left out; it comes with: pip install "senseweave[bench]"')
    models = {}
    for name in [OURS, *(name for name in others if name in wanted)]:
        torch.manual_seed(0)
        models[name] = Perception(spec, config)
        if name in others:
            models[name].fusion = others[name](spec.names, **sizes_of(config))
        models[name].to(device)
    return models


def measure_base(options: argparse.Namespace, device: str, dtype: str, mode: str, threads: int) -> list[Row]:
    """One row for each contender."""
    tell(f"base: {device} {dtype}, {mode}, {threads} thread{'s' * (threads > 1)}")
    torch.set_num_threads(threads)
    torch.compiler.reset()
    models = base_contenders(options.contenders, device)
    spec = senses(SECONDS_BASE)
    one, many = observation(spec, 1, device), observation(spec, options.batch, device)
    act, train, fuse = {}, {}, {}
    for name, model in models.items():
        run = torch.compile(model) if mode == "compiled" else model
        fusion = torch.compile(model.fusion) if mode == "compiled" else model.fusion
        groups = leaf_groups(model, many)
        act[name] = acts(lambda run=run: run(one), device, dtype)
        train[name] = trains(model, lambda run=run: run(many).embedding, device, dtype)
        fuse[name] = trains(model, lambda fusion=fusion, groups=groups: fusion(groups).embedding, device, dtype)
    timings = {
        "forward_1": take_turns(act, rounds=options.rounds, calls=options.calls, warm_up=2),
        "train": take_turns(train, rounds=options.rounds),
        "fusion_train": take_turns(fuse, rounds=options.rounds),
    }
    rows = []
    for name, model in models.items():
        row: Row = {"contender": name, "device": device, "dtype": dtype, "mode": mode, "threads": threads}
        row |= {"batch": options.batch, "parameters": count(model), "fusion_parameters": count(model.fusion)}
        for what, by_name in timings.items():
            row |= as_figures(what, by_name[name], by_name[OURS])
        rows.append(row)
    return rows


def count(module: nn.Module) -> int:
    """Number of learned numbers."""
    return sum(parameter.numel() for parameter in module.parameters())


def as_figures(what: str, timing: Timing, ours: Timing) -> Row:
    """One timing as entries of a row: medians, and ratios to ours."""
    figures: Row = {f"{what}_ms": round(timing.median_wall_ms, 3), f"{what}_cpu_ms": round(timing.median_cpu_ms, 3)}
    return figures | {f"{what}_ratio_{name}": round(ratio, 3) for name, ratio in timing.over(ours).items()}


def measure_laptop(options: argparse.Namespace) -> list[Row]:
    """One row for each of our fusions: the preset "laptop" on one CPU core, eager."""
    torch.set_num_threads(1)
    spec = senses(SECONDS_LAPTOP)
    obs = observation(spec, options.batch, "cpu")
    jobs: dict[str, Job] = {}
    models = {}
    for name in FUSIONS:
        torch.manual_seed(0)
        model = models[name] = Perception(spec, PerceptionConfig.preset("laptop", fusion=name))
        groups = leaf_groups(model, obs)
        jobs[f"{name} whole"] = trains(model, lambda model=model: model(obs).embedding)
        jobs[f"{name} fusion"] = trains(model, lambda model=model, groups=groups: model.fusion(groups).embedding)
    tell(f"laptop: {', '.join(models)}")
    parts = clean(model.layout, obs).parts
    for name, encoder in model.encoders.items():
        jobs[name] = trains(encoder, lambda encoder=encoder, name=name: encoder(parts[name][READING]).tokens)
    timings = take_turns(jobs, rounds=options.rounds, warm_up=2)
    rows = []
    for name, model in models.items():
        whole = timings[f"{name} whole"]
        row: Row = {"fusion": name, "batch": options.batch, "parameters": count(model)}
        row |= {
            "train_ms_per_sample": round(whole.median_wall_ms / options.batch, 4),
            "train_cpu_ms_per_sample": round(whole.median_cpu_ms / options.batch, 4),
        }
        parts = {**{sense: timings[sense] for sense in spec.names}, "fusion": timings[f"{name} fusion"]}
        shares = {part: timing.over(whole)["cpu"] for part, timing in parts.items()}
        row["shares"] = {part: round(share, 4) for part, share in shares.items()}
        rows.append(row)
    return rows


def show_base(rows: list[Row]) -> None:
    """Prints the first table, one for each setting."""
    settings = dict.fromkeys((row["device"], row["dtype"], row["mode"], row["threads"]) for row in rows)
    for setting in settings:
        device, dtype, mode, threads = setting
        chosen = [row for row in rows if (row["device"], row["dtype"], row["mode"], row["threads"]) == setting]
        batch = chosen[0]["batch"]
        print_table(
            f'"base" on {device}, {dtype}, {mode}, threads: {threads} '
            "(ms by the clock / CPU ms; x: times ours, by CPU time [least..greatest], by the clock)",
            ["fusion", "parameters", "forward, 1", f"forward+backward, {batch}", "x CPU", "x clock"]
            + ["fusion alone", "x CPU", "x clock"],
            [
                [
                    str(row["contender"]),
                    f"{row['parameters']:,}",
                    f"{row['forward_1_ms']:.2f} / {row['forward_1_cpu_ms']:.2f}",
                    f"{row['train_ms']:.0f} / {row['train_cpu_ms']:.0f}",
                    *ratio_cells(row, "train"),
                    f"{row['fusion_train_ms']:.1f} / {row['fusion_train_cpu_ms']:.1f}",
                    *ratio_cells(row, "fusion_train"),
                ]
                for row in chosen
            ],
        )


def ratio_cells(row: Row, what: str) -> list[str]:
    """A ratio by CPU time with its range, and by the clock."""
    least, greatest = row[f"{what}_ratio_cpu_least"], row[f"{what}_ratio_cpu_greatest"]
    return [
        f"{row[f'{what}_ratio_cpu']:.2f} [{least:.2f}..{greatest:.2f}]",
        f"{row[f'{what}_ratio_wall']:.2f}",
    ]


def show_laptop(rows: list[Row]) -> None:
    """Prints the second table."""
    parts = list(rows[0]["shares"])
    print_table(
        f'"laptop", eager, 1 thread, forward+backward of {rows[0]["batch"]} samples with {SECONDS_LAPTOP} s of sound '
        "(shares of the whole by CPU time, each part timed alone)",
        ["fusion", "parameters", "ms a sample", "CPU ms a sample", *parts],
        [
            [
                str(row["fusion"]),
                f"{row['parameters']:,}",
                f"{row['train_ms_per_sample']:.3f}",
                f"{row['train_cpu_ms_per_sample']:.3f}",
                *(f"{100 * row['shares'][part]:.1f} %" for part in parts),
            ]
            for row in rows
        ],
    )


def is_in_results(row: Row) -> bool:
    """Whether a row of the first table stands in docs/results.md: one core, eager, float32."""
    return (row["device"], row["dtype"], row["mode"], row["threads"]) == ("cpu", "float32", "eager", 1)


def base_result(row: Row) -> Result:
    """A row of docs/results.md."""
    ratios = [row[f"train_ratio_cpu{end}"] for end in ("_least", "", "_greatest")]
    figures = {"ms": [row["train_ms"]], "x": ratios, "fusion alone, x": [row["fusion_train_ratio_cpu"]]}
    return Result(row["contender"], figures)


def laptop_result(row: Row) -> Result:
    """A row of docs/results.md."""
    figures = {"parameters": row["parameters"], "ms a sample": row["train_ms_per_sample"]}
    figures |= {f"{part}, %": 100 * share for part, share in row["shares"].items()}
    return Result(row["fusion"], {name: [value] for name, value in figures.items()})


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads on the CPU")
    parser.add_argument("--batch", type=int, default=256, help="samples of forward and backward")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contender")
    parser.add_argument("--calls", type=int, default=20, help="calls a turn, for the forward of one sample")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile as well; minutes of waiting")
    parser.add_argument("--contenders", nargs="+", choices=list(OTHER_FUSIONS), default=list(OTHER_FUSIONS))
    parser.add_argument("--no-base", action="store_true", help="leave out the first table")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_option(parser)
    parser.add_argument("--quick", action="store_true", help=f"batch {QUICK_BATCH}, 2 rounds, 1 thread: a smoke test")
    options = parser.parse_args(arguments)
    if options.quick:
        options.batch, options.rounds, options.calls, options.threads = QUICK_BATCH, 2, 2, [1]
    if min([*options.threads, options.batch, options.rounds, options.calls]) < 1:
        parser.error("--threads, --batch, --rounds and --calls must be at least 1")
    return options


def settings_of(options: argparse.Namespace) -> Iterator[tuple[str, str, str, int]]:
    """Device, dtype, mode and threads of every setting of the first table."""
    modes = ["eager", "compiled"] if options.compile else ["eager"]
    for mode in modes:
        for threads in options.threads:
            yield "cpu", "float32", mode, threads
    if torch.cuda.is_available():
        for mode in modes:
            for dtype in ("float32", "bf16"):
                yield "cuda", dtype, mode, 1


def main() -> None:
    """Measures, prints the tables."""
    options = parse()
    report = machine("torch", "x-transformers", "perceiver-pytorch")
    if torch.cuda.is_available():
        report["gpu"] = torch.cuda.get_device_name()
    tell(f"{report}")
    base: list[Row] = []
    if not options.no_base:
        for setting in settings_of(options):
            base += measure_base(options, *setting)
    laptop = measure_laptop(options)
    if base:
        show_base(base)
    show_laptop(laptop)
    if hasattr(os, "getloadavg"):
        report["load_average_at_the_end"] = [round(load, 2) for load in os.getloadavg()]
    write_results(options, "perception-speed", [base_result(row) for row in base if is_in_results(row)])
    write_results(options, "laptop-cost", [laptop_result(row) for row in laptop])
    if options.json:
        print_json({"machine": report, "base": base, "laptop": laptop})


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
