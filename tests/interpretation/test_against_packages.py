"""Against other implementations, where they are installed: captum's integrated gradients, tangermeme's mutagenesis."""

import numpy as np
import pytest
import torch

from helpers.explained_models import NARROW, WINDOW, baseline_on_disk, rows_of, some_inserts
from s2f.interpretation import gradients, mutagenesis
from s2f.interpretation import scorer as models
from s2f.interpretation.tangents import malinois
from s2f.sequences import dna

pytestmark = [
    pytest.mark.usefixtures("one_torch_thread"), pytest.mark.cpu("the packages are given the network on the CPU")
]  # fmt: skip


@pytest.fixture
def both(tmp_path, monkeypatch):
    """A small Malinois as a `Scorer` of the forward strand, and as a torch module of one-hot windows (B, 4, L)."""
    rows = rows_of(some_inserts(48, 40, 1))
    baseline_on_disk(tmp_path / "m", "malinois_1cell", WINDOW, NARROW, rows, rows, "forward")
    scorer, kept = models.load(tmp_path / "m"), []
    with monkeypatch.context() as patch:
        patch.setattr(malinois, "of_torch", lambda network, device: kept.append(network))
        malinois.tangent(tmp_path / "m", scorer.record, WINDOW)

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.anchor = torch.nn.Parameter(torch.zeros(1))  # tells where it computes

        def forward(self, x):
            return kept[0](x.float().transpose(1, 2), "forward")

    return scorer, Module().eval()


def window(codes):
    """One-hot window (1, 4, L) of an insert, and where the insert is in it."""
    left, _ = WINDOW.flank_lengths(len(codes))
    one_hot = dna.one_hot(WINDOW.assemble([dna.decode(codes)]))
    return torch.from_numpy(one_hot).transpose(1, 2).contiguous(), slice(left, left + len(codes))


def test_integrated_gradients_are_those_of_captum(both):
    attr = pytest.importorskip("captum.attr")
    scorer, module = both
    codes = some_inserts(1, 40, 7)[0]
    x, insert = window(codes)
    start = x.clone()
    start[:, :, insert] = 0.25
    steps = 64
    expected = attr.IntegratedGradients(module).attribute(x, start, n_steps=steps, method="riemann_middle")
    found = gradients.integrated(scorer, codes, steps=steps, most_steps=steps)
    assert np.abs(found.attribution).max() > 1e-5
    np.testing.assert_allclose(
        found.attribution, expected[0, :, insert].T.detach().numpy(), rtol=1e-3, atol=1e-4 * float(expected.abs().max())
    )


def test_saturation_mutagenesis_is_that_of_tangermeme(both):
    package = pytest.importorskip("tangermeme.saturation_mutagenesis")
    scorer, module = both
    codes = some_inserts(1, 40, 7)[0]
    x, insert = window(codes)
    alone, expected = package.saturation_mutagenesis(
        module, x, start=insert.start, end=insert.stop, device="cpu", raw_outputs=True
    )
    expected = (expected - alone[:, None, None]).squeeze().numpy().T
    changes, score = mutagenesis.saturation(scorer, codes)
    assert score == pytest.approx(float(alone), rel=1e-4) and np.abs(changes).max() > 1e-4
    np.testing.assert_allclose(changes, expected, rtol=1e-3, atol=1e-5 * np.abs(changes).max() + 1e-6)
