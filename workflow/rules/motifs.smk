# REQUIRED INPUTS:  attributions for many sequences, best_model/ of the runs, a file of known motifs
# OUTPUTS:          results/{dataset}/{split}/{model}/motifs/{method}/{panel}.h5         patterns, as modisco-lite writes them
#                   results/{dataset}/{split}/{model}/motifs/{method}/{panel}.meme       their cores
#                   results/{dataset}/{split}/{model}/motifs/{method}/{panel}.matches.tsv, .hits.tsv
#                   results/{dataset}/{split}/{model}/motifs/{method}/{panel}.tsv        what is known of each pattern
#                   results/{dataset}/{split}/{model}/seed{seed}/motifs/{method}/{panel}.effects.tsv
#                   results/plots/{dataset}/{split}/motifs/{model}/{method}.{panel}.html
#                   results/motifs_truth.tsv            compared with planted motifs and motifs of proteins


rule find_motifs:
    """Cluster a model's attributions into patterns, match them with known motifs, and find where they occur."""
    input:
        attributions=attributions_of_motifs,
        known=known_motifs,
    output:
        patterns="results/{dataset}/{split}/{model}/motifs/{method}/{panel}.h5",
        meme="results/{dataset}/{split}/{model}/motifs/{method}/{panel}.meme",
        matches="results/{dataset}/{split}/{model}/motifs/{method}/{panel}.matches.tsv",
        hits="results/{dataset}/{split}/{model}/motifs/{method}/{panel}.hits.tsv",
    log:
        "logs/{dataset}/{split}/{model}/motifs/{method}/{panel}.log",
    benchmark:
        "benchmarks/{dataset}/{split}/{model}/motifs/{method}/{panel}.tsv"
    wildcard_constraints:
        method=any_of(study_motifs.METHODS),
    conda:
        "../../envs/motifs.yaml"
    threads: 2
    resources:
        mem_mb=times_attempt(8000),
        runtime=times_attempt(240),
    params:
        python=python,
        code=code_fingerprint("find_motifs"),
        contents=contents_of(known_motifs),
        settings=settings_of_motifs,
        hit=value_of(entry_of_motifs, "hit_p_value"),
    message:
        "Finding the motifs of {wildcards.model} by {wildcards.method}, {wildcards.panel}: {wildcards.dataset}, {wildcards.split}"
    shell:
        "{params.python} find_motifs "
        "--attributions {input.attributions:q} "
        "--known {input.known:q} "
        "--settings {params.settings:q} "
        "--hit-p-value {params.hit} "
        "--threads {threads} "
        "--out {output.patterns:q} "
        "--meme {output.meme:q} "
        "--matches {output.matches:q} "
        "--hits {output.hits:q} "
        "> {log:q} 2>&1"


rule insert_motifs:
    """Insert a model's patterns into shuffled sequences, and measure their effect on its predictions."""
    input:
        patterns="results/{dataset}/{split}/{model}/motifs/{method}/{panel}.h5",
        attributions="results/{dataset}/{split}/{model}/seed{seed}/interpretation/{method}/{panel}.h5",
        model="results/{dataset}/{split}/{model}/seed{seed}/best_model",
        weights=adapted_weights_of(beside_run),
    output:
        "results/{dataset}/{split}/{model}/seed{seed}/motifs/{method}/{panel}.effects.tsv",
    log:
        "logs/{dataset}/{split}/{model}/seed{seed}/motifs/{method}/{panel}.effects.log",
    benchmark:
        "benchmarks/{dataset}/{split}/{model}/seed{seed}/motifs/{method}/{panel}.effects.tsv"
    wildcard_constraints:
        method=any_of(study_motifs.METHODS),
    conda:
        environment("interpretation")
    threads: 2
    resources:
        gpu=gpus_of_interpretation,
        mem_mb=times_attempt(16000),
        runtime=times_attempt(60),
    params:
        python=python,
        code=code_of_inserted_motifs,
        encoder=json_of(encoder_of_run),
        spec=with_adapted_weights(encoder_of_run),
        weights=weights_id_of(beside_run),
        backgrounds=value_of(entry_of_motifs, "backgrounds"),
        seed=STUDY["seed"],
    message:
        "Inserting the motifs of {wildcards.model}, seed {wildcards.seed}, {wildcards.method}: {wildcards.dataset}, {wildcards.split}"
    shell:
        "{params.python} insert_motifs "
        "--patterns {input.patterns:q} "
        "--attributions {input.attributions:q} "
        "--model {input.model:q} "
        "--encoder-spec {params.spec:q} "
        "--backgrounds {params.backgrounds} "
        "--study-seed {params.seed} "
        "--threads {threads} "
        "--gpus {resources.gpu} "
        "--out {output:q} "
        "> {log:q} 2>&1"


rule plot_motifs:
    """Make the page of a model's motifs, with logos, known motifs and effects, and the same as a table."""
    input:
        patterns="results/{dataset}/{split}/{model}/motifs/{method}/{panel}.h5",
        known=known_motifs,
        matches="results/{dataset}/{split}/{model}/motifs/{method}/{panel}.matches.tsv",
        hits="results/{dataset}/{split}/{model}/motifs/{method}/{panel}.hits.tsv",
        effects=effects_of_motifs,
    output:
        table="results/{dataset}/{split}/{model}/motifs/{method}/{panel}.tsv",
        page=report(
            "results/plots/{dataset}/{split}/motifs/{model}/{method}.{panel}.html",
            category=CATEGORIES["motifs"],
            labels={
                "dataset": "{dataset}",
                "split": "{split}",
                "model": "{model}",
                "method": "{method}",
                "panel": "{panel}",
            },
            caption="../report/motifs.rst",
        ),
    log:
        "logs/plots/{dataset}/{split}/motifs/{model}/{method}.{panel}.log",
    benchmark:
        "benchmarks/plots/{dataset}/{split}/motifs/{model}/{method}.{panel}.tsv"
    wildcard_constraints:
        method=any_of(study_motifs.METHODS),
        panel=r"[^./]+",
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(30),
    params:
        python=python,
        code=code_fingerprint("plot_motifs"),
        contents=contents_of(known_motifs),
        q_value=value_of(entry_of_motifs, "q_value"),
        title=title_of_motifs,
    message:
        "Drawing the motifs of {wildcards.model}, {wildcards.method}, {wildcards.panel}: {wildcards.dataset}, {wildcards.split}"
    shell:
        "{params.python} plot_motifs "
        "--patterns {input.patterns:q} "
        "--known {input.known:q} "
        "--matches {input.matches:q} "
        "--hits {input.hits:q} "
        "--effects {input.effects:q} "
        "--q-value {params.q_value} "
        "--title {params.title:q} "
        "--table {output.table:q} "
        "--out {output.page:q} "
        "> {log:q} 2>&1"


rule motifs_truth:
    """Judge patterns by what is known: planted motifs in simulated rows, and motifs of proteins."""
    input:
        patterns=motifs_with_known_truth,
        known=known_motifs_of_truth,
    output:
        "results/motifs_truth.tsv",
    log:
        "logs/motifs_truth.log",
    benchmark:
        "benchmarks/motifs_truth.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(30),
    params:
        python=python,
        code=code_of_motifs_truth(),
        contents=contents_of(known_motifs_of_truth),
        datasets=literal(as_json(TRUTH_OF_MOTIFS)),
        known=known_motifs_of_each,
        q_values=[STUDY["motifs"][job.entry]["q_value"] for job in MOTIFS_JUDGED],
    message:
        "Judging motifs against planted and known motifs"
    shell:
        "{params.python} motifs_truth "
        "--datasets {params.datasets:q} "
        "--patterns {input.patterns:q} "
        "--known {params.known:q} "
        "--q-values {params.q_values} "
        "--out {output:q} "
        "> {log:q} 2>&1"
