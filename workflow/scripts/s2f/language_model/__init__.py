"""LAMAR, a masked language model of RNA, through the stock ESM classes of transformers: tokens, weights, training.

Facts of the published model are those of zhw-e8/LAMAR, commit 8d3bf808 (MIT); its code is not used.
"""
