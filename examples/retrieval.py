"""Find the frame that belongs to a sound or to a sentence: contrastive training of one perception for each sense.

    python examples/retrieval.py

In these rooms things of one colour make the same sound, and where a sound comes from tells where its thing is. Recall@k
is measured in rooms that were never seen: is the right frame among the k nearest? Chance is k / frames.
"""

import argparse
import math

import torch
from rooms_data import Scenes, scenes
from torch.nn import functional

from senseweave.perception import Perception, Spec, default_tokenizer

PAIRS = (("audio", "camera"), ("caption", "camera"))


def prepared(data: Scenes, towers: dict[str, Perception]) -> dict[str, dict[str, torch.Tensor]]:
    """By sense, what its perception reads."""
    raw = data.observations | towers["caption"].prepare({"caption": data.captions()})
    return {name: tower.digest({name: raw[name]}) for name, tower in towers.items()}


def vectors(towers: dict[str, Perception], inputs: dict, rows: torch.Tensor) -> dict[str, torch.Tensor]:
    """A vector of length 1 for each sense of each row."""
    return {
        name: functional.normalize(tower({key: part[rows] for key, part in inputs[name].items()}).embedding, dim=-1)
        for name, tower in towers.items()
    }


def main(rooms: int, steps: int, seed: int = 0) -> None:
    """Trains, and prints recall for both pairs of senses."""
    torch.manual_seed(seed)
    train, test = (
        scenes(rooms, seed, colours_sound=True, size="medium"),
        scenes(rooms // 6, seed + 1, colours_sound=True, size="medium"),
    )
    kinds = dict(train.spec) | {"caption": default_tokenizer().instruction(16)}
    towers = {name: Perception(Spec(**{name: kind})) for name, kind in kinds.items()}
    scale = torch.nn.Parameter(torch.tensor(math.log(1 / 0.07)))
    weights = [scale, *(weight for tower in towers.values() for weight in tower.parameters())]
    optimizer = torch.optim.Adam(weights, lr=1e-3, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    inputs = prepared(train, towers)
    for step in range(steps):
        found = vectors(towers, inputs, torch.randint(len(train.nearest), (128,)))
        loss = torch.zeros(())
        for one, other in PAIRS:  # symmetric InfoNCE (CLIP, arXiv 2103.00020, figure 3)
            logits = scale.clamp(max=math.log(100)).exp() * found[one] @ found[other].T
            partner = torch.arange(len(logits))
            loss = loss + functional.cross_entropy(logits, partner) + functional.cross_entropy(logits.T, partner)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {loss.item() / 4:.2f}")

    captions = test.captions()
    rows = torch.tensor(
        sorted({caption: row for row, caption in enumerate(captions)}.values())
    )  # no two described alike
    with torch.no_grad():
        found = vectors(towers, prepared(test, towers), rows)
    for one, other in PAIRS:
        likeness = found[one] @ found[other].T
        rank = (likeness > likeness.diagonal()[:, None]).sum(dim=1)
        recalls = [f"recall@{k} {(rank < k).float().mean():.3f} (chance {k / len(rows):.3f})" for k in (1, 5, 10)]
        print(f"{one} -> {other}, {len(rows)} frames: {', '.join(recalls)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=12_000)
    parser.add_argument("--steps", type=int, default=600)
    main(**vars(parser.parse_args()))
