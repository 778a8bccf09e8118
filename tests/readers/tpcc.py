"""The TPC-C fixture: real events of a PostgreSQL, and what its tables held at six moments."""

import csv
import gzip
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

FIXTURE = Path(__file__).parent.parent / "fixtures" / "tpcc"
DDL = FIXTURE / "ddl.sql"
MOMENTS = [moment["at"].replace("+00:00", "Z") for moment in json.loads((FIXTURE / "moments.json").read_text())]


@dataclass(frozen=True)
class Table:
    name: str
    types: dict[str, str]
    keys: tuple[str, ...]

    def parse(self, column: str, value):
        """A value as text, or as JSON has it, in the Python type of its column."""
        if value is None:
            return None
        kind = self.types.get(column, "text")
        if kind in ("int", "smallint", "bigint", "bigserial"):
            return int(value)
        if kind == "numeric":
            return Decimal(value)
        if kind == "boolean":
            return value if isinstance(value, bool) else {"t": True, "f": False}[value]
        if kind == "timestamptz":
            return datetime.fromisoformat(value).astimezone(UTC)
        return value

    def dump(self, moment: int) -> list[dict]:
        """The rows that the database had at a moment."""
        with gzip.open(dump_path(self.name, moment), "rt", newline="", encoding="utf-8") as file:
            return [{column: self.parse(column, None if text == "\\N" else text) for column, text in row.items()} for row in csv.DictReader(file)]

    def event_count(self) -> int:
        files = sorted((FIXTURE / "events" / f"pg.tpcc.{self.name}").glob("*.gz"))
        return sum(line.strip() not in (b"", b"null") for file in files for line in gzip.open(file))


def dump_path(table: str, moment: int) -> Path:
    return FIXTURE / f"moment-{moment:02d}" / f"{table}.csv.gz"


def _declared() -> dict[str, Table]:
    tables = {}
    for name, body in re.findall(r"CREATE TABLE tpcc\.(\w+)\((.*)\);", DDL.read_text()):
        inline = re.findall(r"(\w+) \w+ primary key", body)
        at_end = re.findall(r", ?primary key\(([\w,]+)\)", body)
        columns = re.sub(r", ?primary key\(.*?\)", "", re.sub(r"\((\d+),(\d+)\)", "", body))
        types = {column.split()[0]: re.match(r"\w+", column.split()[1])[0] for column in columns.split(",")}
        tables[name] = Table(name, types, tuple(at_end[0].split(",") if at_end else inline))
    return tables


TABLES = _declared()
