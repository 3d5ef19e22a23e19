"""Programs for CI and people that are not tests: studies on a cluster, checks of finished studies, benchmarks."""
