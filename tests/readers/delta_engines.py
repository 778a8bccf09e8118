"""The engines that must read our Delta tables: each gives an Arrow table of a version. A missing one fails its tests."""

from contextlib import chdir
from pathlib import Path

import pyarrow as pa

from engines import packaged


class Engine:
    # Whether it follows paths from a snapshot aside back into its table.
    opens_tags = False
    reads_older_versions = True


class DeltaRs(Engine):
    """By DataFusion: its own readers for pyarrow refuse deletion vectors."""

    opens_tags = True

    def read(self, table: Path, version: int | None = None) -> pa.Table:
        from deltalake import DeltaTable, QueryBuilder

        found = QueryBuilder().register("found", DeltaTable(table, version=version)).execute("select * from found")
        return pa.table(found.read_all())


class DuckDB(Engine):
    opens_tags = True

    def __init__(self):
        import duckdb

        self.connection = duckdb.connect()
        self.connection.load_extension(str(packaged("delta", duckdb.__version__)))
        self.connection.execute("set timezone = 'UTC'")

    def read(self, table: Path, version: int | None = None) -> pa.Table:
        at = "" if version is None else f", version = {version}"
        return self.connection.execute(f"select * from delta_scan('{table}'{at})").to_arrow_table()


class Polars(Engine):
    def read(self, table: Path, version: int | None = None) -> pa.Table:
        import polars

        return polars.scan_delta(str(table), version=version).collect().to_arrow()


class ClickHouse(Engine):
    def read(self, table: Path, version: int | None = None) -> pa.Table:
        import chdb

        at = "" if version is None else f" settings delta_lake_snapshot_version = {version}"
        with chdir("/"):
            found = chdb.query(f"select * from deltaLakeLocal('{table}'){at}", "ArrowStream")
        return pa.ipc.open_stream(found.bytes()).read_all()


class Sail(Engine):
    # For an older version it takes the log's files in the order in which the folder lists them, and may miss some.
    reads_older_versions = False

    def __init__(self, address: str):
        from pyspark.sql import SparkSession

        self.session = SparkSession.builder.remote(address).getOrCreate()
        self.session.conf.set("spark.sql.session.timeZone", "UTC")

    def read(self, table: Path, version: int | None = None) -> pa.Table:
        options = {} if version is None else {"versionAsOf": str(version)}
        return self.session.read.format("delta").options(**options).load(str(table)).toArrow()


DELTA_ENGINES = {"delta-rs": DeltaRs, "duckdb": DuckDB, "polars": Polars, "clickhouse": ClickHouse, "sail": Sail}
