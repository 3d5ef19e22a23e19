import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2f.sequences import dna

examples = settings(deadline=None, max_examples=60)  # no deadline: the machine may be busy
sequences = st.text("ACGTN", max_size=40)


@examples
@given(sequences)
def test_encode_and_decode_are_inverse(sequence):
    codes = dna.encode(sequence)
    assert codes.dtype == np.uint8 and codes.shape == (len(sequence),)
    assert dna.decode(codes) == sequence == dna.clean(sequence)


@examples
@given(sequences)
def test_reverse_complement_is_its_own_inverse_and_equal_for_text_and_codes(sequence):
    reverse = dna.reverse_complement_text(sequence)
    assert dna.reverse_complement_text(reverse) == sequence
    assert reverse == dna.decode(dna.reverse_complement(dna.encode(sequence)))


def test_reverse_complement_by_hand():
    assert dna.reverse_complement_text("AACGTNG") == "CNACGTT"
    assert dna.reverse_complement_text("aacgun") == "NACGTT"


def test_reverse_complement_works_on_the_last_axis_only():
    codes = np.stack([dna.encode("AACN"), dna.encode("GTTT")])
    assert [dna.decode(row) for row in dna.reverse_complement(codes)] == ["NGTT", "AAAC"]


def test_codes_follow_the_alphabet():
    assert dna.encode("ACGTN").tolist() == [0, 1, 2, 3, dna.N_CODE]


@examples
@given(st.text("ACGTUNacgtun", max_size=40))
def test_case_is_ignored_and_u_is_t(sequence):
    assert dna.clean(sequence) == sequence.upper().replace("U", "T")
    assert dna.decode(dna.encode(sequence)) == dna.clean(sequence)


@pytest.mark.parametrize("function", [dna.encode, dna.clean, dna.reverse_complement_text])
@pytest.mark.parametrize("letter", ["R", "-", " ", "?", "\n", "é", "文"])
def test_illegal_letter_is_named_with_its_place(function, letter):
    with pytest.raises(ValueError) as error:
        function(f"ACg{letter}TX")
    assert str(error.value) == f"base 4 is {letter!r}, expected A, C, G, T, U or N"


@examples
@given(st.text(max_size=8))
def test_clean_accepts_exactly_what_encode_accepts(text):
    try:
        codes = dna.encode(text)
    except ValueError as error:
        with pytest.raises(ValueError) as again:
            dna.clean(text)
        assert str(again.value) == str(error)
    else:
        assert dna.clean(text) == dna.decode(codes)


def test_one_hot_has_a_row_per_base_and_none_for_n():
    np.testing.assert_array_equal(dna.one_hot(dna.encode("ACGTN")), np.eye(5, 4))
    assert dna.one_hot(np.zeros((2, 3), np.uint8)).shape == (2, 3, 4)
    assert dna.one_hot(dna.encode("A"), np.int8).dtype == np.int8


def test_one_hot_of_the_reverse_complement_is_flipped_on_both_axes():
    codes = dna.encode("ACGGTN")
    np.testing.assert_array_equal(dna.one_hot(dna.reverse_complement(codes)), dna.one_hot(codes)[::-1, ::-1])
