"""How well p values and intervals of a comparison hold: false alarms, power, coverage, time.

    export PYTHONPATH=workflow/scripts:tests OPENBLAS_NUM_THREADS=1
    python tests/programs/false_alarms.py calibration      # what the simulated trainings were set to, seconds
    python tests/programs/false_alarms.py null             # other seeds of one procedure: shares of p < 0.05, 5 minutes
    python tests/programs/false_alarms.py paired           # a model and its start, seed by seed or apart, 3 minutes
    python tests/programs/false_alarms.py power            # a difference of 0.005 in r at 62,582 rows, 1 minute
    python tests/programs/false_alarms.py coverage         # intervals of AUROC and AUPRC of small panels, 1 minute
    python tests/programs/false_alarms.py time             # 10,000 resamples of 12 models x 62,582 rows, half a minute
    python tests/programs/false_alarms.py trained [SEEDS]  # null comparisons of real trainings, some minutes

Each prints the numbers of `s2f.evaluation.inference` beside those of the earlier method, a bootstrap over rows only.
The trainings of `null` and `power` are simulated (`helpers.simulated_trainings` describes how they were calibrated):
real ones for the 62,582 test rows of the K562 study would take days. `trained` trains a head on 4-mer counts of
simulated rows with SEEDS seeds (30), tests it on 62,582 rows, and compares disjoint sets of seeds drawn at random, on
all rows or on some. Its comparisons share networks, so the printed shares spread more than binomially.
"""

import sys
import time

import numpy as np
from scipy import stats

from helpers.simulated_trainings import Procedure, compare, finetuned, measured, rows, trainings
from s2f.evaluation import inference
from s2f.evaluation.bootstrap import bootstrap

SIZES = (374, 5000, 62582)  # test rows of the embedded study, of the sample, of the K562 study
SEEDS = (3, 5)
METRICS = ("pearson", "spearman", "mse")
AT_ONCE = 3  # comparisons on one sample of rows, each with other trainings


def calibration():
    """Spread over seeds of Pearson r, and standard error of the difference of two seeds, at 62,582 rows."""
    rng, spreads, errors = np.random.default_rng(0), [], []
    for sample in range(6):
        signal, labels, error = rows(rng, SIZES[-1])
        networks = trainings(rng, Procedure(), 8, signal, error)
        resampled = bootstrap("regression", labels, networks, np.arange(SIZES[-1]), 100, sample)["pearson"]
        spreads.append(measured(labels, networks, "pearson").var(ddof=1))
        errors.append(np.diff(resampled, axis=0).var(axis=1, ddof=1).mean())
    print(f"sd over seeds of r {np.mean(spreads) ** 0.5:.5f} (seen: 0.0017)")
    print(f"bootstrap SE of the difference of two seeds {np.mean(errors) ** 0.5:.5f} (seen: 0.0012)")


def null(samples=100, resamples=300):
    """Shares of p < 0.05 if both sides are trainings of one procedure."""
    print(f"p < 0.05 in {AT_ONCE * samples} null comparisons, of procedures (of the rows alone)")
    for n in SIZES:
        for seeds in SEEDS:
            rng, found = np.random.default_rng(n + seeds), {metric: [] for metric in METRICS}
            places = np.arange(2 * seeds * AT_ONCE).reshape(AT_ONCE, 2, seeds)
            for sample in range(samples):
                signal, labels, error = rows(rng, n)
                networks = trainings(rng, Procedure(), places.size, signal, error)
                for metric, values in compare(labels, networks, places, resamples, sample).items():
                    found[metric].append(values)
            print(f"n {n:>6,} {seeds} vs {seeds} seeds: {shares(found)}", flush=True)


def paired(samples=600, resamples=200):
    """Shares of p < 0.05, and widths of intervals, if models are as good as the starts of which some of their errors
    are left."""
    print(f"Pearson r, {samples} null comparisons of models with their starts: seed by seed (as if trained apart)")
    for n in SIZES[:2]:
        influence = inference.Influence(np.empty(0), np.empty(0, int), n)
        for seeds in SEEDS:
            starts, models = slice(seeds), slice(seeds, None)
            for kept in (0, 0.25, 0.5, 0.75, 0.95):
                rng, found = np.random.default_rng([n, seeds, int(100 * kept)]), []
                for sample in range(samples):
                    signal, labels, error = rows(rng, n)
                    networks = np.concatenate(finetuned(rng, Procedure(), seeds, signal, error, kept))
                    draws = bootstrap("regression", labels, networks, np.arange(n), resamples, sample)["pearson"]
                    r = measured(labels, networks, "pearson")
                    of_rows = draws[models].mean(axis=0) - draws[starts].mean(axis=0)
                    delta, line = r[models].mean() - r[starts].mean(), [np.corrcoef(r[starts], r[models])[0, 1]]
                    together = [inference.Replicates.of(r[models] - r[starts], draws[models] - draws[starts])]
                    for sides in (together, [inference.Replicates.of(r[of], draws[of]) for of in (starts, models)]):
                        of_all = inference.standard_error(of_rows, influence, n, sides)
                        low, high, p, _ = inference.difference(delta, of_all, 0.95, True)
                        line += [p < 0.05, high - low]
                    found.append(line)
                alike, alarms, width, of_apart, width_apart = np.mean(found, axis=0)
                print(f"n {n:>6,} {seeds} seeds, {kept:.0%} kept, correlation over seeds {alike:.2f}: p < 0.05 in "
                      f"{alarms:.3f} ({of_apart:.3f}), width {width:.4f} ({width_apart:.4f})", flush=True)  # fmt: skip


def shares(found):
    """Shares of p < 0.05 from {metric: arrays (C, 3)}, as text."""
    texts = []
    for metric, values in found.items():
        of_procedures, of_rows = (np.mean(np.concatenate(values)[:, column] < 0.05) for column in (1, 2))
        texts.append(f"{metric} {of_procedures:.3f} ({of_rows:.3f})")
    return ", ".join(texts)


def power(samples=60, resamples=300):
    """Share of p < 0.05 if one procedure is better by 0.005 in r, at 62,582 rows and five seeds per side."""
    n, seeds, rng = SIZES[-1], 5, np.random.default_rng(0)
    better = Procedure()
    worse = Procedure(amount=better.amount + 0.0198)
    print(f"true difference in r {better.correlation() - worse.correlation():.5f}, n {n:,}, {seeds} vs {seeds} seeds")
    found = {metric: [] for metric in METRICS}
    for sample in range(samples):
        signal, labels, error = rows(rng, n)
        networks = np.concatenate([trainings(rng, one, seeds, signal, error) for one in (better, worse)])
        places = np.arange(2 * seeds).reshape(1, 2, seeds)
        for metric, values in compare(labels, networks, places, resamples, sample).items():
            found[metric].append(values)
    print(f"p < 0.05 in {samples} comparisons: {shares(found)}")
    print(f"mean difference {np.concatenate(found['pearson'])[:, 0].mean():.5f}")


def coverage(samples=1000, resamples=400):
    """Share of 95 % intervals that contain the truth, for normal classes, and of those that are above and below it."""
    print("coverage (above, below) of procedures' intervals; of percentiles, as before")
    for n, prevalence, distance in (
        (120, 0.5, 1.2), (120, 0.5, 2.5), (120, 0.1, 2.0), (200, 0.2, 1.5), (200, 0.5, 2.5), (300, 0.1, 1.2),
        (300, 0.1, 2.5), (300, 0.5, 1.2), (40, 0.5, 3.5), (120, 0.5, 4.0),
    ):  # fmt: skip
        rng = np.random.default_rng(n)
        truths = dict(zip(("auroc", "auprc"), truth(rng, prevalence, distance), strict=True))
        missed = {metric: np.zeros(4) for metric in truths}
        for sample in range(samples):
            labels, predictions = classes(rng, n, prevalence, distance)
            resampled = bootstrap("classification", labels, predictions, np.arange(n), resamples, sample)
            influence = inference.Influence(np.empty(0), np.empty(0, int), n)
            for metric, true in truths.items():
                units = inference.independent_units(labels, np.arange(n), metric)
                value = measured(labels, predictions[None], metric)[0]
                error = inference.standard_error(resampled[metric][0], influence, units)
                low, high, _ = inference.interval(value, error, metric, units, 0.95)
                before = np.nanquantile(resampled[metric][0], [0.025, 0.975])
                missed[metric] += [low > true, high < true, before[0] > true, before[1] < true]
        texts = []
        for metric, counts in missed.items():
            above, below, *before = counts / samples
            texts.append(f"{metric} {truths[metric]:.3f}: {1 - above - below:.3f} ({above:.3f}, {below:.3f}); "
                         f"{1 - sum(before):.3f} ({before[0]:.3f}, {before[1]:.3f})")  # fmt: skip
        print(f"n {n} prevalence {prevalence}: {', '.join(texts)}", flush=True)


def classes(rng, n, prevalence, distance):
    """Labels and probabilities (n,) of two normal classes."""
    labels = (rng.random(n) < prevalence).astype(float)
    return labels, stats.logistic.cdf(rng.standard_normal(n) + distance * labels)


def truth(rng, prevalence, distance):
    """AUROC and AUPRC for infinitely many rows: in closed form, and from a million rows."""
    labels, predictions = classes(rng, 1_000_000, prevalence, distance)
    return stats.norm.cdf(distance / 2**0.5), measured(labels, predictions[None], "auprc")[0]


def elapsed():
    """CPU seconds of 10,000 resamples, after compilation of the loops."""
    rng, n = np.random.default_rng(0), SIZES[-1]
    labels = rng.standard_normal(n)
    predictions = labels + rng.standard_normal((12, n))
    bootstrap("regression", labels[:100], predictions[:, :100], np.arange(100), 10, 0)
    start = time.process_time()
    bootstrap("regression", labels, predictions, np.arange(n), 10_000, 0)
    print(f"10,000 resamples of 12 models x {n:,} rows: {time.process_time() - start:.1f} s of CPU")


def trained(seeds=30, resamples=300, comparisons=300):
    """Null comparisons of real trainings of one head."""
    from s2f.common.devices import limit_to_job_resources

    limit_to_job_resources(2, 0)
    labels, networks = real_trainings(int(seeds))
    of_all = measured(labels, networks, "pearson")
    print(f"{len(networks)} trainings: r {of_all.mean():.4f}, sd over seeds {of_all.std(ddof=1):.5f}", flush=True)
    rng = np.random.default_rng(0)
    for n in SIZES:
        for count in SEEDS:
            found = {metric: [] for metric in METRICS}
            samples = 3 if n == SIZES[-1] else 30
            for sample in range(samples):
                chosen = rng.permutation(len(labels))[:n]
                pairs = [rng.permutation(len(networks))[: 2 * count] for _ in range(comparisons // samples)]
                pairs = [(pair[:count], pair[count:]) for pair in pairs]
                for metric, values in compare(labels[chosen], networks[:, chosen], pairs, resamples, sample).items():
                    found[metric].append(values)
            print(f"n {n:>6,} {count} vs {count} seeds: {shares(found)}", flush=True)


def real_trainings(seeds):
    """Labels (62,582,) and predictions (seeds, 62,582) of `boda-mean-128` on 4-mer counts of 6,000 simulated rows."""
    from s2f.embeddings.encoders.kmer import counts
    from s2f.heads import networks
    from s2f.heads.examples import Examples
    from s2f.heads.training import Trainer, TrainingSettings, predict
    from s2f.rows.sources.simulated import simulate
    from s2f.sequences import dna

    slug = "boda-mean-128"
    table = simulate({"rows": 7000 + SIZES[-1], "family_rows": 0.0, "pair_rows": 0.0, "seed": 3})
    codes = np.stack([dna.encode(sequence) for sequence in table["sequence"]])
    features = counts(codes, 4), counts(dna.reverse_complement(codes), 4)
    labels, index = table["label"].to_numpy(np.float32), np.arange(len(table), dtype=np.int32)
    train = Examples(features, index[:6000], labels[:6000])
    val = Examples(features[:1], index[6000:7000], labels[6000:7000])
    settings = TrainingSettings.from_spec({"epochs": 8, "patience": 3})
    network, predictions = networks.build(slug, 0.0), []
    for seed in range(seeds):
        trainer = Trainer([(slug, 1000 + seed)], {"kind": "no_shift"}, train, val, report=lambda text: None)
        (best,) = trainer.train(settings)
        both = [predict(network, best.variables, strand, index[7000:]) for strand in features]
        predictions.append(np.mean(both, axis=0))
    return labels[7000:].astype(float), np.array(predictions, float)


if __name__ == "__main__":
    name, *rest = sys.argv[1:] or ["help"]
    programs = {
        "calibration": calibration, "null": null, "power": power, "coverage": coverage, "time": elapsed,
        "trained": trained, "paired": paired,
    }  # fmt: skip
    if name not in programs:
        sys.exit(__doc__)
    programs[name](*map(int, rest))
