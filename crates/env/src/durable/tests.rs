use futures::TryStreamExt;
use object_store::{CopyMode, Error, ObjectStoreExt, RenameTargetMode};

use super::*;

struct Place {
    folder: tempfile::TempDir,
    store: DurableFiles,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), store: DurableFiles::new() }
    }

    fn path(&self, name: &str) -> Path {
        Path::from_absolute_path(self.folder.path().join(name)).unwrap()
    }

    async fn put(&self, name: &str, bytes: &'static str, mode: PutMode) -> Result<PutResult> {
        self.store.put_opts(&self.path(name), bytes.into(), mode.into()).await
    }

    async fn read(&self, name: &str) -> String {
        let bytes = self.store.get(&self.path(name)).await.unwrap().bytes().await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// Everything in the folder, staged files too.
    fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_put_makes_folders_and_replaces_what_was_there() {
    let place = Place::new();
    place.put("a/b/c.txt", "old", PutMode::Overwrite).await.unwrap();
    place.put("a/b/c.txt", "new", PutMode::Overwrite).await.unwrap();
    assert_eq!(place.read("a/b/c.txt").await, "new");
    assert_eq!(place.names("a/b"), ["c.txt"]);
}

#[tokio::test]
async fn of_many_creates_of_a_name_one_wins_and_its_bytes_stay() {
    let place = Place::new();
    let bytes = ["one", "two", "three", "four"];
    let created = futures::future::join_all(bytes.map(|bytes| place.put("a/v1", bytes, PutMode::Create))).await;
    let winners: Vec<&str> = bytes.into_iter().zip(&created).filter(|(_, created)| created.is_ok()).map(|(bytes, _)| bytes).collect();
    assert_eq!(winners, [place.read("a/v1").await]);
    assert!(created.iter().all(|c| matches!(c, Ok(_) | Err(Error::AlreadyExists { .. }))), "{created:?}");
    assert_eq!(place.names("a"), ["v1"]);
}

#[tokio::test]
async fn an_upload_puts_its_parts_in_order_and_shows_nothing_before_its_end() {
    let place = Place::new();
    let mut upload = place.store.put_multipart(&place.path("a/big")).await.unwrap();
    let (first, second) = (upload.put_part("first ".into()), upload.put_part("second".into()));
    second.await.unwrap();
    first.await.unwrap();
    let listed: Vec<_> = place.store.list(Some(&place.path("a"))).try_collect().await.unwrap();
    assert_eq!(listed, []);
    upload.complete().await.unwrap();
    assert_eq!(place.read("a/big").await, "first second");
    assert_eq!(place.names("a"), ["big"]);
    assert!(upload.complete().await.is_err());
}

#[tokio::test]
async fn an_upload_that_is_aborted_or_dropped_leaves_nothing() {
    let place = Place::new();
    for end in ["abort", "drop"] {
        let mut upload = place.store.put_multipart(&place.path("a/big")).await.unwrap();
        upload.put_part("part".into()).await.unwrap();
        if end == "abort" {
            upload.abort().await.unwrap();
        }
        drop(upload);
        assert_eq!(place.names("a"), [""; 0], "{end}");
    }
}

#[tokio::test]
async fn copies_and_renames_make_folders_and_respect_what_is_there() {
    let place = Place::new();
    place.put("from", "bytes", PutMode::Overwrite).await.unwrap();
    let copy = |mode| CopyOptions { mode, ..CopyOptions::default() };
    place.store.copy_opts(&place.path("from"), &place.path("a/b/copy"), copy(CopyMode::Create)).await.unwrap();
    let again = place.store.copy_opts(&place.path("from"), &place.path("a/b/copy"), copy(CopyMode::Create)).await;
    assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
    let rename = RenameOptions { target_mode: RenameTargetMode::Overwrite, ..RenameOptions::default() };
    place.store.rename_opts(&place.path("from"), &place.path("c/d/moved"), rename.clone()).await.unwrap();
    assert_eq!((place.read("a/b/copy").await.as_str(), place.read("c/d/moved").await.as_str()), ("bytes", "bytes"));
    let gone = place.store.rename_opts(&place.path("from"), &place.path("e/moved"), rename).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    assert_eq!(place.names(""), ["a", "c"]);
}

#[tokio::test]
async fn a_file_where_a_folder_must_be_is_named_in_the_error() {
    let place = Place::new();
    place.put("file", "bytes", PutMode::Overwrite).await.unwrap();
    let error = place.put("file/inside", "bytes", PutMode::Create).await.unwrap_err();
    assert!(error.to_string().contains("/file"), "{error}");
    assert_eq!(place.names(""), ["file"]);
}

#[tokio::test]
async fn a_name_that_cannot_be_taken_leaves_no_staged_file() {
    let place = Place::new();
    place.put("a/folder/file", "bytes", PutMode::Overwrite).await.unwrap();
    for mode in [PutMode::Overwrite, PutMode::Create] {
        assert!(place.put("a/folder", "bytes", mode).await.is_err());
    }
    assert_eq!(place.names("a"), ["folder"]);
}

#[tokio::test]
async fn a_folder_that_was_removed_is_made_again() {
    let place = Place::new();
    place.put("a/b/c", "bytes", PutMode::Create).await.unwrap();
    std::fs::remove_dir_all(place.folder.path().join("a")).unwrap();
    place.put("a/b/c", "again", PutMode::Create).await.unwrap();
    assert_eq!(place.read("a/b/c").await, "again");
}

#[tokio::test]
async fn conditional_updates_are_refused() {
    let place = Place::new();
    let version = object_store::UpdateVersion { e_tag: Some("x".into()), version: None };
    let refused = place.put("a", "bytes", PutMode::Update(version)).await;
    assert!(matches!(refused, Err(Error::NotImplemented { .. })), "{refused:?}");
}
