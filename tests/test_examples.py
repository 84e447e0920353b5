"""Every script in examples/ runs, on little data."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_stable_baselines3_trains_with_our_extractor() -> None:
    assert "episodes reached the ball" in run("train_with_sb3.py", "2048")


def test_our_own_trainer_imitates_and_learns_with_a_memory() -> None:
    said = run("train_with_memory.py", "6000")
    assert "episodes were solved, after 12," in said or "episodes were solved, after 8," in said, said


def test_a_policy_in_plain_pytorch_learns_from_the_bot() -> None:
    said = run("own_policy.py", "400")
    agreement = int(said.split("in ")[1].split("%")[0])
    assert agreement > 70, said  # 84 when written; always going forward agrees in 61 %


def test_the_camera_loop_carries_on_when_the_camera_is_gone(tmp_path: Path) -> None:
    clip = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 10, (80, 60))
    for shade in range(5):
        writer.write(np.full((60, 80, 3), 40 * shade, np.uint8))
    writer.release()
    lines = run("camera_loop.py", str(clip), "go to the blue box").splitlines()
    assert len(lines) == 8
    assert all("camera 0.00" not in line for line in lines[:5])
    assert all("camera 0.00" in line and "audio 0.00" in line for line in lines[5:])


def test_three_frames_are_drawn_with_their_instructions(tmp_path: Path) -> None:
    picture = cv2.imread(run("rooms_frames.py", str(tmp_path / "frames.png")).strip())
    assert picture.shape == (356, 984, 3)
    assert (np.ptp(picture[:320].astype(int), axis=-1) > 90).mean() > 0.02  # things are in view
    assert picture[325:].min() < 50  # something is written
