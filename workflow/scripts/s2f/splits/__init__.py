"""Train, val and test: splits, panels, and how close their rows are."""
