"""The instruction's encoder: order matters, padding does not, and an empty instruction is something heard."""

import pytest
import torch

from senseweave.perception import Instruction, Perception, PerceptionConfig, Spec, Vector, default_tokenizer
from senseweave.perception.encoders.instruction import InstructionEncoder
from senseweave.perception.errors import ObservationError
from senseweave.perception.spec import PRESENT

CONFIG = PerceptionConfig(width=16, heads=2, latents=2, state_dim=8)


def listener(max_tokens: int = 24) -> Perception:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Perception(Spec(instruction=default_tokenizer().instruction(max_tokens), vector=Vector(1)), CONFIG)


def heard(perception: Perception, *texts: str) -> torch.Tensor:
    with torch.no_grad():
        return perception(perception.prepare({"instruction": list(texts)})).embedding


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("put the red ball next to the blue key", "put the blue ball next to the red key"),
        ("red ball next to blue key", "blue key next to red ball"),
        ("go to the red ball then open the door", "open the door then go to the red ball"),
        ("go to the red ball", "go to the red ball ball"),
        ("", "go"),
    ],
)
def test_instructions_that_differ_in_order_alone_are_told_apart(one, other):
    first, second = heard(listener(), one, other)
    assert (first - second).abs().max() > 1e-3


def test_a_word_knows_the_word_before_it():
    perception = listener()
    obs = perception.prepare({"instruction": ["red ball", "blue ball"]})
    red, blue = perception.encoders["instruction"](obs["instruction"]).tokens[:, 1]  # "ball" in both
    assert obs["instruction"][0, 1] == obs["instruction"][1, 1]
    assert (red - blue).abs().max() > 1e-3


def test_an_empty_instruction_is_not_an_absent_one():
    perception = listener()
    empty = perception(perception.prepare({"instruction": ""}))
    absent = perception(perception.prepare({"instruction": None}))
    assert empty.present.tolist() == [[True, False]] and absent.present.tolist() == [[False, False]]
    assert empty.gates["instruction"] > 0 and absent.gates["instruction"] == 0
    assert (empty.embedding - absent.embedding).abs().max() > 1e-4


def test_the_embedding_of_padding_does_not_matter():
    perception = listener()
    before = heard(perception, "go to the red ball", "open the door")
    with torch.no_grad():
        perception.encoders["instruction"].embed.weight[0] += 100.0
    assert torch.equal(heard(perception, "go to the red ball", "open the door"), before)


def test_the_amount_of_padding_does_not_matter():
    short, long = listener(8), listener(24)
    values = short.state_dict()
    values["encoders.instruction.position"] = long.state_dict()["encoders.instruction.position"].clone()
    values["encoders.instruction.position"][:8] = short.state_dict()["encoders.instruction.position"]
    long.load_state_dict(values)
    texts = ["go to the red ball", "open the door"]
    torch.testing.assert_close(heard(short, *texts), heard(long, *texts), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "text", ["🤖🔑➡️🚪", "去红色的球旁边", "x" * 10_000, "go to " * 2_000, "\ud800", "\0", "  \n\t "]
)
def test_any_text_is_heard(text):
    perception = listener()
    obs = perception.prepare({"instruction": text})
    assert obs["instruction"].shape == (1, 24)
    state = perception(obs)
    assert torch.isfinite(state.embedding).all() and state.gates["instruction"] > 0


def test_different_texts_in_foreign_scripts_differ():
    first, second = heard(listener(), "去红色的球", "去蓝色的球")
    assert (first - second).abs().max() > 1e-3


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.float32, torch.uint8])
def test_ids_of_any_number_type_are_the_same(dtype):
    encode = InstructionEncoder(Instruction(6, 32), 16)
    ids = torch.tensor([[3, 31, 7, 0, 0, 0]])
    assert torch.equal(encode(ids.to(dtype)).tokens, encode(ids).tokens)


def test_ids_beyond_the_vocabulary_count_as_its_last():
    encode = InstructionEncoder(Instruction(3, 32), 16)
    wild, tame = torch.tensor([[2**31 - 1, 32, 5]]), torch.tensor([[31, 31, 5]])
    assert torch.equal(encode(wild).tokens, encode(tame).tokens)
    assert torch.equal(encode(torch.tensor([[-5, 3, 0]])).tokens, encode(torch.tensor([[0, 3, 0]])).tokens)


def test_every_token_id_leads_to_another_embedding():
    encode = InstructionEncoder(Instruction(1, 1024), 16)
    tokens = encode(torch.arange(1024)[:, None]).tokens[:, 0]
    gaps = torch.cdist(tokens, tokens) + torch.eye(1024)
    assert gaps.min() > 1e-2


def test_mask_of_a_text_covers_its_words_and_no_padding():
    group = InstructionEncoder(Instruction(5, 32), 16)(torch.tensor([[4, 5, 6, 0, 0], [0, 0, 0, 0, 0]]))
    assert group.mask.tolist() == [[True, True, True, False, False], [True, False, False, False, False]]


def test_other_words_change_no_gradient_of_words_that_were_not_said():
    perception = listener()
    perception(perception.prepare({"instruction": "go", PRESENT: [1, 0]})).embedding.sum().backward()
    gradient = perception.encoders["instruction"].embed.weight.grad
    said = perception.prepare({"instruction": "go"})["instruction"].unique().long()
    silent = torch.ones(1024, dtype=torch.bool)
    silent[said] = False
    assert not gradient[silent].any() and gradient[said].any()


def test_padding_at_the_end_may_be_left_out() -> None:
    """Values and gradients stay; the trainer leaves it out of whole batches."""
    perception = listener()
    padded = perception.prepare({"instruction": ["go to the red ball", "", "open the door"]})
    padded[PRESENT][1, 0] = 0
    length = int((padded["instruction"] != 0).sum(dim=1).max())
    cut = padded | {"instruction": padded["instruction"][:, :length]}
    assert length < padded["instruction"].shape[1]
    embeddings, gradients = [], []
    for seen in (padded, cut):
        embedding = perception(seen).embedding
        weights = [part for part in perception.parameters() if part.requires_grad]
        made = torch.autograd.grad(embedding.square().sum(), weights, allow_unused=True)
        embeddings.append(embedding.detach())
        gradients.append([part for part in made if part is not None])
    torch.testing.assert_close(embeddings[0], embeddings[1], rtol=1e-5, atol=1e-5)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_what_is_absent_says_nothing_where_the_padding_is_left_out() -> None:
    perception = listener()
    seen = perception.prepare({"instruction": ["go to the red ball", "open the door"]})
    seen["instruction"] = seen["instruction"][:, :8]
    seen[PRESENT][1, 0] = 0
    other = seen | {"instruction": seen["instruction"].clone()}
    other["instruction"][1] = 7
    with torch.no_grad():
        first, second = perception(seen).embedding, perception(other).embedding
        other["instruction"][0, 0] = 7
        third = perception(other).embedding
    assert torch.equal(first, second) and not torch.equal(first[0], third[0])


@pytest.mark.parametrize("places", [0, 25])
def test_an_instruction_of_no_places_or_too_many_is_refused(places: int) -> None:
    seen = {"instruction": torch.ones(2, places, dtype=torch.int32), "vector": torch.zeros(2, 1)}
    with pytest.raises(ObservationError, match=r'"instruction" must be real numbers of shape \(batch, 24\)'):
        listener()(seen)
