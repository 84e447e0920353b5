"""Classify a scene with several heads at once, fusion by fusion, and see what missing senses cost.

    python examples/scene_classification.py --plot missing.png [--fusions early late gated_cross_attention]

Of the nearest thing that is seen, four heads say what it is, its colour, how far it is and how it sounds, while all
things of the room sound at once. Each fusion is trained twice, with and without `ModalityDropout`, and measured in
rooms that were never seen, while more and more of the senses are missing.
"""

import argparse

import torch
from rooms_data import Scenes, scenes
from torch import Tensor, nn

from senseweave.perception import FUSIONS, ModalityDropout, Perception, PerceptionConfig

HEADS = {"kind": 3, "colour": 3, "distance": 4, "sound": 4}
SHARES = (0.0, 0.25, 0.5, 0.75)
"""Of the senses, missing in the test."""
DROPOUT = 0.3
FUSED = ("early", "late", "gated_cross_attention")


def answers(data: Scenes) -> Tensor:
    """What each head should say, (n, 4)."""
    parts = (data.kind, data.colour, data.ahead.clamp(max=4) - 1, data.sound)
    return torch.stack([data.of_nearest(part) for part in parts], dim=1)


class Classifier(nn.Module):
    """A perception and a linear layer for all heads."""

    def __init__(self, spec, fusion: str) -> None:
        super().__init__()
        self.perception = Perception(spec, PerceptionConfig(fusion=fusion))
        self.heads = nn.Linear(self.perception.config.state_dim, sum(HEADS.values()))

    def forward(self, obs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """Logits of each head."""
        return self.heads(self.perception(obs).embedding).split(tuple(HEADS.values()), dim=1)


def fitted(train: Scenes, fusion: str, steps: int, rate: float, seed: int) -> Classifier:
    """A classifier that was trained with a share of the senses missing."""
    torch.manual_seed(seed)
    model, dropout = Classifier(train.spec, fusion), ModalityDropout(train.spec, rate)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    readings, goal = model.perception.digest(train.observations), answers(train)
    for _ in range(steps):
        rows = torch.randint(len(goal), (128,))
        parts = model(dropout({key: part[rows] for key, part in readings.items()}))
        loss = torch.stack([nn.functional.cross_entropy(part, goal[rows, i]) for i, part in enumerate(parts)]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


@torch.no_grad()
def accuracy(model: Classifier, test: Scenes, missing: float) -> Tensor:
    """Of each head, with a share of the senses missing."""
    dropout = ModalityDropout(test.spec, missing, generator=torch.Generator().manual_seed(1))
    parts = model(dropout(model.perception.digest(test.observations)))
    return (torch.stack([part.argmax(dim=1) for part in parts], dim=1) == answers(test)).float().mean(dim=0)


def draw(curves: dict[str, list[float]], chance: float, file: str) -> None:
    """Accuracy against the share of senses that are missing, as a picture."""
    from senseweave.agent.show.plots import CHANCE, SERIES, plot

    fusions = list(dict.fromkeys(name.split()[0] for name in curves))
    with plot(file, 6, 4) as axes:
        for name, curve in curves.items():
            colour, line = SERIES[fusions.index(name.split()[0])], "-" if "dropout" in name else "--"
            axes.plot(SHARES, curve, marker="o", label=name, color=colour, linestyle=line)
        axes.axhline(chance, color=CHANCE, linewidth=1, linestyle=":", label="chance")
        axes.set(xlabel="share of the senses that is missing", ylabel="accuracy, mean of four heads")
        axes.legend(loc="lower left")


def main(rooms: int, steps: int, fusions: list[str], plot: str | None, seed: int) -> None:
    """Trains each fusion with and without dropout, and prints what they get right."""
    train, test = scenes(rooms, seed), scenes(rooms // 6, seed + 1)
    goal = answers(test)
    chance = torch.stack([goal[:, i].bincount().max() / len(goal) for i in range(len(HEADS))])
    print(f"chance: {', '.join(f'{head} {share:.3f}' for head, share in zip(HEADS, chance, strict=True))}")
    curves = {}
    for fusion in fusions:
        for rate in (0.0, DROPOUT):
            name = f"{fusion} with dropout {rate}" if rate else fusion
            model = fitted(train, fusion, steps, rate, seed)
            shares = [accuracy(model, test, missing) for missing in SHARES]
            heads = ", ".join(f"{head} {share:.3f}" for head, share in zip(HEADS, shares[0], strict=True))
            curves[name] = [share.mean().item() for share in shares]
            falls = ", ".join(f"{mean:.3f} at {share}" for mean, share in zip(curves[name], SHARES, strict=True))
            print(f"{name}: {heads}; mean by the share that is missing: {falls}", flush=True)
    if plot:
        draw(curves, chance.mean().item(), plot)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=12_000)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--fusions", nargs="+", choices=sorted(FUSIONS), default=FUSED)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="draw the curves, .png; needs matplotlib")
    main(**vars(parser.parse_args()))
