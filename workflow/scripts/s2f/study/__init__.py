"""The study file: what may stand in it and what follows from it."""
