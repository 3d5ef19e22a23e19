"""Kinds of panels: each is a module with two functions.

``of_test(test, options, name)`` makes the panel from the test rows, which have a column `unit`; ``of_lists(lists)``
makes it from the rows that a published file lists: one frame (for `items: rows`), or the reference and the alternate
alleles.
"""
