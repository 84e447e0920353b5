"""Models and checkpoints as plain files: safetensors and JSON, written atomically, checked when read; no pickle."""
