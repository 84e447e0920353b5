"""Perceive a live camera, or a video file, with an instruction; pull the plug and it carries on.

python examples/camera_loop.py [CAMERA] [INSTRUCTION]      CAMERA is a number (0), a file or an address
"""

import sys

import cv2
import torch

from senseweave.perception import Camera, Instruction, Microphone, Perception, Spec


def main(source: str = "0", instruction: str = "go to the red ball", most_frames: int = 1000) -> None:
    """Prints the gates of each sense, frame by frame, and goes on for three frames after the camera is gone."""
    spec = Spec(camera=Camera(64, 64), audio=Microphone(2, 1600, 16000), instruction=Instruction(48, 1024))
    perception = Perception(spec).eval()  # or Perception.from_pretrained(DIR)
    camera, lost = cv2.VideoCapture(int(source) if source.isdigit() else source), 0
    for number in range(most_frames):
        ok, frame = camera.read()
        lost = 0 if ok else lost + 1
        if lost > 3:
            break
        picture = None
        if ok:
            picture = cv2.cvtColor(cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
        obs = perception.prepare({"camera": picture, "audio": None, "instruction": instruction})
        with torch.inference_mode():
            state = perception(obs)
        gates = "  ".join(f"{name} {gate.item():.2f}" for name, gate in state.gates.items())
        print(f"frame {number}: {gates}  |state| {state.embedding.norm():.2f}")
    camera.release()


if __name__ == "__main__":
    main(*sys.argv[1:3])
