"""Panel `rows`: every test row. Columns row_id and group."""

from typing import Any

import pandas as pd

from s2f.rows.stages import Stages


def of_test(test: pd.DataFrame, options: dict[str, Any], name: str, stages: Stages) -> pd.DataFrame:
    """All test rows."""
    return of_lists([test])


def of_lists(lists: list[pd.DataFrame]) -> pd.DataFrame:
    """All listed rows."""
    (test,) = lists
    return pd.DataFrame({"row_id": test["row_id"], "group": test["unit"]}).reset_index(drop=True)
