"""A tagged moment of all tables is, in every engine, what the database held then."""

import json

import pytest

import tpcc
from rows import assert_same, plain

MOMENT = 2
TAG = "backtest"


@pytest.fixture(scope="session")
def tagged(lakes):
    """The snapshot of each table that the tag names, and the lake."""
    made = {}

    def tag(mode: str):
        if mode not in made:
            lake = lakes(mode)
            rows = lake.run("tag", "create", TAG, "--as-of", tpcc.MOMENTS[MOMENT], "tpcc.*", "--output", "json")
            made[mode] = lake, {row["table"].removeprefix("tpcc."): row for row in json.loads(rows)}
        return made[mode]

    return tag


@pytest.mark.parametrize("table", tpcc.TABLES)
def test_a_tagged_moment_is_what_the_database_held(engine, tagged, mode, table):
    lake, tags = tagged(mode)
    declared = tpcc.TABLES[table]
    wanted = declared.dump(MOMENT)
    row = tags[table]
    metadata = row["metadata"].removeprefix("file://")
    read = engine.read_tag(metadata, TAG) if hasattr(engine, "read_tag") else engine.read(metadata, row["snapshot_id"])
    assert_same(plain(read), wanted, declared.keys)
    # The table itself is still the newest state, in the metadata that has the tag too.
    assert_same(plain(engine.read(lake.metadata(table))), declared.dump(5), declared.keys)
    ours = lake.query(f"select * from tpcc.{table}", "--snapshot", TAG)
    assert_same([{column: declared.parse(column, value) for column, value in found.items()} for found in ours], wanted, declared.keys)


def test_no_table_lacks_the_tag(tagged, mode):
    lake, tags = tagged(mode)
    assert set(tags) == set(tpcc.TABLES)
    listed = json.loads(lake.run("tag", "list", "--output", "json"))
    assert [row["is_complete"] for row in listed] == [True] * len(tpcc.TABLES)
