"""The workflow as a user meets it: dry runs, targeted reruns, the linter, and what a change of code reruns."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import yaml

from helpers.forked_snakemake import ENVIRONMENT, FORKED, jobs, run, snakemake, start
from helpers.tiny_study import HEAD, TINY
from s2f.common.files import read_json
from s2f.common.tables import read_table


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Path of a tiny study file."""
    path = tmp_path_factory.mktemp("study") / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


@pytest.fixture(scope="module")
def finished(root, study, tmp_path_factory):
    """The folder of the finished tiny study."""
    work = tmp_path_factory.mktemp("work")
    snakemake(root, work, "--configfile", str(study))
    return work


@pytest.fixture
def copy(root, tmp_path):
    """A copy of the checkout that a test may change. What the checkout made is finished for it as well, as results name
    their code by its content."""
    ignored = shutil.ignore_patterns(".git", ".venv", "results", "logs", "benchmarks", ".snakemake", "__pycache__")
    return shutil.copytree(root, tmp_path / "checkout", ignore=ignored, symlinks=True)


def copy_of(work, folder, *without):
    """Put a copy of a finished study into `folder`, without logs and without files and folders of the names `without`.

    Snakemake's records are copied too, so what is there is not made again, and what is missing is.
    """
    ignored = shutil.ignore_patterns("logs", "benchmarks", *without)
    return shutil.copytree(work, folder, ignore=ignored, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def planned(root, tmp_path_factory):
    """Job counts of the embedded study in an empty folder."""
    return jobs(snakemake(root, tmp_path_factory.mktemp("empty"), "--dry-run"))


def test_default_study_plans_every_kind_of_job(planned):
    trained = {rule for rule in planned if rule.startswith("train_together_")}  # all seeds of a head in one job
    assert "train_together_boda_mean_512_512_and_boda_sum_512_512" in trained and len(trained) == 7
    evaluated = {
        rule for rule in planned if rule.startswith("evaluate_head")
    }  # what is trained in one job, on one dataset
    assert (
        len(evaluated) == 7 and sum(planned[rule] for rule in evaluated) == sum(planned[rule] for rule in trained) == 9
    )
    assert set(planned) == {
        "make_rows", "make_units", "make_split", "make_panel", "embed", "train_baseline", "evaluate_baseline",
        "evaluate_baseline_2", "calibrate", "compare", "plot_split", "plot_split_2", "plot_audit",
        "plot_calibration", "plot_comparison", "plot_comparison_2", "comparison_page", "audit_split", "tapt",
        "adaptation_windows", "embed_strand", "dependency_map", "measure_dependency_map", "plot_dependency_map",
        "isoscore", "plot_isoscore",
        "select_sequences", "interpret", "plot_interpretation", "plot_interpretation_2", "interpretation_truth",
        "summarise_interpretation",
    } | trained | evaluated  # fmt: skip
    assert planned["embed"] == 2


def test_the_checkout_and_another_workflow_plan_the_same(root, tmp_path, planned):
    module = f'module s2f:\n    snakefile: "{root}/workflow/Snakefile"\n\nuse rule * from s2f\n'
    (tmp_path / "Snakefile").write_text(module)
    for snakefile in (root / "Snakefile", tmp_path / "Snakefile"):
        output = snakemake(root, tmp_path, "--dry-run", "--snakefile", snakefile)
        hosted = "the module s2f names no study, so it runs the embedded one; give it config:" in output
        again = jobs(output)
        assert hosted == (snakefile.parent != root)
        assert again.pop("default", None) == (1 if snakefile.parent == root else None)
        assert again == planned, snakefile


def test_the_profile_of_the_workflow_is_found_from_any_folder(root, tmp_path, study):
    for place, found in (("workflow/Snakefile", "workflow/profiles/default"), ("Snakefile", "profiles/default")):
        arguments = ["--snakefile", root / place, "--dry-run", "--configfile", study]
        code, output = run(arguments, tmp_path, ENVIRONMENT, timeout=300)
        assert code == 0 and f"Using workflow specific profile {root}/{found} " in output
    assert (
        root / "profiles" / "default"
    ).resolve() == root / "workflow" / "profiles" / "default"  # of plain `snakemake`


@pytest.mark.parametrize(
    "changes",
    [
        {},  # no strand by itself
        {"encoders": {}, "models": [{"baselines": ["mean", "kmer-ridge"]}]},  # no embeddings
        {"baselines": {}, "models": TINY["models"][:1], "comparison": {"resamples": 100}},
    ],
)
def test_a_container_can_be_made_of_a_study_in_which_rules_have_no_job(root, tmp_path, changes):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(TINY | changes))
    arguments = ["--snakefile", root / "workflow" / "Snakefile", "--configfile", "study.yaml", "--containerize"]
    _, output = run(arguments, tmp_path, ENVIRONMENT, timeout=300)  # ends in a call of conda, which may not be there
    assert "FROM condaforge/miniforge3" in output and "not allowed" not in output, output


def test_one_head_is_planned_by_its_path(root, tmp_path):
    head = "results/simulated_k562/chromosome/kmer5/no_shift/boda-flatten-512-512/seed1"
    planned = jobs(snakemake(root, tmp_path, "--dry-run", f"{head}/best_model"))
    assert planned == {
        "make_rows": 1,
        "make_split": 1,
        "embed": 1,
        "train_together_boda_flatten_512_512": 1,
    }


def test_another_search_for_homologs_trains_nothing_again(root, tmp_path):
    """All files are there but the units, as if those were to be made again: of the splits, only the one that goes by
    homology is made again, and its head."""
    splits = {
        "chromosome": {"kind": "chromosome"},
        "folds": {"kind": "kfold", "folds": 2},
        "homology": {"kind": "kfold", "folds": 2, "by": "homology"},
    }
    dataset = TINY["datasets"]["simulated_k562"] | {"splits": list(splits)}
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump(TINY | {"datasets": {"simulated_k562": dataset}, "splits": splits}))
    heads = {
        split: HEAD.replace("/chromosome/", f"/{split}/") for split in ("chromosome", "folds-fold1", "homology-fold1")
    }
    folder = tmp_path / "results" / "simulated_k562"
    caches = [folder / f"embeddings/alphagenome-tiny/+00.{name}" for name in ("forward", "reverse")]
    made = [folder / "rows.parquet", *(Path(f"{path}.{ending}") for path in caches for ending in ("h5", "json"))]
    made += [folder / f"splits/{split}.tsv" for split in heads]
    made += [
        tmp_path / f"{head}/{name}" for head in heads.values() for name in ("best_model/model.json", "history.tsv")
    ]
    for second, path in enumerate(made):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (1e9 + second, 1e9 + second))
    audits = [f"results/simulated_k562/splits/{split}.audit.tsv" for split in heads]
    wanted = [f"{head}/history.tsv" for head in heads.values()]
    planned = jobs(snakemake(root, tmp_path, "--dry-run", "--configfile", study, "--", *wanted, *audits))
    assert planned == {"make_units": 1, "audit_split": 3, "make_split": 1, "train_head": 1}


def test_literal_slurm_profile(root, tmp_path):
    # --forceall: the embedded study may have been run in this checkout
    command = ["--profile", "slurm", "-n", "results/compare.tsv", "--forceall"]
    code, output = run(command, root, ENVIRONMENT, timeout=300)
    assert code == 0, output
    assert "train_together_boda_flatten_512_512" in output


@pytest.mark.slow
def test_a_dry_run_warns_of_what_is_not_there(root, tmp_path):
    study = root / "config" / "studies" / "k562_full.yaml"
    asked = ["--dry-run", "--configfile", str(study), "--set-resources", "train_haed:mem_mb=9", "embed:mem_mb=9"]
    output = snakemake(root, tmp_path, *asked, "--", "results/k562_gosai/rows.parquet")
    weights = f"{tmp_path}/resources/alphagenome-fold-3"
    assert f"encoders.alphagenome.weights.path: {weights} does not exist yet" in output
    assert "encoders.alphagenome: the weights have seen: all chromosomes but regions fold7" in output
    assert "(id, snv, snv_variant_key, ood)" in output  # not the leak-free panels
    assert "this study has no rule 'train_haed'" in output and "no rule 'embed'" not in output


@pytest.mark.slow
def test_lint_is_clean(root):
    code, output = run(["--lint"], root, ENVIRONMENT, timeout=300)
    assert code == 0, output


def test_a_typo_in_the_study_names_the_key_and_runs_nothing(root, tmp_path, study):
    config = yaml.safe_load(study.read_text()) | {"trainning": {"epochs": 1}}
    bad = tmp_path / "bad.yaml"
    bad.write_text(yaml.safe_dump(config))
    output = snakemake(root, tmp_path, "--configfile", str(bad), check=False)
    assert "the study is not valid: the study: key 'trainning' is unknown; did you mean 'training'?" in output
    config["scoring"] = {"mine": {"dataset": next(iter(config["datasets"])), "fasta": "mine.fa"}}
    del config["trainning"]
    bad.write_text(yaml.safe_dump(config))
    output = snakemake(root, tmp_path, "--configfile", str(bad), check=False)
    assert f"scoring.mine.fasta: mine.fa is missing: there is no {tmp_path}/mine.fa" in output
    assert "MissingInputException in rule score" in output
    assert not (tmp_path / "results").exists()


def test_of_two_flags_for_files_the_last_is_no_study(root, tmp_path, study):
    """Snakemake takes the last alone: the embedded study must not run in the place of the one that was meant."""
    changes, empty = tmp_path / "changes.yaml", tmp_path / "empty.yaml"
    changes.write_text("seeds: [1, 2]\n")
    empty.write_text("{}\n")
    for last in (changes, empty):
        output = snakemake(root, tmp_path, "-n", "--configfile", study, "--configfile", last, check=False)
        assert (
            f"{last}: no study, because the keys datasets and models are missing; only the "
            "last flag --configfile counts: give all files after one flag, as in --configfile study.yaml changes.yaml"
        ) in output
        assert not jobs(output)
    both = jobs(snakemake(root, tmp_path, "-n", "--configfile", study, changes))
    assert both["train_head"] == 4


def test_config_changes_keys_of_the_embedded_study(root, tmp_path):
    given = ["study=other", "seeds=[1,2]", "train_together=false", "search={trials: 2}"]
    planned = jobs(snakemake(root, tmp_path, "-n", "--config", *given))
    assert planned["evaluate_head"] == 2 * 7 and planned["train_head"] > 14


@pytest.mark.slow
def test_a_finished_study_has_nothing_to_do(root, finished, study):
    assert "Nothing to be done" in snakemake(root, finished, "--configfile", str(study), "--dry-run")
    table = (finished / "results" / "compare.tsv").read_text().splitlines()
    assert len(table) == 1 + 4 * (3 + 6)  # four models; three metrics on rows, six on pairs


@pytest.mark.slow
def test_forced_rerun_of_one_head_trains_one_head(root, finished, study):
    planned = jobs(
        snakemake(root, finished, "--configfile", str(study), "--dry-run", "--forcerun", f"{HEAD}/best_model")
    )
    assert planned["train_head"] == 1
    assert planned["evaluate_head"] == 1 and planned["compare"] == 1 and planned["plot_split"] == 1
    assert "train_baseline" not in planned and "embed" not in planned


@pytest.mark.slow
def test_changed_settings_of_one_head_train_that_head_only(root, finished, study, tmp_path):
    changed = tmp_path / "changed.yaml"
    changed.write_text(yaml.safe_dump(TINY | {"heads": {"boda-sum-512-512": {"epochs": 3}}}))
    planned = jobs(snakemake(root, finished, "--configfile", str(changed), "--dry-run"))
    assert planned["train_head"] == 1 and planned["compare"] == 1 and "embed" not in planned


@pytest.mark.slow
def test_another_identity_makes_units_and_panels_and_trains_nothing_again(root, finished, study, tmp_path):
    dataset = TINY["datasets"]["simulated_k562"] | {"homology": {"identity": 0.5}}
    changed = tmp_path / "changed.yaml"
    changed.write_text(yaml.safe_dump(TINY | {"datasets": {"simulated_k562": dataset}}))
    planned = jobs(snakemake(root, finished, "--configfile", str(changed), "--dry-run"))
    assert (planned["make_units"], planned["make_panel"], planned["audit_split"]) == (1, 2, 1)
    assert not {"make_rows", "make_split", "embed", "train_head", "train_baseline"} & set(planned)


@pytest.mark.slow
def test_a_new_panel_is_predicted_without_training_again(root, finished, study, tmp_path):
    dataset = TINY["datasets"]["simulated_k562"]
    more = {
        **TINY,
        "datasets": {"simulated_k562": {**dataset, "panels": {**dataset["panels"], "all": {"kind": "rows"}}}},
    }
    changed = tmp_path / "more.yaml"
    changed.write_text(yaml.safe_dump(more))
    wanted = f"{HEAD}/predictions/all.tsv"
    planned = jobs(snakemake(root, finished, "--configfile", str(changed), "--dry-run", "--", wanted))
    assert planned == {"make_panel": 1, "evaluate_head": 1}
    planned = jobs(snakemake(root, finished, "--configfile", str(changed), "--dry-run"))
    assert planned == {
        "make_panel": 1,
        "evaluate_head": 2,
        "evaluate_baseline": 2,
        "calibrate": 1,
        "compare": 1,
        "plot_split": 1,
        "plot_calibration": 1,
        "plot_comparison": 1,
        "comparison_page": 1,
    }


@pytest.mark.slow
def test_code_changes_rerun_what_they_touch(copy, finished, study):
    module = copy / "workflow" / "scripts" / "s2f" / "heads" / "networks" / "boda.py"
    original = module.read_text()
    module.write_text(original.replace("def build(", "# a remark\n\n\ndef build(").replace("The Boda", "These Boda"))
    assert "Nothing to be done" in snakemake(copy, finished, "--configfile", str(study), "--dry-run")
    module.write_text(original.replace("jax.nn.relu(", "jax.nn.gelu("))
    planned = jobs(snakemake(copy, finished, "--configfile", str(study), "--dry-run"))
    assert planned["train_head"] == 1  # the other head lives in another module
    assert planned["evaluate_head"] == 1 and planned["compare"] == 1 and planned["plot_split"] == 1
    assert "embed" not in planned and "train_baseline" not in planned


@pytest.mark.slow
def test_options_of_a_mode_and_seeds_trained_together(root, finished, study, tmp_path):
    """A mode's options are settings of its runs; one job for all seeds gives what one job per seed gave."""
    models = [TINY["models"][0] | {"augmentations": ["no_shift", "shifted"]}, TINY["models"][1]]
    changed = tmp_path / "changed.yaml"
    for reach, embeds in ((9, 2), (0, 0)):
        mode = {"kind": "multi_shift", "reach": reach} if reach else {"kind": "random_rc"}
        changed.write_text(yaml.safe_dump(TINY | {"augmentations": {"shifted": mode}, "models": models}))
        planned = jobs(snakemake(root, finished, "--configfile", str(changed), "--dry-run"))
        assert planned["train_head"] == 2 and planned.get("embed", 0) == embeds and planned["compare"] == 1

    together = tmp_path / "together.yaml"
    together.write_text(yaml.safe_dump(TINY | {"seeds": [1, 2], "train_together": True}))
    history, mine = f"{HEAD}/history.tsv", copy_of(finished, tmp_path / "mine", "no_shift")  # without heads
    output = snakemake(root, mine, history, "--configfile", str(together))
    assert jobs(output) == {"train_together_boda_sum_512_512": 1}
    assert (mine / HEAD.replace("seed1", "seed2") / "best_model" / "model.json").is_file()
    # what is recorded of a head is the same in both ways: one that is trained by itself for once stays
    both = [history, history.replace("seed1", "seed2")]
    output = snakemake(root, mine, *both, "--configfile", str(together), "--config", "train_together=false", "-n")
    assert "Nothing to be done" in output
    alone, ours = ([line.split("\t")[:3] for line in (folder / history).read_text().splitlines()[1:]]
                   for folder in (finished, mine))  # fmt: skip
    assert len(alone) == 2
    assert [float(x) for line in ours for x in line] == pytest.approx(
        [float(x) for line in alone for x in line], abs=1e-3
    )


@pytest.mark.slow
def test_one_job_trains_all_heads_of_an_encoder_and_each_can_be_trained_again(root, finished, tmp_path):
    """A head that diverges fails the job, which keeps the others; what it gives are the bits of single jobs. A head
    that is trained again apart leaves nothing to train."""
    caches, diverging = tmp_path / "caches.yaml", tmp_path / "diverging.yaml"
    caches.write_text(yaml.safe_dump(TINY | {"train_together": "caches"}))
    other = HEAD.replace("boda-sum-512-512", "encoder-1024-dropout")
    heads = {"encoder-1024-dropout": {"learning_rate": 1e30}}
    diverging.write_text(yaml.safe_dump(TINY | {"train_together": "caches", "heads": heads}))
    mine = copy_of(finished, tmp_path / "mine", "no_shift")  # without heads
    output = snakemake(root, mine, "--configfile", str(diverging), "--", f"{HEAD}/best_model", check=False)
    assert "training loss is" in output and "the other families of heads in this job are kept" in output
    assert not (mine / HEAD / "best_model").exists() and not (mine / other / ".trained").exists()

    targets = [f"{HEAD}/metrics.tsv", f"{other}/metrics.tsv"]
    output = snakemake(root, mine, "--configfile", str(caches), "--", *targets)
    assert jobs(output) == {"train_caches": 1, "evaluate_head": 1}
    log = next((mine / "logs").rglob("train.log")).read_text()
    assert "boda-sum-512-512 (seed 1): kept from an earlier attempt" in log
    assert "encoder-1024-dropout (seed" in log and log.count("boda-sum-512-512 (seed") == 1
    for path in (HEAD, other):
        for name in ("best_model/validation.tsv", "best_model/model.json", "predictions/snv.tsv"):
            assert (mine / path / name).read_bytes() == (finished / path / name).read_bytes()
        epochs = (read_table(folder / path / "history.tsv").iloc[:, :3] for folder in (mine, finished))
        assert next(epochs).equals(next(epochs))
        assert not (mine / path / ".trained").exists()

    before = (mine / other / "history.tsv").stat().st_mtime_ns
    arguments = ["--force", f"{HEAD}/best_model", "--config", "train_together=apart"]
    assert jobs(snakemake(root, mine, "--configfile", str(caches), *arguments)) == {"train_caches": 1}
    assert (mine / other / "history.tsv").stat().st_mtime_ns == before
    own = tmp_path / "apart.yaml"
    own.write_text(yaml.safe_dump(TINY | {"train_together": "apart"}))  # the same in the file
    for written, evaluations in ((caches, 1), (own, 2)):  # evaluations are jobs of as many heads as trainings
        planned = jobs(snakemake(root, mine, "--configfile", str(written), "--dry-run", "--", *targets))
        assert planned == {"evaluate_head": evaluations}


@pytest.mark.slow
def test_a_search_trains_every_model_again_and_begins_with_the_stated_settings(root, finished, study, tmp_path):
    """The first trial is the training without a search; heads that would train together are jobs of their own."""
    searching, together = tmp_path / "searching.yaml", tmp_path / "together.yaml"
    searching.write_text(yaml.safe_dump(TINY | {"search": {"trials": 2}}))
    together.write_text(yaml.safe_dump(TINY | {"search": {"trials": 2}, "train_together": True, "seeds": [1, 2]}))
    planned = jobs(snakemake(root, finished, "--configfile", str(searching), "--dry-run"))
    assert planned["train_head"] == 2 and planned["train_baseline"] == 2
    assert planned["compare"] == 1 and not {"embed", "make_rows", "make_split", "make_panel"} & set(planned)
    wanted, tables = f"{HEAD}/best_model/trials.tsv", []

    for name, config, seeds in (("alone", searching, [1]), ("as-one", together, [1, 2])):
        mine = copy_of(finished, tmp_path / name, "no_shift")
        of_seeds = [f"{HEAD}/best_model".replace("seed1", f"seed{seed}") for seed in seeds]
        output = snakemake(root, mine, *of_seeds, "--configfile", str(config))
        assert jobs(output) == {"train_head": len(seeds)}
        tables.append(read_table(mine / wanted).drop(columns="seconds"))
        record = read_json(mine / HEAD / "best_model" / "model.json")
        chosen = tables[-1][tables[-1]["chosen"] == "True"].iloc[0]
        assert record["validation"]["value"] == tables[-1]["val_pearson"].astype(float).max()
        assert record["spec"]["learning_rate"] == float(chosen["learning_rate"])
        assert record["search"]["trials"] == 2
    assert tables[0].equals(tables[1])
    stated = read_json(finished / HEAD / "best_model" / "model.json")
    assert float(tables[0]["val_pearson"][0]) == stated["validation"]["value"]
    assert not read_table(mine / wanted.replace("seed1", "seed2")).drop(columns="seconds").equals(tables[0])


@pytest.mark.slow
def test_a_touched_or_copied_cache_retrains_nothing(root, finished, study):
    for cache in (finished / "results" / "simulated_k562" / "embeddings").rglob("*.h5"):
        os.utime(cache)
    assert "Nothing to be done" in snakemake(root, finished, "--configfile", str(study), "--dry-run")


@pytest.mark.slow
def test_a_new_head_trains_one_head(root, finished, study, tmp_path):
    models = [TINY["models"][0] | {"heads": [*TINY["models"][0]["heads"], "boda-max-64-64"]}, TINY["models"][1]]
    changed = tmp_path / "more.yaml"
    changed.write_text(yaml.safe_dump(TINY | {"models": models}))
    planned = jobs(snakemake(root, finished, "--configfile", str(changed), "--dry-run"))
    assert planned["train_head"] == 1 and "embed" not in planned and "train_baseline" not in planned


def kill_program(root, folder, study, program, where, sign, environment=FORKED):
    """Start the study and kill `program` with SIGKILL as soon as a file at `where` in `folder` holds `sign`."""
    arguments = ["--snakefile", root / "workflow" / "Snakefile", "--directory", folder, "--configfile", study]
    arguments += ["--cores", "2", "--rerun-incomplete", "--", "results/compare.tsv"]
    printed = folder / "printed.txt"
    started = start(arguments, folder, environment, printed)
    killed = False
    while not killed and started.is_alive():
        if not any(sign in file.read_text(errors="replace") for file in folder.glob(where) if file.is_file()):
            time.sleep(0.02)
            continue
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
                by_itself = words[1:4] == [b"-P", b"-m", program.encode()]
                runs = by_itself or (process / "comm").read_text() == f"{program}\n"
                if runs and (process / "cwd").resolve() == folder.resolve():
                    os.kill(int(process.name), signal.SIGKILL)
                    killed = True
                    break
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        time.sleep(0.02)
    started.join(600)
    assert killed and started.exitcode, printed.read_text()  # None where it still runs


@pytest.mark.slow
def test_killed_jobs_run_again_to_the_same_table(root, finished, study, tmp_path):
    copy_of(finished, tmp_path, "alphagenome-tiny", "compare.*")  # without caches, heads and table
    # signs of being in the middle: some chunks are noted down, the first epoch is over, resampling has begun
    kill_program(root, tmp_path, study, "embed", "results/*/embeddings/*/.*.journal", '"chunk": 2')
    # these in processes with other hashes of texts than the first run had: no set's order may reach a result
    kill_program(root, tmp_path, study, "train_head", "logs/*/*/*/*/*/seed1/train.log", "epoch   1", ENVIRONMENT)
    kill_program(root, tmp_path, study, "compare", "logs/compare.log", "resamples")
    snakemake(root, tmp_path, "--configfile", str(study), "--", "results/compare.tsv")
    again, first = ((folder / "results" / "compare.tsv").read_bytes() for folder in (tmp_path, finished))
    assert again == first
    hidden = {path.name for path in (tmp_path / "results").rglob(".*")}
    assert hidden <= {".snakemake_timestamp"}  # no temporary or partial file is left


@pytest.mark.slow
def test_a_changed_augmentation_trains_again(copy, finished, study):
    module = copy / "workflow" / "scripts" / "s2f" / "heads" / "augmentations" / "no_shift.py"
    original = module.read_text()
    module.write_text(original.replace("jnp.arange(2, dtype=jnp.int32)", "jnp.zeros(2, dtype=jnp.int32)"))
    assert jobs(snakemake(copy, finished, "--configfile", str(study), "--dry-run"))["train_head"] == 2


@pytest.mark.slow
def test_a_foreign_cache_is_refused(root, finished, study, tmp_path):
    copy_of(finished, tmp_path)
    folder = tmp_path / "results" / "simulated_k562" / "embeddings" / "alphagenome-tiny"
    # whole and sound, but not what its manifest says
    (folder / "+00.forward.h5").write_bytes((folder / "+00.reverse.h5").read_bytes())
    arguments = ("--configfile", str(study), "--forcerun", f"{HEAD}/best_model", "--", f"{HEAD}/best_model")
    output = snakemake(root, tmp_path, *arguments, check=False)
    assert "+00.forward.h5: " in output and "made from other rows, weights or settings" in output


def test_a_study_without_its_name_is_not_mixed_with_the_embedded_one(root, tmp_path):
    nameless = tmp_path / "nameless.yaml"
    nameless.write_text(yaml.safe_dump({key: value for key, value in TINY.items() if key != "study"}))
    output = snakemake(root, tmp_path, "--dry-run", "--configfile", str(nameless), check=False)
    assert "the study: key 'study' is missing" in output


@pytest.mark.slow
def test_a_broken_cache_stops_the_head_with_a_clear_message(root, finished, study, tmp_path):
    copy_of(finished, tmp_path)
    cache = tmp_path / "results" / "simulated_k562" / "embeddings" / "alphagenome-tiny" / "+00.forward.h5"
    content = cache.read_bytes()
    cache.write_bytes(content[: len(content) // 2])
    arguments = ("--configfile", str(study), "--forcerun", f"{HEAD}/best_model", "--", f"{HEAD}/best_model")
    output = snakemake(root, tmp_path, *arguments, check=False)
    assert "+00.forward.h5" in output and "delete it and run again" in output
    assert "Traceback" not in output


def test_a_stage_that_drops_much_is_named_on_the_terminal(root, tmp_path):
    rows = [f"r{k}\t{'ACGT' * 5}{'ACGT'[k % 4]}\t{k if k < 3 else ''}" for k in range(8)]
    (tmp_path / "t.tsv").write_text("\n".join(["id\tseq\ty", *rows]) + "\n")
    columns = {"row_id": "id", "sequence": "seq", "label": "y"}
    source = {"kind": "table", "files": {"rows": "t.tsv"}, "columns": columns}
    dataset = TINY["datasets"]["simulated_k562"] | {"source": source}
    models = [{"baselines": ["mean", "kmer-ridge"]}]
    for share, said in ((0.5, True), (0.7, False)):
        study = {**TINY, "datasets": {"d": dataset}, "models": models, "warn_dropped": share}
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
        target = "results/d/rows.stages.tsv"
        output = snakemake(root, tmp_path, target, "--force", "--configfile", "study.yaml")
        warning = f"{target}: label measured: 5 of 8 dropped (62 %), more than warn_dropped: {share}"
        assert (warning in output) == said
