"""The benchmark compares ways that compute the same."""

import pytest

from bench import language_model


@pytest.mark.parametrize("bench", [language_model.bench_lamar, language_model.bench_dnabert2])
def test_all_ways_give_the_same_numbers(capsys, bench):
    found = bench(language_model.random_windows(3, 40), repeats=1)
    plain, ours = [name for name in found if "plain" in name], ["encoder, float32", "encoder, bfloat16"]
    assert list(found) == [*plain, *ours] and plain[0] == "plain: batch 32, padded to 512"
    assert found[plain[0]] == (1.0, 1.0, 0.0)
    assert all(found[name][2] < 1e-4 for name in [*plain, ours[0]])
    assert 1e-4 < found[ours[1]][2] < 0.2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[3:]] == list(found)
