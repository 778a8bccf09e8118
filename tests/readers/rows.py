"""Compares rows value for value, whatever engine they come from."""

from datetime import UTC, datetime

import pyarrow as pa


def plain(table: pa.Table) -> list[dict]:
    return [{column: _plain(value) for column, value in row.items()} for row in table.to_pylist()]


def _plain(value):
    if isinstance(value, datetime):
        # Engines without zones give UTC.
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def assert_same(found: list[dict], wanted: list[dict], keys: tuple[str, ...]):
    """The same rows in any order: no row more or less, none twice, and every value equal."""

    def in_order(rows):
        return sorted(rows, key=lambda row: tuple(row[key] for key in keys))

    found, wanted = in_order(found), in_order(wanted)
    differing = [(a, b) for a, b in zip(found, wanted) if a != b]
    assert not differing, f"{len(differing)} rows differ; the first is {differing[0][0]} and should be {differing[0][1]}"
    assert len(found) == len(wanted), f"{len(found)} rows, and should be {len(wanted)}"
