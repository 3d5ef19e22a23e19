import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from s2f.common.errors import InputError
from s2f.common.tables import read_table
from s2f.sequences import dna
from s2f.sequences.constructs import LAYOUTS, Construct
from s2f.sequences.flanks import FLANKS, GOSAI_DOWNSTREAM, GOSAI_UPSTREAM

examples = settings(deadline=None, max_examples=60)  # no deadline: the machine may be busy
GOSAI_600 = Construct(600, GOSAI_UPSTREAM, GOSAI_DOWNSTREAM)
LENTIMPRA_281 = Construct(281, *FLANKS["lentimpra"], layout="whole")


def insert_of(length, seed=0):
    return dna.decode(np.random.default_rng(seed).integers(0, 4, length).astype(np.uint8))


def window(construct, insert, shift=0):
    return dna.decode(construct.assemble([insert], shift)[0])


# --- constants


def test_gosai_flanks_are_the_published_ones(shared):
    table = read_table(shared / "data/mpra/construct_flanks.tsv")
    flanks = table[table["construct"] == "gosai_episomal"].set_index("element")["sequence"]
    assert FLANKS["gosai_episomal"] == (flanks["upstream"], flanks["downstream"])


def test_lentimpra_flanks_are_the_published_ones(shared):
    table = read_table(shared / "data/mpra/construct_flanks.tsv")
    elements = table[table["construct"] == "lentimpra"].set_index("element")["sequence"]
    downstream = elements["adapter_3prime"] + elements["minimal_promoter"] + elements["barcode"]
    assert FLANKS["lentimpra"] == (elements["adapter_5prime"], downstream)


def test_gosai_flanks_have_their_known_length_and_ends():
    assert (len(GOSAI_UPSTREAM), len(GOSAI_DOWNSTREAM)) == (300, 300)
    assert GOSAI_UPSTREAM.endswith("ACTGGCCGCTTGACG") and GOSAI_DOWNSTREAM.startswith("CACTGCGGCTCCTGC")


# --- layout centered


def test_200_bp_in_600_is_the_end_of_upstream_the_insert_and_the_start_of_downstream():
    insert = insert_of(200)
    assert window(GOSAI_600, insert) == GOSAI_UPSTREAM[-200:] + insert + GOSAI_DOWNSTREAM[:200]


def test_the_odd_base_goes_downstream():
    assert GOSAI_600.flank_lengths(199) == (200, 201)


def test_every_length_of_the_library_fits_600_with_real_flank():
    for length in range(73, 201):
        insert, up, down = insert_of(length, length), (600 - length) // 2, (601 - length) // 2
        assert window(GOSAI_600, insert) == GOSAI_UPSTREAM[-up:] + insert + GOSAI_DOWNSTREAM[:down]


def test_more_flank_than_there_is_is_refused():
    with pytest.raises(
        InputError,
        match=r"a 10 bp insert at shift \+0 in a 611 bp window needs 300 \+ 301 bp of flank",
    ):
        Construct(611, GOSAI_UPSTREAM, GOSAI_DOWNSTREAM).flank_lengths(10)


# --- layout compact: section 1.7 of the notes, written a second time


@examples
@given(st.integers(73, 230), st.integers(200, 600), st.integers(0, 260), st.integers(-600, 600))
def test_compact_window_follows_its_formula(insert_length, length, flank_bp, shift):
    construct = Construct(length, GOSAI_UPSTREAM, GOSAI_DOWNSTREAM, "compact", flank_bp)
    available, cap = length - insert_length, min(200, flank_bp)
    assume(0 <= available <= 2 * cap)
    left_base = min(cap, available // 2)
    lowest, highest = left_base - min(cap, available), left_base - max(0, available - cap)
    assert construct.shift_range(insert_length) == (lowest, highest)
    shift = min(max(shift, lowest), highest)
    left = left_base - shift
    assert construct.flank_lengths(insert_length, shift) == (left, available - left)
    for beyond in (lowest - 1, highest + 1):
        with pytest.raises(InputError, match="bp of flank, but there are"):
            construct.flank_lengths(insert_length, beyond)


def test_compact_window_of_the_notes():
    construct = Construct(384, GOSAI_UPSTREAM, GOSAI_DOWNSTREAM, "compact")
    assert construct.flank_lengths(200) == (92, 92)
    assert construct.shift_range(200) == (-92, 92)


def test_compact_refuses_what_its_cap_does_not_allow():
    construct = Construct(384, GOSAI_UPSTREAM, GOSAI_DOWNSTREAM, "compact", flank_bp=80)
    with pytest.raises(InputError, match=r"needs 80 \+ 104 bp of flank, but there are 80 \+ 80 bp"):
        construct.flank_lengths(200)


# --- layout whole


def test_lentimpra_window_starts_with_the_synthesised_oligo(shared):
    table = read_table(shared / "data/mpra/lentimpra_k562_joint.tsv", ["insert_200", "seq_230"])
    windows = LENTIMPRA_281.assemble(table["insert_200"])
    assert windows.shape == (7486, 281)
    oligos = dna.encode("".join(table["seq_230"])).reshape(-1, 230)
    np.testing.assert_array_equal(windows[:, :230], oligos)
    assert {dna.decode(row) for row in windows[:50, 230:]} == {FLANKS["lentimpra"][1][15:]}


def test_whole_refuses_an_insert_of_another_length():
    with pytest.raises(InputError, match="insert has 199 bp, expected 200 bp in layout 'whole' of 281 bp"):
        LENTIMPRA_281.flank_lengths(199)


def test_whole_cannot_be_shifted():
    assert LENTIMPRA_281.shift_range(200) == (0, 0)
    with pytest.raises(InputError, match="cannot be shifted"):
        LENTIMPRA_281.flank_lengths(200, 1)


# --- all layouts


@st.composite
def constructs(draw):
    """A construct with short random flanks and the length of an insert that fits it unshifted."""
    letters = st.text("ACGT", max_size=30)
    upstream, downstream = draw(letters), draw(letters)
    layout = draw(st.sampled_from(LAYOUTS))
    insert_length = draw(st.integers(1, 25))
    room = len(upstream) + len(downstream)
    pad = room if layout == "whole" else draw(st.integers(0, room))
    construct = Construct(insert_length + pad, upstream, downstream, layout, draw(st.integers(0, 40)))
    try:
        construct.flank_lengths(insert_length)
    except InputError:
        assume(False)
    return construct, insert_length


@examples
@given(constructs(), st.data())
def test_every_shift_cuts_one_piece_out_of_the_plasmid(case, data):
    construct, length = case
    insert = data.draw(st.text("ACGT", min_size=length, max_size=length))
    plasmid = construct.upstream + insert + construct.downstream
    lowest, highest = construct.shift_range(length)
    assert lowest <= 0 <= highest
    left, _ = construct.flank_lengths(length)
    for shift in (lowest, data.draw(st.integers(lowest, highest)), 0, highest):
        start = len(construct.upstream) - left + shift
        cut = window(construct, insert, shift)
        assert cut == plasmid[start : start + construct.length]
        assert start >= 0 and len(cut) == construct.length and insert in cut and "N" not in cut


@examples
@given(constructs())
def test_the_ends_of_shift_range_are_exact(case):
    construct, length = case
    lowest, highest = construct.shift_range(length)
    for beyond in (lowest - 1, highest + 1):
        with pytest.raises(InputError, match=r"bp of flank, but there are|cannot be shifted"):
            construct.flank_lengths(length, beyond)


@examples
@given(constructs())
def test_spec_gives_the_same_construct_back(case):
    assert Construct.from_spec(case[0].spec()) == case[0]


def test_shift_moves_the_window_downstream_and_never_rolls():
    insert = insert_of(200)
    moved = window(GOSAI_600, insert, 15)
    assert moved == GOSAI_UPSTREAM[-185:] + insert + GOSAI_DOWNSTREAM[:215]
    assert moved != window(GOSAI_600, insert)[15:] + window(GOSAI_600, insert)[:15]
    assert GOSAI_600.shift_range(200) == (-100, 100)


def test_inserts_of_mixed_lengths_keep_their_order():
    inserts = [insert_of(length, seed) for seed, length in enumerate([200, 73, 199, 200, 73])]
    windows = GOSAI_600.assemble(inserts, shift=-7)
    assert windows.dtype == np.uint8 and windows.shape == (5, 600)
    assert [dna.decode(row) for row in windows] == [window(GOSAI_600, insert, -7) for insert in inserts]


def test_a_filtered_column_is_read_by_place():
    inserts = pd.Series([insert_of(200, seed) for seed in range(4)])[[3, 1]]
    assert [dna.decode(row) for row in GOSAI_600.assemble(inserts)] == [window(GOSAI_600, text) for text in inserts]


def test_an_n_of_the_insert_itself_stays():
    insert = "A" * 99 + "N" + "C" * 100
    assert window(GOSAI_600, insert).count("N") == 1 and insert in window(GOSAI_600, insert)


def test_no_inserts_give_no_windows():
    assert GOSAI_600.assemble([]).shape == (0, 600)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_over_long_and_empty_inserts_are_refused_with_their_place(layout):
    construct = Construct(20, "ACGTA", "CCATG", layout)
    with pytest.raises(InputError, match="insert 1: insert of 21 bp is longer than the window of 20 bp"):
        construct.assemble(["A" * 10, "A" * 21])
    with pytest.raises(InputError, match="insert 1: insert is empty"):
        construct.assemble(["A" * 10, ""])


def test_an_illegal_letter_is_named_with_insert_and_position():
    with pytest.raises(InputError, match="insert 2: base 5 is 'X', expected A, C"):
        GOSAI_600.assemble(["ACGTA", "AAA", "ACGTX"])


# --- specs


def test_from_spec_knows_flanks_by_name_and_as_sequence():
    assert Construct.from_spec({"flanks": "gosai_episomal", "length": 600}) == GOSAI_600
    own = Construct.from_spec({"upstream": "acgu", "downstream": "", "length": 9, "layout": "compact", "flank_bp": 4})
    assert own == Construct(9, "ACGT", "", "compact", 4)
    assert Construct.from_spec({"flanks": "none", "length": 50}).flank_lengths(50) == (0, 0)


@pytest.mark.parametrize(
    "spec, message",
    [
        ({"flanks": "pGL4"}, "flanks 'pGL4' is unknown; known: gosai_episomal, lentimpra, none"),
        ({"flanks": "none", "layout": "left"}, "layout 'left' is unknown; known: centered, compact, whole"),
        ({}, "give either 'flanks' .a name. or both 'upstream' and 'downstream'"),
        ({"upstream": "A"}, "give either 'flanks' .a name. or both 'upstream' and 'downstream'"),
        ({"flanks": "none", "upstream": "A", "downstream": "A"}, "give either 'flanks' .a name. or both"),
        ({"upstream": "ACNT", "downstream": ""}, "upstream holds 'N', expected a real flank, only A, C, G and T"),
        ({"upstream": "", "downstream": "A-C"}, "downstream holds '-', expected a real flank"),
    ],
)
def test_bad_specs_are_refused(spec, message):
    with pytest.raises(InputError, match=f"construct: {message}"):
        Construct.from_spec({"length": 600, **spec})


def test_rows_that_do_not_fit_are_named_with_their_file():
    rows = pd.DataFrame({"row_id": ["short", "long", "longer"], "sequence": ["A" * 200, "C" * 700, "G" * 800]})
    construct = Construct.from_spec({"flanks": "gosai_episomal", "length": 600})
    message = (
        r"my.csv: row 'longer': insert of 800 bp is longer than the window of 600 bp \(1 such rows?; write length: 800 "
    )
    with pytest.raises(InputError, match=message):
        construct.check_inserts(rows, "my.csv")
    construct.check_inserts(rows[:1], "my.csv")


def test_inserts_with_their_flanks_do_not_get_a_second_pair():
    upstream, downstream = FLANKS["lentimpra"]
    rows = pd.DataFrame({"row_id": ["a"], "sequence": [upstream + "A" * 200 + downstream[:15]]})
    with pytest.raises(InputError, match=r"such rows?; they begin with the upstream flank: cut the flanks off in the"):
        LENTIMPRA_281.check_inserts(rows, "my.csv")


@pytest.mark.parametrize(
    ("spec", "inserts", "shifts", "fix"),
    [
        ({"flanks": "lentimpra", "length": 281, "layout": "whole"}, (230, 230), (0,), "write length: 311 in"),
        ({"flanks": "lentimpra", "length": 281, "layout": "whole"}, (150, 150), (0,), "write length: 231 in"),
        ({"flanks": "lentimpra", "length": 281, "layout": "whole"}, (199, 200), (0,), "change"),
        ({"flanks": "lentimpra", "length": 281}, (190, 200), (0,), "write length: 220 in"),
        ({"flanks": "lentimpra", "length": 281}, (150, 200), (0,), "change"),
        ({"flanks": "none", "length": 100}, (90, 90), (0,), "write length: 90 in"),
        ({"flanks": "lentimpra", "length": 200}, (200, 200), (-5, 0, 5), "write length: 210 in"),
        ({"flanks": "none", "length": 200}, (200, 200), (-5, 0, 5), "change"),
    ],
)
def test_a_length_that_fits_all_inserts_is_proposed(spec, inserts, shifts, fix):
    rows = pd.DataFrame({"row_id": ["a", "b"], "sequence": ["A" * length for length in inserts]})
    with pytest.raises(InputError, match=rf"my.csv: row '[ab]': .* such rows?; {fix} the dataset's construct") as error:
        Construct.from_spec(spec).check_inserts(rows, "my.csv", shifts)
    told = re.search(r"write length: (\d+)", str(error.value))
    if told:
        Construct.from_spec({**spec, "length": int(told[1])}).check_inserts(rows, "my.csv", shifts)


def test_flanks_that_are_short_are_held_in_full_by_a_layout():
    rows = pd.DataFrame({"row_id": ["a", "b"], "sequence": ["T" * 60, "C" * 60]})
    spec = {"upstream": "ACGT", "downstream": "TTGA", "length": 600}
    message = r"there are 4 \+ 4 bp \(2 such .* construct \(length: 68 and layout: whole hold both flanks in full\) or"
    with pytest.raises(InputError, match=message):
        Construct.from_spec(spec).check_inserts(rows, "my.csv")
    Construct.from_spec({**spec, "length": 68, "layout": "whole"}).check_inserts(rows, "my.csv")
    for others, shifts in ((rows.assign(sequence=["T" * 60, "C" * 61]), (0,)), (rows, (0, 1))):
        with pytest.raises(InputError, match=r"the dataset's construct or remove them"):
            Construct.from_spec(spec).check_inserts(others, "my.csv", shifts)
