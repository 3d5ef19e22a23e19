"""Baseline `alphagenome_published`: a published stage-2 model (AlphaGenome's encoder and its head), never trained here.

Two layouts are read, strictly and without running any code in them:

* the layout of alphagenome_ft (`save_checkpoint` at 7313e8a), in which alphagenome_FT_MPRA publishes: a folder with
  config.json and checkpoint/, an Orbax pair (params, state) keyed by whole module paths, the encoder's and
  `head/NAME/~predict/{norm, hidden_0, ..., output}`;
* the layout of alphagenome-encoder-ft (`train.save_checkpoint` at 8a9911c): a `torch.save` file with a dictionary of
  `encoder_state_dict` (save_mode minimal) or `model_state_dict` (full), `head_state_dict`, `head_config` and
  `construct_config`; names and axes of the arrays are those of alphagenome-pytorch at 3c6b556.

The head is LayerNorm, then an MLP over all tokens together (`flatten`) or over each token; in the latter case the
output is the middle token's, or the sum, mean or maximum over a window in the middle. Two differences between the
layouts are kept: PyTorch's GELU is exact, JAX's is the tanh approximation; and at odd lengths the encoder of
alphagenome-pytorch pairs the last position with zeros, whereas AlphaGenome passes it on unpaired. One is not kept:
alphagenome_ft computes heads in the bfloat16 of its encoder, here they are float32.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from s2f.baselines import check_strand, read_details, write_details
from s2f.common import kinds, torch_file
from s2f.common.errors import InputError
from s2f.common.files import read_object, sha256_file
from s2f.common.weights import listed, refuse_pointers
from s2f.models.validation import validation_score
from s2f.rows.canonical import labels_of
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

PACKAGES = ("numpy", "jax", "jaxlib", "dm-haiku", "orbax-checkpoint")
TOKEN_BP = 128
POOLINGS, ACTIVATIONS = ("flatten", "center", "sum", "mean", "max"), ("relu", "gelu")
# keys of an alphagenome-encoder-ft file
KEYS = (
    "save_mode", "stage", "epoch", "config", "head_type", "head_state_dict", "head_config", "construct_config",
    "metrics", "encoder_state_dict", "model_state_dict",
)  # fmt: skip
OF_LINEAR = {"weight": "w", "bias": "b"}
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Design:
    """What the arrays of a model do not say: its `layout`, ft_mpra or torch, and for the head the `pooling` of tokens,
    the window it covers, and the `activation`."""

    layout: str
    pooling: str
    center_bp: int
    activation: str

    def check(self, path: Path) -> None:
        """Raise `InputError` for a pooling or an activation that these heads do not have."""
        for name, value, known in (("pooling", self.pooling, POOLINGS), ("activation", self.activation, ACTIVATIONS)):
            if value not in known:
                raise InputError(f"{path}: {name} of the head is {value!r}, expected one of: {', '.join(known)}")
        if not isinstance(self.center_bp, int) or self.center_bp < 1:
            raise InputError(f"{path}: center_bp of the head is {self.center_bp!r}, expected a whole number of bp")


@dataclass(frozen=True, eq=False)
class Published:
    """A model as read from its files: the float32 arrays of the encoder by their official names, (params, state), and
    of the head by the names norm/scale, norm/offset, hidden_0/w, hidden_0/b, ..., output/w, output/b. `length`: bp of
    the windows that it was trained on, 0 if the file does not say."""

    encoder: tuple[dict[str, dict[str, np.ndarray]], dict[str, dict[str, np.ndarray]]]
    head: Arrays
    design: Design
    length: int
    provenance: str


def train(
    train: Any, val: Any, construct: Construct, spec: dict[str, Any], seed: int, directory: str | Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Check the files of `spec` and keep their arrays; nothing is trained. There is a validation score only if all
    validation rows are on chromosomes that are new to the model, as for `malinois_published`.

    Raises `InputError` for files in neither layout, for arrays that are missing, unexpected, misshapen or not finite,
    for an output that the model does not have, and for a construct of another length.
    """
    from s2f.embeddings.encoders import alphagenome

    options = kinds.settings("baselines", "alphagenome_published", spec)
    path, size = Path(options["path"]), options["size"]
    if path.is_file():
        found = read_torch(path, size)
    else:
        found = read_ft_mpra(path, size)
    channels = alphagenome.SIZES[size][0] + 6 * alphagenome.SIZES[size][1]
    _check_head(path, found, channels, construct.length)
    outputs = found.head["output/b"].shape[0]
    if options["output"] >= outputs:
        raise InputError(
            f"{path}: output is {options['output']}, expected 0 to {outputs - 1}, the outputs of the model"
        )
    params, state = found.encoder
    arrays = {f"{m}/{leaf}": a for tree in (params, state) for m, leaves in tree.items() for leaf, a in leaves.items()}
    np.savez(Path(directory) / "weights.npz", allow_pickle=False, **(arrays | found.head))
    precision = options.get("precision") or {"ft_mpra": "bfloat16", "torch": "float32"}[found.design.layout]
    trained = sum(a.size for leaves in params.values() for a in leaves.values()) + sum(
        a.size for a in found.head.values()
    )
    write_details(
        directory, parameters=trained, provenance=found.provenance, licence=alphagenome.PUBLISHED_LICENCE,
        length=construct.length, design=asdict(found.design), precision=precision, size=size, output=options["output"],
        batch_size=options["batch_size"], clean_chromosomes=options["unseen"], clean_published=[],
    )  # fmt: skip
    validation = {"metric": "pearson", "value": None, "epoch": 0}
    if not val["chrom"].isin(options["unseen"]).all():
        return [], validation
    values = load(directory, {"construct": construct.spec()})(list(val["sequence"]))
    return [], validation | {"value": validation_score("regression", labels_of(val), values)}


def load(directory: str | Path, record: dict[str, Any]) -> Callable[..., np.ndarray]:
    """``predict(inserts, strand="forward") -> float32 (N,)``. Raises `InputError` for a construct of another length."""
    import jax

    from s2f.embeddings.encoders import _alphagenome_network as encoder

    details, construct = read_details(directory), Construct.from_spec(record["construct"])
    if construct.length != details["length"]:
        raise InputError(
            f"{directory}: the model reads {details['length']} bp, but the construct has {construct.length} bp"
        )
    design, precision, size = Design(**details["design"]), details["precision"], details["size"]
    with np.load(Path(directory) / "weights.npz") as stored:
        arrays = dict(stored)
    shapes = encoder.manifest(size)
    params, state = ({m: {leaf: arrays[f"{m}/{leaf}"] for leaf in tree[m]} for m in tree} for tree in shapes)
    head = {name: array for name, array in arrays.items() if not name.startswith(encoder.PREFIX)}
    network = encoder.network(size, precision, ready=True, zeros=design.layout == "torch")
    ready = jax.jit(encoder.standardise_once, static_argnums=1)(params, precision)
    held, head = jax.device_put(((ready, state), head))

    @jax.jit
    def tokens(held: Any, codes: Any) -> Any:
        return network.apply(*held, jax.nn.one_hot(codes, 4))[0][0]

    @jax.jit
    def value(head: Any, tokens: Any) -> Any:
        return predicted(head, tokens, design)[:, details["output"]]

    def predict(inserts: Sequence[str], strand: str = "forward") -> np.ndarray:
        check_strand(strand)
        codes = construct.assemble(list(inserts))
        codes = dna.reverse_complement(codes) if strand == "reverse" else codes
        size = min(details["batch_size"], max(1, len(codes)))
        padded = np.pad(codes, ((0, -len(codes) % size), (0, 0)))
        parts = [np.asarray(value(head, tokens(held, padded[i : i + size]))) for i in range(0, len(padded), size)]
        return np.concatenate([np.empty(0, np.float32), *parts])[: len(codes)]

    return predict


def predicted(head: Mapping[str, Any], tokens: Any, design: Design) -> Any:
    """The outputs of a head, float32 (B, K), for tokens (B, T, D)."""
    import jax
    import jax.numpy as jnp

    x = tokens.astype(jnp.float32)
    count = x.shape[1]
    x = x - x.mean(-1, keepdims=True)
    x = x * jax.lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + 1e-5) * head["norm/scale"] + head["norm/offset"]
    if design.pooling == "flatten":
        x = x.reshape(len(x), 1, -1)
    exact = design.layout == "torch"
    for layer in range(_hidden(head)):
        x = jnp.matmul(x, head[f"hidden_{layer}/w"], precision="highest") + head[f"hidden_{layer}/b"]
        x = jax.nn.relu(x) if design.activation == "relu" else jax.nn.gelu(x, approximate=not exact)
    x = jnp.matmul(x, head["output/w"], precision="highest") + head["output/b"]
    if design.pooling == "flatten":
        return x[:, 0]
    if design.pooling == "center":
        return x[:, count // 2]
    window = min(max(1, design.center_bp // TOKEN_BP), count)
    first = (count - window) // 2
    return getattr(x[:, first : first + window], design.pooling)(axis=1)


def read_ft_mpra(folder: Path, size: str) -> Published:
    """Read a folder of alphagenome_ft. Raises `InputError` for any other folder and for a head without an encoder."""
    from s2f.embeddings.encoders import alphagenome

    path, config = folder / "checkpoint", read_object(folder / "config.json")
    named = config.get("custom_heads")
    if not isinstance(named, list) or len(named) != 1 or named[0] not in (config.get("head_configs") or {}):
        raise InputError(
            f"{folder / 'config.json'}: custom_heads is {named!r}, expected one head with its head_configs"
        )
    if not (config.get("save_minimal_model") or config.get("save_full_model")):
        raise InputError(f"{folder}: holds only a head (stage 1), expected the folder of stage 2, with an encoder")
    about = config["head_configs"][named[0]]
    options = about.get("metadata") or {}
    head = f"head/{named[0]}/~predict/"
    prefixes = (head, f"alphagenome/{head}")

    def check(pair: list[Any]) -> None:
        own = [module for module in pair[0] if module.startswith(prefixes)]
        # a full model also holds the rest of AlphaGenome, which is not read
        strange = [module for part in pair for module in part if not module.startswith((*prefixes, "alphagenome/"))]
        if strange:
            raise InputError(f"{path}: module {strange[0]} is unexpected")
        if not own:
            raise InputError(f"{path}: module {head}norm is missing, so there is no head {named[0]!r}")

    params, state = alphagenome.read_checkpoint(path, size, prefixes, check)
    found: Arrays = {}
    for module in [module for module in params if module.startswith(prefixes)]:
        name = module.partition("/~predict/")[2]
        found |= {f"{name}/{leaf}": array for leaf, array in params.pop(module).items()}
    for name, array in found.items():
        if array.dtype.name not in ("float32", "bfloat16"):
            raise InputError(f"{path}: {head}{name} is {array.dtype}, expected float32 or bfloat16")
    found = {name: array.astype(np.float32) for name, array in found.items()}
    digest = alphagenome.fingerprint(params, state, size, "float32")[:16]
    # the Gosai head names no pooling: it flattens the tokens, and its activation is always relu
    inputs, channels = (found.get(name, np.empty(0)).shape[:1] for name in ("hidden_0/w", "norm/scale"))
    pooling = options.get("pooling_type") or ("sum" if inputs == channels else "flatten")
    activation = options.get("activation", "relu") if "pooling_type" in options else "relu"
    design = Design("ft_mpra", pooling, options.get("center_bp", 256), activation)
    design.check(folder / "config.json")
    widths = options.get("nl_size")
    _check_widths(folder / "config.json", "nl_size", [widths] if isinstance(widths, int) else widths, found)
    tracks = about.get("num_tracks")
    if tracks is not None and [tracks] != [len(found[name]) for name in ("output/b",) if name in found]:
        raise InputError(
            f"{folder / 'config.json'}: num_tracks is {tracks}, but the head in {path} has another number of outputs"
        )
    return Published(
        (params, state), found, design, 0, f"published: {folder}, layout of alphagenome_ft, encoder {digest}"
    )


def read_torch(path: Path, size: str) -> Published:
    """Read an alphagenome-encoder-ft file. Raises `InputError` for any other file and for a head without an encoder."""
    refuse_pointers([path])
    held = torch_file.tree(path)
    if not isinstance(held, dict) or "head_state_dict" not in held:
        raise InputError(f"{path}: key 'head_state_dict' is missing, so it is not a file of alphagenome-encoder-ft")
    for key in held:
        if key not in KEYS:
            raise InputError(f"{path}: key {key!r} is unexpected, known: {', '.join(KEYS)}")
    mode = held.get("save_mode", "minimal")
    if mode not in ("minimal", "full"):
        raise InputError(
            f"{path}: save_mode is {mode!r}, expected minimal or full: a head alone is not a stage-2 model"
        )
    prefix, key = ("", "encoder_state_dict") if mode == "minimal" else ("backbone.encoder.", "model_state_dict")
    encoder, head = _tensors(path, held, key), _tensors(path, held, "head_state_dict")
    if prefix:  # the rest of AlphaGenome, and the head once more
        encoder = {name.removeprefix(prefix): at for name, at in encoder.items() if name.startswith(prefix)}
    wanted = torch_names(size)
    missing = [f"{prefix}{name} is missing" for name in wanted if name not in encoder]
    unexpected = [f"{prefix}{name} is unexpected" for name in encoder if name not in wanted]
    problems = [
        f"{prefix}{name} is {np.dtype(at.dtype)} {at.shape}, expected float32 {wanted[name].shape}"
        for name, at in encoder.items()
        if name in wanted and (at.shape, at.dtype) != (wanted[name].shape, "<f4")
    ]
    if missing or unexpected or problems:
        raise InputError(f"{path}: {key} does not fit the encoder: {listed(missing, unexpected, problems)}")
    values = _read(path, encoder)
    params: dict[str, dict[str, np.ndarray]] = {}
    state: dict[str, dict[str, np.ndarray]] = {}
    for name, at in wanted.items():
        array = values[name].transpose(2, 1, 0) if at.leaf == "w" else values[name].reshape(at.official)
        (params, state)[at.part].setdefault(at.module, {})[at.leaf] = np.ascontiguousarray(array)
    found = {_head_name(path, name): np.ascontiguousarray(array.T) for name, array in _read(path, head).items()}
    options = held.get("head_config") or {}
    _check_widths(path, "hidden_sizes", options.get("hidden_sizes"), found)
    pooling, activation = options.get("pooling_type", "flatten"), options.get("activation", "relu")
    design = Design("torch", pooling, options.get("center_bp") or 256, activation)
    design.check(path)
    length = (held.get("construct_config") or {}).get("sequence_length") or 0
    provenance = f"published: {path}, layout of alphagenome-encoder-ft, sha256 {sha256_file(path)}"
    return Published((params, state), found, design, length, provenance)


class Place(NamedTuple):
    """Where an array of alphagenome-pytorch belongs: `part` 0 (params) or 1 (state), its `official` shape, and its
    `shape` in PyTorch."""

    part: int
    module: str
    leaf: str
    official: tuple[int, ...]
    shape: tuple[int, ...]


def torch_names(size: str) -> dict[str, Place]:
    """The encoder arrays of alphagenome-pytorch by the names that its class SequenceEncoder gives them."""
    from s2f.embeddings.encoders._alphagenome_network import PREFIX, manifest

    names = {}
    for part, tree in enumerate(manifest(size)):
        for module, leaves in tree.items():
            block, *inner, layer = module.removeprefix(PREFIX).split("/")
            stem = block == "dna_embedder"
            prefix = block if stem else f"down_blocks.{block.rpartition('_')[2]}"
            if inner:
                prefix += ".block" if stem else {"conv_block": ".block1", "conv_block_1": ".block2"}[inner[0]]
            prefix += {"conv1_d": ".conv1", "rms_batch_norm": ".norm", "standardized_conv1_d": ".conv"}[layer]
            normalises = layer == "rms_batch_norm"
            renamed = {"w": "weight", "b": "bias", "offset": "bias", "var_ema": "running_var"}
            renamed |= {"scale": "weight"} if normalises else {}
            for leaf, shape in leaves.items():
                theirs = shape[-1:] if normalises else shape[::-1]
                names[f"{prefix}.{renamed.get(leaf, leaf)}"] = Place(part, module, leaf, shape, theirs)
    return names


def _tensors(path: Path, held: dict[str, Any], key: str) -> dict[str, torch_file.Stored]:
    found = held.get(key)
    if not isinstance(found, dict) or not all(isinstance(at, torch_file.Stored) for at in found.values()):
        raise InputError(f"{path}: {key} is missing or not a dictionary of tensors")
    return dict(found)


def _read(path: Path, tensors: Mapping[str, torch_file.Stored]) -> Arrays:
    """Values of tensors, float32. Raises `InputError` for another dtype and for values that are not finite."""
    arrays = torch_file.arrays(path, tensors)
    for name, array in arrays.items():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds values that are not finite float32")
        if name.endswith("running_var") and (array < 0).any():
            raise InputError(f"{path}: {name} has negative values, but is a mean square")
    return arrays


def _head_name(path: Path, name: str) -> str:
    """The official name of an array of a PyTorch head."""
    layer, _, leaf = name.rpartition(".")
    known = {"norm": ("norm", {"weight": "scale", "bias": "offset"}), "output_layer": ("output", OF_LINEAR)}
    module, leaves = known.get(layer, (layer.replace("hidden_layers.", "hidden_"), OF_LINEAR))
    if leaf not in leaves:
        raise InputError(f"{path}: head_state_dict: {name} is unexpected")
    return f"{module}/{leaves[leaf]}"


def _hidden(head: Mapping[str, Any]) -> int:
    """Number of hidden layers of a head."""
    return sum(name.startswith("hidden_") and name.endswith("/w") for name in head)


def _check_widths(path: Path, key: str, stated: Any, head: Arrays) -> None:
    own = [head.get(f"hidden_{layer}/w", np.empty(0)).shape[-1] for layer in range(_hidden(head))]
    if stated is not None and list(stated) != own:
        raise InputError(f"{path}: {key} is {stated}, but the hidden layers of the head have widths {own}")


def _check_head(path: Path, found: Published, channels: int, length: int) -> None:
    """Compare a head's names and shapes with what `channels` encoder channels and windows of `length` bp require."""
    if found.length not in (0, length):
        raise InputError(
            f"{path}: the model reads {found.length} bp, but the construct of this dataset has {length} bp"
        )
    tokens = -(-length // TOKEN_BP)
    inputs = channels * (tokens if found.design.pooling == "flatten" else 1)
    wanted: dict[str, tuple[int, ...]] = {"norm/scale": (channels,), "norm/offset": (channels,)}
    for layer in range(max(1, _hidden(found.head))):
        width = found.head.get(f"hidden_{layer}/b", np.empty(0)).shape[-1]
        wanted |= {f"hidden_{layer}/w": (inputs, width), f"hidden_{layer}/b": (width,)}
        inputs = width
    outputs = found.head.get("output/b", np.empty(0)).shape[-1]
    wanted |= {"output/w": (inputs, outputs), "output/b": (outputs,)}
    missing = [f"{name} is missing" for name in wanted if name not in found.head]
    unexpected = [f"{name} is unexpected" for name in found.head if name not in wanted]
    problems = [
        f"{name} is {found.head[name].shape}, expected {shape}"
        for name, shape in wanted.items()
        if name in found.head and found.head[name].shape != shape
    ]
    if missing or unexpected or problems:
        raise InputError(
            f"{path}: the head does not fit {tokens} tokens of {channels} channels, as from a construct of {length} "
            "bp: "
            f"{listed(missing, unexpected, problems)}"
        )
