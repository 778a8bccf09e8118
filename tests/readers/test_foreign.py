"""Waterline reads tables of other writers right: PyIceberg's, and one with equality deletes, which PyIceberg cannot write itself."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update import AddSnapshotUpdate, AssertRefSnapshotId, SetSnapshotRefUpdate
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import DecimalType, IntegerType, LongType, NestedField, StringType, TimestamptzType

from lake import waterline
from rows import assert_same, plain

SCHEMA = Schema(
    NestedField(1, "id", IntegerType(), required=True),
    NestedField(2, "region", StringType()),
    NestedField(3, "amount", DecimalType(10, 2)),
    NestedField(4, "at", TimestamptzType()),
)
BY_REGION = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "region"))
KEYS = ("id",)


@pytest.fixture
def catalog(tmp_path):
    (tmp_path / "warehouse").mkdir()
    catalog = SqlCatalog("waterline", uri=f"sqlite:///{tmp_path}/foreign.db", warehouse=f"file://{tmp_path}/warehouse")
    catalog.create_namespace("shop")
    return catalog


def make_rows(ids: range) -> list[dict]:
    regions = ["north", "süd / ost", None]
    return [
        {
            "id": number,
            "region": regions[number % 3],
            "amount": None if number % 7 == 0 else Decimal(number * 125) / 100,
            "at": datetime(2025, 11, 1 + number % 28, 18, 54, 11, number, tzinfo=UTC),
        }
        for number in ids
    ]


def append(table, rows: list[dict]):
    table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))


def query(folder, sql: str) -> list[dict]:
    """What Waterline reads through the other writer's catalog."""
    out = waterline("query", sql, "--catalog", f"sqlite:{folder}/foreign.db", "--output", "json", folder=folder)
    rows = json.loads(out, parse_float=Decimal)
    for row in rows:
        row["at"] = datetime.fromisoformat(row["at"]).astimezone(UTC)
        for column in ("amount", "total"):
            if row.get(column) is not None:
                row[column] = Decimal(row[column])
    return rows


def test_a_table_that_pyiceberg_partitioned_changed_and_deleted_from(catalog, tmp_path):
    table = catalog.create_table("shop.orders", SCHEMA, partition_spec=BY_REGION)
    append(table, make_rows(range(0, 200)))
    with table.update_schema() as change:
        change.add_column("note", StringType())
        change.rename_column("amount", "total")
        change.update_column("id", LongType())
    with table.update_spec() as change:
        change.remove_field("region")
        change.add_identity("note")
    later = [_renamed(row, note=f"n{row['id'] % 4}") for row in make_rows(range(200, 300))]
    append(table, later)
    table.delete("id < 20")
    table.delete("total is null")

    early = [_renamed(row, note=None) for row in make_rows(range(0, 200))]
    wanted = [row for row in early + later if row["id"] >= 20 and row["total"] is not None]
    assert_same(plain(table.scan().to_arrow()), wanted, KEYS)
    assert_same(query(tmp_path, "select * from shop.orders"), wanted, KEYS)

    some = [row for row in wanted if row["region"] == "süd / ost" and row["total"] > 100]
    assert some
    assert_same(query(tmp_path, "select * from shop.orders where region = 'süd / ost' and total > 100"), some, KEYS)


def _renamed(row: dict, note: str | None) -> dict:
    """The row as the later schema has it."""
    return {"id": row["id"], "region": row["region"], "total": row["amount"], "at": row["at"], "note": note}


def test_a_table_without_a_key_is_taken_over_with_one(catalog, tmp_path):
    table = catalog.create_table("shop.items", Schema(NestedField(1, "id", LongType()), NestedField(2, "name", StringType())))
    rows = [{"id": number, "name": f"row {number}"} for number in range(5)]
    append(table, rows)
    (tmp_path / "waterline.toml").write_text(
        '[catalog]\ntype = "sql"\nuri = "sqlite:foreign.db"\n[sources.pg]\npath = "landing/"\nformat = "plain-json"\n'
        'tables = ["shop.*"]\nsequence_by = "updated_at"\n'
    )
    (tmp_path / "landing").mkdir()
    event = {"op": "u", "updated_at": "2025-11-12T01:00:00Z", "table": "shop.items", "record": {"id": 2, "name": "two"}}
    (tmp_path / "landing" / "1.jsonl").write_text(json.dumps(event) + "\n")
    waterline("load", "shop.items", "--adopt", "--keys", "id", "--at", "2025-11-12T00:00:00Z", folder=tmp_path)
    waterline("merge", folder=tmp_path)
    table.refresh()
    wanted = [row | ({"name": "two"} if row["id"] == 2 else {}) for row in rows]
    assert_same(plain(table.scan().to_arrow()), wanted, KEYS)


@pytest.mark.parametrize("engine", ["duckdb", "clickhouse", "sail"], indirect=True)
def test_a_table_with_equality_deletes(catalog, tmp_path, engine):
    table = catalog.create_table("shop.orders", SCHEMA, properties={"format-version": "2"})
    append(table, make_rows(range(0, 50)))
    delete_by_equality(table, "id", [3, 4, 49, 1000])
    append(table, make_rows(range(4, 5)))
    delete_by_equality(table, "region", [None])
    append(table, make_rows(range(50, 60)))

    # A delete applies to what was written before it: row 4 came back, and later rows without a region stay.
    wanted = [row for row in make_rows(range(0, 50)) if row["id"] not in (3, 49) and row["region"] is not None] + make_rows(range(50, 60))
    assert_same(query(tmp_path, "select * from shop.orders"), wanted, KEYS)
    table.refresh()
    assert_same(plain(engine.read(table.metadata_location.removeprefix("file://"))), wanted, KEYS)


class DeleteManifest(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


def delete_by_equality(table, column: str, values: list):
    """Commits an equality delete file by hand (Iceberg spec, "Equality Delete Files")."""
    table.refresh()
    field = table.schema().find_field(column)
    parent, metadata = table.current_snapshot(), table.metadata
    snapshot_id, sequence_number = table.metadata.new_snapshot_id(), metadata.last_sequence_number + 1
    path = f"{table.location()}/data/{snapshot_id}-equality.parquet"
    fields = schema_to_pyarrow(Schema(NestedField(field.field_id, column, field.field_type)))
    pq.write_table(pa.table([pa.array(values, fields.field(0).type)], schema=fields), path.removeprefix("file://"))
    file = DataFile.from_args(
        content=DataFileContent.EQUALITY_DELETES,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=len(values),
        file_size_in_bytes=table.io.new_input(path).__len__(),
        equality_ids=[field.field_id],
        column_sizes={},
        value_counts={},
        null_value_counts={},
        nan_value_counts={},
        lower_bounds={},
        upper_bounds={},
        key_metadata=None,
        split_offsets=None,
        sort_order_id=None,
    )
    output = table.io.new_output(f"{table.location()}/metadata/{snapshot_id}-m0.avro")
    with DeleteManifest(table.spec(), table.schema(), output, snapshot_id, "deflate") as writer:
        writer.add_entry(ManifestEntry.from_args(status=ManifestEntryStatus.ADDED, snapshot_id=snapshot_id, data_file=file))
    listed = f"{table.location()}/metadata/snap-{snapshot_id}.avro"
    with write_manifest_list(2, table.io.new_output(listed), snapshot_id, parent.snapshot_id, sequence_number, "deflate") as manifests:
        manifests.add_manifests([writer.to_manifest_file(), *parent.manifests(table.io)])
    snapshot = Snapshot(
        snapshot_id=snapshot_id,
        parent_snapshot_id=parent.snapshot_id,
        sequence_number=sequence_number,
        manifest_list=listed,
        summary=Summary(Operation.DELETE),
        schema_id=table.schema().schema_id,
    )
    main = SetSnapshotRefUpdate(ref_name="main", type="branch", snapshot_id=snapshot_id)
    table.catalog.commit_table(
        table, (AssertRefSnapshotId(ref="main", snapshot_id=parent.snapshot_id),), (AddSnapshotUpdate(snapshot=snapshot), main)
    )
    table.refresh()
