"""What all trained models share: checkpoints and predictions."""
