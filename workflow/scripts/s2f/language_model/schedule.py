"""Step size as transformers schedules it, for adaptation and fine-tuning."""


def schedule(step: int, steps: int, warmup: float) -> float:
    """Step size of a step (from 0) as a share of the highest: it rises linearly over a share `warmup` of the steps,
    then falls linearly to 0 after the last."""
    warm = max(1, round(warmup * steps))
    return min((step + 1) / warm, (steps - step) / max(1, steps - warm + 1))
