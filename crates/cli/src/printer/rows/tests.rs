use std::io::ErrorKind;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};

use super::*;

const PLAIN: Layout = Layout { width: None, color: false };

fn batch(ids: Vec<Option<i64>>, names: Vec<Option<&str>>) -> RecordBatch {
    let columns: [(&str, ArrayRef); 2] = [("id", Arc::new(Int64Array::from(ids))), ("name", Arc::new(StringArray::from(names)))];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn written(batches: &[RecordBatch], format: OutputFormat, layout: Layout) -> String {
    let mut out = Vec::new();
    let mut rows = RowWriter::new(&mut out, batches[0].schema(), format, layout);
    for batch in batches {
        rows.write(batch).unwrap();
    }
    rows.finish().unwrap();
    String::from_utf8(out).unwrap()
}

fn sample() -> [RecordBatch; 2] {
    [batch(vec![Some(1), None], vec![Some("a,b"), Some("")]), batch(vec![Some(300)], vec![None])]
}

#[test]
fn json_is_one_array_across_batches() {
    let text = written(&sample(), OutputFormat::Json, PLAIN);
    assert_eq!(text, "[\n{\"id\":1,\"name\":\"a,b\"},\n{\"id\":null,\"name\":\"\"},\n{\"id\":300,\"name\":null}\n]\n");
}

#[test]
fn csv_tells_a_null_from_an_empty_text() {
    assert_eq!(written(&sample(), OutputFormat::Csv, PLAIN), "id,name\n1,\"a,b\"\n,\"\"\n300,\n");
    let quotes = batch(vec![Some(1)], vec![Some("say \"hi\"\nyou")]);
    assert_eq!(written(&[quotes], OutputFormat::Csv, PLAIN), "id,name\n1,\"say \"\"hi\"\"\nyou\"\n");
}

#[test]
fn a_table_has_numbers_on_the_right_and_shows_nulls() {
    let text = written(&sample(), OutputFormat::Table, PLAIN);
    assert_eq!(text, "   id | name\n------+------\n    1 | a,b\n NULL |\n  300 | NULL\n");
}

#[test]
fn nothing_is_an_empty_array_a_header_or_a_head() {
    let none = [batch(vec![], vec![])];
    assert_eq!(written(&none, OutputFormat::Json, PLAIN), "[]\n");
    assert_eq!(written(&none, OutputFormat::Csv, PLAIN), "id,name\n");
    assert_eq!(written(&none, OutputFormat::Table, PLAIN), " id | name\n----+------\n");
}

#[test]
fn later_batches_keep_the_columns_where_they_are() {
    let long = batch(vec![Some(2)], vec![Some("a name that is longer than those before")]);
    let text = written(&[batch(vec![Some(1)], vec![Some("short")]), long], OutputFormat::Table, PLAIN);
    assert_eq!(text, " id | name\n----+-------\n  1 | short\n  2 | a name that is longer than those before\n");
}

#[test]
fn a_table_fits_the_terminal() {
    let wide = batch(vec![Some(1)], vec![Some("one two three four five six seven")]);
    let text = written(&[wide], OutputFormat::Table, Layout { width: Some(30), color: false });
    assert!(text.lines().all(|line| line.len() <= 30), "{text}");
    assert!(text.lines().count() > 3, "{text}");
}

#[test]
fn control_characters_cannot_reach_the_terminal() {
    let text = written(&[batch(vec![Some(1)], vec![Some("a\u{1b}[2Jb\nc")])], OutputFormat::Table, PLAIN);
    assert!(text.contains("a\\u{1b}[2Jb\\nc"), "{text}");
}

#[test]
fn rows_are_handed_on_before_the_end() {
    struct Counting(usize);
    impl Write for Counting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            assert!(bytes.len() < 3 * FLUSH_BYTES, "too much was kept");
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let big = batch((0..20_000).map(Some).collect(), vec![Some("twenty characters ..."); 20_000]);
    for format in [OutputFormat::Table, OutputFormat::Json, OutputFormat::Csv] {
        let mut out = Counting(0);
        let mut rows = RowWriter::new(&mut out, big.schema(), format, PLAIN);
        rows.write(&big).unwrap();
        rows.finish().unwrap();
        assert!(out.0 > 5);
    }
}

#[test]
fn a_closed_pipe_ends_with_success() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut out = Closed;
    let failure = RowWriter::new(&mut out, sample()[0].schema(), OutputFormat::Csv, PLAIN).finish().unwrap_err();
    assert_eq!((failure.exit_code(), failure.message()), (0, None));
}
