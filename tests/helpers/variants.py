"""Genomes, variants and VCFs of a few bases, for the tests of variants."""

from s2f.sequences.genome import Genome
from s2f.sequences.variant_judge import Judge
from s2f.sequences.variants import Variants

HEADER = "##fileformat=VCFv4.2\n##contig=<ID=chr1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def genome_of(folder, sequences, width=7):
    """A FASTA with lines of `width` letters and its index, opened."""
    path, entries, done = folder / "genome.fa", "", 0
    with path.open("w") as stream:
        for name, letters in sequences.items():
            header = f">{name}\n"
            body = "".join(letters[i : i + width] + "\n" for i in range(0, len(letters), width))
            entries += f"{name}\t{len(letters)}\t{done + len(header)}\t{width}\t{width + 1}\n"
            stream.write(header + body)
            done += len(header) + len(body)
    path.with_name("genome.fa.fai").write_text(entries)
    opened = Genome.open(path)
    assert not opened.notes
    return opened


def judged(genome, variants, longest=50):
    """What a judge says about a list of variants."""
    return Judge(genome, "in.vcf", longest).judged(Variants.of(variants))


def apply(sequence, start, ref, alt):
    """The haplotype that results from an allele in a sequence."""
    assert sequence[start : start + len(ref)] == ref
    return sequence[:start] + alt + sequence[start + len(ref) :]


def vcf_text(rows):
    """A VCF of chr1 with rows (pos, ref, alt), whose IDs are v0, v1, ..."""
    return HEADER + "".join(f"chr1\t{pos}\tv{i}\t{ref}\t{alt}\t.\t.\t.\n" for i, (pos, ref, alt) in enumerate(rows))
