"""Any number of inserts like those of large libraries, always the same: repeat families of tens of thousands,
overlapping windows of one locus, stretches of two alternating letters, and a background with the words of real inserts.
"""

import numpy as np

LENGTH = 200
ORDER = 6  # letters of context of the background
# shares of the inserts; the rest is background, a tenth of which overlaps the insert before it
SHARES = {"real": 0.08, "alu": 0.10, "line": 0.03, "repeat": 0.002}
# consensus of the Alu repeat, subfamily Y, without its tail
ALU = (
    "GGCCGGGCGCGGTGGCTCACGCCTGTAATCCCAGCACTTTGGGAGGCCGAGGCGGGCGGATCACGAGGTCAGGAGATCGAGACCATCCCGGCTAAAACGGTGAAACCCCGTC"
    "TCTACTAAAAATACAAAAAATTAGCCGGGCGTGGTGGCGGGCGCCTGTAGTCCCAGCTACTCGGGAGGCTGAGGCAGGAGAATGGCGTGAACCCGGGAGGCGGAGCTTGCAG"
    "TGAGCCGAGATCGCGCCACTGCACTCCAGCCTGGGCGACAGAGCGAGACTCCGTCTC"
)


def inserts(count, real, seed=0):
    """`count` texts of up to `LENGTH` letters, shuffled; `real` are inserts that provide statistics and a share of the
    texts.

    Relatives of a family are cut from anywhere in its ancestor (at least 90 letters for an Alu) and differ from it in 5
    to 20 % of the letters (a fifth of the changes are gaps); half of them are reverse-complemented.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    codes = np.stack([_codes(text) for text in real if len(text) == LENGTH and set(text) <= set("ACGT")])
    markov = _statistics(codes)
    sizes = {name: round(count * share) for name, share in SHARES.items()}
    sizes["real"] = min(sizes["real"], len(codes))
    found = [codes[random.permutation(len(codes))[: sizes["real"]]]]

    flanks = _background(random, markov, codes, 2 * sizes["alu"])
    around = np.concatenate(
        [flanks[: sizes["alu"]], np.tile(_codes(ALU), (sizes["alu"], 1)), flanks[sizes["alu"] :]], 1
    )
    found.append(_relatives(random, around, random.integers(90, 90 + len(ALU), sizes["alu"])))
    line = np.tile(_background(random, markov, codes, 30).ravel(), (sizes["line"], 1))
    found.append(_relatives(random, line, random.integers(0, line.shape[1] - LENGTH - 20, sizes["line"])))

    rest = _background(random, markov, codes, count - sum(sizes.values()) + sizes["repeat"])
    for row in range(1, len(rest) - sizes["repeat"], 10):
        step = random.integers(20, 130)
        rest[row, : LENGTH - step] = rest[row - 1, step:]
    for row in range(len(rest) - sizes["repeat"], len(rest)):
        start, size = random.integers(0, 140), random.integers(20, 60)
        rest[row, start : start + size] = np.resize(random.permutation(4)[:2], size)
    found.append(rest)
    letters = np.frombuffer(b"ACGT", np.uint8)
    texts = [row[row < 4] for part in found for row in part]
    return [letters[texts[place]].tobytes().decode() for place in random.permutation(len(texts))]


def _codes(text):
    return np.searchsorted(np.frombuffer(b"ACGT", np.uint8), np.frombuffer(text.encode(), np.uint8)).astype(np.uint8)


def _statistics(codes):
    """Cumulative frequencies (4 ** ORDER, 4) of the letter after each context."""
    windows = np.lib.stride_tricks.sliding_window_view(codes, ORDER + 1, axis=1).astype(np.int64)
    number = windows @ (4 ** np.arange(ORDER, -1, -1))
    counts = np.bincount(number.ravel(), minlength=4 ** (ORDER + 1)).reshape(-1, 4) + 0.1
    return np.cumsum(counts / counts.sum(axis=1, keepdims=True), axis=1)


def _background(random, markov, codes, count):
    out = np.empty((count, LENGTH), np.uint8)
    out[:, :ORDER] = codes[random.integers(0, len(codes), count), 100 : 100 + ORDER]
    context = out[:, :ORDER].astype(np.int64) @ (4 ** np.arange(ORDER - 1, -1, -1))
    for place in range(ORDER, LENGTH):
        letter = (random.random(count)[:, None] > markov[context]).sum(axis=1).clip(max=3)
        out[:, place] = letter
        context = (context * 4 + letter) % 4**ORDER
    return out


def _relatives(random, ancestors, starts):
    """Windows of the ancestors (N, L) that begin at `starts`, with changes, as codes (N, LENGTH) with 4 for no
    letter."""
    count, width = len(ancestors), LENGTH + 20
    rows = np.take_along_axis(ancestors, starts[:, None] + np.arange(width), axis=1)
    rate = random.uniform(0.05, 0.2, count)[:, None]
    kind = random.random((count, width)) / rate
    rows = np.where(kind < 0.8, random.integers(0, 4, (count, width)), rows).astype(np.uint8)
    out = np.full((count, LENGTH), 4, np.uint8)
    for row, (own, changes) in enumerate(zip(rows, kind, strict=True)):
        times = np.where(changes < 0.8, 1, np.where(changes < 0.9, 0, np.where(changes < 1, 2, 1)))
        letters = np.repeat(own, times)[:LENGTH]
        letters = 3 - letters[::-1] if random.random() < 0.5 else letters
        out[row, : len(letters)] = letters
    return out
