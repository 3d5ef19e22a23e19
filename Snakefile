# How good is a small head on a frozen genomic foundation model, against a model trained from scratch?
# The workflow is in workflow/Snakefile; this file makes its results the default target of `snakemake` in the checkout.


include: "workflow/Snakefile"


rule default:
    """Make all that the study asks for (rule all)."""
    default_target: True
    input:
        rules.all.input,
