"""New sequences: changed base by base until a trained model predicts for them what is wanted, within constraints."""
