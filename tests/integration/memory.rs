//! An input ten times as large as the memory limit is read, and a backlog of that size merged, in bounded memory: by the
//! real program, whose peak is that of a run over one event and a margin below the size of the input.
//!
//! Measured with the debug program: 75 MiB to ingest one event and 84 to merge it; 82 and 105 for 66 MiB of events. With a limit
//! that does not bind, the same events take about 210 and 290 MiB.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

const MIB: u64 = 1 << 20;
const MEMORY_LIMIT: &str = "6MiB";
const INPUT_BYTES: u64 = 66 * MIB;
const MARGIN_BYTES: u64 = 60 * MIB;
const NOTE_BYTES: usize = 4_000;

/// Text that hardly compresses, without a source of randomness.
struct Noise(u64);

impl Noise {
    fn text(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 16);
        while text.len() < bytes {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            text += &format!("{:016x}", self.0);
        }
        text
    }
}

fn line(id: u64, note: &str) -> String {
    let (lsn, time_us) = (1_000 + id, 1_762_973_651_000_000 + id * 1_000);
    format!(
        concat!(
            r#"{{"before":null,"after":{{"id":{},"note":"{}"}},"source":{{"connector":"postgresql","name":"pg","ts_ms":{},"snapshot":"false","#,
            r#""db":"shop","sequence":"[\"{}\",\"{}\"]","ts_us":{},"schema":"shop","table":"orders","txId":{},"lsn":{}}},"op":"c","ts_ms":{}}}"#
        ),
        id,
        note,
        time_us / 1_000,
        lsn,
        lsn,
        time_us,
        lsn,
        lsn,
        time_us / 1_000,
    ) + "\n"
}

/// Events in a gzip file of a folder of its own. Returns how many.
fn land(folder: &Path, bytes: u64) -> u64 {
    std::fs::create_dir(folder).unwrap();
    let mut file = GzEncoder::new(File::create(folder.join("events.jsonl.gz")).unwrap(), Compression::fast());
    let (mut noise, mut written, mut events) = (Noise(88_172_645_463_325_252), 0, 0);
    while written < bytes {
        let line = line(events, &noise.text(NOTE_BYTES));
        file.write_all(line.as_bytes()).unwrap();
        written += line.len() as u64;
        events += 1;
    }
    file.finish().unwrap();
    events
}

/// Runs the program to its end in a folder, and returns its peak resident memory.
fn peak_bytes(lake: &Path, arguments: &[&str]) -> u64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waterline"));
    let mut child = command.args(arguments).current_dir(lake).stdout(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    loop {
        peak = high_water_bytes(&child).unwrap_or(0).max(peak);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{arguments:?}: {status}");
            return peak;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The kernel's own high-water mark, so that no peak between two looks is missed; gone when the process is.
fn high_water_bytes(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib << 10)
}

struct Peaks {
    ingest: u64,
    merge: u64,
}

/// Logs everything, then merges the backlog.
fn ingest_then_merge(folder: &Path, name: &str, bytes: u64) -> Peaks {
    let landing = folder.join(format!("{name}-landing"));
    let lake = folder.join(name);
    let events = land(&landing, bytes);
    peak_bytes(folder, &["init", name]);
    std::fs::write(folder.join("ddl.sql"), "CREATE TABLE shop.orders (id bigint PRIMARY KEY, note text);").unwrap();
    let run = |verb| {
        let landing = landing.to_str().unwrap();
        let options = ["--format", "debezium-json", "--ddl", "../ddl.sql", "--memory-limit", MEMORY_LIMIT, "--quiet"];
        peak_bytes(&lake, &[&[verb, "shop.orders", landing], options.as_slice()].concat())
    };
    let peaks = Peaks { ingest: run("ingest"), merge: run("merge") };
    let count = Command::new(env!("CARGO_BIN_EXE_waterline"))
        .args(["query", "select count(*) as n, max(id) as last, count(distinct note) as notes from shop.orders", "--output", "json"])
        .current_dir(&lake)
        .output()
        .unwrap();
    let rows: serde_json::Value = serde_json::from_slice(&count.stdout).unwrap();
    assert_eq!(rows, serde_json::json!([{"n": events, "last": events - 1, "notes": events}]));
    peaks
}

#[test]
#[cfg(target_os = "linux")]
fn an_input_of_ten_times_the_memory_limit_is_read_and_merged_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let one = ingest_then_merge(folder.path(), "one", 1);
    let many = ingest_then_merge(folder.path(), "many", INPUT_BYTES);
    let mib = |bytes: u64| bytes / MIB;
    eprintln!(
        "peak MiB for one event {} and {}, for {} MiB of events {} and {}",
        mib(one.ingest),
        mib(one.merge),
        mib(INPUT_BYTES),
        mib(many.ingest),
        mib(many.merge)
    );
    assert!(many.ingest < one.ingest + MARGIN_BYTES, "to ingest took {} MiB", mib(many.ingest));
    assert!(many.merge < one.merge + MARGIN_BYTES, "to merge took {} MiB", mib(many.merge));
}
