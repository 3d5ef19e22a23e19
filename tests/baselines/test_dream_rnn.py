"""DREAM-RNN: the numbers of the authors' code, and training on tiny windows."""

import json
import math

import numpy as np
import pytest
import torch

from helpers.golden_networks import Golden, entries, gradients, on_host
from helpers.motif_rows import random_rows, with_cells
from s2f.baselines import dream_rnn
from s2f.baselines._dream_rnn_network import DreamRNN
from s2f.baselines._sequence_training import one_cycle, one_hot, squared_error, update
from s2f.common.errors import InputError
from s2f.models.validation import pearson
from s2f.sequences import dna
from s2f.sequences.constructs import Construct

pytestmark = pytest.mark.usefixtures("one_torch_thread")
CONSTRUCT = Construct(60, "", "")
NARROW = {"convolution_channels": 12, "lstm_channels": 12, "mapper_channels": 16}
QUICK = NARROW | {"batch_size": 16, "epochs": 2, "dropout": 0.0, "core_dropout": 0.0}


@pytest.fixture(scope="module")
def golden(shared):
    return Golden(shared / "golden" / "dream_rnn", "dream_rnn", 2)


def published(golden, dtype, **options):
    network = dream_rnn.Settings.from_spec({"dropout": 0.0, "core_dropout": 0.0, **options}).network(1)
    notes = golden.notes if options.get("strands") != "forward" else golden.notes["ch4"]
    return golden.fill(network, notes["parameters"]).to(dtype)


def flags(codes, flag):
    return torch.full((len(codes),), flag == 1, device=codes.device)


@pytest.mark.parametrize(("strands", "parameters"), [("both", 4_203_393), ("forward", 4_199_553)])
def test_parameters_are_those_of_the_published_network(strands, parameters):
    with torch.device("meta"):
        network = dream_rnn.Settings.from_spec({"strands": strands}).network(1)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert len(network.state_dict()) == 20


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-9), (torch.float32, 8e-6)])
def test_outputs_are_those_of_the_authors(golden, dtype, atol):
    network = published(golden, dtype).eval()
    with torch.no_grad():
        for length, flag in (("230", 0), ("600", 1)):
            expected, codes = golden.numbers[f"eval_{length}_flag{flag}_f64"], golden.codes[length]
            found = network(codes, flags(codes, flag))[:, 0]
            np.testing.assert_allclose(on_host(found), expected, rtol=0, atol=atol)


def test_outputs_of_four_channels_are_those_of_the_authors(golden, shared):
    golden = Golden(shared / "golden" / "dream_rnn", "dream_rnn_4ch", 2)
    network = published(golden, torch.float64, strands="forward").eval()
    with torch.no_grad():
        codes = golden.codes["230"]
        found = network(codes, flags(codes, 1))[:, 0]  # which it does not read
        np.testing.assert_allclose(on_host(found), golden.numbers["ch4__eval_230_f64"], rtol=0, atol=1e-9)


def test_bfloat16_is_near_the_authors_float64(golden):
    network, codes = published(golden, torch.float32, precision="bfloat16").eval(), golden.codes["230"]
    with torch.no_grad():
        found = on_host(network(codes, flags(codes, 0))[:, 0])
    assert found.dtype == np.float32
    expected = golden.numbers["eval_230_flag0_f64"]
    assert np.abs(found - expected).max() < 0.05 * np.ptp(expected) and pearson(found, expected) > 0.999


def test_bfloat16_sees_what_one_base_changes():
    """As float32 does: a mean over 600 positions that is rounded to bfloat16 keeps little of it (r 0.35)."""
    codes = torch.randint(0, 4, (2, 32, 600), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    codes[1] = codes[0]
    codes[1, :, 300] = (codes[0, :, 300] + 1) % 4
    deltas = []
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        network = DreamRNN(16, 16, 32, 0.0, 0.0, True, precision=precision).eval()
        with torch.no_grad():
            ref, alt = network(codes.flatten(0, 1), flags(codes.flatten(0, 1), 0)).reshape(2, -1)
        deltas.append((alt - ref).numpy())
    assert pearson(*deltas) > 0.99


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gradients_and_three_steps_are_those_of_the_authors(golden, dtype):
    exact = dtype == torch.float64
    network, codes, targets = published(golden, dtype).train(), golden.codes["230"], golden.targets().to(dtype)
    numbers, reverse = golden.numbers, torch.tensor(golden.notes["trained_flags"], device=golden.device) == 1

    def close(found, name, atol, part=...):
        found = on_host(found)
        np.testing.assert_allclose(found, numbers[name][part], rtol=0, atol=1e-9 if exact else atol, err_msg=name)

    x = one_hot(codes, network).requires_grad_()
    out = network.of_one_hot(x, reverse)
    close(out.detach()[:, 0], "f64_train_out", 8e-6)
    loss = squared_error(out, targets)
    found = torch.autograd.grad(loss, x, retain_graph=True)[0].transpose(1, 2)[:, [0, 2, 1, 3]]
    # in float32 one ReLU of the first row is on the other side of 0
    rows = slice(None) if exact else slice(1, None)
    np.testing.assert_allclose(on_host(found)[rows], numbers["f64_grad_input"][rows, :4], rtol=1e-5, atol=1e-6)
    by_name = gradients(network, loss)  # the graph is kept for the first step
    assert list(by_name) == golden.notes["param_names"]
    close([np.linalg.norm(of) for of in by_name.values()], "f64_grad_norm", 2e-3)
    close([entries(of) for of in by_name.values()], "f64_grad_entries", 3e-4)

    optimiser, schedule = one_cycle(network, golden.notes["total_steps"], 0.005, 0.01, cycle_momentum=True)
    for step in range(1 if exact else 3):  # in float64 torch takes seconds for each
        group = optimiser.param_groups[0]
        found = [group["lr"], group["betas"][0]]
        np.testing.assert_allclose(found, [numbers["f64_step_lr"][step], numbers["f64_step_beta1"][step]], rtol=1e-12)
        loss = squared_error(network(codes, reverse), targets) if step else loss
        close(loss.item(), "f64_step_loss", 2.3e-2, step)
        update(network, loss, optimiser, schedule, None)
        close([entries(of) for of in network.parameters()], "f64_after_entries", 1.5e-5, step)
    if exact:
        return
    close([np.linalg.norm(on_host(of.double())) for of in network.parameters()], "f64_after_norm", 7e-5)
    network.eval()
    with torch.no_grad():
        for flag in (0, 1):
            close(network(codes, flags(codes, flag))[:, 0], f"f64_after_eval_230_flag{flag}", 8e-3)


def test_the_schedule_is_that_of_the_authors(golden):
    for steps in (40, 3850):
        optimiser, schedule = one_cycle(torch.nn.Linear(1, 1), steps, 0.005, 0.01, cycle_momentum=True)
        seen = []
        for _ in range(steps):
            group = optimiser.param_groups[0]
            seen.append((group["lr"], group["betas"][0]))
            optimiser.step()
            schedule.step()
        at = golden.notes["lr_3850_at"] if steps == 3850 else range(40)
        for place, name in enumerate(("lr", "beta1")):
            np.testing.assert_allclose([seen[k][place] for k in at], golden.numbers[f"{name}_{steps}"], rtol=1e-12)


def test_initial_weights_are_those_of_the_authors(golden):
    torch.manual_seed(0)
    network = dream_rnn.Settings.from_spec({}).network(1)
    for name, array in network.named_parameters():
        mean, sd, _ = golden.notes["init_global_seed_0_generator_seed_42"][name]
        count = array.numel()
        if count > 1:
            assert array.std(correction=0).item() == pytest.approx(sd, rel=0.1 + 3 / math.sqrt(count)), name
        assert array.mean().item() == pytest.approx(mean, abs=8 * sd / math.sqrt(count) + 1e-9), name


def test_two_dropouts_are_one():
    network = DreamRNN(4, 4, 4, 0.2, 0.5, True)
    assert (network.first.dropout.p, network.core.dropout.p) == (pytest.approx(0.2), pytest.approx(0.6))


def test_each_row_is_read_on_both_strands_and_the_channel_says_which(monkeypatch, tmp_path):
    seen, forward, groups, step = [], DreamRNN.forward, [], torch.optim.AdamW.step

    def spy(self, codes, reverse):
        if self.training:
            seen.extend((dna.decode(row), bool(flag)) for row, flag in zip(codes.cpu().numpy(), reverse, strict=True))
        return forward(self, codes, reverse)

    def step_spy(self, *args, **kwargs):
        groups.append(dict(self.param_groups[0]))
        return step(self, *args, **kwargs)

    monkeypatch.setattr(DreamRNN, "forward", spy)
    monkeypatch.setattr(torch.optim.AdamW, "step", step_spy)
    rows = random_rows(24)
    _, validation = dream_rnn.train(rows, rows, CONSTRUCT, QUICK, 0, tmp_path)
    both = {(s, False) for s in rows["sequence"]} | {(dna.reverse_complement_text(s), True) for s in rows["sequence"]}
    assert set(seen[:48]) == set(seen[48:]) == both and seen[:48] != seen[48:] and len(seen) == 96
    assert len(groups) == 6 and validation["ended"] == "schedule"
    assert (groups[0]["betas"], groups[0]["weight_decay"]) == ((0.95, 0.999), 0.01)
    assert groups[0]["lr"] == pytest.approx(0.005 / 25)
    assert groups[-1]["betas"][0] == pytest.approx(0.95) and min(g["betas"][0] for g in groups) < 0.87
    seen.clear()
    dream_rnn.train(rows, rows, CONSTRUCT, QUICK | {"strands": "forward", "epochs": 1}, 0, tmp_path)
    assert set(seen) == {(s, False) for s in rows["sequence"]} and len(seen) == 24
    assert "the given strand" in json.loads((tmp_path / "details.json").read_text())["provenance"]
    published = dream_rnn.Settings.from_spec({})
    assert (published.batch_size, published.epochs, published.learning_rate) == (32, 80, 0.005)
    assert (published.dropout, published.core_dropout, published.weight_decay) == (0.2, 0.5, 0.01)


def test_learns_a_motif_and_predicts_both_strands(tmp_path):
    val, before = random_rows(150, seed=1), torch.random.get_rng_state()
    spec = QUICK | {"epochs": 6, "learning_rate": 0.02}
    history, validation = dream_rnn.train(random_rows(300), val, CONSTRUCT, spec, 3, tmp_path)
    assert torch.equal(before, torch.random.get_rng_state())
    assert validation["value"] > 0.8
    assert validation["value"] == max(entry["val_pearson"] for entry in history) and len(history) == 6
    predict = dream_rnn.load(tmp_path, {"construct": CONSTRUCT.spec()})
    forward, reverse = predict(list(val["sequence"])), predict(list(val["sequence"]), "reverse")
    assert forward.dtype == np.float32 and forward.shape == (150,)
    assert pearson(forward, val["label"]) == pytest.approx(validation["value"], abs=1e-6)
    assert pearson(reverse, val["label"]) > 0.8
    turned = predict([dna.reverse_complement_text(s) for s in val["sequence"]])
    assert np.abs(turned - reverse).max() > 1e-4  # the same letters under the other flag


def test_several_cells_with_gaps_have_an_output_each(tmp_path):
    rows = random_rows(40)
    rows = with_cells(rows, K562=rows["label"], HepG2=rows["label"] * -0.5)
    rows.loc[rows.index[::3], ["label", "label.K562"]] = math.nan
    history, validation = dream_rnn.train(rows, rows, CONSTRUCT, QUICK, 0, tmp_path)
    assert all(math.isfinite(entry["train_loss"]) for entry in history)
    assert list(validation["cells"]) == ["K562", "HepG2"]
    assert dream_rnn.load(tmp_path, {"construct": CONSTRUCT.spec()})(list(rows["sequence"])).shape == (40, 2)


def test_same_seed_same_weights_also_with_dropout(tmp_path):
    weights = []
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        (tmp_path / name).mkdir()
        spec = NARROW | {"batch_size": 16, "epochs": 1, "precision": "bfloat16"}
        dream_rnn.train(random_rows(24), random_rows(20, 1), CONSTRUCT, spec, seed, tmp_path / name)
        weights.append((tmp_path / name / "weights.pt").read_bytes())
    assert weights[0] == weights[1] != weights[2]


def test_bad_settings_and_foreign_weights_are_refused(tmp_path):
    rows = random_rows(20)
    with pytest.raises(InputError, match=r"baseline dream_rnn: strands is 'mean', expected one of"):
        dream_rnn.train(rows, rows, CONSTRUCT, {"strands": "mean"}, 0, tmp_path)
    with pytest.raises(InputError, match="baseline dream_rnn: row 'r2' has no label"):
        dream_rnn.train(rows.assign(label=[0, 1, math.nan] + [0] * 17), rows, CONSTRUCT, {}, 0, tmp_path)
    dream_rnn.train(rows, rows, CONSTRUCT, QUICK | {"epochs": 1}, 0, tmp_path)
    record, path = {"construct": CONSTRUCT.spec()}, tmp_path / "weights.pt"
    state = torch.load(path, weights_only=True)
    torch.save({name: array for name, array in state.items() if name != "core.lstm.bias_hh_l0"}, path)
    with pytest.raises(InputError, match=r"array core\.lstm\.bias_hh_l0 is missing"):
        dream_rnn.load(tmp_path, record)
    torch.save(state | {"first.conv_list.0.conv.weight": torch.zeros(12, 4, 9)}, path)  # of the form of four channels
    with pytest.raises(InputError, match=r"has shape \(12, 4, 9\), expected \(12, 5, 9\)"):
        dream_rnn.load(tmp_path, record)
