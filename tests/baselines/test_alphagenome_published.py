"""Published stage-2 models of both layouts: files of tiny shapes, written as their authors' code does, and what it
computes of them; and what is refused by name."""

import functools
import json

import ml_dtypes
import numpy as np
import orbax.checkpoint as ocp
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from s2f.baselines import alphagenome_published, read_details
from s2f.common.errors import InputError
from s2f.common.seen import of_model
from s2f.embeddings.encoders import alphagenome
from s2f.models.validation import pearson
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

pytestmark = pytest.mark.usefixtures("compiled_quickly")

CONSTRUCT = Construct(281, "ACGT" * 20, "TTGC" * 20)  # odd at four pools: 281, 141, 71, 9, 5, 3 positions
ROWS = pd.DataFrame(
    {"row_id": ["a", "b", "c"], "sequence": ["GGGATTAC" * 25, "A" * 200, "CG" * 100], "chrom": "chr7",
     "published": "", "label": [0.0, 1.0, 3.0]}
)  # fmt: skip
D, T, STEM = 96, 3, "alphagenome/sequence_encoder/dna_embedder/conv1_d"


def encoder_arrays():
    """(params, state) of the tiny size with values that are all different."""
    random = np.random.default_rng(0)

    def drawn(leaf, shape):
        near = {"scale": 1, "var_ema": 2}.get(leaf, 0)
        spread = 0.3 if leaf != "w" else 1 / np.sqrt(np.prod(shape[:-1]))
        return (near + spread * random.uniform(-1, 1, shape)).astype(np.float32)

    return tuple({m: {leaf: drawn(leaf, shape) for leaf, shape in leaves.items()} for m, leaves in tree.items()}
                 for tree in alphagenome.manifest("tiny"))  # fmt: skip


def head_arrays(inputs, widths=(16, 8), outputs=2, seed=1):
    random = np.random.default_rng(seed)
    found = {"norm/scale": 1 + 0.1 * random.normal(size=D), "norm/offset": 0.1 * random.normal(size=D)}
    sizes, names = [inputs, *widths, outputs], [*(f"hidden_{i}" for i in range(len(widths))), "output"]
    for name, rows, columns in zip(names, sizes[:-1], sizes[1:], strict=True):
        found[f"{name}/w"] = random.normal(size=(rows, columns)) / np.sqrt(rows)
        found[f"{name}/b"] = 0.1 * random.normal(size=columns)
    return {name: array.astype(np.float32) for name, array in found.items()}


ENCODER = encoder_arrays()


def save_ft_mpra(folder, head, metadata, encoder=ENCODER, more=(), **config):
    """What save_checkpoint(save_minimal_model=True) of alphagenome_ft writes."""
    params = {module: dict(leaves) for module, leaves in encoder[0].items()} | dict(more)
    for name, array in head.items():
        module, leaf = name.split("/")
        params.setdefault(f"head/mpra_head/~predict/{module}", {})[leaf] = array
    folder.mkdir()
    about = {"source": "custom", "type": "GENOME_TRACKS", "name": "mpra_head", "output_type": "RNA_SEQ"}
    about |= {"num_tracks": len(head["output/b"]) if "output/b" in head else 1, "metadata": metadata}
    config = {
        "custom_heads": ["mpra_head"], "head_configs": {"mpra_head": about}, "save_full_model": False,
        "save_minimal_model": True, "use_encoder_output": False, **config,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder / "checkpoint", (params, encoder[1]))
    return folder


def torch_state(prefix=""):
    """The encoder's state dict as alphagenome-pytorch names it."""
    params, state = ENCODER
    found = {}

    def norm(name, module):
        for leaf, tree, theirs in (
            ("scale", params, "weight"),
            ("offset", params, "bias"),
            ("var_ema", state, "running_var"),
        ):
            found[f"{name}.{theirs}"] = torch.from_numpy(tree[f"{module}/rms_batch_norm"][leaf].reshape(-1).copy())

    def block(name, module):
        norm(f"{name}.norm", module)
        own = params[f"{module}/standardized_conv1_d"]
        found[f"{name}.conv.weight"] = torch.from_numpy(own["w"].transpose(2, 1, 0).copy())
        found[f"{name}.conv.bias"] = torch.from_numpy(own["bias"].copy())
        found[f"{name}.conv.scale"] = torch.from_numpy(own["scale"].transpose(2, 0, 1).copy())

    top = STEM.rpartition("/dna_embedder")[0]
    found["dna_embedder.conv1.weight"] = torch.from_numpy(params[STEM]["w"].transpose(2, 1, 0).copy())
    found["dna_embedder.conv1.bias"] = torch.from_numpy(params[STEM]["b"].copy())
    block("dna_embedder.block", f"{top}/dna_embedder/conv_block")
    for i in range(6):
        block(f"down_blocks.{i}.block1", f"{top}/downres_block_{i}/conv_block")
        block(f"down_blocks.{i}.block2", f"{top}/downres_block_{i}/conv_block_1")
    return {prefix + name: tensor for name, tensor in found.items()}


def torch_head_state(head):
    names = {"norm": "norm", "output": "output_layer"} | {f"hidden_{i}": f"hidden_layers.{i}" for i in range(3)}
    leaves = {"scale": "weight", "offset": "bias", "w": "weight", "b": "bias"}
    return {
        f"{names[n.split('/')[0]]}.{leaves[n.split('/')[1]]}": torch.from_numpy(a.T.copy()) for n, a in head.items()
    }


def save_torch(path, head, options, full=False, **more):
    """What train.save_checkpoint of alphagenome-encoder-ft writes."""
    state = {"encoder_state_dict": torch_state()}
    if full:
        rest = {"backbone.tower.blocks.0.mha.q_proj.weight": torch.ones(2), "head.norm.weight": torch.ones(D)}
        state = {"model_state_dict": torch_state("backbone.encoder.") | rest}
    held = {
        "save_mode": "full" if full else "minimal", "stage": "stage2", "epoch": 3.25,
        "config": {"optim": {"learning_rate": 1e-3, "gradient_clip": None}, "head": {"hidden_sizes": [16]}},
        "head_type": "mpra", "head_state_dict": torch_head_state(head), "head_config": options,
        "construct_config": {"left_adapter": "ACGT", "sequence_length": 281}, "metrics": {"loss": 0.5}, **state, **more,
    }  # fmt: skip
    torch.save(held, path)
    return path


def torch_encoder(codes):
    """Tokens (B, T, D) by the operations of alphagenome-pytorch: an odd last position is paired with a zero."""
    state = torch_state()

    def conv_block(x, name):
        scale = state[f"{name}.norm.weight"] * torch.rsqrt(state[f"{name}.norm.running_var"] + 1e-5)
        x = x * scale[None, :, None] + state[f"{name}.norm.bias"][None, :, None]
        x = torch.sigmoid(1.702 * x) * x
        w = state[f"{name}.conv.weight"]
        variance = w.var(dim=(1, 2), keepdim=True, unbiased=False)
        factor = torch.rsqrt(torch.clamp(variance * w[0].numel(), min=1e-4)) * state[f"{name}.conv.scale"]
        w = (w - w.mean(dim=(1, 2), keepdim=True)) * factor
        return F.conv1d(F.pad(x, (2, 2)), w, state[f"{name}.conv.bias"])

    x = torch.from_numpy(dna.one_hot(codes)).transpose(1, 2)
    x = F.conv1d(F.pad(x, (7, 7)), state["dna_embedder.conv1.weight"], state["dna_embedder.conv1.bias"])
    x = x + conv_block(x, "dna_embedder.block")
    for i in range(7):
        x = F.max_pool1d(F.pad(x, (0, x.shape[2] % 2)), 2)
        if i < 6:
            out = conv_block(x, f"down_blocks.{i}.block1")
            out = out + F.pad(x, (0, 0, 0, out.shape[1] - x.shape[1]))
            x = out + conv_block(out, f"down_blocks.{i}.block2")
    return x.transpose(1, 2).numpy()


def by_hand(head, tokens, pooling, activation, window):
    """A head in float64: (B, K) of tokens (B, T, D)."""
    x = np.asarray(tokens, np.float64)
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    x = x * head["norm/scale"] + head["norm/offset"]
    x = x.reshape(len(x), 1, -1) if pooling == "flatten" else x
    for layer in range(sum(name.startswith("hidden") and name.endswith("w") for name in head)):
        x = activation(x @ head[f"hidden_{layer}/w"] + head[f"hidden_{layer}/b"])
    x = x @ head["output/w"] + head["output/b"]
    if pooling in ("flatten", "center"):
        return x[:, x.shape[1] // 2]
    return getattr(x[:, slice(*window)], pooling)(axis=1)


RELU = {"relu": lambda x: np.maximum(x, 0)}
BY_TANH = RELU | {"gelu": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))}
EXACT = RELU | {"gelu": lambda x: F.gelu(torch.from_numpy(x)).numpy()}


def run(path, folder, construct=CONSTRUCT, rows=ROWS, **spec):
    spec = {"path": str(path), "unseen": ["chr7"], "size": "tiny", **spec}
    _, validation = alphagenome_published.train(rows[:0], rows, construct, spec, 0, folder)
    return alphagenome_published.load(folder, {"construct": construct.spec()}), validation


def codes(strand="forward"):
    found = CONSTRUCT.assemble(list(ROWS["sequence"]))
    return dna.reverse_complement(found) if strand == "reverse" else found


@functools.cache
def official(strand):
    """Tokens (B, T, D) of AlphaGenome itself."""
    encoder = alphagenome.from_weights(*ENCODER, "tiny", "float32", 4, "x", "y", reuse_flanks=False)
    return encoder.encode(codes(strand))


@pytest.mark.parametrize(
    ("metadata", "widths", "window"),
    [
        (
            {"pooling_type": "flatten", "nl_size": [16, 8], "activation": "gelu", "center_bp": 256, "do": 0.1},
            (16, 8),
            None,
        ),
        ({"pooling_type": "mean", "nl_size": 16, "activation": "relu", "center_bp": 256}, (16,), (0, 2)),
        ({"task_mode": "x", "dropout_rate": 0.1, "activation": "relu"}, (16, 8), None),  # the Gosai head
    ],
)
def test_a_folder_of_ft_mpra_predicts_what_its_arrays_give(tmp_path, metadata, widths, window):
    pooling = metadata.get("pooling_type", "flatten")
    head = head_arrays(D * (T if pooling == "flatten" else 1), widths, 1)
    if "task_mode" in metadata:  # a head may be stored in bfloat16
        head = {name: array.astype(ml_dtypes.bfloat16) for name, array in head.items()}
    predict, validation = run(save_ft_mpra(tmp_path / "m", head, metadata), tmp_path, precision="float32")
    head = {name: array.astype(np.float64) for name, array in head.items()}
    for strand in ("forward", "reverse"):
        expected = by_hand(head, official(strand), pooling, BY_TANH[metadata["activation"]], window)
        found = predict(list(ROWS["sequence"]), strand)
        assert found.dtype == np.float32 and np.ptp(expected) > 0.01
        np.testing.assert_allclose(found, expected[:, 0], rtol=1e-3, atol=1e-4)
        if strand == "forward":
            assert validation["value"] == pytest.approx(pearson(expected[:, 0], ROWS["label"]), abs=1e-3)
    details = read_details(tmp_path)
    assert "on-commercial" in details["licence"] and details["clean_chromosomes"] == ["chr7"]
    assert details["parameters"] == 357_712 + sum(array.size for array in head.values())


@pytest.mark.parametrize(
    ("options", "full"),
    [
        ({"pooling_type": "flatten", "hidden_sizes": [16, 8], "activation": "gelu", "center_bp": None}, True),
        ({"pooling_type": "sum", "hidden_sizes": [16, 8], "activation": "relu", "center_bp": 128}, False),
    ],
)
def test_a_file_of_encoder_ft_predicts_what_its_arrays_give_in_pytorch(tmp_path, options, full):
    flat = options["pooling_type"] == "flatten"
    head = head_arrays(D * (T if flat else 1))
    predict, _ = run(save_torch(tmp_path / "best.pt", head, options, full), tmp_path, output=1)
    with torch.inference_mode():
        tokens = torch_encoder(codes())
    expected = by_hand(head, tokens, options["pooling_type"], EXACT[options["activation"]], (1, 2))[:, 1]
    np.testing.assert_allclose(predict(list(ROWS["sequence"])), expected, rtol=1e-3, atol=1e-4)
    assert np.abs(official("forward") - tokens).max() > 0.01  # the zeros beside odd positions make a difference
    assert read_details(tmp_path)["precision"] == "float32"


def test_files_that_do_not_fit_are_refused_by_name(tmp_path):
    flat = {"pooling_type": "flatten", "nl_size": [16, 8]}
    head = head_arrays(D * T)
    stem = ENCODER[0][STEM]

    def folder(name, changed=head, metadata=flat, **more):
        return save_ft_mpra(tmp_path / name, changed, metadata, **more)

    without = {name: array for name, array in head.items() if name != "hidden_1/b"}
    broken = {**ENCODER[0], STEM: {**stem, "w": np.full_like(stem["w"], np.inf)}}, ENCODER[1]
    lacking = {m: leaves for m, leaves in ENCODER[0].items() if m != STEM}, ENCODER[1]
    bad = {**head, "output/b": np.array([np.nan, 0], np.float32)}
    for path, message in (
        (folder("a", without), "hidden_1/b is missing"),
        (folder("b", head | {"gate/w": np.ones((2, 2), np.float32)}), "gate/w is unexpected"),
        (folder("c", metadata={**flat, "nl_size": [16, 9]}), r"nl_size is \[16, 9\], .* have widths \[16, 8\]"),
        (folder("d", metadata={**flat, "pooling_type": "mean"}), r"hidden_0/w is \(288, 16\), expected \(96, 16\)"),
        (folder("e", metadata={**flat, "pooling_type": "attention"}), "pooling of the head is 'attention', expected"),
        (folder("f", encoder=broken), f"{STEM}/w holds values that are not finite"),
        (folder("g", encoder=lacking), f"does not fit the encoder: params {STEM}/b is missing"),
        (folder("h", bad), "output/b holds values that are not finite"),
        (folder("i", more={"probe": {"w": np.ones(2, np.float32)}}), "module probe is unexpected"),
        (folder("j", save_minimal_model=False), "holds only a head .stage 1., expected the folder of stage 2"),
        (folder("k", custom_heads=["other"]), r"custom_heads is \['other'\], expected one head with its head_configs"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            run(path, tmp_path)
    good = folder("good")
    with pytest.raises(
        InputError, match="the head does not fit 2 tokens of 96 channels, as from a construct of 200 bp"
    ):
        run(good, tmp_path, Construct(200, "A" * 50, "C" * 50))
    with pytest.raises(InputError, match="output is 2, expected 0 to 1, the outputs of the model"):
        run(good, tmp_path, output=2)
    with pytest.raises(InputError, match="does not fit the encoder"):
        run(good, tmp_path, size="full")
    with pytest.raises(InputError, match=r"config\.json: no such file"):
        run(tmp_path / "nowhere", tmp_path)


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_files_of_pytorch_that_do_not_fit_are_refused_by_name_and_run_nothing(tmp_path):
    head, options, path = head_arrays(D), {"pooling_type": "mean", "hidden_sizes": [16, 8]}, tmp_path / "best.pt"
    state, target = torch_state(), tmp_path / "executed"
    name = "down_blocks.5.block2.conv.scale"
    for more, message in (
        ({"metrics": {"loss": Payload(target)}}, "holds more than tensors and is refused: it asks for io.open"),
        ({"scaler": {}}, "key 'scaler' is unexpected"),
        ({"save_mode": "head"}, "save_mode is 'head', expected minimal or full"),
        ({"encoder_state_dict": {k: v for k, v in state.items() if k != name}}, f"{name} is missing"),
        ({"encoder_state_dict": state | {"x": torch.ones(1)}}, "x is unexpected"),
        ({"encoder_state_dict": state | {name: torch.ones(1)}}, r"is float32 \(1,\), expected float32 \(96, 1, 1\)"),
        ({"encoder_state_dict": state | {name: state[name] * np.nan}}, f"{name} holds values that are not finite"),
        ({"head_config": options | {"hidden_sizes": [16]}}, r"hidden_sizes is \[16\], .* have widths \[16, 8\]"),
        ({"head_state_dict": torch_head_state(head) | {"gate.alpha": torch.ones(1)}}, "gate.alpha is unexpected"),
        ({"construct_config": {"sequence_length": 230}}, "the model reads 230 bp, but the construct of this"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            run(save_torch(path, head, options, **more), tmp_path)
    assert not target.exists()
    torch.save({"x": torch.ones(1)}, path)
    with pytest.raises(
        InputError, match="key 'head_state_dict' is missing, so it is not a file of alphagenome-encoder-ft"
    ):
        run(path, tmp_path)


def test_what_it_has_seen_is_what_the_study_says():
    entry = {"kind": "alphagenome_published", "path": "x", "unseen": ["chr7", "chr13"]}
    """The encoder below has seen tracks of what fine-tuning left out, unless the study says that it has not."""
    assert of_model("baselines", entry).text == "all chromosomes"
    assert of_model("baselines", entry | {"seen": {"except": ["chr7"]}}).text == "all chromosomes but chr7"
