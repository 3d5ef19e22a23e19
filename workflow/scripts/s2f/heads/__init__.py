"""Heads on embeddings: networks, augmentations and their training."""
