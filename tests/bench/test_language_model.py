"""The benchmark compares two ways that compute the same."""

from bench import language_model as bench_lamar


def test_both_ways_give_the_same_numbers(capsys):
    found = bench_lamar.bench_lamar(bench_lamar.random_windows(3, 40), repeats=1)
    assert list(found) == ["plain", "float32", "bfloat16"]
    assert found["plain"] == (1.0, 1.0, 0.0)
    assert found["float32"][2] < 1e-4 < found["bfloat16"][2] < 0.2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[3:]] == [
        "plain: batch 32, padded to 512", "encoder, float32", "encoder, bfloat16"
    ]  # fmt: skip
