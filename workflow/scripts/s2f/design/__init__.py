"""Design of new sequences: changed base by base, within constraints, until a trained model predicts what is wanted."""
