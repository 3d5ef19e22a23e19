# REQUIRED INPUTS:  best_model/ of the runs that score, and the user's files
# OUTPUTS:          results/scores/{scores}/{model}.tsv          sequences, or variants with their effects
#                   results/scores/{scores}/{model}.skipped.tsv  what was not scored, and why
#                   results/scores/{scores}/{model}.vcf[.gz]     the VCF with the effects, if it is requested
#                   results/scores/{scores}.tsv, .skipped.tsv    all models in one table
#                   results/scores/{scores}.judged.tsv           how they agree with measurements, if there are any


for number, (vcf, names) in enumerate(entries_by_vcf().items(), 1):

    rule:
        """Predict sequences, or the effects of variants, with one trained model."""
        name:
            numbered("score", number)
        input:
            model=model_that_scores,
            files=files_scored,
            measured=measured_for_scores,
            weights=adapted_weights_that_score,
        output:
            table="results/scores/{scores}/{model}.tsv",
            skipped="results/scores/{scores}/{model}.skipped.tsv",
            vcf=[f"results/scores/{{scores}}/{{model}}.{vcf}"] if vcf else [],
        log:
            "logs/scores/{scores}/{model}.log",
        benchmark:
            "benchmarks/scores/{scores}/{model}.tsv"
        wildcard_constraints:
            scores=any_of(names),
        conda:
            environment("interpretation")
        threads: 2
        resources:
            gpu=gpus_of_scores,
            mem_mb=times_attempt(16000),
            runtime=times_attempt(720),
        params:
            python=python,
            code=code_of_scores,
            contents=contents_of(files_scored),
            asked=asked_of_scores,
            options=options_of_scores,
            encoder=json_of(encoders_that_score),
            spec=encoders_with_weights,
            weights=weights_that_score,
            confidence=STUDY["comparison"]["confidence"],
            vcf=option_of_vcf,
        message:
            "Scoring {wildcards.scores} with {wildcards.model}"
        shell:
            "{params.python} score "
            "--model {input.model:q} "
            "{params.options} "
            "--encoder-spec {params.spec:q} "
            "--confidence {params.confidence} "
            "--threads {threads} "
            "--gpus {resources.gpu} "
            "--out {output.table:q} "
            "--skipped {output.skipped:q} "
            "{params.vcf} "
            "> {log:q} 2>&1"


rule join_scores:
    """Put the scores of all models into one table, and the skipped items into another."""
    input:
        tables=scored_by_models(".tsv"),
        skipped=scored_by_models(".skipped.tsv"),
    output:
        table="results/scores/{scores}.tsv",
        skipped="results/scores/{scores}.skipped.tsv",
    log:
        "logs/scores/{scores}.log",
    benchmark:
        "benchmarks/scores/{scores}.tsv"
    wildcard_constraints:
        scores=any_of(STUDY["scoring"]),
    conda:
        "../../envs/tables.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(1000),
        runtime=times_attempt(30),
    params:
        python=python,
        code=code_fingerprint("join_scores"),
    message:
        "Joining the scores of {wildcards.scores}"
    shell:
        "{params.python} join_scores "
        "--tables {input.tables:q} "
        "--skipped {input.skipped:q} "
        "--out {output.table:q} "
        "--skipped-out {output.skipped:q} "
        "> {log:q} 2>&1"


rule judge_scores:
    """Judge the scores of all models by measurements: saturation mutagenesis, or negative controls."""
    input:
        scores="results/scores/{scores}.tsv",
        measured=measured_to_judge,
        panel=active_panels,
        predictions=predictions_of_active,
    output:
        table="results/scores/{scores}.judged.tsv",
    log:
        "logs/scores/{scores}.judged.log",
    benchmark:
        "benchmarks/scores/{scores}.judged.tsv"
    wildcard_constraints:
        scores=any_of(scores_judged()),
    conda:
        "../../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(60),
    params:
        python=python,
        code=code_fingerprint("judge_scores"),
        contents=contents_of(measured_to_judge),
        asked=asked_of_judge,
        options=options_of_judge,
        confidence=STUDY["comparison"]["confidence"],
        resamples=STUDY["comparison"]["resamples"],
        seed=STUDY["seed"],
    message:
        "Judging the scores of {wildcards.scores}"
    shell:
        "{params.python} judge_scores "
        "--scores {input.scores:q} "
        "{params.options} "
        "--confidence {params.confidence} "
        "--resamples {params.resamples} "
        "--seed {params.seed} "
        "--out {output.table:q} "
        "> {log:q} 2>&1"
