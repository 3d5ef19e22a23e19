"""DNABERT-2, a language model of DNA over pieces of various lengths: a BERT with linear attention biases (ALiBi) and
gated units, built from stock torch operations.

Facts about the published model are from zhihan1996/DNABERT-2-117M, revision 7bce263b (Apache-2.0: Zhou et al. 2023,
arXiv:2306.15006); its code, which transformers would run as remote code, is not used. Tensors have the published names.
The model stores no positions, slopes or masks, because libraries that build models without memory and fill in the
tensors of a file leave such things empty.

Hidden states are normalised after each block, and not again after the last. In training a tenth of the hidden units is
dropped at the same places as in the published model. The head of a classification is the published code's: a dense
layer with tanh on `[CLS]` (its "pooler", which is part of no checkpoint) and a linear layer.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from s2f.common import files
from s2f.common.errors import InputError
from s2f.common.provenance import derived_seed
from s2f.common.weights import no_folder
from s2f.language_model import bpe, states
from s2f.language_model.families import Family, Tokens, check_attention

# dnabert2: the published size; dnabert2-mini: for CPU studies, with the vocabulary of `bpe.made_here`
SIZES: dict[str, dict[str, Any]] = {
    "dnabert2": {
        "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
        "vocab_size": 4096,
    },
    "dnabert2-mini": {
        "hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 512,
        "vocab_size": 281,
    },
}  # fmt: skip
# for every size, under the names in the published config.json
COMMON: dict[str, Any] = {"type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}
DROPOUT = 0.1  # published: hidden_dropout_prob; the dropout of attention is 0
ATTENTION = ("sdpa",)
HEADS = ("none", "masked_lm", "classification")
WORDS = "bert.embeddings.word_embeddings.weight"
DECODER = "cls.predictions.decoder.weight"  # the same tensor
POOLER = "bert.pooler."
LICENCE = "DNABERT-2, Apache License 2.0 (zhihan1996/DNABERT-2-117M; Zhou et al. 2023, arXiv:2306.15006)"


@dataclass
class Configuration:
    """Architecture of a model; `num_labels` is the number of outputs of a classification."""

    size: str
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    num_labels: int = 2
    problem_type: str | None = None
    architectures: list[str] = field(default_factory=list)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json` under the published names. Like the published one, it has no `model_type`: transformers
        would otherwise build its own BERT from it, with random weights."""
        known = {key: value for key, value in asdict(self).items() if key != "size" and value is not None}
        more = {"hidden_dropout_prob": DROPOUT, "attention_probs_dropout_prob": 0.0, "pad_token_id": bpe.PAD}
        files.write_json(Path(folder) / "config.json", {**COMMON, **known, **more})


def configure(size: str, attention: str = "sdpa", **more: Any) -> Configuration:
    """`Configuration` of a size. Raises `InputError` for an unknown size or attention."""
    if size not in SIZES:
        raise InputError(f"size is {size!r}, expected one of: {', '.join(SIZES)}")
    check_attention("DNABERT-2", attention, ATTENTION)
    return Configuration(size, **SIZES[size], **more)


def check_folder(folder: str | Path, size: str) -> None:
    """Check the `config.json` of a folder of weights if it has one. Raises `InputError`, naming key and both values,
    unless it describes DNABERT-2 of this size."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        return
    stored = files.read_object(path)
    for key, value in {**COMMON, **SIZES[size]}.items():
        found = stored.get(key, COMMON.get(key))
        if found != value:
            raise InputError(f"{path}: {key} is {found!r}, expected {value!r} as in DNABERT-2 of size {size}")


# the network


def slopes(heads: int) -> list[float]:
    """How much a head's scores fall per token of distance (Press et al. 2022, arXiv:2108.12409): for a power of 2 a
    geometric series; for other numbers the series of the largest power of 2 below, then every second term of the series
    of twice that power."""
    below = 2 ** int(math.log2(heads))
    series = {count: [2.0 ** (-8.0 * (i + 1) / count) for i in range(count)] for count in (below, 2 * below)}
    return series[below] + series[2 * below][::2][: heads - below]


def bias(heads: int, length: int, padding: torch.Tensor | None, device: torch.device) -> torch.Tensor:
    """Term added to the scores, float32 (1 or B, heads, T, T): minus slope times distance, and minus infinity where
    `padding`, bool (B, T), marks a token as padding."""
    position = torch.arange(length, device=device)
    distance = (position[:, None] - position).abs().float()
    steep = torch.tensor(slopes(heads)).to(device, non_blocking=True)  # a copy that waits would stop every pass
    found = -steep[:, None, None] * distance
    if padding is None:
        return found[None]
    return found.masked_fill(padding[:, None, None, :], -math.inf)


class Block(torch.nn.Module):
    """Attention and gated units, each added to its input and normalised. (B, T, D) -> (B, T, D)."""

    def __init__(self, config: Configuration) -> None:
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        projection = torch.nn.ModuleDict({"Wqkv": torch.nn.Linear(width, 3 * width)})
        output = torch.nn.ModuleDict({"dense": torch.nn.Linear(width, width), "LayerNorm": _norm(config)})
        self.attention = torch.nn.ModuleDict({"self": projection, "output": output})
        self.mlp = torch.nn.ModuleDict({
            "gated_layers": torch.nn.Linear(width, 2 * inner, bias=False), "wo": torch.nn.Linear(inner, width),
            "layernorm": _norm(config),
        })  # fmt: skip
        self.heads = config.num_attention_heads

    def forward(self, hidden: torch.Tensor, scores: torch.Tensor, first: bool = False) -> torch.Tensor:
        """`scores` as from `bias`; `first`: only the state of the first token, (B, 1, D), with all tokens as keys and
        values."""
        output, mlp = self.attention["output"], self.mlp
        qkv = self.attention["self"]["Wqkv"](hidden)
        query, key, value = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if first:
            query, scores, hidden = query[:, :, :1], scores[:, :, :1], hidden[:, :1]
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=scores.to(query.dtype))
        attended = output["dense"](seen.transpose(1, 2).flatten(2))
        hidden = output["LayerNorm"](F.dropout(attended, DROPOUT, self.training) + hidden)
        gate, units = mlp["gated_layers"](hidden).chunk(2, -1)
        changed = mlp["wo"](F.dropout(F.gelu(gate) * units, DROPOUT, self.training))
        return mlp["layernorm"](changed + hidden)


class Bert(torch.nn.Module):
    """The encoder: ids int64 (B, T), and `padding`, bool (B, T) or None -> last hidden states (B, T, D), zero for
    padding."""

    def __init__(self, config: Configuration) -> None:
        super().__init__()
        width = config.hidden_size
        self.embeddings = torch.nn.ModuleDict({
            "word_embeddings": torch.nn.Embedding(config.vocab_size, width),
            "token_type_embeddings": torch.nn.Embedding(COMMON["type_vocab_size"], width),
            "LayerNorm": _norm(config),
        })  # fmt: skip
        blocks = torch.nn.ModuleList([Block(config) for _ in range(config.num_hidden_layers)])
        self.encoder = torch.nn.ModuleDict({"layer": blocks})
        self.heads = config.num_attention_heads
        self.checkpointing: dict[str, Any] | None = None

    def forward(self, ids: torch.Tensor, padding: torch.Tensor | None = None, first: bool = False) -> torch.Tensor:
        """With `first`, only the last state of the first token is computed, (B, 1, D)."""
        parts = self.embeddings
        hidden = parts["word_embeddings"](ids) + parts["token_type_embeddings"].weight[0]
        hidden = F.dropout(parts["LayerNorm"](hidden), DROPOUT, self.training)
        scores = bias(self.heads, ids.shape[1], padding, ids.device)
        blocks = self.encoder["layer"]
        for number, block in enumerate(blocks, 1):
            arguments = hidden, scores, first and number == len(blocks)
            again = self.checkpointing if self.training else None
            hidden = checkpoint(block, *arguments, **again) if again else block(*arguments)
        if padding is None or first:
            return hidden[:, :1] if first else hidden
        return hidden.masked_fill(padding[..., None], 0.0)


class MaskedLM(torch.nn.Module):
    """Logits (…, vocabulary) from hidden states (…, D); the last matrix is the table of the input embeddings."""

    def __init__(self, config: Configuration, words: torch.nn.Parameter) -> None:
        super().__init__()
        width = config.hidden_size
        decoder = torch.nn.Linear(width, config.vocab_size)
        decoder.weight = words
        transform = torch.nn.ModuleDict({"dense": torch.nn.Linear(width, width), "LayerNorm": _norm(config)})
        self.predictions = torch.nn.ModuleDict({"transform": transform, "decoder": decoder})

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """See the class."""
        transform = self.predictions["transform"]
        return self.predictions["decoder"](transform["LayerNorm"](F.gelu(transform["dense"](hidden))))


class Classifier(torch.nn.Module):
    """Outputs (B, labels) from hidden states (B, T, D), read at the first token."""

    def __init__(self, config: Configuration) -> None:
        super().__init__()
        self.dense = torch.nn.Linear(config.hidden_size, config.hidden_size)
        self.out_proj = torch.nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """See the class."""
        pooled = torch.tanh(self.dense(hidden[:, 0]))
        return self.out_proj(F.dropout(pooled, DROPOUT, self.training))


class DNABERT2(torch.nn.Module):
    """The encoder `bert` with one of the `HEADS`: `cls` of the masked language model, or `classifier`."""

    def __init__(self, config: Configuration, head: str) -> None:
        super().__init__()
        if head not in HEADS:
            raise ValueError(f"head is {head!r}, expected one of: {', '.join(HEADS)}")
        self.config = config
        self.bert = Bert(config)
        if head == "masked_lm":
            self.cls = MaskedLM(config, self.bert.embeddings["word_embeddings"].weight)
        if head == "classification":
            self.classifier = Classifier(config)

    @property
    def base_model(self) -> Bert:
        """The encoder, under the name that transformers gives it."""
        return self.bert

    @property
    def lm_head(self) -> MaskedLM:
        """The head of the masked language model."""
        return self.cls

    def activation_checkpointing_enable(self, options: dict[str, Any]) -> None:
        """Compute activations twice in training, like the method of transformers; `options` for torch's
        `checkpoint`."""
        self.bert.checkpointing = options

    def forward(self, ids: torch.Tensor, padding: torch.Tensor | None = None) -> torch.Tensor:
        """Last hidden states, see `Bert`."""
        return self.bert(ids, padding)


def hidden(model: DNABERT2, ids: torch.Tensor, padding: torch.Tensor | None) -> torch.Tensor:
    """Last hidden states, see `families.Family`."""
    return model.bert(ids, padding)


def first(model: DNABERT2, ids: torch.Tensor, counts: np.ndarray | None = None) -> torch.Tensor:
    """Last hidden state of `[CLS]`, see `families.Family`."""
    counts = (ids != bpe.PAD).sum(1).cpu().numpy() if counts is None else counts
    shortest, longest = counts.min(), counts.max()
    ids = ids[:, :longest].long()
    return model.bert(ids, ids == bpe.PAD if shortest < longest else None, first=True)


def _norm(config: Configuration) -> torch.nn.LayerNorm:
    return torch.nn.LayerNorm(config.hidden_size, eps=COMMON["layer_norm_eps"])


# weights


def from_seed(config: Configuration, seed: int, head: str = "none") -> DNABERT2:
    """A model with untrained weights, in evaluation mode on the CPU: N(0, 0.02), biases 0, norms 1, row of `[PAD]` 0.

    Each tensor is drawn from a stream named by `seed` and its own name, so the encoder is the same under every head.
    """
    model = _empty(config, head)
    return _filled(model, {name: _drawn(name, tensor, seed) for name, tensor in _expected(model).items()})


def from_folder(folder: str | Path, config: Configuration, head: str = "none", seed: int | None = None) -> DNABERT2:
    """A model with the weights of a folder (`states.FILES`), in evaluation mode on the CPU, float32.

    A checkpoint without a classification head gets one drawn from `seed` if that is given; a language-model head must
    be there if it is asked for. Heads that are not asked for are skipped, and so is a pooler without a classifier,
    which no published checkpoint has. Raises `InputError` naming the file and the tensors that are missing, unexpected,
    not of the configuration's shape, not floating or not finite, and for a file that holds more than tensors: nothing
    in it is ever executed.
    """
    path, state = states.read_state(folder)
    state = _current_names(state, head)
    words = state.get(WORDS)
    if DECODER in state and words is not None and not torch.equal(state[DECODER], words):
        raise InputError(f"{path}: {DECODER} differs from {WORDS}, but in DNABERT-2 they are one tensor")
    model = _empty(config, head)
    expected = _expected(model)
    kept = {"masked_lm": "cls.", "classification": "classifier."}.get(head)
    others = tuple(prefix for prefix in ("cls.", "classifier.", POOLER) if prefix != kept)
    state = {name: tensor for name, tensor in state.items() if not name.startswith(others) and name != DECODER}
    may_lack = ("classifier.",) if head == "classification" and seed is not None else ()
    states.check(path, state, expected, may_lack)
    for name, tensor in expected.items():
        if name not in state:
            state[name] = _drawn(name, tensor, seed or 0)
    return _filled(model, state)


def _current_names(state: Mapping[str, torch.Tensor], head: str) -> dict[str, torch.Tensor]:
    """A state under the names used here, from a bare encoder or from the published code's classification head."""
    if not any(name.startswith("bert.") for name in state):
        state = {name if name.startswith(("cls.", "classifier.")) else f"bert.{name}": t for name, t in state.items()}
    if head != "classification" or "classifier.weight" not in state:
        return dict(state)
    new = {POOLER + "dense": "classifier.dense", "classifier": "classifier.out_proj"}
    return {
        f"{new.get(module, module)}.{leaf}": tensor
        for (module, _, leaf), tensor in ((name.rpartition("."), tensor) for name, tensor in state.items())
    }


def _empty(config: Configuration, head: str) -> DNABERT2:
    """A model without memory for its tensors, all of which `_filled` supplies: it would take seconds to draw numbers
    that are overwritten."""
    with torch.device("meta"):
        return DNABERT2(config, head)


def _expected(model: DNABERT2) -> dict[str, torch.Tensor]:
    """Tensors of a model by name, without the decoder, which is the table of the embeddings."""
    return {name: tensor for name, tensor in model.state_dict().items() if name != DECODER}


def _drawn(name: str, tensor: torch.Tensor, seed: int) -> torch.Tensor:
    """One tensor of `from_seed`."""
    if name.endswith("bias"):
        return torch.zeros(tensor.shape)
    if tensor.ndim == 1:  # scales of the normalisations
        return torch.ones(tensor.shape)
    generator = np.random.Generator(np.random.PCG64(derived_seed(seed, "dnabert2", name)))
    values = torch.from_numpy(generator.standard_normal(math.prod(tensor.shape), np.float32).reshape(tensor.shape))
    values *= 0.02
    if name == WORDS:
        values[bpe.PAD] = 0
    return values


def _filled(model: DNABERT2, state: Mapping[str, torch.Tensor]) -> DNABERT2:
    """The model with every tensor of `state`; embeddings and decoder share one."""
    whole = {name: tensor.detach().to("cpu", torch.float32).contiguous() for name, tensor in state.items()}
    tied = "cls" in dict(model.named_children())
    model.load_state_dict(whole | ({DECODER: whole[WORDS]} if tied else {}), strict=True, assign=True)
    if tied:
        model.cls.predictions["decoder"].weight = model.bert.embeddings["word_embeddings"].weight
    return model.eval()


# tokens


def tokens(weights: Mapping[str, Any] | None, own: str, size: str) -> Tokens:
    """Tokens for the weights that a study names, see `pieces`."""
    found = pieces(weights, own, size)
    return Tokens(
        bpe.PAD, bpe.MASK, found.range, found.tokenize, lambda codes: bpe.padded(found.ids_of_codes(codes)),
        found.save, found.text(),
    )  # fmt: skip


def pieces(weights: Mapping[str, Any] | None, own: str, size: str) -> bpe.Pieces:
    """The vocabulary for the weights that a study names: their folder's, or for random weights that of `own`, a folder
    or file, which small models do not need. Raises `InputError` if it is missing, given twice or of another size."""
    entries = SIZES[size]["vocab_size"]
    folder = (weights or {}).get("path") or (weights or {}).get("tapt")
    if folder and own:
        raise InputError(
            f"tokenizer is {own!r}, but weights in a folder use the tokenizer in that folder; omit the key"
        )
    if folder and not Path(folder).is_dir():
        raise InputError(f"{folder}: {no_folder(folder)}; {FAMILY.how_to_get}")
    if folder or own:
        return bpe.read(folder or own, entries)
    made = bpe.made_here()
    if len(made.vocabulary) != entries and "random" in (weights or {}):
        raise InputError(
            f"random weights of size {size} need a tokenizer of {entries} entries: give a folder with {bpe.FILE}, "
            "such as the folder of the published weights, as the key tokenizer"
        )
    return made


FAMILY = Family(
    kind="dnabert2",
    title="DNABERT-2",
    sizes=SIZES,
    configure=configure,
    check_folder=check_folder,
    from_seed=from_seed,
    from_folder=from_folder,
    tokens=tokens,
    hidden=hidden,
    first=first,
    pad=bpe.PAD,
    longest=None,
    licence=LICENCE,
    how_to_get="get the weights of DNABERT-2, zhihan1996/DNABERT-2-117M, from Hugging Face (config.json, "
    "tokenizer.json, "
    "pytorch_model.bin)",
)
