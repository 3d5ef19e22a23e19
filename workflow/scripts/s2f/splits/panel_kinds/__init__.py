"""Kinds of panels: a module with two functions each.

``of_test(test, options, name)`` makes the panel of the test rows, which have a column `unit`; ``of_lists(lists)``
that of the rows that a published file lists, one frame (of `items: rows`), or the reference and the alternate alleles.
"""
