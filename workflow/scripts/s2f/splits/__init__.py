"""Train, val and test: splits, panels, and how similar their rows are."""
