"""Sequence-to-function library: one module per noun, imported in the order rows -> encoder -> head -> comparison."""
