"""Every figure and every column is defined in the reference."""

from suan.sim.report.figures import FIGURES
from suan.sim.report.tables import JOB_COLUMNS, tables
from suan.sim.results import Result
from tests.tidy.test_documented import REFERENCE, missing
from tests.tidy.tree import text

PAGE = REFERENCE / "simulation-results.md"


def test_every_column_of_every_table_is_documented(results: tuple[Result, ...]) -> None:
    columns = {name for table in tables(results) for name, _ in table.columns}
    columns |= {table.name for table in tables(results)} | {name for name, _ in JOB_COLUMNS}
    assert not missing(columns, PAGE)


def test_every_figure_of_the_comparison_is_documented() -> None:
    page = text(PAGE)
    assert not [figure.label for figure in FIGURES if figure.label not in page]
