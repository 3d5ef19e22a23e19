"""The study file: what it may contain and what follows from it."""
