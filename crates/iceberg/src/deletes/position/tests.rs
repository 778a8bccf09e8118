use std::collections::HashMap;

use roaring::RoaringTreemap;
use waterline_core::error::ErrorKind;

use super::{BATCH_ROWS, read, write};

#[test]
fn positions_around_the_batch_size_survive_the_way_there_and_back() {
    for count in [1, BATCH_ROWS as u64 - 1, BATCH_ROWS as u64, BATCH_ROWS as u64 + 1] {
        let positions: RoaringTreemap = (0..count).map(|n| n * 3).collect();
        let file = write("file:///lake/a b%2F.parquet", &positions).unwrap();
        assert_eq!(read("deletes", file).unwrap(), HashMap::from([("/lake/a b%2F.parquet".to_owned(), positions)]));
    }
}

#[test]
fn a_torn_file_is_corrupt_and_named() {
    let file = write("file:///lake/a.parquet", &RoaringTreemap::from_iter([1])).unwrap();
    let error = read("deletes.parquet", file.slice(..file.len() - 9)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.context().contains(&("file", "deletes.parquet".into())));
}
