"""Merge the adapters of a model that was fine-tuned with `lora` into the weights that they adapt.

    PYTHONPATH=workflow/scripts python -P -m merge_adapters --model results/…/best_model --out FOLDER

FOLDER is then the `best_model/` of a fine-tuned model without adapters: it needs no other weights, and its predictions
are the same up to rounding. The folder of a LAMAR model opens with
`AutoModelForSequenceClassification.from_pretrained`.
"""

import argparse

from s2f.common.arguments import Parser
from s2f.common.errors import run


def main():
    """Write the folder."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder best_model of a run with adapters")
    parser.add_argument("--out", required=True, help="folder to write")
    arguments = parser.parse_args()
    from s2f.baselines._finetuned import merge

    merge(arguments.model, arguments.out)


if __name__ == "__main__":
    run(main)
