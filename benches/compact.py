#!/usr/bin/env python3
"""Compacts a table of many small files with deletes, beside delta-rs' OPTIMIZE and DataFusion's own read and write, in one run.

    benches/compact.py BIN [--format iceberg|delta] [--keep DIR] [--runs N] [--rows N] [--files N]

5,000,000 rows x 12 columns in about 500 files, of which every tenth row is deleted: by position in Waterline's table. delta-rs
writes no deletes beside its files, so its table holds the remaining rows, in as many files. DataFusion reads Waterline's files,
leaves the same rows out by a filter, and writes them. Everything is one process, Zstandard at level 1, in turn and on a fresh copy.
All results are compared by count and sums. Prints medians of wall time and peak memory, and ends with 1 when a result differs,
when Waterline is slower than one of them, or when it takes more than half of delta-rs' memory.
"""
import argparse, glob, json, os, shutil, statistics, subprocess, sys, tempfile, time

CACHE = os.path.expanduser("~/.cache/waterline-bars")
PYTHON = CACHE + "/venv/bin/python"
DELETED, KEYS = 10, 5_000_000
START_US = 1_750_000_000_000_000
CHECK = "select count(*) as n, sum(id) as ids, sum(i1) as s from bench.events"

MAKE_PARTS = """
import sys, os, pyarrow.parquet as pq, pyarrow as pa
from deltalake import write_deltalake, WriterProperties
parts, delta, files, deleted = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
os.makedirs(parts)
table = pa.concat_tables(pq.read_table(path) for path in sys.argv[5:]).sort_by("id")
step = -(-table.num_rows // files)
for number, at in enumerate(range(0, table.num_rows, step)):
    part = table.slice(at, step)
    pq.write_table(part, f"{parts}/{number:04d}.parquet")
    ids = part["id"].to_numpy()
    write_deltalake(delta, part.filter(pa.array(ids % deleted != 3)), mode="append", writer_properties=WriterProperties(compression="ZSTD", compression_level=1))
"""
OPTIMIZE = """
import sys
from deltalake import DeltaTable, WriterProperties
print(DeltaTable(sys.argv[1]).optimize.compact(target_size=512 << 20, writer_properties=WriterProperties(compression="ZSTD", compression_level=1))["numFilesAdded"])
"""
READ_WRITE = """
import sys
from datafusion import SessionContext
ctx = SessionContext()
ctx.register_parquet("t", sys.argv[1])
ctx.sql(f"select * from t where id % {sys.argv[3]} <> 3").write_parquet(sys.argv[2], compression="zstd", compression_level=1)
"""
SUMS = """
import sys, json, glob, pyarrow.dataset as ds, pyarrow.compute as pc
if sys.argv[1] == "delta":
    from deltalake import DeltaTable
    table = DeltaTable(sys.argv[2]).to_pyarrow_table(columns=["id", "i1"])
else:
    table = ds.dataset(sys.argv[2]).to_table(columns=["id", "i1"])
print(json.dumps({"n": table.num_rows, "ids": pc.sum(table["id"]).as_py(), "s": pc.sum(table["i1"]).as_py()}))
"""


def run(arguments, cwd=None):
    """Standard output, seconds and peak MiB of a process."""
    started = time.perf_counter()
    child = subprocess.Popen(arguments, cwd=cwd, stdout=subprocess.PIPE, text=True)
    printed = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{arguments[:3]} failed")
    return printed, time.perf_counter() - started, usage.ru_maxrss / 1024


def python(program, *arguments):
    return run([PYTHON, "-c", program, *map(str, arguments)])


def make_lake(binary, lake, parts, table_format):
    os.makedirs(lake)
    run([binary, "init", "."], lake)
    # Each part is one batch, and each batch a file.
    with open(lake + "/waterline.toml", "a") as out:
        out.write('\n[tables."bench.events"]\nproperties = { "write.target-file-size-bytes" = "1" }\n')
    ddl = CACHE + "/wl5m/ddl.sql"
    run([binary, "load", "bench.events", *sorted(glob.glob(parts + "/*.parquet")), "--format", "parquet", "--ddl", ddl, "--at", "2025-06-01T00:00:00Z", "--table-format", table_format, "--quiet"], lake)
    with open(lake + "/deletes.jsonl", "w") as out:
        for place, key in enumerate(range(3, KEYS, DELETED)):
            at, lsn = START_US + place, 20_000_000 + place
            out.write(json.dumps({"before": {"id": key}, "after": None, "op": "d",
                "source": {"connector": "postgresql", "name": "pg", "snapshot": "false", "schema": "bench", "table": "events", "ts_ms": at // 1000, "ts_us": at,
                           "sequence": f'["{lsn}","{lsn}"]', "lsn": lsn}}, separators=(",", ":")) + "\n")
    run([binary, "merge", "bench.events", "deletes.jsonl", "--format", "debezium-json", "--ddl", ddl, "--quiet"], lake)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--format", default="iceberg")
    parser.add_argument("--keep")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--files", type=int, default=500)
    given = parser.parse_args()
    binary = os.path.abspath(given.binary)
    folder = os.path.abspath(given.keep or tempfile.mkdtemp())
    base = sorted(glob.glob(CACHE + "/wl5m/base/*.parquet"))[: given.rows // 500_000]
    # Metadata names files by their full path, so copies are made at one and the same place.
    lake, delta, fresh = folder + "/lake", folder + "/delta", folder + "/fresh"
    if not os.path.exists(fresh):
        for path in (lake, delta):
            shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(folder + "/parts", ignore_errors=True)
        python(MAKE_PARTS, folder + "/parts", delta, given.files, DELETED, *base)
        make_lake(binary, lake, folder + "/parts", given.format)
        os.makedirs(fresh)
        for path in (lake, delta):
            shutil.move(path, fresh)
    taken = {name: [] for name in ("waterline", "delta-rs", "datafusion")}
    results = {}
    for _ in range(given.runs):
        for path in (lake, delta):
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(fresh + path[len(folder):], path)
        shutil.rmtree(folder + "/written", ignore_errors=True)
        data = lake + "/warehouse/bench/events/data"
        inputs = folder + "/inputs"
        shutil.rmtree(inputs, ignore_errors=True)
        os.makedirs(inputs)
        for file in json.loads(run([binary, "files", "bench.events", "--output", "json"], lake)[0]):
            os.link(data + "/" + file["path"].rsplit("/", 1)[1], inputs + "/" + file["path"].rsplit("/", 1)[1])
        before = len(os.listdir(inputs))
        taken["datafusion"].append(python(READ_WRITE, inputs, folder + "/written", DELETED)[1:])
        taken["delta-rs"].append(python(OPTIMIZE, delta)[1:])
        printed, *cost = run([binary, "compact", "bench.events", "--where", "true", "--target-file-size-bytes", "512MiB", "--output", "json"], lake)
        taken["waterline"].append(cost)
        results["waterline"] = json.loads(run([binary, "query", CHECK, "--output", "json"], lake)[0])[0]
        results["delta-rs"] = json.loads(python(SUMS, "delta", delta)[0])
        results["datafusion"] = json.loads(python(SUMS, "files", folder + "/written")[0])
    report = json.loads(printed)[0]
    print(f"waterline: {before} files, {report['rows_before']} rows into {report['files_after']} files, {report['rows_after']} rows")
    median = {name: [statistics.median(column) for column in zip(*runs)] for name, runs in taken.items()}
    for name, (seconds, mib) in median.items():
        print(f"{name:10} {seconds:6.2f} s {mib:7.0f} MiB  {results[name]}")
    (seconds, mib), theirs = median["waterline"], median["delta-rs"]
    is_right = len({json.dumps(result, sort_keys=True) for result in results.values()}) == 1
    is_fast = seconds <= theirs[0] and seconds <= median["datafusion"][0]
    print(f"delta-rs / waterline = {theirs[0] / seconds:.2f}, datafusion / waterline = {median['datafusion'][0] / seconds:.2f} (want >= 1); "
          f"memory / delta-rs' = {mib / theirs[1]:.2f} (want <= 0.5); results {'right' if is_right else 'WRONG'}")
    if not given.keep:
        shutil.rmtree(folder)
    sys.exit(not (is_right and is_fast and mib <= theirs[1] / 2))


main()
