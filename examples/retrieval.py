"""Find the frame that belongs to a sound or to a sentence, after learning without rewards.

    python examples/retrieval.py                             by InfoNCE, as CLIP
    python examples/retrieval.py --objective dcca            by deep canonical correlations
    python examples/retrieval.py --objective linear_cca      in closed form, nothing is trained

In these rooms things of one colour make the same sound, and where a sound comes from tells where its thing is. Recall@k
is measured in rooms that were never seen: is the right frame among the k nearest? Chance is k / frames.
"""

import argparse

import torch
from rooms_data import Scenes, scenes
from torch import Tensor, nn
from torch.nn import functional

from senseweave.perception import Perception, Spec, default_tokenizer
from senseweave.perception.objectives import OBJECTIVES, Seen, linear_cca

PAIRS = (("audio", "camera"), ("caption", "camera"))
"""What is given, and what is searched. Learned is every pair of the three senses."""
CHOICES = ("contrastive", "dcca", "linear_cca")
SHRINKAGE = 0.1
Vectors = dict[str, Tensor]


class Senses(nn.Module):
    """A perception of sound, frame and caption, whose encoders learn by one objective alone."""

    def __init__(self, spec: Spec, objective: str) -> None:
        super().__init__()
        self.perception = Perception(spec)
        self.objective = OBJECTIVES[objective](spec, self.perception.config)

    def inputs(self, data: Scenes) -> dict[str, Tensor]:
        """What the perception reads of each room."""
        caption = self.perception.prepare({"caption": data.captions()})["caption"]
        return self.perception.digest(data.observations | {"caption": caption})

    def forward(self, inputs: dict[str, Tensor], rows: Tensor) -> Seen:
        """Some of the rooms, as they were seen."""
        obs = {key: part[rows] for key, part in inputs.items()}
        return Seen.of(obs, self.perception(obs, with_tokens=True))

    @torch.no_grad()
    def vectors(self, inputs: dict[str, Tensor], rows: Tensor) -> Vectors:
        """One vector for each sense, room by room."""
        parts = [self.objective.vectors(self(inputs, some)) for some in rows.split(512)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def train(model: Senses, inputs: dict[str, Tensor], rooms: int, steps: int) -> None:
    """Learns the objective on random minibatches."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for step in range(steps):
        loss = model.objective(model(inputs, torch.randint(rooms, (128,)))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {loss.item():.2f}", flush=True)


def plain_vectors(inputs: dict[str, Tensor]) -> Vectors:
    """What linear correlations are given: frames of 8 x 8 pixels, the mean sound, and how often each token is said."""
    frames = inputs["camera"].permute(0, 3, 1, 2).float() / 255.0
    words = functional.one_hot(inputs["caption"].long(), int(inputs["caption"].max()) + 1)[..., 1:]
    return {
        "audio": inputs["audio_features"].mean(dim=1),
        "camera": functional.adaptive_avg_pool2d(frames, 8).flatten(1),
        "caption": words.sum(dim=1).float(),
    }


def correlated(known: Vectors, new: Vectors, one: str, other: str, dims: int = 16) -> tuple[Tensor, Tensor]:
    """Both senses of new rooms in the directions that correlate in known ones, each scaled by its correlation."""
    found = linear_cca(known[one], known[other], dims, SHRINKAGE)
    weights = found.correlations.clamp(min=0.0)
    given, searched = (
        (new[name].double() - known[name].double().mean(dim=0)) @ projection * weights
        for name, projection in ((one, found.x_projection), (other, found.y_projection))
    )
    return functional.normalize(given, dim=1), functional.normalize(searched, dim=1)


def main(rooms: int, steps: int, seed: int, objective: str) -> None:
    """Learns, and prints recall for both pairs of senses."""
    torch.manual_seed(seed)
    seen, new = (
        scenes(count, number, colours_sound=True, size="medium")
        for count, number in ((rooms, seed), (rooms // 6, seed + 1))
    )
    captions = new.captions()
    rows = torch.tensor(
        sorted({caption: row for row, caption in enumerate(captions)}.values())
    )  # no two described alike
    spec = Spec(**dict(seen.spec), caption=default_tokenizer().instruction(16))
    model = Senses(spec, "contrastive" if objective == "linear_cca" else objective)
    inputs, new_inputs = model.inputs(seen), model.inputs(new)
    if objective == "linear_cca":  # no weight of the model plays a part
        known, vectors = plain_vectors(inputs), {name: part[rows] for name, part in plain_vectors(new_inputs).items()}
    else:
        train(model, inputs, len(seen.nearest), steps)
        known = model.vectors(inputs, torch.arange(len(seen.nearest))) if objective == "dcca" else {}
        vectors = model.vectors(new_inputs, rows)
    for one, other in PAIRS:
        pair = correlated(known, vectors, one, other) if known else (vectors[one], vectors[other])
        likeness = pair[0] @ pair[1].T
        rank = (likeness > likeness.diagonal()[:, None]).sum(dim=1)
        recalls = [f"recall@{k} {(rank < k).float().mean():.3f} (chance {k / len(rows):.3f})" for k in (1, 5, 10)]
        print(f"{one} -> {other}, {len(rows)} frames: {', '.join(recalls)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=12_000)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--objective", choices=CHOICES, default="contrastive")
    main(**vars(parser.parse_args()))
