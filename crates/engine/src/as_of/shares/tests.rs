use std::collections::BTreeSet;

use arrow::array::{ArrayRef, Int64Array};

use super::*;

fn encoder() -> KeyEncoder {
    KeyEncoder::new(&vec![Field::new("id", DataType::Int64, false)].into()).unwrap()
}

fn rows(encoder: &KeyEncoder, ids: impl Iterator<Item = i64>) -> arrow::row::Rows {
    encoder.encode(&[Arc::new(ids.collect::<Int64Array>()) as ArrayRef]).unwrap()
}

#[test]
fn linked_keys_share_a_bucket_and_each_key_is_in_one() {
    let encoder = encoder();
    let keys = rows(&encoder, 0..100);
    let mut linked = Linked::default();
    for (one, other) in [(1, 2), (30, 40), (40, 50), (2, 30), (60, 61)] {
        linked.link(keys.row(one), keys.row(other));
    }
    let linked = Arc::new(linked);
    let buckets: Vec<Bucket> = (0..7).map(|number| Bucket { number, of: 7, linked: Some(linked.clone()) }).collect();
    let of = |key: usize| {
        let holding: Vec<u64> = buckets.iter().filter(|bucket| bucket.holds(keys.row(key))).map(|bucket| bucket.number).collect();
        assert_eq!(holding.len(), 1, "{key}");
        holding[0]
    };
    assert_eq!([1, 2, 30, 40, 50].map(of), [of(1); 5]);
    assert_eq!(of(60), of(61));
    assert_eq!((0..100).map(of).collect::<BTreeSet<_>>().len(), 7);
}

#[test]
fn a_group_is_completed_from_any_of_its_keys() {
    let encoder = encoder();
    let keys = rows(&encoder, 0..10);
    let mut linked = Linked::default();
    for (one, other) in [(5, 4), (3, 4), (7, 8)] {
        linked.link(keys.row(one), keys.row(other));
    }
    for start in [3, 4, 5] {
        let mut completed = KeyIndex::default();
        completed.insert(keys.row(start));
        completed.insert(keys.row(9));
        linked.complete(&mut completed);
        let there: Vec<usize> = (0..10).filter(|key| completed.get(keys.row(*key)).is_some()).collect();
        assert_eq!(there, [3, 4, 5, 9]);
    }
}
