"""The tables of docs/interop.md, and the check that the page has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.matrix.report import BEGIN, END, Column, load, main, save, tables

RESULTS = {
    "One": Column(
        "1.0",
        {"sign in": "yes", "extra": "not offered: no `extra`"},
        {"code": "400", "type": "Bearer"},
    ),
    "Two": Column("2.0", {"sign in": "FAILED"}, {"code": "401", "type": "Bearer", "more": "yes"}),
}
TABLES = """\
| scenario | One | Two |
| --- | --- | --- |
| version | 1.0 | 2.0 |
| sign in | yes | FAILED |
| extra | no (1) | not run |

Not offered by the server, because:

1. no `extra`

| on the wire | One | Two |
| --- | --- | --- |
| code | 400 | 401 |
| more |  | yes |

All of them alike: type: Bearer.
"""


def test_every_row_has_every_server() -> None:
    assert tables(RESULTS) == TABLES


def test_a_page_with_other_tables_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, page = tmp_path / "results.json", tmp_path / "page.md"
    save(RESULTS, results)
    assert load(results) == RESULTS
    page.write_text(f"# Page\n\n{BEGIN}\nold\n{END}\n\nmore\n", "utf-8")
    assert main(str(results), str(page)) == 1
    assert main(str(results), str(page), "--write") == 0
    assert page.read_text("utf-8") == f"# Page\n\n{BEGIN}\n{TABLES}{END}\n\nmore\n"
    assert main(str(results), str(page)) == 0
    assert TABLES in capsys.readouterr().out
