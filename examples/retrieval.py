"""Find the frame that belongs to a sound or to a sentence, after contrastive learning with `Contrastive`.

    python examples/retrieval.py

In these rooms things of one colour make the same sound, and where a sound comes from tells where its thing is. Recall@k
is measured in rooms that were never seen: is the right frame among the k nearest? Chance is k / frames.
"""

import argparse

import torch
from rooms_data import Scenes, scenes
from torch import Tensor, nn

from senseweave.perception import Perception, Spec, default_tokenizer
from senseweave.perception.objectives import Contrastive, Seen

PAIRS = (("audio", "camera"), ("caption", "camera"))
"""What is given, and what is searched. Learned is every pair of the three senses."""


class Senses(nn.Module):
    """A perception of sound, frame and caption, whose encoders learn by `Contrastive` alone."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.perception = Perception(spec)
        self.objective = Contrastive(spec, self.perception.config)

    def inputs(self, data: Scenes) -> dict[str, Tensor]:
        """What the perception reads of each room."""
        caption = self.perception.prepare({"caption": data.captions()})["caption"]
        return self.perception.digest(data.observations | {"caption": caption})

    def forward(self, inputs: dict[str, Tensor], rows: Tensor) -> Seen:
        """Some of the rooms, as they were seen."""
        obs = {key: part[rows] for key, part in inputs.items()}
        return Seen.of(obs, self.perception(obs, with_tokens=True))


def main(rooms: int, steps: int, seed: int) -> None:
    """Trains, and prints recall for both pairs of senses."""
    torch.manual_seed(seed)
    train, test = (
        scenes(count, number, colours_sound=True, size="medium")
        for count, number in ((rooms, seed), (rooms // 6, seed + 1))
    )
    model = Senses(Spec(**dict(train.spec), caption=default_tokenizer().instruction(16)))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    inputs = model.inputs(train)
    for step in range(steps):
        loss = model.objective(model(inputs, torch.randint(len(train.nearest), (128,)))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {loss.item():.2f}", flush=True)

    captions = test.captions()
    rows = torch.tensor(
        sorted({caption: row for row, caption in enumerate(captions)}.values())
    )  # no two described alike
    with torch.no_grad():
        found = model.objective.vectors(model(model.inputs(test), rows))
    for one, other in PAIRS:
        likeness = found[one] @ found[other].T
        rank = (likeness > likeness.diagonal()[:, None]).sum(dim=1)
        recalls = [f"recall@{k} {(rank < k).float().mean():.3f} (chance {k / len(rows):.3f})" for k in (1, 5, 10)]
        print(f"{one} -> {other}, {len(rows)} frames: {', '.join(recalls)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=12_000)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
