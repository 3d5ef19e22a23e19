"""What CI and people run that is no test: studies on a cluster, checks of finished studies, benchmarks."""
