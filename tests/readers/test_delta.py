"""Every engine reads our Delta tables as the source database had them, and delta-rs may write beside us."""

import json
import shutil
import subprocess
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake.exceptions import CommitFailedError

import tpcc
from delta_engines import DELTA_ENGINES
from engines import started
from lake import WATERLINE, Lake
from rows import assert_same, plain


@pytest.fixture(scope="session")
def delta_lake(tmp_path_factory):
    return Lake.of_tpcc(tmp_path_factory.mktemp("delta"), {"delta.checkpointInterval": "4"}, "delta")


@pytest.fixture(scope="session", params=DELTA_ENGINES)
def reader(request, tmp_path_factory):
    with started(DELTA_ENGINES, request.param, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def folder(lake: Lake, table: str) -> Path:
    return lake.folder / "warehouse" / "tpcc" / table


def declared(table: pa.Table) -> list[dict]:
    """Without the columns that partitions by a transform have in Delta: Polars takes them from names of folders."""
    return plain(table.select([name for name in table.column_names if "__" not in name]))


def rows_of(lake: Lake, table: str, *options: str) -> list[dict]:
    kinds = tpcc.TABLES[table]
    rows = lake.query(f"select * from tpcc.{table}", *options)
    return [{column: kinds.parse(column, value) for column, value in row.items()} for row in rows]




@pytest.mark.parametrize("table", tpcc.TABLES)
def test_a_table_equals_the_database(reader, delta_lake, table):
    found = declared(reader.read(folder(delta_lake, table)))
    assert_same(found, tpcc.TABLES[table].dump(5), tpcc.TABLES[table].keys)


def assert_older_versions(reader, lake: Lake, table: str):
    baseline, *merges = [snapshot for snapshot in lake.snapshots(table) if snapshot["kind"] in ("baseline", "merge")]
    first = declared(reader.read(folder(lake, table), baseline["snapshot_id"]))
    assert_same(first, tpcc.TABLES[table].dump(0), tpcc.TABLES[table].keys)
    older = merges[-2]["snapshot_id"]
    wanted = rows_of(lake, table, "--snapshot", str(older))
    assert wanted != tpcc.TABLES[table].dump(5)
    assert_same(declared(reader.read(folder(lake, table), older)), wanted, tpcc.TABLES[table].keys)


@pytest.mark.parametrize("table", ["customer", "orders", "stock"])
@pytest.mark.parametrize("reader", [name for name, engine in DELTA_ENGINES.items() if engine.reads_older_versions], indirect=True)
def test_an_older_version_reads_the_same(reader, delta_lake, table):
    """Also one before the newest checkpoint."""
    assert (folder(delta_lake, "stock") / "_delta_log" / f"{8:020}.checkpoint.parquet").is_file()
    assert_older_versions(reader, delta_lake, table)


def test_the_changelog_is_read_whole(reader, delta_lake):
    lake = delta_lake
    found = reader.read(folder(lake, "customer__changelog")).select(["_domain", "_sequence", "_batch", "c_id"])
    wanted = lake.query("select _domain, _sequence, _batch, c_id from tpcc.customer__changelog")
    assert_same(plain(found), wanted, ("_domain", "_sequence"))


@pytest.mark.parametrize("reader", [name for name, engine in DELTA_ENGINES.items() if engine.opens_tags], indirect=True)
def test_a_tagged_moment_is_what_the_database_held_then(reader, delta_lake):
    lake = delta_lake
    listed = json.loads(lake.run("tag", "list", "--output", "json"))
    if not any(row["tag"] == "backtest" for row in listed):
        lake.run("tag", "create", "backtest", "--as-of", tpcc.MOMENTS[2], "tpcc.customer", "tpcc.stock")
    for table in ("customer", "stock"):
        (snapshot,) = [row["snapshot_id"] for row in json.loads(lake.run("tag", "list", "--output", "json")) if (row["tag"], row["table"]) == ("backtest", f"tpcc.{table}")]
        (clone,) = (folder(lake, table) / "_waterline").glob(f"{snapshot:020}-*")
        if clone.is_dir():
            assert_same(declared(reader.read(clone)), tpcc.TABLES[table].dump(2), tpcc.TABLES[table].keys)
        assert_same(rows_of(lake, table, "--snapshot", str(snapshot)), tpcc.TABLES[table].dump(2), tpcc.TABLES[table].keys)


@pytest.fixture(scope="session")
def copies(delta_lake):
    """Folders of the copies of a moment, by table."""
    words = ["tag", "create", "copied", "--copy", "--as-of", tpcc.MOMENTS[2], "tpcc.customer", "tpcc.orders"]
    rows = json.loads(delta_lake.run(*words, "--output", "json"))
    return {row["table"].removeprefix("tpcc."): Path(row["metadata"].removeprefix("file://")) for row in rows}


def test_a_copied_moment_is_read_by_all(reader, delta_lake, copies):
    """One table has rows in its base and in later files, and is partitioned; the other by a transform."""
    for table, copy in copies.items():
        assert_same(declared(reader.read(copy)), tpcc.TABLES[table].dump(2), tpcc.TABLES[table].keys)
        named = {entry["add"]["path"] for entry in map(json.loads, (copy / "_delta_log" / f"{0:020}.json").read_text().splitlines()) if "add" in entry}
        assert named == {file.name for file in copy.glob("*.parquet")}
        assert_same(rows_of(delta_lake, table, "--snapshot", "copied"), tpcc.TABLES[table].dump(2), tpcc.TABLES[table].keys)


def dumped_customers(folder: Path) -> Lake:
    """A lake with the first dump of one table."""
    lake = Lake(folder)
    lake.run("init", ".")
    with (folder / "waterline.toml").open("a") as file:
        file.write(
            f'[sources.pg]\npath = "{tpcc.FIXTURE}/events/pg.{{table}}/"\nformat = "debezium-json"\ntables = ["tpcc.customer"]\n'
            f'schema = {{ ddl = "{tpcc.DDL}" }}\ntable_format = "delta"\n'
        )
    dump = str(tpcc.dump_path("customer", 0))
    lake.run("load", "tpcc.customer", dump, "--null", "\\N", "--ddl", str(tpcc.DDL), "--at", tpcc.MOMENTS[0])
    return lake


NOTHING_STAYS = ("--older-than", "0s", "--force")


def test_engines_read_the_same_after_each_step_of_upkeep(tmp_path):
    lake = dumped_customers(tmp_path)
    lake.run("run", "--batch-rows", "400")
    engines = [DELTA_ENGINES[name]() for name in ("delta-rs", "duckdb", "polars")]
    customer, key = folder(lake, "customer"), tpcc.TABLES["customer"].keys

    def agree(wanted: list[dict]):
        assert_same(rows_of(lake, "customer"), wanted, key)
        events = lake.query("select _domain, _sequence, _batch, c_id from tpcc.customer__changelog")
        for engine in engines:
            assert_same(declared(engine.read(customer)), wanted, key)
            found = engine.read(folder(lake, "customer__changelog")).select(["_domain", "_sequence", "_batch", "c_id"])
            assert_same(plain(found), events, ("_domain", "_sequence", "_batch"))

    newest = tpcc.TABLES["customer"].dump(5)
    older = lake.snapshots("customer")[2]["snapshot_id"]
    then = rows_of(lake, "customer", "--snapshot", str(older))
    assert then != newest
    lake.run("compact", "tpcc.customer")
    agree(newest)
    lake.run("rollback", "tpcc.customer", "--snapshot", str(older), "--replay")
    agree(then)
    assert DeltaTable(customer).history(1)[0]["operation"] == "RESTORE"
    lake.run("run")
    agree(newest)
    lake.run("expire", "tpcc.customer", "--retain-last", "2", *NOTHING_STAYS)
    agree(newest)
    log = sorted(path.name for path in (customer / "_delta_log").glob("*.json"))
    assert log[0] > f"{older:020}.json", "the log begins later"
    lake.run("vacuum", "tpcc.customer", *NOTHING_STAYS)
    agree(newest)
    kept = [snapshot["snapshot_id"] for snapshot in lake.snapshots("customer")]
    for version in (version for version in kept if f"{version:020}.json" in log):
        for engine in engines:
            wanted = rows_of(lake, "customer", "--snapshot", str(version))
            assert_same(declared(engine.read(customer, version)), wanted, key)
    (clone,) = [path for path in (customer / "_waterline").iterdir() if path.is_dir() and path.name[:1].isdigit()]
    first = tpcc.TABLES["customer"].dump(0)
    assert_same(declared(engines[0].read(clone)), first, key)
    assert_same(rows_of(lake, "customer", "--as-of", tpcc.MOMENTS[0]), first, key)
    assert json.loads(lake.run("check", "tpcc.customer", "--deep", "--output", "json")) == []


def test_merges_beside_optimize_lose_no_row_and_double_none(tmp_path):
    """OPTIMIZE of delta-rs rewrites the very files that the merges delete rows from."""
    lake = dumped_customers(tmp_path)
    merges = subprocess.Popen([WATERLINE, "run", "--batch-rows", "200"], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    optimized = 0
    while merges.poll() is None:
        try:
            optimized += DeltaTable(folder(lake, "customer")).optimize.compact()["numFilesRemoved"]
        except CommitFailedError:
            pass  # A merge was faster.
    assert merges.returncode == 0, merges.stderr.read()
    assert optimized, "nothing was rewritten meanwhile"
    assert_same(rows_of(lake, "customer"), tpcc.TABLES["customer"].dump(5), tpcc.TABLES["customer"].keys)


def test_the_vacuum_of_delta_rs_takes_nothing_that_is_live(delta_lake, tmp_path):
    """In its full mode it deletes live deletion vectors that lie where it looks."""
    table = shutil.copytree(folder(delta_lake, "stock"), tmp_path / "stock")
    gone = DeltaTable(table).vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True)
    assert gone
    found = QueryBuilder().register("found", DeltaTable(table)).execute("select * from found")
    assert_same(declared(pa.table(found.read_all())), tpcc.TABLES["stock"].dump(5), tpcc.TABLES["stock"].keys)


REGIONS = ["north", "süd / ost=%41 x:y", None, "a+b&c#d"]


def foreign_rows(ids: range) -> pa.Table:
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "region": pa.array([REGIONS[number % 4] for number in ids]),
            "day": pa.array([date(2025, 11, 1 + number % 3) if number % 5 else None for number in ids]),
            "at": pa.array([datetime(2025, 11, 1, number % 24, 0, 0, number, tzinfo=UTC) for number in ids], pa.timestamp("us", "UTC")),
            "local": pa.array([datetime(2025, 11, 1, number % 24, 0, 0, number) for number in ids], pa.timestamp("us")),
            "amount": pa.array([Decimal(number * 125) / 100 for number in ids], pa.decimal128(10, 2)),
        }
    )


def in_types(rows: list[dict]) -> list[dict]:
    def typed(row):
        moments = {name: datetime.fromisoformat(row[name]) for name in ("at", "local")}
        day = row["day"] and date.fromisoformat(row["day"])
        return {**row, **moments, "local": moments["local"].replace(tzinfo=UTC), "day": day, "amount": Decimal(row["amount"])}

    return [typed(row) for row in rows]


def test_a_table_of_delta_rs_is_read_and_taken_over(tmp_path):
    lake = Lake(tmp_path)
    lake.run("init", ".")
    table = tmp_path / "warehouse" / "shop" / "orders"
    write_deltalake(table, foreign_rows(range(40)), partition_by=["region", "day"])
    write_deltalake(table, foreign_rows(range(40, 60)), mode="append")
    DeltaTable(table).delete("id = 7 or region = 'a+b&c#d' and id > 50")
    DeltaTable(table).create_checkpoint()
    write_deltalake(table, foreign_rows(range(60, 70)), mode="append")

    def theirs() -> list[dict]:
        found = QueryBuilder().register("found", DeltaTable(table)).execute("select * from found")
        return plain(pa.table(found.read_all()))

    assert_same(in_types(lake.query("select * from shop.orders")), theirs(), ("id",))
    for region in REGIONS:
        where = "region is null" if region is None else f"region = '{region}'"
        wanted = [row for row in theirs() if row["region"] == region]
        assert_same(in_types(lake.query(f"select * from shop.orders where {where}")), wanted, ("id",))
    lake.run("load", "shop.orders", "--adopt", "--at", "2025-11-12T00:00:00Z")
    write_deltalake(table, foreign_rows(range(70, 80)), mode="append")
    assert_same(in_types(lake.query("select * from shop.orders")), theirs(), ("id",))


def test_a_table_of_delta_rs_is_kept_up(tmp_path):
    """Its partitions have names of every kind, and what is hidden or not known is left alone."""
    lake = Lake(tmp_path)
    lake.run("init", ".")
    table = tmp_path / "warehouse" / "shop" / "orders"
    for first in range(0, 48, 8):
        write_deltalake(table, foreign_rows(range(first, first + 8)), partition_by=["region"], mode="append")
    DeltaTable(table).delete("id = 7 or region = 'a+b&c#d' and id > 40")

    def theirs() -> list[dict]:
        found = QueryBuilder().register("found", DeltaTable(table)).execute("select * from found")
        return plain(pa.table(found.read_all()))

    wanted = theirs()
    files = {path for path in table.rglob("*.parquet")}
    assert json.loads(lake.run("check", "shop.orders", "--deep", "--output", "json")) == []
    lake.run("compact", "shop.orders", "--min-input-files", "2")
    assert_same(theirs(), wanted, ("id",))
    lake.run("expire", "shop.orders", "--retain-last", "1", *NOTHING_STAYS)
    assert_same(theirs(), wanted, ("id",))
    assert files - set(table.rglob("*.parquet")), "what was deleted from is gone"
    assert not (table / "_delta_log" / f"{0:020}.json").exists()
    (partition,) = (path for path in table.iterdir() if path.name.startswith("region=s"))
    garbage = [partition / "dead.parquet", table / "dead.parquet"]
    hidden = [table / "_theirs" / "x.parquet", table / ".x", table / "_delta_log" / "_x" / "y.json"]
    for path in garbage + hidden:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    lake.run("vacuum", "shop.orders", *NOTHING_STAYS)
    assert [path.exists() for path in garbage + hidden] == [False] * len(garbage) + [True] * len(hidden)
    assert_same(theirs(), wanted, ("id",))
    write_deltalake(table, foreign_rows(range(48, 56)), mode="append")
    DeltaTable(table).optimize.compact()
    DeltaTable(table).create_checkpoint()
    assert_same(theirs(), wanted + plain(foreign_rows(range(48, 56))), ("id",))
    assert_same(in_types(lake.query("select * from shop.orders")), theirs(), ("id",))
