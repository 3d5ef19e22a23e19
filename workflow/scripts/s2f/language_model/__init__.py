"""Masked language models, LAMAR of RNA and DNABERT-2 of DNA (see `families`): tokens, weights, adaptation."""
