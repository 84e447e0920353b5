"""The Hub, as huggingface-hub speaks with it: there and back again, and one sentence for whatever goes wrong."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kit.hub.server import TOKEN, Hub, Repository
from kit.limits import HANG_S
from senseweave.agent.evaluate.evaluate import evaluate
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.settings.evaluate import EvaluateConfig
from senseweave.agent.share import push_to_hub
from senseweave.perception import Perception, Spec, Vector
from senseweave.perception.errors import CheckpointError, ConfigError, MissingExtraError
from senseweave.perception.sharing.address import find_folder

GOLDEN = Path(__file__).parents[2] / "golden"
NAME = "someone/seeker"

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the client's own upload


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / "trained", tmp_path / "run"))


def files(hub: Hub, name: str = NAME) -> dict[str, bytes]:
    return list(hub.repositories[name].commits.values())[-1]


def test_a_run_goes_up_and_is_evaluated_by_its_address(hub: Hub, run: Path) -> None:
    pushed = push_to_hub(run, NAME, token=TOKEN, private=False, licence="mit")
    assert files(hub).keys() == pushed["files"].keys() == {"config.json", "policy.safetensors", "README.md"}
    assert pushed["address"] == f"hf://{NAME}@{next(iter(hub.repositories[NAME].commits))}" and not pushed["is_private"]
    there = evaluate(EvaluateConfig(run=pushed["address"], episodes=2, num_envs=2, device="cpu"))
    here = evaluate(EvaluateConfig(run=str(run), episodes=2, num_envs=2, device="cpu"))
    assert there["mean_length"] == here["mean_length"] and there["trained_steps"] == here["trained_steps"] > 0


def test_a_perception_goes_there_and_back_and_a_commit_stays_what_it_was(hub: Hub, tmp_path: Path) -> None:
    perceptions = [Perception(Spec(nose=Vector(3))) for _ in range(2)]
    addresses = []
    for number, perception in enumerate(perceptions):
        perception.save_pretrained(tmp_path / str(number))
        addresses.append(push_to_hub(tmp_path / str(number), NAME, token=TOKEN)["address"])
    for address, perception in zip(addresses, perceptions, strict=True):
        loaded = Perception.from_pretrained(address.removeprefix("hf://")).state_dict()
        assert all(torch.equal(loaded[name], part) for name, part in perception.state_dict().items())
    newest = Perception.from_pretrained(f"hf://{NAME}").state_dict()
    assert all(torch.equal(newest[name], part) for name, part in perceptions[1].state_dict().items())


def test_a_commit_that_was_fetched_needs_no_network_any_more(hub: Hub, run: Path) -> None:
    address = push_to_hub(run, NAME, token=TOKEN)["address"]
    find_folder(address)
    del hub.repositories[NAME], hub.asked[:]
    assert (find_folder(address) / "policy.safetensors").is_file() and hub.asked == []


def test_a_private_repository_opens_for_its_token_alone(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert push_to_hub(run, NAME, token=TOKEN, private=True)["is_private"]
    with pytest.raises(CheckpointError, match=f"hf://{NAME} does not exist, or is private; check its name, or log in"):
        Perception.from_pretrained(f"hf://{NAME}")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert Perception.from_pretrained(f"hf://{NAME}").spec == Perception.from_pretrained(run).spec


def test_only_files_that_are_ours_are_fetched(hub: Hub, run: Path, tmp_path: Path) -> None:
    push_to_hub(run, NAME, token=TOKEN)
    hub.repositories[NAME].commit({"pytorch_model.pkl": b"\x80\x04.", "setup.py": b"boom", "deep/config.json": b"{}"})
    folder = find_folder(f"hf://{NAME}")
    assert {path.name for path in folder.rglob("*")} == {"config.json", "policy.safetensors", "README.md"}
    assert not any("pkl" in asked or "setup" in asked or "deep" in asked for asked in hub.asked)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("flipped", "does not match the SHA-256 that the Hub tells"),
        ("short", "came incomplete; try again"),
        ("huge", "at most 2,147,483,648 are fetched"),
    ],
)
def test_weights_that_were_spoilt_on_their_way_are_refused_and_fetched_anew(
    fault: str, told: str, hub: Hub, run: Path
) -> None:
    push_to_hub(run, NAME, token=TOKEN)
    hub.spoilt["policy.safetensors"] = fault
    with pytest.raises(CheckpointError, match=told) as refused:
        Perception.from_pretrained(f"{NAME}@main")
    assert "\n" not in str(refused.value)
    hub.spoilt.clear()
    assert Perception.from_pretrained(f"{NAME}@main").spec


def test_a_small_file_that_was_spoilt_is_noticed_by_its_own_seal(hub: Hub, run: Path) -> None:
    push_to_hub(run, NAME, token=TOKEN)
    content = json.loads(files(hub)["config.json"]) | {"step_s": 7.0}
    hub.repositories[NAME].commit({"config.json": json.dumps(content).encode()})
    with pytest.raises(CheckpointError, match="does not match its own checksum"):
        RunDirectory.open(f"hf://{NAME}")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("hf://someone/nothing", "hf://someone/nothing does not exist, or is private"),
        (f"hf://{NAME}@v9", f'{NAME} has no revision "v9"; name a branch'),
        (f"hf://{NAME}", "has no config.json, so it holds no agent"),
    ],
)
def test_what_is_not_there_is_one_sentence(address: str, told: str, hub: Hub) -> None:
    hub.repositories[NAME] = Repository()
    hub.repositories[NAME].commit({"weights.bin": b"1"})
    with pytest.raises(CheckpointError, match=told):
        Perception.from_pretrained(address)


def test_a_hub_that_does_not_answer_is_one_sentence(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CheckpointError, match=r"cannot be reached \(.*\); check the network") as refused:
        Perception.from_pretrained(f"hf://{NAME}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("token", [None, "hf_wrong"])
def test_an_upload_without_the_right_token_is_refused_in_one_sentence(token: str | None, hub: Hub, run: Path) -> None:
    with pytest.raises(CheckpointError, match=f"hf://{NAME}.*log in with `hf auth login`"):
        push_to_hub(run, NAME, token=token)
    assert not hub.repositories


def test_what_is_damaged_or_no_repository_does_not_go_up(hub: Hub, run: Path) -> None:
    with pytest.raises(ConfigError, match="without a revision"):
        push_to_hub(run, f"{NAME}@main", token=TOKEN)
    with pytest.raises(ConfigError, match="An address of the Hub is"):
        push_to_hub(run, "someone", token=TOKEN)
    data = bytearray((run / "policy.safetensors").read_bytes())
    data[-1] ^= 1
    (run / "policy.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match="does not match its checksum"):
        push_to_hub(run, NAME, token=TOKEN)
    assert not hub.asked


def test_a_mistyped_path_is_never_looked_for_in_the_network(hub: Hub, tmp_path: Path) -> None:
    for path in ("runs/seek", "seek", str(tmp_path / "nothing"), "./someone/seeker", "a@b"):
        assert find_folder(path) == Path(path)
    (tmp_path / "someone").mkdir()
    assert not hub.asked


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"hf://someone/seeker needs huggingface-hub; .*senseweave\[hub\]"):
        find_folder(f"hf://{NAME}")


def test_the_command_uploads_and_tells_what_to_do_next(hub: Hub, run: Path) -> None:
    own = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(run.parent / "home")}
    words = [sys.executable, "-P", "-m", "senseweave.agent.cli", "push", str(run), NAME, "--licence", "mit", "--json"]
    done = subprocess.run(words, env=os.environ | own, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["repository"] == NAME and 'license: "mit"' in files(hub)["README.md"].decode()
