#!/usr/bin/env python3
"""Upkeep of a table with 10,000 data files and 1,000 snapshots: how long plans take, and carrying them out.

    benches/upkeep_scale.py BIN [--files N] [--snapshots N] [--format iceberg|delta] [--keep DIR]

Loads a dump of many small files, then merges single events, each with a commit. Times each command as a process, beside the same
with --dry-run. Ends with 1 when a plan takes more than 10 s, or when the rows are others afterwards.
"""
import argparse, json, os, shutil, subprocess, sys, tempfile, time

MAX_PLAN_SECONDS = 10
ROWS_PER_FILE = 10
START_US = 1_750_000_000_000_000
CHECK = "select count(*) as n, sum(id) as ids, sum(a) as s from bench.t"
NOW = ["--older-than", "0s", "--force"]


class Lake:
    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder

    def run(self, *arguments):
        """Standard output and seconds of a process."""
        started = time.perf_counter()
        done = subprocess.run([self.binary, *arguments], cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{arguments}: {done.stderr[-500:]}")
        return done.stdout, time.perf_counter() - started

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--output", "json")[0])


def make(lake, files, merges, table_format):
    parts = lake.folder + "/parts"
    os.makedirs(parts)
    for number in range(files):
        with open(f"{parts}/{number:05d}.csv", "w") as out:
            ids = range(number * ROWS_PER_FILE, (number + 1) * ROWS_PER_FILE)
            out.write("id,a\n" + "".join(f"{id},{id % 97}\n" for id in ids))
    with open(lake.folder + "/ddl.sql", "w") as out:
        out.write("create table bench.t (id bigint primary key, a integer);")
    lake.run("init", ".")
    with open(lake.folder + "/waterline.toml", "a") as out:
        # Each part is one batch, and each batch a file.
        out.write('\n[tables."bench.t"]\nproperties = { "write.target-file-size-bytes" = "1" }\n')
    lake.run("load", "bench.t", parts, "--format", "csv", "--ddl", "ddl.sql", "--at", "2025-06-01T00:00:00Z", "--table-format", table_format, "--quiet")
    with open(lake.folder + "/events.jsonl", "w") as out:
        for place in range(merges):
            at, lsn, id = START_US + place, 20_000_000 + place, place * ROWS_PER_FILE % (files * ROWS_PER_FILE)
            out.write(json.dumps({"before": None, "after": {"id": id, "a": place}, "op": "u",
                "source": {"connector": "postgresql", "name": "pg", "snapshot": "false", "schema": "bench", "table": "t", "ts_ms": at // 1000, "ts_us": at,
                           "sequence": f'["{lsn}","{lsn}"]', "lsn": lsn}}) + "\n")
    lake.run("merge", "bench.t", "events.jsonl", "--format", "debezium-json", "--ddl", "ddl.sql", "--batch-rows", "1", "--quiet")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--snapshots", type=int, default=1_000)
    parser.add_argument("--format", default="iceberg")
    parser.add_argument("--keep")
    given = parser.parse_args()
    folder = os.path.abspath(given.keep or tempfile.mkdtemp())
    os.makedirs(folder, exist_ok=True)
    lake = Lake(os.path.abspath(given.binary), folder)
    started = time.perf_counter()
    if not os.path.exists(folder + "/waterline.toml"):
        make(lake, given.files - given.snapshots, given.snapshots - 1, given.format)
    files, snapshots = len(lake.json("files", "bench.t")), len(lake.json("history", "bench.t"))
    print(f"{files} data files, {snapshots} snapshots, made in {time.perf_counter() - started:.0f} s", flush=True)
    before = lake.json("query", CHECK)
    data = folder + "/warehouse/bench/t/data"
    for number in range(given.files):
        with open(f"{data}/garbage-{number}.parquet", "w") as out:
            out.write("garbage")
    steps = {
        "check": ["check", "bench.t"],
        "compact": ["compact", "bench.t", "--target-file-size-bytes", "512MiB"],
        "expire": ["expire", "bench.t", "--retain-last", "1", *NOW],
        "vacuum": ["vacuum", "bench.t", *NOW],
    }
    slowest = 0
    for name, command in steps.items():
        if name != "check":
            _, seconds = lake.run(*command, "--dry-run", "--output", "json")
            slowest = max(slowest, seconds)
            print(f"{name:8} plan {seconds:6.2f} s", end="", flush=True)
        printed, seconds = lake.run(*command, "--output", "json")
        slowest = max(slowest, seconds) if name == "check" else slowest
        told = ", ".join(f"{row['table']}: {row.get('files', row.get('files_before'))} files" for row in json.loads(printed))
        print(f"{name + '      ' if name == 'check' else ''}  done {seconds:6.2f} s  {told}", flush=True)
    is_right = lake.json("query", CHECK) == before and lake.json("check", "bench.t", "--deep") == []
    print(f"slowest plan {slowest:.2f} s (want <= {MAX_PLAN_SECONDS}); rows {'right' if is_right else 'WRONG'}")
    if not given.keep:
        shutil.rmtree(folder)
    sys.exit(not (is_right and slowest <= MAX_PLAN_SECONDS))


main()
