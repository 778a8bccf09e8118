use iceberg::io::FileIO;
use iceberg::puffin::{DELETION_VECTOR_V1, PuffinReader};
use roaring::RoaringTreemap;

use super::{BlobRange, write};
use crate::deletes::vector;

#[tokio::test]
async fn another_reader_finds_the_vector_at_its_place() {
    let positions = RoaringTreemap::from_iter([1, 5, 1 << 33]);
    let (bytes, range) = write("file:///a", &positions).unwrap();
    let io = FileIO::new_with_memory();
    io.new_output("memory:///deletes.puffin").unwrap().write(bytes.clone()).await.unwrap();
    let reader = PuffinReader::new(io.new_input("memory:///deletes.puffin").unwrap());
    let footer = reader.file_metadata().await.unwrap();
    let [blob] = footer.blobs() else { panic!("there is one vector, not {}", footer.blobs().len()) };
    assert_eq!(BlobRange { offset: blob.offset() as i64, length: blob.length() as i64 }, range);
    assert_eq!((blob.blob_type(), blob.fields()), (DELETION_VECTOR_V1, &[2_147_483_645][..]));
    assert_eq!(blob.properties().get("referenced-data-file").map(String::as_str), Some("file:///a"));
    assert_eq!(blob.properties().get("cardinality"), Some(&positions.len().to_string()));
    assert_eq!(vector::decode(reader.blob(blob).await.unwrap().data()).unwrap(), positions);
    let (start, end) = (range.offset as usize, (range.offset + range.length) as usize);
    assert_eq!(vector::decode(&bytes[start..end]).unwrap(), positions);
}
