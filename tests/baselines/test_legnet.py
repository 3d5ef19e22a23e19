"""MPRA-LegNet: the numbers of the authors' code, and training on tiny windows."""

import json
import math

import numpy as np
import pytest
import torch

from helpers.golden_networks import Golden, entries, gradients, on_host
from helpers.motif_rows import random_rows, with_cells
from s2f.baselines import _channels_last, legnet
from s2f.baselines._legnet_network import LegNet
from s2f.baselines._sequence_training import Windows, one_cycle, one_hot, oriented, squared_error, update
from s2f.common.errors import InputError
from s2f.models.validation import DivergedError, pearson
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

pytestmark = pytest.mark.usefixtures("one_torch_thread")
CONSTRUCT = Construct(60, "", "")
LEFT, RIGHT = "GGCCCGCTCTAGACCTGCAGGAGGACCGGATCAACT", "CATTGCGTGAACCGACACTAGAGGGTATATAATGGAAGCTCGAC"
NARROW = {"stem_channels": 12, "channels": [12, 16], "mapper_channels": 24}
QUICK = NARROW | {"batch_size": 16, "epochs": 2}
# the batch normalisation behind them cancels these: their gradient is 0, and Adam makes steps of its rounding
CANCELLED = {"mapper.block.0.bias", "mapper.block.1.bias", "head.0.bias"}


@pytest.fixture(scope="module")
def golden(shared):
    return Golden(shared / "golden" / "legnet", "legnet", 1.5)


def published(golden, dtype, precision="float32"):
    network = legnet.Settings.from_spec({"precision": precision}).network(1)
    return golden.fill(network, golden.notes["parameters"]).to(dtype)


def test_parameters_are_those_of_the_published_network():
    with torch.device("meta"):
        network = legnet.Settings.from_spec({}).network(1)
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_322_465
    assert sum(array.numel() for array in network.state_dict().values()) == 1_330_548


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-9), (torch.float32, 1.5e-4)])
def test_outputs_are_those_of_the_authors(golden, dtype, atol):
    network = published(golden, dtype).eval()
    with torch.no_grad():
        for length, codes in golden.codes.items():
            expected = golden.numbers[f"eval_{length}_f64"]
            np.testing.assert_allclose(on_host(network(codes)[:, 0]), expected, rtol=0, atol=atol)
            turned = network(oriented(codes, torch.ones_like(codes[:, 0], dtype=torch.bool)))[:, 0]
            np.testing.assert_allclose(on_host(turned), golden.numbers[f"eval_{length}_rc"], rtol=0, atol=atol)


def test_bfloat16_is_near_the_authors_float64(golden):
    network = published(golden, torch.float32, "bfloat16").eval()
    with torch.no_grad():
        found = on_host(network(golden.codes["230"])[:, 0])
    assert found.dtype == np.float32
    expected = golden.numbers["eval_230_f64"]
    # found: 0.14 of 2.3, r 0.9985; these weights are large, and each of 22 layers rounds to 8 bits
    assert np.abs(found - expected).max() < 0.1 * np.ptp(expected) and pearson(found, expected) > 0.995


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gradients_and_three_steps_are_those_of_the_authors(golden, dtype):
    exact = dtype == torch.float64
    network, codes, targets = published(golden, dtype).train(), golden.codes["230"], golden.targets().to(dtype)
    numbers, names = golden.numbers, golden.notes["param_names"]
    counted = np.array([exact or name not in CANCELLED for name in names])

    def close(found, name, atol, part=...):
        found = on_host(found)
        np.testing.assert_allclose(found, numbers[name][part], rtol=0, atol=1e-9 if exact else atol, err_msg=name)

    x = one_hot(codes, network).requires_grad_()
    out = network.of_one_hot(x)
    close(out.detach()[:, 0], "f64_train_out", 3.3e-5)
    loss = squared_error(out, targets)
    if exact:  # equal neighbours under the pooling: which of them gets the gradient is up to the library
        rows = golden.notes["grad_input_rows"]
        found = torch.autograd.grad(loss, x, retain_graph=True)[0].transpose(1, 2)[rows][:, [0, 2, 1, 3]]
        np.testing.assert_allclose(on_host(found), numbers["f64_grad_input"], rtol=1e-5, atol=1e-6)
    by_name = gradients(network, loss)
    assert list(by_name) == names
    close(np.array([np.linalg.norm(of) for of in by_name.values()])[counted], "f64_grad_norm", 3e-4, counted)
    close(np.array([entries(of) for of in by_name.values()])[counted], "f64_grad_entries", 3e-5, counted)

    network = published(golden, dtype).train()
    start = {name: of.detach().clone() for name, of in network.named_parameters()}
    optimiser, schedule = one_cycle(network, golden.notes["total_steps"], 0.01, 0.1, cycle_momentum=False)
    for step in range(3):
        group = optimiser.param_groups[0]
        assert [group["lr"], group["betas"][0]] == [numbers["f64_step_lr"][step], numbers["f64_step_beta1"][step]]
        loss = squared_error(network(codes), targets)
        close(loss.item(), "f64_step_loss", 5e-5, step)
        update(network, loss, optimiser, schedule, legnet.CLIP)
        after = np.array([entries(of) for _, of in network.named_parameters()])
        close(after[counted], "f64_after_entries", 1.5e-3, (step, counted))
        if step in (0, 2):
            running = [v.flatten() for name, v in network.state_dict().items() if "running" in name]
            close(torch.cat(running), f"f64_running_after_{step + 1}", 7e-4)
    change = np.array([np.linalg.norm(on_host((of - start[name]).double())) for name, of in network.named_parameters()])
    close(change[counted], "f64_after_change", 6e-3, counted)
    network.eval()
    with torch.no_grad():
        for length, codes in golden.codes.items():
            close(network(codes)[:, 0], f"f64_after_eval_{length}", 3e-3)


def test_the_schedule_is_that_of_the_authors(golden):
    for steps in (40, 3850):
        optimiser, schedule = one_cycle(torch.nn.Linear(1, 1), steps, 0.01, 0.1, cycle_momentum=False)
        rates = []
        for _ in range(steps):
            rates.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            schedule.step()
        at = golden.notes["lr_3850_at"] if steps == 3850 else range(40)
        np.testing.assert_allclose([rates[k] for k in at], golden.numbers[f"lr_{steps}"], rtol=1e-12)


def test_windows_move_as_those_of_the_authors(golden):
    shifts = {name: text for name, text in golden.notes["shift_of_construct"].items() if not name.startswith("shift -")}
    insert = golden.notes["sequences"]["230"]["construct"][15:215]
    windows = Windows(Construct(230, LEFT, RIGHT), [insert], torch.device("cpu"), 21)
    assert windows.reach.tolist() == [21] and len(shifts) >= 6
    for name, expected in shifts.items():
        _, shift, _, turned = name.split()
        cut = windows.cut(torch.tensor([0]), torch.tensor([int(shift)]))
        assert dna.decode(oriented(cut, torch.tensor([turned == "True"]))[0].numpy()) == expected


def test_initial_weights_are_those_of_the_authors(golden):
    torch.manual_seed(777)
    network = legnet.Settings.from_spec({}).network(1)
    for name, array in network.named_parameters():
        mean, sd, _ = golden.notes["init_seed_777"][name]
        assert array.mean().item() == pytest.approx(mean, abs=5 * sd / math.sqrt(array.numel()) + 1e-9), name
        assert array.std(correction=0).item() == pytest.approx(sd, rel=0.1), name


def test_windows_move_downstream_as_far_as_the_flank_allows():
    inserts = ["ACGT" * 3, "ACGTN" * 2]
    windows = Windows(Construct(20, "AAAAAAAA", "GGGGGGGGTT"), inserts, torch.device("cpu"), 21)
    assert windows.reach.tolist() == [6, 5]  # bp of real flank behind the windows
    rows = torch.tensor([0, 1, 0])
    texts = [dna.decode(row) for row in windows.cut(rows, torch.tensor([0, 5, 6])).numpy()]
    assert texts == ["AAAA" + inserts[0] + "GGGG", inserts[1] + "GGGGGGGGTT", inserts[0][2:] + "GGGGGGGGTT"]
    assert dna.decode(windows.cut(rows)[1].numpy()) == "AAAAA" + inserts[1] + "GGGGG"
    whole = Windows(Construct(20, "AAAA", "GGGG", "whole"), inserts[:1], torch.device("cpu"), 21)
    assert whole.reach.tolist() == [0]


def test_examples_and_steps_are_those_of_the_recipe(monkeypatch, tmp_path):
    seen, rates, cut = [], [], Windows.cut
    forward, step = LegNet.forward, torch.optim.AdamW.step
    monkeypatch.setattr(
        Windows, "cut", lambda self, rows, shift=None: seen.append((rows, shift)) or cut(self, rows, shift)
    )
    turned = []
    monkeypatch.setattr(
        LegNet, "forward",
        lambda self, codes, reverse=None: (turned.append(reverse) if self.training else None) or forward(self, codes),
    )  # fmt: skip
    norms = []

    def spy(self, *args, **kwargs):
        group = self.param_groups[0]
        rates.append(group["lr"])
        assert (group["weight_decay"], group["betas"], group["eps"]) == (0.1, (0.9, 0.999), 1e-8)
        norms.append(math.sqrt(sum(float(p.grad.square().sum()) for p in group["params"])))
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    rows = random_rows(49).assign(label=lambda table: 100 * table["label"])
    _, validation = legnet.train(rows, rows, Construct(70, "A" * 20, "C" * 30), QUICK | {"epochs": 3}, 0, tmp_path)
    assert len(rates) == 9 and validation["ended"] == "schedule"  # 49 = 3 x 16 + 1: the last one has no statistics
    assert rates[0] == pytest.approx(0.01 / 25) and 0.008 < max(rates) <= 0.01 and rates[-1] == pytest.approx(4e-8)
    assert max(norms) == pytest.approx(1, abs=1e-5)
    shifts, reverse = torch.cat([shift for _, shift in seen]), torch.cat(turned)
    assert shifts.min() == 0 and shifts.max() == 21 and len(shifts) == len(reverse) == 144
    assert 0.35 < reverse.float().mean() < 0.65 and 9 < shifts.float().mean() < 12
    first, second = (torch.cat([rows for rows, _ in seen[i : i + 3]]) for i in (0, 3))
    assert len(first.unique()) == len(second.unique()) == 48 and not torch.equal(first, second)
    seen.clear(), turned.clear()
    legnet.train(rows, rows, CONSTRUCT, QUICK | {"shift": 0, "reverse_complement": False}, 0, tmp_path)
    assert not torch.cat(turned).any() and all(shift is None for _, shift in seen)
    published = legnet.Settings.from_spec({})
    assert (published.batch_size, published.epochs, published.shift) == (1024, 25, 21)
    assert published.learning_rate == 0.01 and published.reverse_complement and not published.narrow()


def test_learns_a_motif_and_predicts_both_strands(tmp_path):
    val, before = random_rows(150, seed=1), torch.random.get_rng_state()
    history, validation = legnet.train(random_rows(300), val, CONSTRUCT, QUICK | {"epochs": 8}, 3, tmp_path)
    assert torch.equal(before, torch.random.get_rng_state())
    assert validation["metric"] == "pearson" and validation["value"] > 0.8
    assert validation["value"] == max(entry["val_pearson"] for entry in history) and len(history) == 8
    predict = legnet.load(tmp_path, {"construct": CONSTRUCT.spec()})
    forward, reverse = predict(list(val["sequence"])), predict(list(val["sequence"]), "reverse")
    assert forward.dtype == np.float32 and forward.shape == (150,)
    assert pearson(forward, val["label"]) == pytest.approx(validation["value"], abs=1e-6)
    np.testing.assert_allclose(reverse, predict([dna.reverse_complement_text(s) for s in val["sequence"]]), atol=1e-6)
    assert predict([]).shape == (0,)
    details = json.loads((tmp_path / "details.json").read_text())
    assert details["narrow"] is True and details["widths"]["channels"] == [12, 16] and details["shifts"] == [0, 0]


def test_several_cells_with_gaps_have_an_output_each(tmp_path):
    rows = random_rows(60)
    rows = with_cells(rows, K562=rows["label"], HepG2=rows["label"] * -0.5)
    rows.loc[rows.index[::3], ["label", "label.K562"]] = math.nan
    history, validation = legnet.train(rows, rows, CONSTRUCT, QUICK, 0, tmp_path)
    assert all(math.isfinite(entry["train_loss"]) for entry in history)
    assert list(validation["cells"]) == ["K562", "HepG2"]
    assert np.mean(list(validation["cells"].values())) == pytest.approx(validation["value"])
    predict = legnet.load(tmp_path, {"construct": CONSTRUCT.spec()})
    assert predict(list(rows["sequence"])).shape == (60, 2) and predict([]).shape == (0, 2)


def test_labels_count_by_their_standard_errors_and_missing_ones_not_at_all(tmp_path, monkeypatch):
    predicted, labels = torch.tensor([[1.0, 5.0], [4.0, 1.0]]), torch.tensor([[0.0, math.nan], [2.0, 0.0]])
    importance = torch.tensor([[1.5, 1.0], [0.5, 1.0]])
    found = squared_error(predicted, labels, torch.isfinite(labels), importance)
    assert found.item() == pytest.approx((1.5 * 1 + 0.5 * 4 + 1) / 3)
    assert squared_error(predicted[:, :1], labels[:, :1]).item() == pytest.approx(2.5)
    seen = []
    monkeypatch.setattr(legnet, "squared_error", lambda *a, importance, **k: seen.append(importance) or
                        squared_error(*a, importance=importance, **k))  # fmt: skip
    rows = random_rows(40).assign(stderr=[0.1, 0.3] * 20)
    legnet.train(rows, rows, CONSTRUCT, QUICK | {"epochs": 1, "weighting": "stderr", "tau": 0.2}, 0, tmp_path)
    light, heavy = np.unique(torch.cat(seen).cpu().numpy())
    assert heavy / light == pytest.approx((0.09 + 0.04) / (0.01 + 0.04))


def test_same_seed_same_weights(tmp_path):
    weights = []
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        (tmp_path / name).mkdir()
        spec = QUICK | {"epochs": 1, "precision": "bfloat16"}
        legnet.train(random_rows(40), random_rows(20, 1), CONSTRUCT, spec, seed, tmp_path / name)
        weights.append((tmp_path / name / "weights.pt").read_bytes())
    assert weights[0] == weights[1] != weights[2]


def test_divergence_keeps_no_weights(tmp_path):
    rows = random_rows(20)
    with pytest.raises(DivergedError, match=r"training loss is (nan|inf); lower learning_rate"):
        legnet.train(rows, rows, CONSTRUCT, QUICK | {"learning_rate": 1e38}, 0, tmp_path)
    with pytest.raises(DivergedError, match="undefined in every epoch"):
        legnet.train(rows, rows.assign(label=1.0), CONSTRUCT, QUICK, 0, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kernel": 5}, "baseline legnet: unknown key 'kernel'"),
        ({"precision": "float16"}, "precision is 'float16'"),
        ({"validation_strand": "reverse"}, "validation_strand is 'reverse'"),
        ({"channels": [8] * 6}, "construct of 60 bp is too short for legnet, whose pooling leaves nothing below 64 bp"),
    ],
)
def test_bad_settings_are_named(spec, message, tmp_path):
    with pytest.raises(InputError, match=message):
        legnet.train(random_rows(5), random_rows(5), CONSTRUCT, spec, 0, tmp_path)


def test_rows_and_foreign_weights_are_refused(tmp_path):
    rows = random_rows(20)
    with pytest.raises(InputError, match="baseline legnet: row 'r2' has no label"):
        legnet.train(rows.assign(label=[0, 1, math.nan] + [0] * 17), rows, CONSTRUCT, {}, 0, tmp_path)
    with pytest.raises(InputError, match="baseline legnet: 20 training and 1 validation rows"):
        legnet.train(rows, rows[:1], CONSTRUCT, {}, 0, tmp_path)
    legnet.train(rows, rows, CONSTRUCT, QUICK | {"epochs": 1}, 0, tmp_path)
    record, path = {"construct": CONSTRUCT.spec()}, tmp_path / "weights.pt"
    with pytest.raises(InputError, match="the network reads 60 bp, but the construct has 61 bp"):
        legnet.load(tmp_path, {"construct": CONSTRUCT.spec() | {"length": 61}})
    state = torch.load(path, weights_only=True)
    for change, message in (
        ({"extra": torch.zeros(1)}, "array extra is unexpected"),
        ({"stem.block.0.weight": torch.zeros(64, 4, 11)}, r"has shape \(64, 4, 11\), expected \(12, 4, 11\)"),
        ({"head.3.bias": torch.full((1,), math.nan)}, "head.3.bias holds values that are not finite"),
    ):
        torch.save({**state, **change}, path)
        with pytest.raises(InputError, match=message):
            legnet.load(tmp_path, record)
    torch.save({name: array for name, array in state.items() if name != "head.1.running_var"}, path)
    with pytest.raises(InputError, match=r"array head\.1\.running_var is missing"):
        legnet.load(tmp_path, record)


def test_normalisation_is_the_same_for_maps_in_any_memory_layout():
    x = torch.randn(8, 6, 1, 20, generator=torch.Generator().manual_seed(0))
    layer, plain = _channels_last.NormedSiLU(6).train(), torch.nn.BatchNorm2d(6).train()
    for layout in (torch.channels_last, torch.contiguous_format):
        own, other = (x.clone(memory_format=layout).requires_grad_() for _ in range(2))
        found, expected = layer(own), torch.nn.functional.silu(plain(other))
        torch.testing.assert_close(found, expected)
        for y in (found, expected):
            (y * x).sum().backward()
        torch.testing.assert_close(own.grad, other.grad)
