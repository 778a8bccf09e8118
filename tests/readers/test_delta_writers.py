"""delta-rs changes the very files that Waterline merges into, in a process of its own, and no row is lost or doubled."""

import json
import multiprocessing
import random
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake.exceptions import CommitFailedError

from lake import WATERLINE, Lake
from rows import assert_same, plain

SOURCE = """
[sources.pg]
path = "landing/"
format = "plain-json"
table_format = "delta"
tables = ["shop.stock"]
keys = ["id"]
sequence_by = "updated_at"
[tables."shop.stock"]
columns = ["id bigint", "owner text", "n bigint"]
properties = { "delta.checkpointInterval" = "5", "write.merge.mode" = "MODE" }
"""
STARTED = datetime(2025, 11, 12, tzinfo=UTC)
DECKS = 3
PAUSE_S = 0.3
# Rows below are the source's, rows from there on delta-rs'. They share files.
THEIRS = 1000
COLUMNS = pa.schema([("id", pa.int64()), ("owner", pa.string()), ("n", pa.int64())])


def moment(number: int) -> str:
    return (STARTED + timedelta(seconds=number)).isoformat()


def row(number: int, owner: str, n: int) -> dict:
    return {"id": number, "owner": owner, "n": n}


class Foreign:
    """Rows that delta-rs writes, as they should be after what was committed."""

    def __init__(self, table: Path, seed: int):
        self.table = table
        self.random = random.Random(seed)
        self.rows = {number: row(number, "dump", number) for number in range(THEIRS, THEIRS + 100)}

    def run(self):
        """Every kind of change, some times over. One that loses its race is made anew."""
        for _ in range(DECKS):
            kinds = [self.append, self.merge, self.update, self.delete, self.optimize]
            self.random.shuffle(kinds)
            while kinds:
                time.sleep(self.random.random() * PAUSE_S)
                try:
                    self.rows = kinds[-1](dict(self.rows))
                    kinds.pop()
                except CommitFailedError:
                    pass

    def append(self, rows: dict) -> dict:
        new = [row(max(rows) + 1 + number, "append", number) for number in range(5)]
        write_deltalake(self.table, pa.Table.from_pylist(new, COLUMNS), mode="append")
        return rows | {row["id"]: row for row in new}

    def merge(self, rows: dict) -> dict:
        some = self.random.sample(sorted(rows), 5) + [max(rows) + 1]
        new = [row(number, "merge", self.random.randrange(1000)) for number in some]
        merge = DeltaTable(self.table).merge(pa.Table.from_pylist(new, COLUMNS), "t.id = s.id", source_alias="s", target_alias="t")
        merge.when_matched_update_all().when_not_matched_insert_all().execute()
        return rows | {row["id"]: row for row in new}

    def update(self, rows: dict) -> dict:
        DeltaTable(self.table).update(updates={"n": "n + 1"}, predicate=f"id >= {THEIRS} and id % 7 = 3")
        return {number: row | {"n": row["n"] + (number % 7 == 3)} for number, row in rows.items()}

    def delete(self, rows: dict) -> dict:
        some = self.random.sample(sorted(rows), 3)
        DeltaTable(self.table).delete(f"id in ({', '.join(map(str, some))})")
        return {number: row for number, row in rows.items() if number not in some}

    def optimize(self, rows: dict) -> dict:
        DeltaTable(self.table).optimize.compact()
        return rows


def write_beside(table: Path, seed: int, results):
    foreign = Foreign(table, seed)
    foreign.run()
    results.put(foreign.rows)


def events(numbers: random.Random, at: int, rows: dict) -> list[dict]:
    """A round of changes of the source, made to `rows` too."""
    made = []
    for number in numbers.sample(range(300), 20):
        if number in rows and numbers.random() < 0.3:
            made.append({"op": "d", "updated_at": moment(at), "table": "shop.stock", "record": rows.pop(number)})
        else:
            rows[number] = row(number, "source", at)
            made.append({"op": "u", "updated_at": moment(at), "table": "shop.stock", "record": rows[number]})
    return made


def merged(lake: Lake, before: int) -> int:
    """Merges. Where delta-rs changed rows meanwhile the table is taken over, as often as it takes: a merge that got nowhere left
    it as of the round before, and one that got through can be made again."""
    words = ["merge"]
    for adopted in range(100):
        done = subprocess.run([WATERLINE, *words], cwd=lake.folder, capture_output=True, text=True, timeout=120)
        if done.returncode == 0:
            return adopted
        assert done.returncode == 75 or "another writer changed the rows" in done.stderr, done.stderr
        words = ["load", "shop.stock", "--adopt", "--at", moment(before)]
    raise AssertionError("no merge gets through")


@pytest.mark.parametrize("deletes", ["merge-on-read", "copy-on-write"])
def test_two_writers_lose_no_row_and_double_none(tmp_path, deletes):
    lake = Lake(tmp_path)
    lake.run("init", ".")
    with (tmp_path / "waterline.toml").open("a") as file:
        file.write(SOURCE.replace("MODE", deletes))
    rows = {number: row(number, "dump", number) for number in range(200)}
    theirs = [row(number, "dump", number) for number in range(THEIRS, THEIRS + 100)]
    (tmp_path / "dump.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows.values(), *theirs]))
    lake.run("load", "shop.stock", "dump.jsonl", "--at", moment(0))
    table = tmp_path / "warehouse" / "shop" / "stock"

    processes = multiprocessing.get_context("spawn")
    results = processes.Queue()
    beside = processes.Process(target=write_beside, args=(table, 7, results))
    beside.start()
    numbers, at, adopted = random.Random(5), 0, 0
    while results.empty():
        assert beside.is_alive() or not results.empty(), "delta-rs failed"
        at += 1
        lines = "".join(json.dumps(event) + "\n" for event in events(numbers, at, rows))
        landing = tmp_path / "landing"
        landing.mkdir(exist_ok=True)
        (landing / f"{at:04}.jsonl").write_text(lines)
        adopted += merged(lake, at - 1)
    theirs = results.get()
    beside.join()
    adopted += merged(lake, at)
    assert adopted, "the writers never met"

    wanted = [*rows.values(), *theirs.values()]
    found = QueryBuilder().register("found", DeltaTable(table)).execute("select * from found")
    assert_same(plain(pa.table(found.read_all())), wanted, ("id",))
    assert_same(lake.query("select * from shop.stock"), wanted, ("id",))
