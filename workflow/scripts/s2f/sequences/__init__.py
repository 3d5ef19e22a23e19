"""DNA, intervals, genomes and constructs."""
