"""What a simulation came to, for people and for programs.

Contract: each function is given ``Result``s, the first of which is what the others are compared
with. ``table`` is plain text of at most 100 columns; ``html`` is one page that needs nothing else,
neither network nor scripts; ``write_csv`` and ``write_parquet`` write tables, ``CsvRows`` and
``ParquetRows`` stream one row for each job. A file is there whole or not at all. The same results
give the same bytes.

Not for: figures that are not in a ``Result`` (``suan.sim.results`` makes them).
"""

from suan.sim.report.comma import CsvRows, write_csv
from suan.sim.report.files import write_text
from suan.sim.report.page import html
from suan.sim.report.parquet import ParquetRows, write_parquet
from suan.sim.report.text import table

__all__ = [
    "CsvRows",
    "ParquetRows",
    "html",
    "table",
    "write_csv",
    "write_parquet",
    "write_text",
]
