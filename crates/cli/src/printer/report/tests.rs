use super::*;

fn report() -> SyncReport {
    let counts = TableCounts {
        rows_read: 50_000,
        inserted: 5000,
        updated: 40_000,
        deleted: 5000,
        below_watermark: 2,
        torn: 4,
        files_written: 3,
        bytes_written: 6_300_000,
        ..TableCounts::default()
    };
    let stages = vec![
        StageTime { stage: "log".into(), elapsed: Duration::from_millis(40) },
        StageTime { stage: "locate".into(), elapsed: Duration::from_millis(500) },
    ];
    let good =
        TableReport { table: "shop.orders".parse().unwrap(), counts, stages, complete_until_us: Some(1_795_225_774_473_380), error: None };
    let bad = TableReport {
        table: "shop.customers".parse().unwrap(),
        counts: TableCounts { rows_read: 7, ..TableCounts::default() },
        stages: Vec::new(),
        complete_until_us: None,
        error: Some(Error::bad_input("not JSON").with("file", "a.jsonl").with("record", 8)),
    };
    let failed = FailedSource { source: "crm".into(), table: None, error: Error::not_found("no such folder").with("file", "/in") };
    let decode = StageTime { stage: "decode".into(), elapsed: Duration::from_millis(210) };
    SyncReport { tables: vec![good, bad], stages: vec![decode], elapsed: Duration::from_millis(1234), failed_sources: vec![failed] }
}

#[test]
fn people_read_lines_without_zeros() {
    let expected = "\
shop.orders: 50,000 rows read, 5,000 inserted, 40,000 updated, 5,000 deleted, 2 below watermark, 4 torn; 3 files, 6.01 MiB written
  log 0.04 s, locate 0.50 s
shop.customers: 7 rows read; FAILED
1.23 s, of which decode 0.21 s
";
    assert_eq!(report().to_text(), expected);
}

#[test]
fn machines_read_every_count() {
    let expected = serde_json::json!({
        "tables": [
            {
                "table": "shop.orders", "rows_read": 50_000, "inserted": 5000, "updated": 40_000, "deleted": 5000, "late": 0, "repeated": 0,
                "quarantined": 0, "below_watermark": 2, "torn": 4, "unresolved": 0, "files_written": 3, "bytes_written": 6_300_000,
                "complete_until": "2026-11-21T01:49:34.47338Z", "stages": { "log": 0.04, "locate": 0.5 }, "error": null
            },
            {
                "table": "shop.customers", "rows_read": 7, "inserted": 0, "updated": 0, "deleted": 0, "late": 0, "repeated": 0,
                "quarantined": 0, "below_watermark": 0, "torn": 0, "unresolved": 0, "files_written": 0, "bytes_written": 0,
                "complete_until": null, "stages": {}, "error": "not JSON (file a.jsonl, record 8)"
            }
        ],
        "failed_sources": [{ "source": "crm", "table": null, "error": "no such folder (file /in)" }],
        "seconds": 1.234,
        "stages": { "decode": 0.21 }
    });
    assert_eq!(report().to_document(), expected);
    let batch = report().to_batch().unwrap();
    let read: ArrayRef = Arc::new(UInt64Array::from(vec![50_000, 7]));
    assert_eq!((batch.num_columns(), batch.column_by_name("rows_read")), (14, Some(&read)));
}

#[test]
fn each_error_is_named_once_by_what_it_is_of() {
    let report = report();
    let labels: Vec<String> = report.errors().map(|(label, _)| label).collect();
    assert_eq!(labels, ["shop.customers", "source crm"]);
    let one = FailedSource { source: "default".into(), table: Some("shop.orders".parse().unwrap()), error: Error::not_found("x") };
    assert_eq!(one.label(), "shop.orders");
}

#[test]
fn one_file_is_one_file() {
    let counts = TableCounts { rows_read: 1, files_written: 1, bytes_written: 1024, ..TableCounts::default() };
    let table = TableReport { table: "a.b".parse().unwrap(), counts, stages: Vec::new(), complete_until_us: None, error: None };
    let report = SyncReport { tables: vec![table], ..SyncReport::default() };
    assert_eq!(report.to_text(), "a.b: 1 row read; 1 file, 1.00 KiB written\n0.00 s\n");
}

#[test]
fn the_worst_error_gives_the_exit_code() {
    let mut report = report();
    assert_eq!(report.worst().map(ErrorKind::exit_code), Some(1));
    report.tables[0].error = Some(Error::unavailable("no catalog"));
    assert_eq!(report.worst(), Some(ErrorKind::Unavailable));
}
