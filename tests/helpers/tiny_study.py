"""A study that runs in seconds, and one of its heads."""

HEAD = "results/simulated_k562/chromosome/alphagenome-tiny/no_shift/boda-sum-512-512/seed1"  # of the tiny study
TINY = {
    "study": "tiny",
    "datasets": {
        "simulated_k562": {
            "source": {"kind": "simulated", "rows": 300, "seed": 3},
            "construct": "gosai_600",
            "splits": ["chromosome"],
            "panels": {"chromosome": {"kind": "rows"}, "snv": {"kind": "pairs"}},
        }
    },
    "constructs": {"gosai_600": {"flanks": "gosai_episomal", "length": 600}},
    "splits": {"chromosome": {"kind": "chromosome"}},
    "encoders": {
        "alphagenome-tiny": {
            "kind": "alphagenome", "size": "tiny", "weights": {"random": 0}, "precision": "float32", "batch_size": 32,
        }
    },
    "training": {"epochs": 2},
    "baselines": {"mean": {"kind": "mean"}, "kmer-ridge": {"kind": "kmer_ridge"}},
    "models": [
        {"encoders": ["alphagenome-tiny"], "heads": ["boda-sum-512-512", "encoder-1024-dropout"]},
        {"baselines": ["mean", "kmer-ridge"]},
    ],
    "comparison": {"against": "kmer-ridge", "resamples": 100},
}  # fmt: skip
