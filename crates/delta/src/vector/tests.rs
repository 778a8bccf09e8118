use roaring::RoaringTreemap;
use waterline_core::error::ErrorKind;
use waterline_env::files::Files;
use waterline_testkit::world::World;

use super::{VectorFile, location, named_aside, named_in_table, read};
use crate::actions::DeletionVector;

const ROOT: &str = "memory://lake/a table";

async fn written() -> (Files, Vec<(DeletionVector, RoaringTreemap)>) {
    let world = World::in_memory(1);
    let files = Files::new(world.env.stores.clone());
    let mut file = VectorFile::new(world.env.ids.uuid());
    let sets = [RoaringTreemap::from_iter([0, 3, 70_000]), RoaringTreemap::from_iter([u64::from(u32::MAX) + 2])];
    let vectors = sets.into_iter().map(|rows| (file.add(&rows).unwrap(), rows)).collect();
    files.write(&file.finish(ROOT).unwrap()).await.unwrap();
    (files, vectors)
}

#[tokio::test]
async fn every_vector_of_a_file_is_read_back() {
    let (files, vectors) = written().await;
    for (vector, rows) in vectors {
        assert_eq!(read(&files, ROOT, &vector).await.unwrap(), rows);
        let elsewhere = named_aside(&vector);
        assert_eq!(named_in_table(&elsewhere), vector);
        assert_eq!(read(&files, &format!("{ROOT}/_waterline/1-a"), &elsewhere).await.unwrap(), rows);
    }
}

/// Rows 3, 4, 7, 11, 18 and 29 as Spark writes them.
#[tokio::test]
async fn an_inline_vector_is_read() {
    let vector = DeletionVector {
        storage_type: "i".into(),
        path_or_inline_dv: "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L".into(),
        offset: None,
        size_in_bytes: 44,
        cardinality: 6,
    };
    let files = Files::new(World::in_memory(1).env.stores);
    assert_eq!(read(&files, ROOT, &vector).await.unwrap(), RoaringTreemap::from_iter([3, 4, 7, 11, 18, 29]));
}

/// The relative path of the protocol's example.
#[test]
fn the_relative_example_of_the_protocol() {
    let vector = DeletionVector {
        storage_type: "u".into(),
        path_or_inline_dv: "ab^-aqEH.-t@S}K{vb[*k^".into(),
        offset: Some(4),
        size_in_bytes: 40,
        cardinality: 6,
    };
    let expected = format!("{ROOT}/ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin");
    assert_eq!(location(ROOT, &vector).unwrap(), Some(expected));
}

#[tokio::test]
async fn a_vector_that_is_not_what_the_log_says_is_refused() {
    let (files, vectors) = written().await;
    let (vector, _) = &vectors[0];
    let wrong = [
        DeletionVector { cardinality: 4, ..vector.clone() },
        DeletionVector { offset: Some(2), ..vector.clone() },
        DeletionVector { size_in_bytes: vector.size_in_bytes - 1, ..vector.clone() },
        DeletionVector { storage_type: "x".into(), ..vector.clone() },
        DeletionVector { path_or_inline_dv: "short".into(), ..vector.clone() },
    ];
    for vector in wrong {
        assert_eq!(read(&files, ROOT, &vector).await.unwrap_err().kind(), ErrorKind::Corrupt, "{vector:?}");
    }
}
