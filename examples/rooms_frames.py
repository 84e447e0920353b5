"""Three frames as agents see them, side by side with their instructions: docs/pictures/rooms-frames.png.

    python examples/rooms_frames.py docs/pictures/rooms-frames.png

A batch of rooms in which the expert walks for some steps; frames that show something are taken.
"""

import sys

import cv2
import gymnasium
import numpy as np

import senseweave.envs  # noqa: F401  registers the rooms

SCENES = (("Seek", 17, 1), ("GoToLocal", 5, 1), ("Open", 3, 3))  # level, seed, steps of the expert before the frame
ENLARGED = 5

out = sys.argv[1] if len(sys.argv) > 1 else "rooms-frames.png"
columns = []
for level, seed, steps in SCENES:
    envs = gymnasium.make_vec(f"senseweave/{level}-v0", num_envs=64, device="cpu")
    obs, infos = envs.reset(seed=seed)
    for _ in range(steps):
        obs, _, _, _, infos = envs.step(envs.expert_actions())
    frames = obs["camera"].numpy()
    # the most colourful frame: objects are saturated, walls and floor are not
    colourful = np.ptp(frames.astype(int), axis=-1) > 90
    share = colourful.mean(axis=(1, 2)) + 0.5 * (colourful[:, :, 8:24].any((1, 2)) & colourful[:, :, 40:56].any((1, 2)))
    row = int(np.where(colourful.mean(axis=(1, 2)) < 0.3, share, 0).argmax())  # things on both sides, none too near
    picture = frames[row].repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
    label = np.full((36, picture.shape[1], 3), 255, np.uint8)
    text = infos["instruction_text"][row]
    cv2.putText(label, text, (6, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
    columns += [np.concatenate([picture, label]), np.full((len(picture) + 36, 12, 3), 255, np.uint8)]
    envs.close()
cv2.imwrite(out, np.concatenate(columns[:-1], axis=1)[:, :, ::-1])
print(out)
