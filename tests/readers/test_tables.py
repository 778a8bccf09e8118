"""Every engine reads every table as the source database had it."""

import pytest

import tpcc
from rows import assert_same, plain


@pytest.mark.parametrize("table", tpcc.TABLES)
def test_a_table_equals_the_database(engine, lakes, mode, table):
    found = plain(engine.read(lakes(mode).metadata(table)))
    assert_same(found, tpcc.TABLES[table].dump(5), tpcc.TABLES[table].keys)


@pytest.mark.parametrize("table", tpcc.TABLES)
def test_waterline_reads_it_as_the_database_has_it(lakes, mode, table):
    declared = tpcc.TABLES[table]
    rows = lakes(mode).query(f"select * from tpcc.{table}")
    found = [{column: declared.parse(column, value) for column, value in row.items()} for row in rows]
    assert_same(found, declared.dump(5), declared.keys)
