import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from helpers.motif_rows import random_rows, with_cells
from s2f.baselines import _malinois_training as recipe
from s2f.baselines import _sequence_training, malinois, malinois_1cell
from s2f.baselines._malinois_network import ConvolutionMax, Malinois, flatten_length
from s2f.baselines._sequence_training import oriented
from s2f.common.devices import torch_device
from s2f.common.errors import InputError
from s2f.models.validation import DivergedError, pearson
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

CELLS = ("K562", "HepG2", "SKNSH")
NARROW = {
    "conv1_channels": 24, "conv2_channels": 12, "conv3_channels": 12, "linear_channels": 16, "branched_channels": 8,
}  # fmt: skip
UNDROPPED = NARROW | {"linear_dropout": 0.0, "branched_dropout": 0.0}
QUICK = UNDROPPED | {"batch_size": 16, "min_epochs": 1}
CONSTRUCT = Construct(60, "", "")


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def textbook(network, codes, training):
    """The published network with standard layers on the same weights; dropout is left out."""

    def normalise(x, layer):
        running = (None, None) if training else (layer.running_mean, layer.running_var)
        return F.batch_norm(x, *running, layer.weight, layer.bias, training, 0.1, 1e-5)

    x = torch.eye(5, 4, device=codes.device)[codes.long()].permute(0, 2, 1)
    for layer, pad, pool in ((network.conv1, 9, 3), (network.conv2, 5, 4), (network.conv3, 3, 4)):
        x = F.relu(normalise(F.conv1d(F.pad(x, (pad, pad)), layer.conv.weight, layer.conv.bias), layer.bn_layer))
        x = F.max_pool1d(F.pad(x, (1, 1)) if layer is network.conv3 else x, pool)
    x = F.linear(x.flatten(1), network.linear1.linear.weight, network.linear1.linear.bias)
    x = F.relu(normalise(x, network.linear1.bn_layer))
    layers = [network.branched[f"branched_layer_{i}"] for i in (1, 2, 3)] + [network.output]
    outputs = []
    for group in range(len(network.output.weight)):
        hidden = x
        for i, layer in enumerate(layers):
            hidden = hidden @ layer.weight[group] + layer.bias[group]
            hidden = F.relu(hidden) if i < 2 else hidden
        outputs.append(hidden)
    return torch.cat(outputs, 1)


@pytest.mark.parametrize(("outputs", "parameters"), [(3, 4_107_183), (2, 3_927_422), (1, 3_747_661)])
def test_parameter_counts(outputs, parameters):
    with torch.device("meta"):
        assert count(Malinois(600, recipe.Settings.from_spec({}), outputs)) == parameters


def test_keys_and_shapes_are_those_of_the_published_network():
    with torch.device("meta"):
        state = Malinois(600, recipe.Settings.from_spec({}), 3).state_dict()
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    keys = [f"conv{i}.conv.{leaf}" for i in (1, 2, 3) for leaf in ("weight", "bias")]
    keys += [f"{layer}.bn_layer.{leaf}" for layer in ("conv1", "conv2", "conv3", "linear1") for leaf in norm]
    keys += ["linear1.linear.weight", "linear1.linear.bias", "output.weight", "output.bias"]
    keys += [f"branched.branched_layer_{i}.{leaf}" for i in (1, 2, 3) for leaf in ("weight", "bias")]
    assert sorted(state) == sorted(keys)
    shapes = {
        "conv1.conv.weight": (300, 4, 19), "conv2.conv.weight": (200, 300, 11), "conv3.conv.weight": (200, 200, 7),
        "linear1.linear.weight": (1000, 200 * 13), "branched.branched_layer_1.weight": (3, 1000, 140),
        "branched.branched_layer_3.bias": (3, 1, 140), "output.weight": (3, 140, 1), "output.bias": (3, 1, 1),
    }  # fmt: skip
    assert {key: tuple(state[key].shape) for key in shapes} == shapes


def test_flatten_length():
    assert [flatten_length(n) for n in (600, 281, 200, 24)] == [13, 6, 4, 1]
    with pytest.raises(InputError, match="20 bp is too short"):
        flatten_length(20)


def test_branches_start_as_in_boda2():
    torch.manual_seed(0)
    weight = Malinois(600, recipe.Settings.from_spec({})).branched["branched_layer_1"].weight
    bound = math.sqrt(6 / ((1 + 3) * 1000 * 140))  # kaiming uniform, a = sqrt(3), fan-in of a 3-D weight
    assert 0.99 * bound < weight.abs().max() <= bound


@pytest.mark.parametrize("length", [600, 61])
@pytest.mark.parametrize("training", [True, False])
def test_network_and_gradient_equal_standard_layers(length, training):
    torch.manual_seed(1)
    network = Malinois(length, recipe.Settings.from_spec(UNDROPPED), 2).train(training)
    for layer in (network.conv1, network.conv2, network.conv3):  # negative scales turn the order of neighbours
        torch.nn.init.uniform_(layer.bn_layer.weight, -1, 1)
        torch.nn.init.uniform_(layer.bn_layer.running_mean, -0.1, 0.1)
    codes = torch.randint(0, 5, (40, length), dtype=torch.uint8)
    labels = torch.randn(40, 2)
    device, results = torch_device(), []
    network, codes, labels = network.to(device), codes.to(device), labels.to(device)
    for predicted in (network(codes), textbook(network, codes, training)):
        loss = recipe.mixed_loss(predicted, labels)
        results.append((predicted, torch.autograd.grad(loss, list(network.parameters()))))
    (found, gradients), (expected, expected_gradients) = results
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)
    for (name, _), gradient, wanted in zip(network.named_parameters(), gradients, expected_gradients, strict=True):
        assert (gradient - wanted).abs().max() <= 1e-3 * wanted.abs().max() + 1e-7, name


def test_running_statistics_equal_those_of_batch_norm():
    network = Malinois(60, recipe.Settings.from_spec(UNDROPPED)).train()
    codes = torch.randint(0, 4, (32, 60), dtype=torch.uint8)
    reference = torch.nn.BatchNorm1d(24)
    x = torch.eye(5, 4)[codes.long()].permute(0, 2, 1)
    reference(F.conv1d(F.pad(x, (9, 9)), network.conv1.conv.weight, network.conv1.conv.bias))
    network(codes)
    found = network.conv1.bn_layer
    torch.testing.assert_close(found.running_mean, reference.running_mean, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(found.running_var, reference.running_var, atol=1e-6, rtol=1e-4)
    assert found.num_batches_tracked == network.conv2.bn_layer.num_batches_tracked == 1


def test_first_layer_does_not_depend_on_the_size_of_its_blocks(monkeypatch):
    x = torch.eye(5, 4)[torch.randint(0, 5, (10, 40))]
    results = []
    for size in (1, 2**20):
        monkeypatch.setattr("s2f.baselines._malinois_network.BLOCK_BYTES", size)
        weight = torch.linspace(-1, 1, 4 * 5 * 7).reshape(20, 7).sin().requires_grad_()
        out = ConvolutionMax.apply(x, weight, 3)
        out.square().sum().backward()
        results.append((out, weight.grad))
    torch.testing.assert_close(results[0], results[1])
    assert results[0][0].shape == (10, 12, 7)


def test_bfloat16_agrees_with_float32():
    torch.manual_seed(0)
    full = Malinois(60, recipe.Settings.from_spec(UNDROPPED)).eval()
    low = Malinois(60, recipe.Settings.from_spec({**UNDROPPED, "precision": "bfloat16"})).eval()
    torch.nn.init.normal_(full.branched["branched_layer_1"].weight)
    low.load_state_dict(full.state_dict())
    codes = torch.randint(0, 4, (64, 60), dtype=torch.uint8)
    a, b = full(codes).detach().numpy()[:, 0], low(codes).detach().numpy()[:, 0]
    assert b.dtype == np.float32 and pearson(a, b) > 0.999
    low.train()
    low(codes).sum().backward()
    assert {parameter.grad.dtype for parameter in low.parameters()} == {torch.float32}


def test_loss_by_hand():
    predicted, labels = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    distance = (1 + 0 + 1 + 0) / 4
    e = math.e

    def divergence(p, t):  # sum over outputs of softmax(t) (log softmax(t) - log softmax(p))
        p, t = np.exp(p) / np.exp(p).sum(), np.exp(t) / np.exp(t).sum()
        return (t * (np.log(t) - np.log(p))).sum()

    by_hand = 0.5 * (np.log(0.5) - np.log(e / (1 + e))) + 0.5 * (np.log(0.5) - np.log(1 / (1 + e)))
    assert divergence(np.array([1.0, 0.0]), np.array([0.0, 0.0])) == pytest.approx(by_hand)
    kl = (by_hand + divergence(np.array([0.0, 2.0]), np.array([1.0, 2.0]))) / 4
    assert recipe.mixed_loss(predicted, labels).item() == pytest.approx((distance + 5 * kl) / 6, rel=1e-5)
    assert recipe.mixed_loss(predicted[:, :1], labels[:, :1]).item() == pytest.approx(1.0)


def test_labels_count_by_their_standard_errors(monkeypatch, tmp_path):
    predicted, labels = torch.tensor([[1.0], [4.0]]), torch.tensor([[0.0], [2.0]])
    importance = torch.tensor([[1.5], [0.5]])
    assert recipe.mixed_loss(predicted, labels, importance=importance).item() == pytest.approx((1.5 + 1.0) / 2)
    seen, own = [], recipe.mixed_loss
    monkeypatch.setattr(recipe, "mixed_loss", lambda *a, importance, **k: seen.append(importance) or own(*a, **k))
    rows = random_rows(40).assign(stderr=[0.1, 0.3] * 20)
    settings = {**QUICK, "epochs": 1, "weighting": "stderr", "tau": 0.2}
    recipe.train(rows, rows, CONSTRUCT, settings, 0, tmp_path)
    light, heavy = np.unique(torch.cat(seen).cpu().numpy())
    assert heavy / light == pytest.approx((0.09 + 0.04) / (0.01 + 0.04)) and heavy + light == pytest.approx(2)
    with pytest.raises(InputError, match="the published loss compares the cells of a row"):
        malinois.train(with_cells(rows, A=rows["label"], B=-rows["label"]), with_cells(rows, A=rows["label"],
                       B=-rows["label"]), CONSTRUCT, settings, 0, tmp_path)  # fmt: skip


def test_entropy_spearman():
    labels = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [5, 0, 0]])
    assert recipe.entropy_spearman(labels * 2, labels) == pytest.approx(1)
    assert recipe.entropy_spearman(labels[::-1], labels) == pytest.approx(-1)
    swapped = labels[[0, 2, 1, 3]]
    assert recipe.entropy_spearman(swapped, labels) == pytest.approx(0.8)  # 1 - 6 * 2 / (4 * 15)
    assert recipe.entropy_spearman(labels * math.nan, labels) is None
    assert recipe.entropy_spearman(np.ones_like(labels), labels) is None  # ranks would be the order of rows


def test_virtual_rows_are_exactly_those_of_the_reference():
    labels = np.array([[0.1, -1.0], [0.5, 0.2], [0.1, 0.9], [0.5, 0.5], [-2.0, -3.0]], np.float32)
    rows, reverse = recipe.virtual_rows(labels, 0.5, True)
    order = [2, 1, 3, 0, 4]  # by the largest label; rows 1 and 3 tie and keep their order
    assert rows.tolist() == [row for row in [*order, *order[:3]] for _ in range(2)]
    assert reverse.tolist() == [False, True] * 8
    assert recipe.virtual_rows(labels, 0.5, False)[0].tolist() == [*order, *order[:3]]
    assert recipe.virtual_rows(labels, None, False)[0].tolist() == [0, 1, 2, 3, 4]
    assert not recipe.virtual_rows(labels, 9.0, False)[1].any()


def test_reverse_complement_turns_the_whole_construct():
    codes = torch.from_numpy(np.stack([dna.encode("AACGTN"), dna.encode("AACGTN")]))
    turned = oriented(codes, torch.tensor([False, True])).numpy()
    assert [dna.decode(row) for row in turned] == ["AACGTN", "NACGTT"]


def test_schedule_and_optimiser_use_the_published_constants(monkeypatch, tmp_path):
    seen = {}
    step = torch.optim.Adam.step

    def spy(self, *args, **kwargs):
        seen.setdefault("groups", dict(self.param_groups[0]))
        seen.setdefault("rates", []).append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    rows = random_rows(40)
    spec = QUICK | {"epochs": 2, "batch_size": 50, "restart_steps": 3}
    malinois_1cell.train(rows, rows, CONSTRUCT, spec, 0, tmp_path)
    examples = 2 * (40 + int(rows["label"].sum()))
    assert len(seen["rates"]) == 2 * math.ceil(examples / 50) >= 4
    top = 0.0032658700881052086
    expected = [top * (1 + math.cos(math.pi * (k % 3) / 3)) / 2 for k in range(len(seen["rates"]))]
    np.testing.assert_allclose(seen["rates"], expected)
    published = {
        "betas": (0.8661062881299633, 0.879223105336538), "eps": 1e-8, "amsgrad": True,
        "weight_decay": 0.0003438210249762151,
    }  # fmt: skip
    assert {key: seen["groups"][key] for key in published} == published
    defaults = recipe.Settings.from_spec({})
    assert (defaults.batch_size, defaults.epochs, defaults.patience, defaults.restart_steps) == (1076, 200, 30, 4096)
    assert (defaults.linear_dropout, defaults.branched_dropout) == (0.11625456877954289, 0.5757068086404574)


def test_learns_a_motif_and_predicts_both_strands(tmp_path):
    spec = QUICK | {"epochs": 3}
    val = random_rows(150, seed=1)
    before = torch.random.get_rng_state()
    history, validation = malinois_1cell.train(random_rows(200), val, CONSTRUCT, spec, 3, tmp_path)
    assert torch.equal(before, torch.random.get_rng_state())
    assert validation["metric"] == "pearson" and validation["value"] > 0.8
    assert validation["value"] == max(entry["val_pearson"] for entry in history)
    assert validation["epoch"] == 1 + int(np.argmax([entry["val_pearson"] for entry in history]))
    assert set(history[0]) == {"epoch", "train_loss", "val_pearson", "seconds", "rows_per_second"}
    predict = malinois_1cell.load(tmp_path, {"construct": CONSTRUCT.spec()})
    forward, reverse = predict(list(val["sequence"])), predict(list(val["sequence"]), "reverse")
    assert forward.dtype == np.float32 and forward.shape == (150,)
    assert pearson(forward, val["label"]) == pytest.approx(validation["value"], abs=1e-6)
    turned = [dna.reverse_complement_text(s) for s in val["sequence"]]
    np.testing.assert_allclose(reverse, predict(turned), atol=1e-6)
    assert predict([]).shape == (0,)
    details = json.loads((tmp_path / "details.json").read_text())
    assert details["narrow"] is True and details["parameters"] == count(
        Malinois(60, recipe.Settings.from_spec(UNDROPPED))
    )


def test_same_seed_same_weights(tmp_path):
    weights = []
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        (tmp_path / name).mkdir()
        spec = NARROW | {"epochs": 1, "batch_size": 32, "precision": "bfloat16"}
        malinois_1cell.train(random_rows(40), random_rows(20, 1), CONSTRUCT, spec, seed, tmp_path / name)
        weights.append((tmp_path / name / "weights.pt").read_bytes())
    assert weights[0] == weights[1] != weights[2]


def test_the_published_form_has_an_output_per_cell_and_is_selected_by_entropy(tmp_path):
    rows = random_rows(60)
    rows = with_cells(rows, K562=rows["label"], HepG2=rows["label"] * -0.5, SKNSH=0.25 - rows["label"])
    spec = QUICK | {"epochs": 2, "validation_strand": "mean"}
    history, validation = malinois.train(rows, rows, CONSTRUCT, spec, 0, tmp_path)
    assert validation["metric"] == "entropy_spearman"
    assert validation["value"] == max(entry["val_entropy_spearman"] for entry in history)
    predict = malinois.load(tmp_path, {"construct": CONSTRUCT.spec()})
    both = (predict(list(rows["sequence"])) + predict(list(rows["sequence"]), "reverse")) / 2
    assert both.shape == (60, 3) and predict([]).shape == (0, 3)
    found = [pearson(both[:, place], rows[f"label.{cell}"]) for place, cell in enumerate(CELLS)]
    assert validation["pearson"] == history[validation["epoch"] - 1]["val_pearson"]
    assert np.mean(found) == pytest.approx(validation["pearson"], abs=1e-5)
    details = json.loads((tmp_path / "details.json").read_text())
    assert details["outputs"] == details["predicted"] == list(CELLS)


def test_a_missing_label_is_masked_whatever_stands_there(tmp_path):
    rows = random_rows(60)
    full = with_cells(rows, K562=rows["label"], HepG2=rows["label"] * -0.5)
    gaps = full.copy()
    gaps.loc[gaps.index[::3], ["label", "label.K562"]] = math.nan
    gaps.loc[gaps.index[1::3], "label.HepG2"] = math.nan
    history, validation = malinois.train(gaps, gaps, CONSTRUCT, QUICK | {"epochs": 2}, 0, tmp_path)
    assert all(math.isfinite(entry["train_loss"]) for entry in history) and math.isfinite(validation["value"])
    predict = malinois.load(tmp_path, {"construct": CONSTRUCT.spec()})
    assert np.isfinite(predict(list(rows["sequence"]))).all()


def test_the_loss_of_gaps_is_that_of_the_labels_that_are_there():
    generator = torch.Generator().manual_seed(0)
    predicted, labels = (torch.randn(8, 3, generator=generator) for _ in range(2))
    everything = torch.ones(8, 3, dtype=torch.bool)
    whole = recipe.mixed_loss(predicted, labels)
    torch.testing.assert_close(recipe.mixed_loss(predicted, labels, measured=everything), whole)
    measured = everything.clone()
    measured[0, 1] = measured[5] = False
    measured[5, 0] = True
    holes = torch.where(measured, labels, torch.nan)
    complete = [1, 2, 3, 4, 6, 7]
    distance = (predicted - labels).abs()[measured].mean()
    divergence = (6 * recipe.mixed_loss(predicted[complete], labels[complete])
                  - F.l1_loss(predicted[complete], labels[complete])) / 5 * 6 / 8  # fmt: skip
    found = recipe.mixed_loss(predicted, holes, measured=measured)
    torch.testing.assert_close(found, (distance + 5 * divergence) / 6)
    alone = recipe.mixed_loss(predicted[:1], holes[:1], measured=measured[:1])  # no row is complete
    torch.testing.assert_close(alone, (predicted - labels)[0, [0, 2]].abs().mean() / 6)


def test_one_complete_row_does_not_outweigh_the_others():
    generator = torch.Generator().manual_seed(0)
    labels, start = (torch.randn(300, 3, generator=generator) for _ in range(2))
    measured = torch.zeros(300, 3, dtype=torch.bool)
    measured[torch.arange(300), torch.arange(300) % 3] = measured[0] = True
    largest = []
    for there in (None, measured):
        predicted = start.clone().requires_grad_()
        recipe.mixed_loss(predicted, labels, measured=there).backward()
        largest.append(float(predicted.grad.norm(dim=1).max()))
    assert (
        largest[1] < 2 * largest[0]
    )  # of a batch without gaps; averaged over complete rows alone it is 100 times that


def test_rows_of_the_largest_label_over_cells_are_repeated_also_with_gaps():
    labels = np.array([[0.1, math.nan], [math.nan, 0.9], [0.2, 0.6]], np.float32)
    assert recipe.virtual_rows(labels, 0.5, False)[0].tolist() == [1, 2, 0, 1, 2]


def test_entropies_are_of_rows_with_all_labels():
    labels = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [5, 0, 0], [9, math.nan, 0]])
    predicted = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [5, 0, 0], [0, 0, 0]])
    assert recipe.entropy_spearman(predicted, labels) == pytest.approx(1)


def test_validation_rows_without_all_labels_are_refused(tmp_path):
    rows = random_rows(24)
    rows = with_cells(rows, K562=[*range(16), *[math.nan] * 8], HepG2=[*[math.nan] * 7, *range(17)])
    message = "9 of 24 validation rows have a label in each of K562, HepG2, expected 10 or more"
    with pytest.raises(InputError, match=message):
        malinois.train(rows, rows, CONSTRUCT, {}, 0, tmp_path)


def test_training_ends_after_patience_but_not_before_min_epochs(tmp_path, monkeypatch):
    scores = iter([0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
    monkeypatch.setattr(_sequence_training, "mean_of", lambda *_: next(scores))
    rows = random_rows(20)
    spec = QUICK | {"epochs": 6, "patience": 2, "min_epochs": 4}
    history, validation = malinois_1cell.train(rows, rows, CONSTRUCT, spec, 0, tmp_path)
    assert len(history) == 4 and validation == {"metric": "pearson", "value": 0.5, "epoch": 1, "ended": "patience"}


def test_a_training_whose_epochs_run_out_says_so(tmp_path, monkeypatch):
    scores = iter([0.1, 0.2, 0.3, 0.2])
    monkeypatch.setattr(_sequence_training, "mean_of", lambda *_: next(scores))
    rows = random_rows(20)
    _, validation = malinois_1cell.train(
        rows, rows, CONSTRUCT, QUICK | {"epochs": 4, "patience": 2, "min_epochs": 0}, 0, tmp_path
    )
    assert (validation["epoch"], validation["ended"]) == (3, "limit")


def test_divergence_keeps_no_weights(tmp_path):
    rows = random_rows(20)
    with pytest.raises(DivergedError, match=r"training loss is (nan|inf); lower learning_rate"):
        malinois_1cell.train(rows, rows, CONSTRUCT, QUICK | {"learning_rate": 1e38, "epochs": 5}, 0, tmp_path)
    constant = rows.assign(label=1.0)
    with pytest.raises(DivergedError, match="undefined in every epoch"):
        malinois_1cell.train(rows, constant, CONSTRUCT, QUICK | {"epochs": 1}, 0, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"chanels": 3}, "unknown key 'chanels'"),
        ({"precision": "float16"}, "precision is 'float16'"),
        ({"validation_strand": "reverse"}, "validation_strand is 'reverse'"),
    ],
)
def test_bad_settings_are_named(spec, message, tmp_path):
    rows = random_rows(5)
    with pytest.raises(InputError, match=message):
        malinois_1cell.train(rows, rows, CONSTRUCT, spec, 0, tmp_path)


def test_missing_labels_and_rows_are_named(tmp_path):
    rows = random_rows(5)
    with pytest.raises(InputError, match="row 'r2' has no label"):
        malinois_1cell.train(rows.assign(label=[0, 1, math.nan, 0, 1]), rows, CONSTRUCT, {}, 0, tmp_path)
    with pytest.raises(InputError, match="5 training and 0 validation rows"):
        malinois_1cell.train(rows, rows[:0], CONSTRUCT, {}, 0, tmp_path)


def test_foreign_weights_are_refused(tmp_path):
    rows = random_rows(20)
    malinois_1cell.train(rows, rows, CONSTRUCT, QUICK | {"epochs": 1}, 0, tmp_path)
    record, path = {"construct": CONSTRUCT.spec()}, tmp_path / "weights.pt"
    with pytest.raises(InputError, match="the network reads 60 bp, but the construct has 61 bp"):
        malinois_1cell.load(tmp_path, {"construct": CONSTRUCT.spec() | {"length": 61}})
    state = torch.load(path, weights_only=True)

    def damaged(**change):
        torch.save({**state, **change}, path)
        malinois_1cell.load(tmp_path, record)

    with pytest.raises(InputError, match="array extra is unexpected"):
        damaged(extra=torch.zeros(1))
    with pytest.raises(InputError, match=r"output.bias has shape \(2, 1, 1\), expected \(1, 1, 1\)"):
        damaged(**{"output.bias": torch.zeros(2, 1, 1)})
    with pytest.raises(InputError, match=r"output.bias holds values that are not finite"):
        damaged(**{"output.bias": torch.full((1, 1, 1), math.nan)})
    torch.save({key: value for key, value in state.items() if key != "output.bias"}, path)
    with pytest.raises(InputError, match=r"array output.bias is missing"):
        malinois_1cell.load(tmp_path, record)
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read as weights"):
        malinois_1cell.load(tmp_path, record)


def test_each_form_refuses_the_rows_of_the_other(tmp_path):
    one = random_rows(6)
    several = with_cells(one, K562=one["label"], HepG2=one["label"])
    with pytest.raises(InputError, match="it has an output per cell, but rows have one label: use malinois_1cell"):
        malinois.train(one, one, CONSTRUCT, {}, 0, tmp_path)
    with pytest.raises(InputError, match="it has one output, but rows have several cells: use malinois"):
        malinois_1cell.train(several, several, CONSTRUCT, {}, 0, tmp_path)
