"""Which studies may fine-tune an encoder, and from what."""

import copy

import pytest
import yaml

from helpers.minimal_study import MINIMAL
from s2f.common.errors import InputError
from s2f.study import stage2, validate
from s2f.study.runs import runs, together

TOWER = {"kind": "alphagenome", "size": "tiny", "weights": {"random": 0}}


def study(entry, encoder=TOWER, head="boda-mean-16-16", **more):
    config = copy.deepcopy(MINIMAL) | more
    config["encoders"] = {"e": encoder}
    config["stage2"] = {"tuned": entry}
    config["models"][0] = {"encoders": ["e"], "heads": [head], "stage2": ["tuned"]}
    return config


def test_a_stage_2_model_stands_beside_its_start_and_shares_no_job_with_it():
    found = validate.validated(study({"preset": "albench_s2c", "batch_size": 64}))
    planned = [run for run in runs(found) if run.head]
    assert [(run.model, run.stage2) for run in planned] == [
        ("e/no_shift/boda-mean-16-16", False), ("e/tuned/boda-mean-16-16", True)
    ]  # fmt: skip
    assert stage2.start_of(found, planned[1]) == planned[0]
    assert [run for group in together(found, planned) for run in group] == planned[:1]
    entry = found["stage2"]["tuned"]
    assert (entry["batch_size"], entry["learning_rate"], entry["encoder_learning_rate"]) == (64, 0.001, 0.0001)
    assert stage2.unfrozen(found, "tuned", "e") == ["downres_block_4", "downres_block_5"]


@pytest.mark.parametrize(
    ("unfrozen", "mode", "encoder"),
    [
        (["downres_block_5", "downres_block_3"], "random_rc", "e.until.downres_block_2"),
        ("all", "no_shift", ""),
        (["downres_block_5"], "full", ""),
    ],
)
def test_caches_hold_what_the_first_unfrozen_block_reads_unless_windows_are_cut_anew(unfrozen, mode, encoder):
    found = validate.validated(study({"unfrozen": unfrozen, "augmentation": {"kind": mode}}))
    assert stage2.frozen_part(found, "tuned", "e") == encoder
    assert set(found["encoders"]) == {"e"} | ({encoder} if encoder else set())
    if encoder:
        assert found["encoders"][encoder] == {**found["encoders"]["e"], "until": "downres_block_2"}


@pytest.mark.parametrize(
    ("entry", "blocks"), [({"preset": "locon4"}, 2), ({"unfrozen": {"locon": {"blocks": "all", "rank": 2}}}, 7)]
)
def test_adapters_are_named_by_their_blocks_and_read_caches_like_whole_blocks(entry, blocks):
    found = validate.validated(study(entry | {"augmentation": {"kind": "random_rc"}}))
    assert found["stage2"]["tuned"]["unfrozen"]["locon"].keys() == {"blocks", "rank", "alpha"}
    assert len(stage2.unfrozen(found, "tuned", "e")) == blocks
    assert stage2.frozen_part(found, "tuned", "e") == ("e.until.downres_block_3" if blocks == 2 else "")


def forward_only(entry):
    config = study(entry | {"augmentation": {"kind": "none"}})
    dataset = next(iter(config["datasets"].values()))
    dataset["strand_rule"] = "forward"
    config["models"][0]["augmentations"] = ["none"]
    return config


LAST = {"unfrozen": ["downres_block_5"], "augmentation": {"kind": "random_rc"}}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (study({"unfrozen": ["downres_block_6"]}), "stage2.tuned.unfrozen: encoder 'e' has no block 'downres_block_6'"),
        (study({"unfrozen": {"locon": {"blocks": ["x"]}}}), "stage2.tuned.unfrozen: encoder 'e' has no block 'x'"),
        (study({"unfrozen": {"locon": {}}}), "stage2.tuned.unfrozen.locon: key 'blocks' is missing"),
        (study({"unfrozen": {"lora": {}}}), "stage2.tuned.unfrozen: key 'lora' is unknown"),
        (
            forward_only(LAST | {"start": "none", "validation_strand": "mean"}),
            "stage2.tuned.validation_strand: dataset 'simulated_d' is predicted only on the forward strand",
        ),
        (study({}), "stage2.tuned: key 'unfrozen' is missing"),
        (study({"preset": "s2c"}), "stage2.tuned.preset: 's2c' is unknown"),
        (study(LAST | {"start": "full"}), "start: dataset 'simulated_d' has no run 'e/full/boda-mean-16-16'"),
        (study(LAST | {"augmentation": {"kind": "hybrid"}}), "stage2.tuned.augmentation: hybrid mixes cached and new"),
        (study(LAST | {"augmentation": {"kind": "none"}}), "augmentation of stage2 'tuned'.* trains on one strand"),
        (study(LAST, {"kind": "onehot"}), "encoder 'e' .kind onehot. cannot be fine-tuned; kinds"),
        (study(LAST, head="linear-probe"), "head 'linear-probe' is solved on cached embeddings"),
        (study(LAST, search={"trials": 2}), "stage2.tuned: the study has search"),
        (study(LAST, augmentations={"tuned": {"kind": "full"}}), "stage2.tuned: an augmentation has the same name"),
    ],
)  # fmt: skip
def test_what_cannot_be_fine_tuned_is_refused_before_anything_runs(config, message):
    with pytest.raises(InputError, match=message):
        validate.validated(config)


def test_the_example_of_the_documentation_is_a_study(root):
    text = (root / "docs" / "stage2.md").read_text()
    example = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    found = validate.validated({**MINIMAL, **example, "models": [*example["models"], {"baselines": ["mean"]}]})
    assert len([run for run in runs(found) if run.stage2]) == 4
    assert stage2.frozen_part(found, "last", "alphagenome") == "alphagenome.until.downres_block_4"
