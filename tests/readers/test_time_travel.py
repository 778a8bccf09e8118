"""Every engine reads older snapshots and tags as Waterline reads them."""

import pytest

import tpcc
from engines import ENGINES
from rows import assert_same, plain

TABLES = ["customer", "order_line", "new_order"]


def rows_at(lake, table: str, version: str) -> list[dict]:
    declared = tpcc.TABLES[table]
    rows = lake.query(f"select * from tpcc.{table}", "--snapshot", version)
    return [{column: declared.parse(column, value) for column, value in row.items()} for row in rows]


@pytest.mark.parametrize("table", TABLES)
def test_an_older_snapshot_reads_the_same(engine, lakes, mode, table):
    lake = lakes(mode)
    merges = [snapshot for snapshot in lake.snapshots(table) if snapshot["kind"] == "merge"]
    assert len(merges) > 1, "the fixture gives too few snapshots"
    older = merges[-2]["snapshot_id"]
    wanted = rows_at(lake, table, str(older))
    assert wanted != tpcc.TABLES[table].dump(5)
    assert_same(plain(engine.read(lake.metadata(table), older)), wanted, tpcc.TABLES[table].keys)


@pytest.mark.parametrize("table", TABLES)
def test_the_first_snapshot_is_the_dump(engine, lakes, mode, table):
    lake = lakes(mode)
    baseline = lake.snapshots(table)[0]
    assert baseline["kind"] == "baseline"
    found = plain(engine.read(lake.metadata(table), baseline["snapshot_id"]))
    assert_same(found, tpcc.TABLES[table].dump(0), tpcc.TABLES[table].keys)


@pytest.mark.parametrize("engine", [name for name in ENGINES if hasattr(ENGINES[name], "read_tag")], indirect=True)
def test_the_tag_of_the_baseline_is_the_dump(engine, lakes, mode):
    lake = lakes(mode)
    tag = next(name for name in lake.snapshots("customer")[0]["refs"].split(", ") if name.startswith("waterline/baseline-"))
    declared = tpcc.TABLES["customer"]
    assert_same(plain(engine.read_tag(lake.metadata("customer"), tag)), declared.dump(0), declared.keys)
    assert_same(rows_at(lake, "customer", tag), declared.dump(0), declared.keys)
