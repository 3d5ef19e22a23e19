"""Files of motifs: what is read, what is refused, and that what is written is read."""

import numpy as np
import pytest

from s2f.common.errors import InputError
from s2f.interpretation.motifs import meme

HEAD = "MEME version 4\n\nALPHABET= {}\n\nstrands: {}\n\n"
MOTIF = "MOTIF M1 {}\nletter-probability matrix: alength= 4 w= 2 nsites= 20 E= 0\n0.7 0.1 0.1 0.1\n0 0 1 0\n"
DNA = HEAD.format("ACGT", "+ -") + MOTIF.format("GATA1")
RNA = HEAD.format("ACGU", "+") + MOTIF.format("QKI")


@pytest.mark.parametrize(("text", "one_strand"), [(DNA, False), (RNA, True), (DNA.replace("+ -", "+"), True)])
def test_motifs_are_read_and_written(tmp_path, text, one_strand):
    (tmp_path / "known.meme").write_text(text)
    (motif,) = meme.read(tmp_path / "known.meme", one_strand)
    assert motif.title in ("GATA1 (M1)", "QKI (M1)")
    assert np.allclose(motif.matrix, [[0.7, 0.1, 0.1, 0.1], [0, 0, 1, 0]])
    meme.write(tmp_path / "again.meme", {"M1": motif.matrix}, [20], one_strand)
    (again,) = meme.read(tmp_path / "again.meme", one_strand)
    assert again.identifier == "M1" and np.allclose(again.matrix, motif.matrix)
    assert ("ACGU" in (tmp_path / "again.meme").read_text()) == one_strand


@pytest.mark.parametrize(
    ("text", "one_strand", "message"),
    [
        ("", False, "there is no line 'MEME version' at its beginning"),
        ("M1\n0.25 0.25 0.25 0.25\n", False, "there is no line 'MEME version' at its beginning"),
        (
            DNA.replace("ACGT", "ACDEFGHIKLMNPQRSTVWY"),
            False,
            "line 3: alphabet is 'ACDEFGHIKLMNPQRSTVWY', expected ACGT",
        ),
        (RNA, False, "line 3: alphabet is ACGU, so motifs are of RNA, but the sequences have two strands"),
        (DNA, True, "line 3: alphabet is ACGT with motifs of both strands, but the sequences have one"),
        (HEAD.format("ACGT", "+ -"), False, "holds no motif"),
        (DNA + MOTIF.format("again"), False, "line 11: motif M1 occurs twice"),
        (DNA.replace("w= 2", "w= 3"), False, "line 8: motif M1 has 2 lines of four numbers, expected 3"),
        (DNA.replace("0.7", "0.8"), False, "line 9: motif M1: '0.8 0.1 0.1 0.1' is not a row of four probabilities"),
        (DNA.split("letter")[0], False, "line 7: motif M1 has no letter-probability matrix"),
    ],
)
def test_what_is_refused(tmp_path, text, one_strand, message):
    (tmp_path / "known.meme").write_text(text)
    with pytest.raises(InputError) as error:
        meme.read(tmp_path / "known.meme", one_strand)
    assert message in str(error.value) and "known.meme" in str(error.value)


def test_public_files_are_read(shared):
    names = [motif.name for motif in meme.read(shared / "data" / "motifs" / "rbp_subset.meme", True)]
    assert len(names) == 14 and {"QKI", "TARDBP", "PUM2", "PTBP1"} <= set(names)
    assert len(meme.read(shared / "data" / "motifs" / "jaspar2024_subset.meme", False)) == 24
