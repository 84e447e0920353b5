"""BabyAI with eyes and ears: minigrid's world as batched tensors, seen through a camera and heard through two ears."""
