#!/usr/bin/env python3
"""Runs one merge workload through Waterline and its peers side by side, and prints medians and ratios.

    benches/peers.py merge_workload.py                                    5,000,000 rows, 50,000 changes, against delta-rs
    benches/peers.py merge_workload.py --rows 500000 --changes 5000 --peers deltalake pyiceberg

The workload program makes the data (`make DIR --rows --changes`), runs a peer (`PEER DIR`, one line of JSON) and checks a
result (`expect DIR -`, CSV on standard input). It runs under --python, which needs pyarrow, numpy and the peers' packages.

Peers get their changes in Arrow and are timed from there. Waterline is timed as a whole process that decodes Debezium
JSON, logs and merges. Everything is done --runs times in turn, each time on a fresh copy of the table.
"""
import argparse
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TABLE = "bench.events"
MODES = {
    "merge-on-read": {},
    "merge-on-read-v3": {"format-version": "3"},
    "copy-on-write": {"write.merge.mode": "copy-on-write"},
}
REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass
class Run:
    wall_s: float
    cpu_s: float
    peak_mib: float
    written_mb: float
    right: bool


def main():
    options = arguments()
    data = workload_data(options)
    runs = {name: [] for name in [*options.peers, *options.modes]}
    with tempfile.TemporaryDirectory(prefix="waterline-peers-", dir=options.scratch) as scratch:
        lakes = {mode: Lake(options, data, Path(scratch, mode)) for mode in options.modes}
        for turn in range(options.runs):
            for peer in options.peers:
                runs[peer].append(run_peer(options, data, Path(scratch, "peers"), peer))
            for mode, lake in lakes.items():
                runs[mode].append(lake.run())
            print(f"turn {turn + 1} of {options.runs} done", file=sys.stderr)
    medians = {name: median(each) for name, each in runs.items()}
    print_table(options, medians)
    sys.exit(0 if all(run.right for run in medians.values()) else 1)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", type=Path, help="the workload program")
    parser.add_argument("--waterline", type=Path, default=REPOSITORY / "target/release/waterline")
    parser.add_argument("--python", default=sys.executable, help="Python with the packages of the workload program")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--changes", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=["deltalake"], choices=["deltalake", "pyiceberg"])
    parser.add_argument("--modes", nargs="+", default=["merge-on-read", "copy-on-write"], choices=MODES)
    parser.add_argument("--data", type=Path, help="folder of a workload that is made already, or is to be kept")
    parser.add_argument("--scratch", type=Path, help="where tables are made; a temporary folder by default")
    return parser.parse_args()


def workload_data(options):
    """The folder of the workload, made where it is not there yet."""
    data = options.data or REPOSITORY / f"target/peers/{options.rows}-{options.changes}"
    if not (data / "expect.json").exists():
        size = ["--rows", str(options.rows), "--changes", str(options.changes)]
        made = workload(options, "make", str(data), *size)
        if made.returncode:
            sys.exit(f"the workload could not be made:\n{made.stderr}")
    return data.resolve()


def workload(options, *command, rows=None):
    return subprocess.run([options.python, options.workload, *command], stdin=rows, capture_output=True, text=True, check=False)


def run_peer(options, data, folder, peer):
    """A peer makes its tables beside the data, so it gets a folder of links of its own."""
    folder.mkdir()
    for name in ["base", "changes.parquet", "expect.json"]:
        (folder / name).symlink_to(data / name)
    done = workload(options, peer, str(folder))
    shutil.rmtree(folder)
    if done.returncode:
        sys.exit(f"{peer} failed:\n{done.stderr}")
    report = json.loads(done.stdout.splitlines()[-1])
    return Run(report["wall_s"], report["cpu_s"], report["peak_rss_mib"], report["written_mb"], report["result_right"])


class Lake:
    """A lake with the base loaded. Tables hold absolute paths, so each run puts the loaded lake back in its place."""

    def __init__(self, options, data, folder):
        self.options, self.data, self.folder = options, data, folder
        self.loaded = folder.with_suffix(".loaded")
        folder.mkdir()
        self.waterline("init", ".")
        properties = ", ".join(f'"{key}" = "{value}"' for key, value in MODES[folder.name].items())
        with open(folder / "waterline.toml", "a") as settings:
            settings.write(f'\n[tables."{TABLE}"]\nproperties = {{ {properties} }}\n')
        base = sorted(glob.glob(str(data / "base/*.parquet")))
        ddl = ["--ddl", str(data / "ddl.sql")]
        self.waterline("load", TABLE, *base, "--format", "parquet", *ddl, "--at", "2025-06-01T00:00:00Z")
        self.merge = ["merge", TABLE, str(data / "changes.jsonl"), "--format", "debezium-json", *ddl]
        folder.rename(self.loaded)

    def run(self):
        shutil.copytree(self.loaded, self.folder, copy_function=link_or_copy)
        before = tree_bytes(self.folder)
        wall_s, usage = measured([self.options.waterline.resolve(), *self.merge], self.folder)
        written = tree_bytes(self.folder) - before
        right = self.is_right()
        shutil.rmtree(self.folder)
        return Run(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, written / 1e6, right)

    def is_right(self):
        """The rows go from process to process: a process that starts others lends them its peak memory."""
        sql = f"select id, i1, d1, s1 from {TABLE}"
        query = [self.options.waterline.resolve(), "query", sql, "--output", "csv"]
        with subprocess.Popen(query, cwd=self.folder, stdout=subprocess.PIPE) as rows:
            return workload(self.options, "expect", str(self.data), "-", rows=rows.stdout).returncode == 0

    def waterline(self, *command):
        done = subprocess.run([self.options.waterline.resolve(), *command], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"waterline {command[0]} failed:\n{done.stderr}")


def link_or_copy(source, target):
    """Data files are never changed in place; the catalog is."""
    (os.link if source.endswith(".parquet") else shutil.copy2)(source, target)


def measured(command, folder):
    """Runs a process; wall time in seconds and what the kernel says that it used."""
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"waterline merge failed:\n{errors.read().decode()}")
    return wall_s, usage


def tree_bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def median(runs):
    middle = lambda field: statistics.median(getattr(run, field) for run in runs)
    return Run(middle("wall_s"), middle("cpu_s"), middle("peak_mib"), middle("written_mb"), all(run.right for run in runs))


def print_table(options, medians):
    print(f"medians of {options.runs} runs\n")
    print(f"{'':18}{'wall s':>9}{'cpu s':>9}{'peak MiB':>10}{'written MB':>12}  result")
    for name, run in medians.items():
        right = "right" if run.right else "WRONG"
        print(f"{name:18}{run.wall_s:9.2f}{run.cpu_s:9.2f}{run.peak_mib:10.0f}{run.written_mb:12.1f}  {right}")
    print()
    for mode in options.modes:
        for peer in options.peers:
            ours, theirs = medians[mode], medians[peer]
            ratio = lambda field: getattr(ours, field) / getattr(theirs, field)
            print(f"{mode} / {peer}: wall {ratio('wall_s'):.2f}, memory {ratio('peak_mib'):.2f}, written {ratio('written_mb'):.3f}")


if __name__ == "__main__":
    main()
