"""What several tests need: small studies, models and caches, oracles, and Snakemake as a function."""
