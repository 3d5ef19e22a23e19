"""Logits of the baselines that predict probabilities: ``logits(inserts, strand) -> float (N,)``, as they predict.

A probability near 0 or 1 has lost its digits, so the logit is computed anew and not from it.
"""

from s2f import baselines
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

KINDS = ("gc", "kmer_logistic", "lamar_finetuned")


def of(kind, directory, record):
    """The logits of a checkpoint of one of `KINDS`; of a regression the predicted values."""
    baselines.get(kind).load(directory, record)  # checks what it reads
    return {"gc": _gc, "kmer_logistic": _kmer_logistic, "lamar_finetuned": _lamar_finetuned}[kind](directory, record)


def _gc(directory, record):
    from s2f.baselines.gc import scorer

    return scorer(directory)


def _kmer_logistic(directory, record):
    from s2f.baselines.kmer_ridge import scorer

    return scorer(directory)


def _lamar_finetuned(directory, record):
    from s2f.baselines import _lamar_finetuning
    from s2f.baselines.lamar_finetuned import load_model
    from s2f.language_model.tokenizer import ids_of_codes

    details = baselines.read_details(directory)
    model, settings = load_model(directory, details)
    value, construct = value_of_logits(details, settings), Construct.from_spec(record["construct"])

    def logits(inserts, strand):
        codes = construct.assemble(inserts)
        ids = ids_of_codes(dna.reverse_complement(codes) if strand == "reverse" else codes)
        return value(_lamar_finetuning.logits(model, ids, settings))

    return logits


def value_of_logits(details, settings):
    """Function of the logits (B, outputs) of a fine-tuned LAMAR: the difference between the classes, or the predicted
    values of a regression (B,)."""
    if settings.labels == "regression":
        return lambda logits: details["centre"] + details["scale"] * logits[:, 0]
    return lambda logits: logits[:, 1] - logits[:, 0]
