use iceberg::io::FileIO;
use iceberg::puffin::{DELETION_VECTOR_V1, PuffinReader};
use roaring::RoaringTreemap;

use super::{BlobRange, write};
use crate::deletes::vector;

#[tokio::test]
async fn another_reader_finds_every_vector_at_its_place() {
    let vectors = [("file:///a", RoaringTreemap::from_iter([1, 5])), ("file:///b", RoaringTreemap::from_iter([1 << 33]))];
    let (bytes, ranges) = write(vectors.iter().map(|(path, positions)| (*path, positions))).unwrap();
    let io = FileIO::new_with_memory();
    io.new_output("memory:///deletes.puffin").unwrap().write(bytes.clone()).await.unwrap();
    let reader = PuffinReader::new(io.new_input("memory:///deletes.puffin").unwrap());
    let footer = reader.file_metadata().await.unwrap();
    assert_eq!(footer.blobs().len(), 2);
    for ((blob, range), (path, positions)) in footer.blobs().iter().zip(ranges).zip(&vectors) {
        assert_eq!(BlobRange { offset: blob.offset() as i64, length: blob.length() as i64 }, range);
        assert_eq!((blob.blob_type(), blob.fields()), (DELETION_VECTOR_V1, &[2_147_483_645][..]));
        assert_eq!(blob.properties().get("referenced-data-file").map(String::as_str), Some(*path));
        assert_eq!(blob.properties().get("cardinality"), Some(&positions.len().to_string()));
        let read = reader.blob(blob).await.unwrap();
        assert_eq!(&vector::decode(read.data()).unwrap(), positions);
        let (start, end) = (range.offset as usize, (range.offset + range.length) as usize);
        assert_eq!(&vector::decode(&bytes[start..end]).unwrap(), positions);
    }
}
