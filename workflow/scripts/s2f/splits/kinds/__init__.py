"""Kinds of splits: a module with ``assign(rows, spec, seed, units) -> (part of each row, reason of exclusion)`` each.

`rows` are canonical, `spec` is the section of the split, `seed` that of the study, `units` the lines of these rows in
the table of units; a part is train, val, test or excluded. Rows of one locus that a kind puts into two parts are
excluded from one of them.
"""
