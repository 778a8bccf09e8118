"""Tables of delta-rs are taken over wherever they are, and what they ask of their rows is asked of those that Waterline writes."""

import json
import subprocess

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake

from lake import WATERLINE, Lake
from rows import assert_same, plain

SOURCE = """
[sources.pg]
path = "landing/"
format = "plain-json"
table_format = "delta"
tables = ["shop.*"]
keys = ["id"]
sequence_by = "updated_at"
"""
COLUMNS = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string(), nullable=False), pa.field("n", pa.int64())])


@pytest.fixture
def lake(tmp_path):
    """A table of delta-rs with a constraint and columns that may not be null, taken over."""
    lake = Lake(tmp_path)
    lake.run("init", ".")
    with (tmp_path / "waterline.toml").open("a") as file:
        file.write(SOURCE)
    (tmp_path / "landing").mkdir()
    rows = [{"id": number, "name": f"row {number}", "n": number} for number in range(5)]
    table = tmp_path / "warehouse" / "shop" / "items"
    write_deltalake(table, pa.Table.from_pylist(rows, COLUMNS))
    DeltaTable(table).alter.add_constraint({"small": "n < 10 AND name <> 'x'"})
    lake.run("load", "shop.items", "--adopt", "--at", "2025-11-12T00:00:00Z")
    return lake


def land(lake: Lake, at: int, **record):
    event = {"op": "u", "updated_at": f"2025-11-12T01:00:{at:02}Z", "table": "shop.items", "record": record}
    (lake.folder / "landing" / f"{at}.jsonl").write_text(json.dumps(event) + "\n")


def refused(lake: Lake) -> str:
    done = subprocess.run([WATERLINE, "merge"], cwd=lake.folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    return done.stderr


def rows_of_delta_rs(lake: Lake) -> list[dict]:
    found = QueryBuilder().register("found", DeltaTable(lake.folder / "warehouse" / "shop" / "items")).execute("select * from found")
    return plain(pa.table(found.read_all()))


def test_a_row_that_breaks_a_constraint_changes_nothing_until_it_is_mended(lake):
    before = rows_of_delta_rs(lake)
    land(lake, 1, id=2, name="two", n=99)
    said = refused(lake)
    assert "constraint small" in said and "key columns id" in said and "99" not in said, said
    assert_same(rows_of_delta_rs(lake), before, ("id",))
    land(lake, 2, id=2, n=9)
    lake.run("merge")
    wanted = [row | ({"name": "two", "n": 9} if row["id"] == 2 else {}) for row in before]
    assert_same(rows_of_delta_rs(lake), wanted, ("id",))
    assert_same(lake.query("select * from shop.items"), wanted, ("id",))


def test_a_column_that_may_not_be_null_is_named(lake):
    before = rows_of_delta_rs(lake)
    land(lake, 1, id=7, name=None, n=1)
    said = refused(lake)
    assert "column name" in said and "null" in said, said
    assert_same(rows_of_delta_rs(lake), before, ("id",))


def test_a_constraint_that_is_not_understood_is_named(lake):
    DeltaTable(lake.folder / "warehouse" / "shop" / "items").alter.add_constraint({"odd": "n % 7 < 7"})
    land(lake, 1, id=2, name="two", n=1)
    said = refused(lake)
    assert "constraint odd" in said and "operator" in said, said


@pytest.mark.parametrize("url", ["{folder}", "file://{folder}"])
def test_a_table_anywhere_is_taken_over_and_merged_into(tmp_path, url):
    """Read, history, tags and merges, with a key that the table of another writer does not have."""
    lake, table = Lake(tmp_path / "lake"), tmp_path / "else where" / "items"
    rows = [{"id": number, "name": f"row {number}", "n": number} for number in range(5)]
    write_deltalake(table, pa.Table.from_pylist(rows, COLUMNS))
    lake.folder.mkdir()
    lake.run("init", ".")
    (lake.folder / "landing").mkdir()
    location = f'[tables."shop.items"]\nlocation = "{url.format(folder=table)}/"\n'
    with (lake.folder / "waterline.toml").open("a") as file:
        file.write(SOURCE + location)
    assert_same(lake.query("select * from shop.items"), rows, ("id",))
    assert len(json.loads(lake.run("history", "shop.items", "--output", "json"))) == 1
    lake.run("load", "shop.items", "--adopt", "--at", "2025-11-12T00:00:00Z")
    land(lake, 1, id=2, n=77)
    land(lake, 2, id=9, name="nine", n=9)
    lake.run("merge")
    wanted = [row | ({"n": 77} if row["id"] == 2 else {}) for row in rows] + [{"id": 9, "name": "nine", "n": 9}]
    assert_same(lake.query("select * from shop.items"), wanted, ("id",))
    found = QueryBuilder().register("found", DeltaTable(table)).execute("select * from found")
    assert_same(plain(pa.table(found.read_all())), wanted, ("id",))
    lake.run("tag", "create", "start", "--as-of", "2025-11-12T00:30:00Z", "--allow-incomplete", "shop.items")
    assert_same(lake.query("select * from shop.items", "--snapshot", "start"), rows, ("id",))
    assert not (lake.folder / "warehouse" / "shop" / "items").exists()
