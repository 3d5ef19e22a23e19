"""Use of what was compared: a trained model, or an ensemble, predicts sequences and effects that nobody measured."""
