//! Events of a shop as Debezium lands them: a transaction at each second of one hour.

pub(crate) const SECTIONS: &str = "\
[sources.shop]
path = \"landing/pg.{table}/\"
format = \"debezium-json\"
schema = { ddl = \"ddl.sql\" }
";

/// 2025-11-21T05:00:00Z
pub(crate) const STARTED_US: i64 = 1_763_701_200_000_000;

/// The moment so many seconds after the start, within the hour.
pub(crate) fn moment(second: i64) -> String {
    format!("2025-11-21T05:{:02}:{:02}Z", second / 60, second % 60)
}

/// A line of Debezium, of a transaction at this second.
pub(crate) fn line(table: &str, op: &str, second: i64, image: &str) -> String {
    let (before, after) = if op == "d" { (image, "null") } else { ("null", image) };
    format!(
        concat!(
            r#"{{"before":{},"after":{},"source":{{"connector":"postgresql","name":"pg","snapshot":"false","db":"shop","#,
            r#""sequence":"[\"{}\",\"{}\"]","ts_us":{},"schema":"shop","table":"{}","lsn":{}}},"op":"{}"}}"#,
            "\n"
        ),
        before,
        after,
        second,
        second,
        STARTED_US + second * 1_000_000,
        table,
        second,
        op
    )
}
