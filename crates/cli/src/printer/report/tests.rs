use super::*;

fn report() -> SyncReport {
    let counts = TableCounts {
        rows_read: 50_000,
        inserted: 5000,
        updated: 40_000,
        deleted: 5000,
        files_written: 3,
        bytes_written: 6_300_000,
        ..TableCounts::default()
    };
    let stages = vec![
        StageTime { stage: "decode".into(), elapsed: Duration::from_millis(210) },
        StageTime { stage: "locate".into(), elapsed: Duration::from_millis(500) },
    ];
    let good = TableReport { table: "shop.orders".parse().unwrap(), counts, stages, error: None };
    let bad = TableReport {
        table: "shop.customers".parse().unwrap(),
        counts: TableCounts { rows_read: 7, ..TableCounts::default() },
        stages: Vec::new(),
        error: Some(Error::bad_input("not JSON").with("file", "a.jsonl").with("record", 8)),
    };
    SyncReport { tables: vec![good, bad], elapsed: Duration::from_millis(1234) }
}

#[test]
fn people_read_lines_without_zeros() {
    let expected = "\
shop.orders: 50,000 rows read, 5,000 inserted, 40,000 updated, 5,000 deleted; 3 files, 6.01 MiB written
  decode 0.21 s, locate 0.50 s
shop.customers: 7 rows read; FAILED
1.23 s
";
    assert_eq!(report().to_text(), expected);
}

#[test]
fn machines_read_every_count() {
    let batch = report().to_batch().unwrap();
    let columns: Vec<_> = batch.columns().iter().map(|column| crate::printer::cells::Cells::new(column).unwrap()).collect();
    let mut json = String::new();
    for row in 0..2 {
        let schema = batch.schema();
        crate::printer::cells::write_object(&mut json, schema.fields().iter().map(|field| field.name().as_str()).zip(&columns), row);
        json.push('\n');
    }
    let expected = concat!(
        r#"{"table":"shop.orders","rows_read":50000,"inserted":5000,"updated":40000,"deleted":5000,"late":0,"repeated":0,"quarantined":0,"#,
        r#""files_written":3,"bytes_written":6300000,"stages":[{"stage":"decode","seconds":0.21},{"stage":"locate","seconds":0.5}],"error":null}"#,
        "\n",
        r#"{"table":"shop.customers","rows_read":7,"inserted":0,"updated":0,"deleted":0,"late":0,"repeated":0,"quarantined":0,"#,
        r#""files_written":0,"bytes_written":0,"stages":[],"error":"not JSON (file a.jsonl, record 8)"}"#,
        "\n",
    );
    assert_eq!(json, expected);
}

#[test]
fn the_worst_error_gives_the_exit_code() {
    let mut report = report();
    assert_eq!(report.worst(), Some(ErrorKind::BadInput));
    report.tables[0].error = Some(Error::unavailable("no catalog"));
    assert_eq!(report.worst(), Some(ErrorKind::Unavailable));
}
