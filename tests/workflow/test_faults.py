"""The quick part of the fault drill: what is found in each case is what is expected."""

import pytest

from helpers.fault_drill import fits, found
from programs.faults import CASES


@pytest.mark.parametrize("case", [case for case in CASES if case.quick], ids=lambda case: f"{case.row}: {case.name}")
def test_what_is_found_is_what_is_expected(case):
    result, output, _ = found(case)
    assert fits(case, result), f"expected {case.expected}\nfound {result}\n{output}"


def test_each_case_has_a_name_of_its_own_and_every_kind_of_fault_has_cases():
    names = [(case.row, case.name) for case in CASES]
    assert len(names) == len(set(names)) >= 60
    assert {row[0] for row, _ in names} == set("ABCKP")
