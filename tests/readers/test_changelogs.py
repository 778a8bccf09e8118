"""Every engine reads the changelogs, which are tables like any other."""

from datetime import UTC, datetime

import pytest

import tpcc
from rows import assert_same, plain

TABLES = ["customer", "new_order", "warehouse"]
IDENTITY = ("_domain", "_sequence")


def events(lake, table: str) -> list[dict]:
    """The events as Waterline reads them."""
    declared = tpcc.TABLES[table]

    def value(column, value):
        if column in ("_event_time", "_ingested_at"):
            return datetime.fromisoformat(value).astimezone(UTC)
        return value if column.startswith("_") else declared.parse(column, value)

    rows = lake.query(f"select * from tpcc.{table}__changelog")
    return [{column: value(column, found) for column, found in row.items()} for row in rows]


@pytest.mark.parametrize("table", TABLES)
def test_a_changelog_reads_the_same(engine, lakes, mode, table):
    lake, declared = lakes(mode), tpcc.TABLES[table]
    wanted = events(lake, table)
    assert len(wanted) == declared.event_count()
    found = plain(engine.read(lake.metadata(f"{table}__changelog")))
    if not engine.has_nested_nulls:
        wanted = [{column: _without_nested_null(column, value, declared) for column, value in event.items()} for event in wanted]
    assert_same(found, wanted, IDENTITY)


def _without_nested_null(column: str, value, declared: tpcc.Table):
    if value is None:
        return {"_unset": [], "_old_key": dict.fromkeys(declared.keys)}.get(column)
    return value


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
@pytest.mark.parametrize("table", tpcc.TABLES)
def test_the_newest_image_of_each_key_is_the_table(engine, lakes, table):
    """The order of events is text that any engine sorts: plain SQL over a changelog gives the table."""
    lake, declared = lakes("v2-merge-on-read"), tpcc.TABLES[table]
    newest = engine.sql(
        f"""select {", ".join(declared.types)} from iceberg_scan('{lake.metadata(f"{table}__changelog")}')
            qualify row_number() over (partition by {", ".join(declared.keys)} order by _op = 'r', _sequence desc) = 1 and _op <> 'd'"""
    )
    assert_same(plain(newest), declared.dump(5), declared.keys)
