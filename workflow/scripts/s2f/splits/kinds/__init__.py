"""Kinds of splits: a module with ``assign(rows, spec, seed, cluster) -> (part of each row, reason of exclusion)`` each.

`rows` are canonical, `spec` is the section of the split, `seed` that of the study, `cluster` (N,) int is the
cluster of linked rows of each; a part is train, val, test or excluded.
"""
