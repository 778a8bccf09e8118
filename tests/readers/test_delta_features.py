"""Tables with the features of newer writers, made by Sail, are read as they are and written to as their writer would."""

import json
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from delta_engines import DELTA_ENGINES
from engines import started
from lake import WATERLINE, Lake
from rows import assert_same

NAMES = ["a/b=% c", "süd:ost", None, "a+b&c#d?"]
FEATURES = {
    "mapped_by_name": {"delta.columnMapping.mode": "name"},
    "mapped_by_id": {"delta.columnMapping.mode": "id"},
    "new_checkpoints": {"delta.checkpointPolicy": "v2", "delta.checkpointInterval": "2"},
    "own_times": {"delta.enableInCommitTimestamps": "true"},
    "plain": {},
}
COLUMNS = "id bigint, `na me` string, local timestamp_ntz, d date, inside struct<`a b`: bigint, c: array<string>>"


def row(number: int) -> dict:
    local, inside = datetime(2025, 11, 12, number, 0, 0, 7), {"a b": number, "c": ["x", str(number)]}
    return {"id": number, "na me": NAMES[number % 4], "local": local, "d": date(2025, 11, 12), "inside": inside}


def literal(value) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict):
        return f"named_struct('a b', {value['a b']}, 'c', array({', '.join(map(literal, value['c']))}))"
    kind = {datetime: "timestamp_ntz", date: "date", str: "", int: ""}[type(value)]
    return f"{kind}'{value}'" if kind or isinstance(value, str) else str(value)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("features"))
    lake.run("init", ".")
    (lake.folder / "landing").mkdir()
    with (lake.folder / "waterline.toml").open("a") as file:
        file.write(
            '[sources.pg]\npath = "landing/{table}/"\nformat = "plain-json"\ntable_format = "delta"\ntables = ["shop.*"]\n'
            'keys = ["id"]\nsequence_by = "updated_at"\n'
        )
    return lake


@pytest.fixture(scope="module")
def sail(tmp_path_factory):
    with started(DELTA_ENGINES, "sail", tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.fixture(scope="module")
def tables(lake, sail):
    """A table of each feature, with a row a commit; partitioned by names of every kind, but for one."""
    for name, properties in FEATURES.items():
        folder = lake.folder / "warehouse" / "shop" / name
        said = ", ".join(f"'{key}' = '{value}'" for key, value in properties.items())
        partitioned = "" if name == "mapped_by_id" else "partitioned by (`na me`)"
        sail.session.sql(f"create table {name} ({COLUMNS}) using delta location '{folder}' {partitioned} {said and f'tblproperties ({said})'}")
        for number in range(5):
            values = ", ".join(literal(value) for value in row(number).values())
            sail.session.sql(f"insert into {name} values ({values})").collect()
    return list(FEATURES)


def typed(rows: list[dict]) -> list[dict]:
    return [found | {"local": datetime.fromisoformat(found["local"]), "d": date.fromisoformat(found["d"])} for found in rows]


def log(lake: Lake, table: str) -> Path:
    return lake.folder / "warehouse" / "shop" / table / "_delta_log"


@pytest.mark.parametrize("table", FEATURES)
def test_every_feature_is_read(lake, tables, table):
    wanted = [row(number) for number in range(5)]
    assert_same(typed(lake.query(f"select * from shop.{table}")), wanted, ("id",))
    for name in NAMES:
        where = "is null" if name is None else f"= '{name}'"
        found = typed(lake.query(f'select * from shop.{table} where "na me" {where}'))
        assert_same(found, [row for row in wanted if row["na me"] == name], ("id",))
    found = typed(lake.query(f"select * from shop.{table} where local > '2025-11-12T02:00:00' and id < 4"))
    assert_same(found, [row(3)] + [row(2)], ("id",))
    assert_same(typed(lake.query(f"select * from shop.{table}", "--snapshot", "3")), wanted[:3], ("id",))


def test_new_checkpoints_are_enough(lake, tables):
    """The log is cleaned up behind one: what is left are its sidecars and later commits."""
    folder = log(lake, "new_checkpoints")
    assert list((folder / "_sidecars").iterdir())
    for version in range(4):
        (folder / f"{version:020}.json").unlink()
    assert_same(typed(lake.query("select * from shop.new_checkpoints")), [row(number) for number in range(5)], ("id",))


def test_times_in_commits_are_those_of_the_history(lake, tables):
    """Whatever the files say, and whatever else the commit does."""
    folder = log(lake, "own_times")
    times = []
    for version in range(1, 6):
        file = folder / f"{version:020}.json"
        info, *rest = file.read_text().splitlines()
        info = json.loads(info)
        times.append(info["commitInfo"]["inCommitTimestamp"])
        info["commitInfo"]["timestamp"] = 1
        file.write_text("\n".join([json.dumps(info), *rest]) + "\n")
    history = json.loads(lake.run("history", "shop.own_times", "--output", "json"))[::-1]
    found = [datetime.fromisoformat(entry["committed_at"]) for entry in history]
    assert found == [datetime.fromtimestamp(at / 1000, UTC) for at in times]
    assert_same(typed(lake.query("select * from shop.own_times", "--committed-by", found[1].isoformat())), [row(0), row(1)], ("id",))


def merge(lake: Lake, table: str, record: dict) -> subprocess.CompletedProcess:
    folder = lake.folder / "landing" / f"shop.{table}"
    folder.mkdir(exist_ok=True)
    (folder / "1.jsonl").write_text(json.dumps({"op": "u", "updated_at": "2025-11-13T00:00:00Z", "table": f"shop.{table}", "record": record}) + "\n")
    return subprocess.run([WATERLINE, "merge", f"shop.{table}"], cwd=lake.folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("table", FEATURES)
def test_what_is_written_to_is_read_back_by_its_own_writer(lake, tables, sail, table):
    lake.run("load", f"shop.{table}", "--adopt", "--at", "2025-11-12T00:00:00Z")
    done = merge(lake, table, {"id": 2, "na me": "new / name"})
    assert done.returncode == 0, done.stderr
    wanted = [row(number) | ({"na me": "new / name"} if number == 2 else {}) for number in range(5)]
    folder = lake.folder / "warehouse" / "shop" / table
    sail.session.sql(f"insert into {table} values ({', '.join(literal(value) for value in row(9).values())})").collect()
    # DuckDB has null for partition values of mapped columns, also in the files of Sail.
    others = ["delta-rs"] if table == "mapped_by_name" else ["delta-rs", "duckdb"]
    for engine in (sail, *(DELTA_ENGINES[name]() for name in others)):
        assert_same(engine.read(folder).to_pylist(), wanted + [row(9)], ("id",))
    assert_same(typed(lake.query(f"select * from shop.{table}")), wanted + [row(9)], ("id",))


def test_generated_columns_are_made(lake, sail):
    folder = lake.folder / "warehouse" / "shop" / "made"
    sail.session.sql(f"create table made (id bigint, n bigint, twice bigint generated always as (n * 2)) using delta location '{folder}'")
    sail.session.sql("insert into made (id, n) values (1, 10), (2, 20)").collect()
    lake.run("load", "shop.made", "--adopt", "--at", "2025-11-12T00:00:00Z")
    done = merge(lake, "made", {"id": 2, "n": 21})
    assert done.returncode == 0, done.stderr
    wanted = [{"id": 1, "n": 10, "twice": 20}, {"id": 2, "n": 21, "twice": 42}]
    assert_same(sail.read(folder).to_pylist(), wanted, ("id",))
    assert_same(lake.query("select * from shop.made"), wanted, ("id",))
