# REQUIRED INPUTS:  best_model/ of the runs that design and judge, and the user's sequences or rows
# OUTPUTS:          results/designs/{design}/{method}/        designs.fa, designs.tsv, trajectories.tsv, design.json
#                   results/designs.tsv                       all designs: model against judge, and their cost
#                   results/designs_truth.tsv                 for simulated rows: the true activity of the designs
#                   results/plots/designs/{design}.png


rule design_sequences:
    """Change sequences until a model predicts what is wanted, and have a model of another family judge them."""
    input:
        models=models_that_design,
        judge=model_that_judges,
        start=start_of_design,
        panel=panel_of_design,
        training=training_of_design,
        weights=adapted_weights_of_design,
    output:
        directory("results/designs/{design}/{method}"),
    log:
        "logs/designs/{design}/{method}.log",
    benchmark:
        "benchmarks/designs/{design}/{method}.tsv"
    wildcard_constraints:
        design=any_of(STUDY["design"]),
        method=any_of(study_design.options.METHODS),
    conda:
        environment("interpretation")
    threads: 2
    resources:
        gpu=gpus_of_design,
        mem_mb=times_attempt(16000),
        runtime=times_attempt(720),
    params:
        python=python,
        code=code_of_design,
        contents=contents_of(start_of_design),
        asked=asked_of_design,
        options=options_of_design,
        specs=specs_of_design(judge=False),
        judge_specs=specs_of_design(judge=True),
        weights=weights_of_design,
        confidence=STUDY["comparison"]["confidence"],
        seed=STUDY["seed"],
    message:
        "Designing {wildcards.design} with {wildcards.method}"
    shell:
        "{params.python} design_sequences "
        "--model {input.models:q} "
        "--judge {input.judge:q} "
        "--name {wildcards.design} "
        "--method {wildcards.method} "
        "{params.options} "
        "--encoder-specs {params.specs:q} "
        "--judge-specs {params.judge_specs:q} "
        "--confidence {params.confidence} "
        "--seed {params.seed} "
        "--threads {threads} "
        "--gpus {resources.gpu} "
        "--out {output:q} "
        "> {log:q} 2>&1"


rule plot_design:
    """Draw the path of each method of a design, and what the judge says of its designs."""
    input:
        designs_by_methods,
    output:
        report(
            "results/plots/designs/{design}.png",
            category=CATEGORIES["designs"],
            labels={"design": "{design}"},
            caption="../report/design.rst",
        ),
    log:
        "logs/plots/designs/{design}.log",
    benchmark:
        "benchmarks/plots/designs/{design}.tsv"
    wildcard_constraints:
        design=any_of(STUDY["design"]),
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(15),
    params:
        python=python,
        code=code_fingerprint("plot_design"),
        unit=unit_of_design,
    message:
        "Drawing the designs of {wildcards.design}"
    shell:
        "{params.python} plot_design "
        "--designs {input:q} "
        "--unit={params.unit:q} "
        "--out {output:q} "
        "> {log:q} 2>&1"


rule summarise_designs:
    """Write one table of all designs: models, judges, what both predict, and the cost."""
    input:
        [f"results/{path}" for path in DESIGNED],
    output:
        "results/designs.tsv",
    log:
        "logs/designs.log",
    benchmark:
        "benchmarks/designs.tsv"
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(1000),
        runtime=times_attempt(15),
    params:
        python=python,
        code=code_fingerprint("summarise_designs"),
    message:
        "Summarising designs"
    shell:
        "{params.python} summarise_designs "
        "--designs {input:q} "
        "--out {output:q} "
        "> {log:q} 2>&1"


rule design_truth:
    """Compare what models predict for designs with their true activity, which is known for simulated rows."""
    input:
        designs=designs_of_known_truth,
        splits=splits_of_known_truth,
    output:
        "results/designs_truth.tsv",
    log:
        "logs/designs_truth.log",
    benchmark:
        "benchmarks/designs_truth.tsv"
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(4000),
        runtime=times_attempt(30),
    params:
        python=python,
        code=code_of_design_truth(),
        sources=literal(as_json(TRUTH_OF_DESIGNS)),
    message:
        "Judging designs by their true activity"
    shell:
        "{params.python} design_truth "
        "--sources {params.sources:q} "
        "--designs {input.designs:q} "
        "--splits {input.splits:q} "
        "--out {output:q} "
        "> {log:q} 2>&1"
