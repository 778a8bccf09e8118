#!/usr/bin/env python3
"""Reads as of a moment, beside the ways that there are without them, on one machine in one run.

    benches/as_of.py BIN [--keep DIR]

5,000,000 rows x 12 columns loaded as a dump, then 20 merges of 50,000 changes each. At 10 random moments, the whole process of
`select count(*), sum(i1)`:
  plain    of the nearest snapshot at or before the moment
  residual reading the changes since that snapshot, key and order and i1
  as of    of the moment
  naive    DataFusion SQL over dump and changelog: newest change by key, anti-join, union
and a sweep over 100 moments against single reads. All results are compared. Ends with 1 when a bar is missed or a result differs.
"""
import argparse, glob, json, os, random, shutil, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.expanduser("~/.cache/waterline-bars")
PYTHON = CACHE + "/venv/bin/python"
BATCHES, CHANGES, ROWS = 20, 50_000, 5_000_000
START_US = 1_750_000_000_000_000
QUERY = "select count(*) as n, sum(i1) as s from bench.events"

NAIVE = """
import sys, glob, time, json
from datafusion import SessionContext
started = time.perf_counter()
ctx = SessionContext()
ctx.register_parquet("dump", sys.argv[1] + "/base/")
ctx.register_parquet("log", sys.argv[2])
rows = ctx.sql('''
    with newest as (
        select id, i1, _op, row_number() over (partition by id order by _sequence desc) as place
        from log where _event_time <= to_timestamp_micros(%s)
    ), changed as (select * from newest where place = 1)
    select count(*) as n, sum(i1) as s from (
        select d.i1 from dump d left anti join changed c on d.id = c.id
        union all select i1 from changed where _op <> 'd'
    )''' % sys.argv[3]).to_pydict()
print(json.dumps({"n": rows["n"][0], "s": rows["s"][0]}))
"""


def make_changes(folder):
    import numpy as np
    rng = np.random.default_rng(7)
    live, fresh = np.arange(ROWS), ROWS
    for batch in range(BATCHES):
        path = f"{folder}/{batch:02d}.jsonl"
        picked = rng.choice(len(live), CHANGES * 9 // 10, replace=False)
        updated, deleted = live[picked[: CHANGES * 8 // 10]], live[picked[CHANGES * 8 // 10:]]
        created = np.arange(fresh, fresh + CHANGES // 10)
        fresh += len(created)
        live = np.concatenate([np.delete(live, picked[CHANGES * 8 // 10:]), created])
        ops = [("u", k) for k in updated] + [("d", k) for k in deleted] + [("c", k) for k in created]
        rng.shuffle(ops)
        values = rng.integers(0, 100, len(ops))
        with open(path, "w") as out:
            for number, ((op, key), value) in enumerate(zip(ops, values)):
                place = batch * CHANGES + number
                at, lsn = START_US + place * 10, 20_000_000 + place * 56
                row = {"id": int(key), "i1": int(value), "i2": place, "i3": 1, "d1": 0.5, "d2": -0.5, "s1": f"text of row {key}", "s2": "a second text",
                       "s3": "a third one", "ts1": "2025-06-15T00:00:00Z", "ts2": "2025-06-15T00:00:00Z", "b": True}
                out.write(json.dumps({"before": {"id": int(key)} if op == "d" else None, "after": None if op == "d" else row,
                    "source": {"connector": "postgresql", "name": "pg", "snapshot": "false", "schema": "bench", "table": "events", "ts_ms": at // 1000,
                               "ts_us": at, "sequence": f'["{lsn}","{lsn}"]', "lsn": lsn}, "op": op}, separators=(",", ":")) + "\n")


def text(us):
    import datetime
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=us)).isoformat() + "Z"


class Lake:
    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder

    def run(self, *arguments):
        done = subprocess.run([self.binary, *arguments], cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{arguments}: {done.stderr[-500:]}")
        return done.stdout

    def timed(self, *arguments):
        started = time.perf_counter()
        printed = self.run(*arguments, "--output", "json")
        return time.perf_counter() - started, json.loads(printed)


def fill(lake):
    data = CACHE + "/wl5m"
    lake.run("init", ".")
    lake.run("load", "bench.events", *sorted(glob.glob(data + "/base/*.parquet")), "--format", "parquet", "--ddl", data + "/ddl.sql", "--at", "2025-06-01T00:00:00Z")
    make_changes(lake.folder)
    for batch in range(BATCHES):
        until = START_US + (batch + 1) * CHANGES * 10
        lake.run("merge", "bench.events", f"{batch:02d}.jsonl", "--format", "debezium-json", "--ddl", data + "/ddl.sql", "--complete-until", text(until))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--keep")
    given = parser.parse_args()
    folder = given.keep or tempfile.mkdtemp()
    os.makedirs(folder, exist_ok=True)
    lake = Lake(os.path.abspath(given.binary), folder)
    if not os.path.exists(folder + "/waterline.toml"):
        fill(lake)
    history = json.loads(lake.run("history", "bench.events", "--output", "json"))
    snapshots = sorted(history, key=lambda s: s["committed_at"])
    random.seed(11)
    first, last = START_US, START_US + BATCHES * CHANGES * 10 - 1
    moments = [random.randint(first, last) for _ in range(10)]
    log = folder + "/warehouse/bench/events__changelog/data/"
    plain, residual, as_of, naive, wrong = [], [], [], [], 0
    for at in moments:
        batch = (at - START_US) // (CHANGES * 10)
        nearest = str(snapshots[batch]["snapshot_id"])
        # The best of three, since these machines are noisy.
        best = lambda *arguments: min((lake.timed(*arguments) for _ in range(3)), key=lambda r: r[0])
        plain.append(best("query", QUERY, "--snapshot", nearest)[0])
        residual.append(best("query", f"select count(*), max(id), max(_sequence), max(_op), sum(i1) from bench.events__changelog where _batch > {batch} and _event_time <= '{text(at)}'")[0])
        took, ours = best("query", QUERY, "--as-of", text(at))
        as_of.append(took)
        started = time.perf_counter()
        done = subprocess.run([PYTHON, "-c", NAIVE, CACHE + "/wl5m", log, str(at)], capture_output=True, text=True)
        naive.append(time.perf_counter() - started)
        theirs = json.loads(done.stdout) if done.returncode == 0 else done.stderr[-300:]
        if ours != [theirs]:
            wrong += 1
            print("differ at", text(at), ours, theirs)
    many = sorted(random.randint(first, last) for _ in range(100))
    with open(folder + "/moments.csv", "w") as out:
        out.write("\n".join(text(at) for at in many) + "\n")
    sweep, swept = min((lake.timed("query", QUERY, "--as-of-each", "moments.csv") for _ in range(3)), key=lambda r: r[0])
    for number in range(0, 100, 10):
        single = lake.timed("query", QUERY, "--as-of", text(many[number]))[1][0]
        if {k: swept[number][k] for k in ("n", "s")} != single:
            wrong += 1
            print("sweep differs at", text(many[number]), swept[number], single)
    mean = statistics.mean
    over = mean(a / (1.5 * p + r) for a, p, r in zip(as_of, plain, residual))
    print(f"plain {mean(plain):.3f} s, residual {mean(residual):.3f} s, as of {mean(as_of):.3f} s, naive {mean(naive):.3f} s; "
          f"as of / (1.5 plain + residual) = {over:.2f} (want <= 1), as of / plain = {mean(as_of) / mean(plain):.2f}, naive / as of = {mean(naive) / mean(as_of):.1f} (want >= 5); "
          f"sweep of 100: {sweep:.2f} s = {sweep / mean(as_of):.1f} single reads (want <= 10); results {'right' if not wrong else 'WRONG'}")
    if not given.keep:
        shutil.rmtree(folder)
    sys.exit(bool(wrong or over > 1 or mean(naive) < 5 * mean(as_of) or sweep > 10 * mean(as_of)))


main()
