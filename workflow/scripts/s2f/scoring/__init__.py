"""Use of compared models: a trained model, or an ensemble, predicts sequences and effects that nobody measured."""
