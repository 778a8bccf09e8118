use super::{decode, encode};
use crate::error::ErrorKind;
use roaring::RoaringTreemap;

fn positions() -> RoaringTreemap {
    (0..10).chain([70_000, u64::from(u32::MAX) + 5, 1 << 40]).collect()
}

#[test]
fn positions_survive_the_way_there_and_back() {
    for positions in [RoaringTreemap::new(), positions()] {
        assert_eq!(decode(&encode(&positions).unwrap()).unwrap(), positions);
    }
}

/// An empty vector by the specification: length 12, magic, a count of 0 bitmaps, CRC-32 of both.
#[test]
fn the_bytes_are_those_of_the_specification() {
    let body = [0xD1, 0xD3, 0x39, 0x64, 0, 0, 0, 0, 0, 0, 0, 0];
    let expected = [&[0, 0, 0, 12][..], &body, &crc32fast::hash(&body).to_be_bytes()].concat();
    assert_eq!(encode(&RoaringTreemap::new()).unwrap(), expected);
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let blob = encode(&positions()).unwrap();
    for at in 0..blob.len() {
        let mut flipped = blob.clone();
        flipped[at] ^= 1;
        assert_eq!(decode(&flipped).unwrap_err().kind(), ErrorKind::Corrupt, "byte {at}");
        assert_eq!(decode(&blob[..at]).unwrap_err().kind(), ErrorKind::Corrupt, "cut at {at}");
    }
}
