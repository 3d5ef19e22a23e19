"""A simulated MPRA with K562-like motifs, in which the activity, the sites and the effect of each variant are known.

files: none. spec: the fields of `Simulation`. `read` gives canonical rows, `simulate` the same rows with the truth.

Sequences. An insert is a first-order Markov chain whose GC content is drawn per sequence (mean 0.45, sd 0.08, within
0.25-0.70) and in which CpG is four times rarer than the GC content implies. Sites of five factors are planted without
overlap, on either strand: a Poisson number (mean `sites`) of GATA, SP1/KLF, AP-1 and ETS sites; a repressor (GFI1-like)
in a share `repressed` of the inserts; and in a share `composite` a GATA site with an AP-1 site, half of these pairs at
the preferred distance and half at any distance. Motifs are consensus sequences in IUPAC letters: upper case is the core
(a consensus base has probability 0.94), lower case the flank (0.60); the other bases share the rest.

Activity is a function of the insert only (`activity`), so planted sites, chance sites, homologs and variants all follow
one rule. In log2 units:

    occupancy   o_f(p) = 1 / (1 + exp(-1.5 (bits_f(p) - best_f + 4))), better strand (ETS: minus strand x 0.6)
    repression  q(p) = 1 - 0.85 min(1, sum of the repressor's occupancy within 50 bp of p): short range
    position    g(p) = 1 - 0.6 |p - middle| / half: a site counts less near the ends
    drive       u = sum_f w_f sum_p q g o_f + 4 sum_(p,r) q g o_GATA(p) q g o_AP1(r) exp(-((|p - r| - 14) / 3)^2 / 2)
    activity    a = -0.6 + 2 (GC - 0.45) + 5 (1 - exp(-u / 1.5)): saturates

where p is the centre of a site and distances |p - r| are up to 9 bp from the preferred 14. A regression on k-mer counts
cannot see short-range repression, spacing and saturation. Position and spacing are symmetric under reverse complement;
only the ETS weight depends on the strand.

Measurement. label = activity + stderr x standard normal noise. A row is measured with 3 + gamma(2, 8) barcodes, and its
stderr is proportional to 1 / sqrt(barcodes); the scale is set from the variance of the activities such that label and
activity have the correlation `reliability` (0.90 by default), the ceiling for any model on these rows.

Relatives. A share `family_rows` of the rows are homologs, `family_size` per family: copies of one ancestor with 5-15 %
of the bases replaced. A share `pair_rows` are ref/alt pairs that differ in one base: in half of the pairs inside a
planted site (if the locus has one), in the other half outside all sites. A family or a pair shares `group` and
chromosome. Chromosomes are drawn by length (hg19), so chr19, 21 and X have about 9 % of the groups, as do chr7 and 13.

Motif sources: JASPAR matrices MA0035 (GATA1), MA0079 (SP1), MA0099 (FOS::JUN), MA0098 (ETS1), MA0038 (GFI1), rounded to
a consensus. Weights are our choice. Pearson correlations with the labels of chr7 and 13 (245-269 rows), measured with
the defaults and seeds 0-4: k-mer ridge (3, 5, 6-mers) 0.54-0.66; linear regression on GC and the summed occupancy of
each factor 0.76-0.80; boosted trees on these with position, spacing and repression 0.87-0.89; the activity itself
0.89-0.90.
"""

import functools
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from s2f.common import kinds
from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.rows.canonical import COLUMNS
from s2f.rows.stages import Stages
from s2f.sequences import dna

# factor -> (consensus, weight in the drive, frequency among planted activator sites); widths are odd, so that the
# centre of a site is the same base on both strands
FACTORS = {
    "GATA": ("aGATAAgaa", 0.38, 0.35),
    "SP1": ("gGGGCGGgg", 0.28, 0.25),
    "AP1": ("aTGASTCAt", 0.45, 0.20),
    "ETS": ("acCGGAAGt", 0.33, 0.20),
    "REPRESSOR": ("aaAATCAcwGc", 0.0, 0.0),
}
IUPAC = {"A": "A", "C": "C", "G": "G", "T": "T", "W": "AT", "S": "CG"}
MINUS_STRAND = {"ETS": 0.6}
SPACING, SPACING_SD, SYNERGY = 14, 3.0, 4.0
REPRESSION, REPRESSION_REACH = 0.85, 50
# lengths of hg19 chromosomes in Mb
CHROMOSOMES = dict(
    zip(
        [f"chr{i}" for i in range(1, 23)] + ["chrX"],
        [249, 243, 198, 191, 181, 171, 159, 146, 141, 136, 135, 134, 115, 107, 103, 90, 81, 78, 59, 63, 48, 51, 155],
        strict=True,
    )
)


@dataclass(frozen=True)
class Simulation:
    """The settings of `simulate`, which are the options of the source; defaults are in its YAML."""

    rows: int  # total number of rows
    seed: int
    length: int  # length of an insert in bp
    reliability: float  # Pearson correlation of label and activity
    sites: float  # mean number of planted activator sites in an insert
    composite: float  # share of inserts with a GATA-AP1 pair
    repressed: float  # share of inserts with a planted repressor site
    family_rows: float  # share of rows that are homologs
    family_size: int
    pair_rows: float  # share of rows that are ref/alt pairs

    def check(self) -> None:
        """Raise `InputError` naming a setting that is not a number or is out of range."""
        for field in fields(self):
            value, types = getattr(self, field.name), (int,) if field.type is int else (int, float)
            if not isinstance(value, types) or isinstance(value, bool):
                number = "a whole number" if field.type is int else "a number"
                raise InputError(f"source simulated: {field.name} is {value!r}, expected {number}")
        for name, good, expected in (
            ("rows", self.rows >= 50, "at least 50"),
            ("length", 100 <= self.length <= 2000, "100 to 2000 bp"),
            ("reliability", 0 < self.reliability < 1, "a number above 0 and below 1"),
            ("sites", 0 <= self.sites <= 5, "0 to 5"),
            ("composite", 0 <= self.composite <= 1, "a share from 0 to 1"),
            ("repressed", 0 <= self.repressed <= 1, "a share from 0 to 1"),
            ("family_rows", self.family_rows >= 0, "a share from 0 to 1"),
            (
                "pair_rows",
                0 <= self.pair_rows <= 1 - self.family_rows,
                "a share that is at most 1 together with family_rows",
            ),
            ("family_size", self.family_size >= 2, "at least 2"),
        ):
            if not good:
                raise InputError(f"source simulated: {name} is {getattr(self, name)!r}, expected {expected}")


def read(files: dict[str, str], spec: dict[str, Any]) -> tuple[pd.DataFrame, Stages]:
    """Canonical rows and stages of a simulation; `files` is empty."""
    if files:
        raise InputError(f"source simulated: reads no files, but 'files' has {sorted(files)[0]!r}; remove it")
    table = simulate(spec)
    stages = Stages()
    return stages.keep("simulated", table[[name for name in COLUMNS if name in table]]), stages


def simulate(spec: dict[str, Any]) -> pd.DataFrame:
    """Canonical columns and the truth: `activity` (log2, without noise); `motifs`, planted sites as
    factor:first base (0-based):strand, joined by commas; in alt rows also `snv_offset` (0-based) and `snv_in_site`."""
    simulation = Simulation(**kinds.settings("sources", "simulated", spec))
    simulation.check()
    rng = np.random.Generator(np.random.PCG64(derived_seed("simulated", simulation.seed)))
    codes, table = _sequences(simulation, rng)
    table = table.iloc[rng.permutation(len(table))]  # relatives should not be neighbours in the file
    codes = codes[table.index]
    table = table.reset_index(drop=True)
    table.insert(0, "row_id", [f"simulated_{i:06d}" for i in range(len(table))])
    table.insert(1, "sequence", [dna.decode(row) for row in codes])
    table["activity"] = activity(codes)
    precision = 1 / np.sqrt(3 + rng.gamma(2, 8, len(table)))
    noise_sd = table["activity"].std(ddof=0) * np.sqrt(1 / simulation.reliability**2 - 1)
    table["stderr"] = precision * noise_sd / np.sqrt(np.mean(precision**2))
    table["label"] = table["activity"] + table["stderr"] * rng.standard_normal(len(table))
    return table


def activity(codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Noise-free activity (N,), in log2 units, of inserts given as codes (N, length) without N."""
    length = codes.shape[1]
    occupancy = {name: _occupancy(codes, name) for name in FACTORS}
    window = 2 * REPRESSION_REACH + 1
    repressor = window * uniform_filter1d(occupancy["REPRESSOR"], window, axis=1, mode="constant")
    position = 1 - 0.6 * np.abs(np.arange(length) - (length - 1) / 2) / (length / 2)
    weight = position * (1 - REPRESSION * np.minimum(1, repressor))
    drive = sum(FACTORS[name][1] * (weight * occupancy[name]).sum(axis=1) for name in FACTORS)
    gata, ap1 = weight * occupancy["GATA"], weight * occupancy["AP1"]
    for distance in range(SPACING - 9, SPACING + 10):
        match = SYNERGY * np.exp(-(((distance - SPACING) / SPACING_SD) ** 2) / 2)
        for first, second in ((gata, ap1), (ap1, gata)):
            drive = drive + match * (first[:, :-distance] * second[:, distance:]).sum(axis=1)
    gc = np.isin(codes, [1, 2]).mean(axis=1)
    return -0.6 + 2 * (gc - 0.45) + 5 * (1 - np.exp(-drive / 1.5))


@functools.cache
def motif(name: str) -> NDArray[np.float64]:
    """Base probabilities (length, 4) of a factor's motif, from its consensus."""
    consensus = FACTORS[name][0]
    matrix = np.empty((len(consensus), 4))
    for row, letter in zip(matrix, consensus, strict=True):
        chosen = [dna.ALPHABET.index(base) for base in IUPAC[letter.upper()]]
        share = 0.94 if letter.isupper() else 0.6
        row[:] = (1 - share) / (4 - len(chosen))
        row[chosen] = share / len(chosen)
    return matrix


def _occupancy(codes: NDArray[np.uint8], name: str) -> NDArray[np.float64]:
    """Occupancy (N, length) of a factor's sites at the position of their centre, on the better of the two strands."""
    matrix = motif(name)
    bits = np.log2(matrix / 0.25)
    best, width = bits.max(axis=1).sum(), len(bits)
    out = np.zeros(codes.shape)
    ends = codes.shape[1] - width + 1
    # for the minus strand the window is read backwards and complemented (A 0 <-> T 3, C 1 <-> G 2)
    for table, strength in ((bits, 1.0), (bits[::-1, ::-1], MINUS_STRAND.get(name, 1.0))):
        score = sum(table[k][codes[:, k : k + ends]] for k in range(width))
        inside = out[:, width // 2 : width // 2 + ends]
        np.maximum(inside, strength / (1 + np.exp(-1.5 * (score - best + 4))), out=inside)
    return out


def _sequences(simulation: Simulation, rng: np.random.Generator) -> tuple[NDArray[np.uint8], pd.DataFrame]:
    """Codes (rows, length) and their table: chrom, start, end, strand, allele, pair_id, group, motifs, snv_*."""
    pairs = int(simulation.rows * simulation.pair_rows / 2)
    families = int(simulation.rows * simulation.family_rows / simulation.family_size)
    copies = np.ones(simulation.rows - pairs - families * (simulation.family_size - 1), int)  # one entry per locus
    copies[:families] = simulation.family_size
    is_pair = np.zeros(len(copies), bool)
    is_pair[families : families + pairs] = True
    ancestors = _background(len(copies), simulation.length, rng)
    sites = [_plant(row, simulation, rng) for row in ancestors]

    locus = np.repeat(np.arange(len(copies)), copies + is_pair)
    codes = ancestors[locus]
    allele = np.full(len(codes), "", object)
    offset = pd.array([pd.NA] * len(codes), "Int64")
    in_site = pd.array([pd.NA] * len(codes), "boolean")
    first = np.searchsorted(locus, np.arange(len(copies)))
    for family in range(families):
        members = slice(first[family], first[family] + copies[family])
        share = rng.uniform(0.05, 0.15, (copies[family], 1))
        replaced = rng.random((copies[family], simulation.length)) < share
        codes[members] = (codes[members] + replaced * rng.integers(1, 4, replaced.shape)) % 4
    for i in np.flatnonzero(is_pair):
        alt = first[i] + 1
        inside = np.zeros(simulation.length, bool)
        for name, start, _ in sites[i]:
            inside[start : start + len(FACTORS[name][0])] = True
        wanted = inside if inside.any() and rng.random() < 0.5 else ~inside
        position = rng.choice(np.flatnonzero(wanted))
        codes[alt, position] = (codes[alt, position] + rng.integers(1, 4)) % 4
        allele[first[i]], allele[alt] = "ref", "alt"
        offset[alt], in_site[alt] = position, bool(inside[position])

    names = np.array([f"locus_{i:06d}" for i in range(len(copies))], object)
    sizes = np.array(list(CHROMOSOMES.values()), float)
    chromosome = rng.choice(len(sizes), len(copies), p=sizes / sizes.sum())[locus]
    # homologs lie far apart on their chromosome; the two alleles of a pair have the same position
    share = np.where(is_pair[locus], rng.random(len(copies))[locus], rng.random(len(codes)))
    start = (share * (sizes[chromosome] - 1) * 1e6).astype(np.int64)
    table = pd.DataFrame(
        {
            "chrom": np.array(list(CHROMOSOMES))[chromosome], "start": start, "strand": "+",
            "end": start + simulation.length, "allele": allele,
            "pair_id": np.where(is_pair, names, "")[locus], "group": names[locus],
            "motifs": [",".join(f"{name}:{begin}:{strand}" for name, begin, strand in sites[i]) for i in locus],
            "snv_offset": offset, "snv_in_site": in_site,
        }
    )  # fmt: skip
    return codes, table


def _background(count: int, length: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Codes (count, length) of Markov chains, each with its own GC content and few CpGs."""
    gc = np.clip(rng.normal(0.45, 0.08, count), 0.25, 0.70)
    composition = np.column_stack([1 - gc, gc, gc, 1 - gc]) / 2
    codes = np.empty((count, length), np.uint8)
    uniform = rng.random((count, length))
    for k in range(length):
        chance = composition.copy()
        if k:
            chance[codes[:, k - 1] == 1, 2] *= 0.25
        border = np.cumsum(chance / chance.sum(axis=1, keepdims=True), axis=1)
        codes[:, k] = (uniform[:, k, None] > border[:, :3]).sum(axis=1)
    return codes


def _plant(row: NDArray[np.uint8], simulation: Simulation, rng: np.random.Generator) -> list[tuple[str, int, str]]:
    """Write sampled sites into one background (in place); return a list of (factor, first base, strand)."""
    activators = [name for name in FACTORS if FACTORS[name][2]]
    wanted = []
    if rng.random() < simulation.composite:
        distance = SPACING if rng.random() < 0.5 else int(rng.integers(9, 80))
        wanted.append([("GATA", 0), ("AP1", distance)])
    if rng.random() < simulation.repressed:
        wanted.append([("REPRESSOR", 0)])
    chosen = rng.choice(len(activators), rng.poisson(simulation.sites), p=[FACTORS[name][2] for name in activators])
    wanted += [[(activators[i], 0)] for i in chosen]

    taken, sites = np.zeros(len(row), bool), []
    for cluster in wanted:
        name, centre = cluster[-1]
        span = centre + len(FACTORS[name][0])
        for _ in range(20):  # an insert with no room after twenty tries does without this site
            start = int(rng.integers(0, len(row) - span + 1))
            if not taken[start : start + span].any():
                break
        else:
            continue
        if rng.random() < 0.5:  # either factor can come first
            cluster = [(factor, span - at - len(FACTORS[factor][0])) for factor, at in cluster]
        for factor, at in cluster:
            border, first = np.cumsum(motif(factor), axis=1), start + at
            site = (rng.random((len(border), 1)) > border[:, :3]).sum(axis=1).astype(np.uint8)
            plus = rng.random() < 0.5
            row[first : first + len(site)] = site if plus else dna.reverse_complement(site)
            taken[first : first + len(site)] = True
            sites.append((factor, first, "+" if plus else "-"))
    return sites


def motifs() -> dict[str, NDArray[np.float64]]:
    """{factor: base probabilities (length, 4)} for all planted motifs."""
    return {name: motif(name) for name in FACTORS}


def planted(table: pd.DataFrame) -> NDArray[np.bool_]:
    """The positions of the planted motifs, (n, L), in rows made by `simulate`."""
    out = np.zeros((len(table), len(table["sequence"].iloc[0])), bool)
    for row, sites in zip(out, table["motifs"], strict=True):
        for factor, first, _ in (site.split(":") for site in sites.split(",") if site):
            row[int(first) : int(first) + len(FACTORS[factor][0])] = True
    return out
