"""After each step of upkeep, every engine reads what Waterline reads; and what the database held, but where a rollback took it back."""

import tpcc
from engines import DuckDB, Polars, PyIceberg
from lake import MODES, Lake
from rows import assert_same, plain

# One is partitioned, and one is small and changes often.
TABLES = ("customer", "district")
ALL = ("--older-than", "0s", "--force")


def test_engines_agree_after_each_step_of_upkeep(tmp_path, mode):
    lake = Lake.of_tpcc(tmp_path, MODES[mode], tables=TABLES, batch_rows="400")
    engines = {engine.__name__: engine() for engine in (PyIceberg, DuckDB, Polars)}

    def read(table: str) -> list[dict]:
        declared = tpcc.TABLES[table]
        rows = lake.query(f"select * from tpcc.{table}")
        ours = [{column: declared.parse(column, value) for column, value in row.items()} for row in rows]
        for name, engine in engines.items():
            print(name, table)
            assert_same(plain(engine.read(lake.metadata(table))), ours, declared.keys)
        return ours

    def check():
        for table in TABLES:
            assert_same(read(table), tpcc.TABLES[table].dump(5), tpcc.TABLES[table].keys)

    check()
    for table in TABLES:
        lake.run("compact", f"tpcc.{table}")
    check()
    for table in TABLES:
        merges = [snapshot["snapshot_id"] for snapshot in lake.snapshots(table) if snapshot["kind"] == "merge"]
        before = lake.query(f"select * from tpcc.{table}", "--snapshot", str(merges[-2]))
        lake.run("rollback", f"tpcc.{table}", "--snapshot", str(merges[-2]), "--replay")
        declared = tpcc.TABLES[table]
        assert_same(read(table), [{column: declared.parse(column, value) for column, value in row.items()} for row in before], declared.keys)
    lake.run("run", "--batch-rows", "400")
    check()
    for table in TABLES:
        lake.run("expire", f"tpcc.{table}", "--retain-last", "1", *ALL)
    check()
    for table in TABLES:
        lake.run("vacuum", f"tpcc.{table}", *ALL)
    check()
    assert "compact" in lake.run("maintain")
    check()
