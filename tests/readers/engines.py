"""The engines that must read our tables. Each gives an Arrow table of a table's newest or of an older snapshot.

An engine that is missing fails its tests: nothing here is skipped.
"""

import os
from contextlib import chdir, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa

from servers import free_port, serving


class Engine:
    formats = ("v2", "v3")
    # Whether a list or a struct can be null.
    has_nested_nulls = True


class PyIceberg(Engine):
    def read(self, metadata: str, snapshot: int | None = None) -> pa.Table:
        from pyiceberg.table import StaticTable

        return StaticTable.from_metadata(metadata).scan(snapshot_id=snapshot).to_arrow()

    def read_tag(self, metadata: str, tag: str) -> pa.Table:
        from pyiceberg.table import StaticTable

        return StaticTable.from_metadata(metadata).scan().use_ref(tag).to_arrow()


class DuckDB(Engine):
    def __init__(self):
        import duckdb

        self.connection = duckdb.connect()
        for extension in ("avro", "httpfs", "iceberg"):
            self.connection.load_extension(str(packaged(extension, duckdb.__version__)))
        self.connection.execute("set timezone = 'UTC'")

    def read(self, metadata: str, snapshot: int | None = None) -> pa.Table:
        at = "" if snapshot is None else f", snapshot_from_id = {snapshot}"
        return self.sql(f"select * from iceberg_scan('{metadata}'{at})")

    def sql(self, sql: str) -> pa.Table:
        return self.connection.execute(sql).to_arrow_table()


def packaged(extension: str, version: str) -> Path:
    """The file of an extension in its own package: nothing is downloaded. DuckDB checks its signature when it loads it."""
    (folder,) = find_spec(f"duckdb_extension_{extension}").submodule_search_locations
    return Path(folder) / "extensions" / f"v{version}" / f"{extension}.duckdb_extension"


class Polars(Engine):
    def __init__(self):
        # Its own planner is a package more, and asks for it at every read.
        os.environ["POLARS_ICEBERG_PLANNER"] = "pyiceberg"

    def read(self, metadata: str, snapshot: int | None = None) -> pa.Table:
        import polars

        return polars.scan_iceberg(metadata, snapshot_id=snapshot, reader_override="native").collect().to_arrow()


class ClickHouse(Engine):
    """chDB, which refuses deletion vectors, and has empty lists for null ones."""

    formats = ("v2",)
    has_nested_nulls = False

    def read(self, metadata: str, snapshot: int | None = None) -> pa.Table:
        import chdb

        table = Path(metadata).parent.parent
        at = "" if snapshot is None else f" settings iceberg_snapshot_id = {snapshot}"
        # It reads no file outside of the working folder.
        with chdir("/"):
            found = chdb.query(f"select * from icebergLocal('{table}'){at}", "ArrowStream")
        return pa.ipc.open_stream(found.bytes()).read_all()


class Sail(Engine):
    """Spark's API, by way of Spark Connect."""

    def __init__(self, address: str):
        from pyspark.sql import SparkSession

        self.session = SparkSession.builder.remote(address).getOrCreate()
        self.session.conf.set("spark.sql.session.timeZone", "UTC")

    def read(self, metadata: str, snapshot: int | None = None) -> pa.Table:
        return self._read(metadata, {} if snapshot is None else {"snapshotId": str(snapshot)})

    def read_tag(self, metadata: str, tag: str) -> pa.Table:
        return self._read(metadata, {"tag": tag})

    def _read(self, metadata: str, options: dict[str, str]) -> pa.Table:
        return self.session.read.format("iceberg").options(**options).load(str(Path(metadata).parent.parent)).toArrow()


ENGINES = {"pyiceberg": PyIceberg, "duckdb": DuckDB, "polars": Polars, "clickhouse": ClickHouse, "sail": Sail}


@contextmanager
def started(engines: dict[str, type], name: str, folder: Path):
    """One of the engines, with its server where it has one."""
    if name != "sail":
        yield engines[name]()
        return
    port = free_port()
    with serving(["pysail", "spark", "server", "--ip", "127.0.0.1", "--port", str(port)], port, folder / "sail.log"):
        engine = engines[name](f"sc://127.0.0.1:{port}")
        yield engine
        engine.session.stop()
