#!/usr/bin/env python3
"""Scans of a table after 100 small merges, and after a compaction of it, beside a table into which the same rows were loaded.

    benches/scan_after_merges.py BIN [--format iceberg|delta] [--rows N] [--merges N] [--runs N]

5,000,000 rows x 12 columns, and merges of 1,000 changes each at random keys. A scan is the whole process of an aggregation over
all columns. Prints medians, and ends with 1 when a scan after the compaction takes more than 1.1 times that of the loaded table.
"""
import argparse, glob, json, os, random, shutil, statistics, subprocess, sys, tempfile, time

CACHE = os.path.expanduser("~/.cache/waterline-bars")
CHANGES, MAX_RATIO = 1_000, 1.1
START_US = 1_750_000_000_000_000
SCAN = """select count(*) as n, sum(id) as ids, sum(i1) as i1, sum(i2) as i2, sum(i3) as i3, max(d1) as d1, max(d2) as d2,
    max(s1) as s1, max(s2) as s2, max(s3) as s3, max(ts1) as ts1, max(ts2) as ts2, sum(case when b then 1 else 0 end) as b from bench.events"""


def run(binary, lake, *arguments):
    """Standard output and seconds of a process."""
    started = time.perf_counter()
    done = subprocess.run([binary, *arguments], cwd=lake, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{arguments}: {done.stderr[-500:]}")
    return done.stdout, time.perf_counter() - started


def load(binary, lake, table_format, paths):
    os.makedirs(lake)
    run(binary, lake, "init", ".")
    options = ["--format", "parquet", "--ddl", CACHE + "/wl5m/ddl.sql", "--at", "2025-06-01T00:00:00Z", "--table-format", table_format, "--quiet"]
    run(binary, lake, "load", "bench.events", *paths, *options)


def write_changes(path, merges, rows):
    rng = random.Random(7)
    with open(path, "w") as out:
        for place in range(merges * CHANGES):
            at, lsn = START_US + place * 10, 20_000_000 + place
            is_new = place % 10 == 0
            key = rows + place if is_new else rng.randrange(rows)
            row = {"id": key, "i1": place % 100, "i2": place, "i3": 1, "d1": 0.5, "d2": -0.5, "s1": f"text of row {key}", "s2": "a second text",
                   "s3": "a third one", "ts1": "2025-06-15T00:00:00Z", "ts2": "2025-06-15T00:00:00Z", "b": True}
            out.write(json.dumps({"before": None, "after": row, "op": "c" if is_new else "u",
                "source": {"connector": "postgresql", "name": "pg", "snapshot": "false", "schema": "bench", "table": "events", "ts_ms": at // 1000,
                           "ts_us": at, "sequence": f'["{lsn}","{lsn}"]', "lsn": lsn}}, separators=(",", ":")) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--format", default="iceberg")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--merges", type=int, default=100)
    parser.add_argument("--runs", type=int, default=9)
    given = parser.parse_args()
    binary, folder = os.path.abspath(given.binary), tempfile.mkdtemp()
    lake, fresh = folder + "/lake", folder + "/fresh"
    base = sorted(glob.glob(CACHE + "/wl5m/base/*.parquet"))[: max(1, given.rows // 500_000)]
    load(binary, lake, given.format, base)
    write_changes(lake + "/changes.jsonl", given.merges, given.rows)
    options = ["--format", "debezium-json", "--ddl", CACHE + "/wl5m/ddl.sql", "--batch-rows", str(CHANGES), "--quiet"]
    run(binary, lake, "merge", "bench.events", "changes.jsonl", *options)
    run(binary, lake, "export", "bench.events", "--to", folder + "/rows", "--format", "parquet")
    load(binary, fresh, given.format, sorted(glob.glob(folder + "/rows/**/*.parquet", recursive=True)))

    def scans():
        """Medians in seconds of the merged and the loaded table, in turn; and whether they have the same rows."""
        taken, results = {lake: [], fresh: []}, {}
        for _ in range(given.runs):
            for path in taken:
                results[path], seconds = run(binary, path, "query", SCAN, "--output", "json")
                taken[path].append(seconds)
        return statistics.median(taken[lake]), statistics.median(taken[fresh]), results[lake] == results[fresh]

    merged, loaded, is_right = scans()
    print(f"after {given.merges} merges: {merged:.3f} s, loaded {loaded:.3f} s: {merged / loaded:.2f}", flush=True)
    _, seconds = run(binary, lake, "compact", "bench.events")
    compacted, loaded, is_still_right = scans()
    is_right &= is_still_right
    ratio = compacted / loaded
    print(f"after a compaction of {seconds:.1f} s: {compacted:.3f} s, loaded {loaded:.3f} s: {ratio:.2f} (want <= {MAX_RATIO}); "
          f"rows {'right' if is_right else 'WRONG'}")
    shutil.rmtree(folder)
    sys.exit(not (is_right and ratio <= MAX_RATIO))


main()
