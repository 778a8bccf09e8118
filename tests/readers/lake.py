"""Drives the finished program: makes lakes with it, and asks it what it reads."""

import json
import os
import sqlite3
import subprocess
from decimal import Decimal
from pathlib import Path

import tpcc

ROOT = Path(__file__).parent.parent.parent
WATERLINE = Path(os.environ.get("WATERLINE", ROOT / "target" / "debug" / "waterline")).absolute()

# How tables may be stored. Each must read the same in every engine.
MODES = {
    "v2-merge-on-read": {"format-version": "2", "write.merge.mode": "merge-on-read"},
    "v2-copy-on-write": {"format-version": "2", "write.merge.mode": "copy-on-write"},
    "v3-merge-on-read": {"format-version": "3", "write.merge.mode": "merge-on-read"},
}

# Some tables are partitioned, so that deletes of partitioned files are read too.
PARTITIONS = {
    "customer": ["bucket(4, c_id)", "c_w_id"],
    "stock": ["truncate(100, s_i_id)"],
    "orders": ["day(o_entry_d)"],
}

BATCH_ROWS = "1500"


def waterline(*arguments: str, folder: Path) -> str:
    """Runs the program, and fails with what it says when it fails."""
    words = [str(WATERLINE), *arguments]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
    assert done.returncode == 0, f"{' '.join(words)}\nended with {done.returncode}: {done.stderr}"
    return done.stdout


class Lake:
    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def of_tpcc(cls, folder: Path, properties: dict[str, str], table_format: str = "iceberg", tables=tuple(tpcc.TABLES), batch_rows=BATCH_ROWS) -> "Lake":
        """The dump of the first moment, and all events after it in batches: later ones update and delete rows of earlier ones."""
        lake = cls(folder)
        lake.run("init", ".")
        with (folder / "waterline.toml").open("a") as file:
            file.write(_settings(properties, table_format, tables))
        for table in tables:
            dump = str(tpcc.dump_path(table, 0))
            lake.run("load", f"tpcc.{table}", dump, "--null", "\\N", "--ddl", str(tpcc.DDL), "--at", tpcc.MOMENTS[0])
        lake.run("run", "--batch-rows", batch_rows, "--complete-until", tpcc.MOMENTS[-1])
        return lake

    def run(self, *arguments: str) -> str:
        return waterline(*arguments, folder=self.folder)

    def query(self, sql: str, *options: str) -> list[dict]:
        return json.loads(self.run("query", sql, "--output", "json", *options), parse_float=Decimal)

    def snapshots(self, table: str) -> list[dict]:
        """Oldest first."""
        return json.loads(self.run("history", f"tpcc.{table}", "--output", "json"))[::-1]

    def metadata(self, table: str) -> str:
        """Path of the newest metadata file, as the catalog has it."""
        with sqlite3.connect(f"file:{self.folder}/catalog.db?mode=ro", uri=True) as catalog:
            sql = "select metadata_location from iceberg_tables where catalog_name = 'waterline' and table_namespace = 'tpcc' and table_name = ?"
            (location,) = catalog.execute(sql, [table]).fetchone()
        return location.removeprefix("file://")


def _settings(properties: dict[str, str], table_format: str, tables) -> str:
    lines = [
        "[sources.pg]",
        f'path = "{tpcc.FIXTURE}/events/pg.{{table}}/"',
        'format = "debezium-json"',
        f"tables = {json.dumps([f'tpcc.{table}' for table in tables])}",
        f'table_format = "{table_format}"',
        f'schema = {{ ddl = "{tpcc.DDL}", dialect = "postgres" }}',
    ]
    inline = ", ".join(f'"{key}" = "{value}"' for key, value in properties.items())
    for table in tables:
        lines += [f'[tables."tpcc.{table}"]', f"properties = {{ {inline} }}"]
        if table in PARTITIONS:
            lines.append(f"partition_by = {json.dumps(PARTITIONS[table])}")
    return "\n" + "\n".join(lines) + "\n"
