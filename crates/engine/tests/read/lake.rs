//! A lake of files in memory: a catalog with one table, `shop.orders`, whose files and deletes a test lists.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::prelude::SessionContext;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use roaring::RoaringTreemap;
use url::Url;
use waterline_core::error::Result;
use waterline_core::format::*;
use waterline_core::table::TableName;
use waterline_engine::read::{ReadAt, SessionOptions, query, session};
use waterline_env::{Env, RandomIds, Stores, SystemClock};

#[derive(Debug)]
struct Memory(Arc<InMemory>);

impl Stores for Memory {
    fn resolve(&self, url: &str) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let url = Url::parse(url).expect("test URLs are URLs");
        Ok((self.0.clone(), Path::from_url_path(url.path()).expect("test paths are paths")))
    }
}

/// The lake, cheap to clone before it is read.
#[derive(Clone, Debug)]
pub struct Lake {
    pub env: Env,
    name: TableName,
    pub state: TableState,
    pub files: Vec<DataFile>,
    pub deleted: BTreeMap<String, RoaringTreemap>,
    /// Files that were handed out to scans, after pruning.
    scanned: Arc<AtomicUsize>,
}

impl Lake {
    /// A lake whose table has these columns.
    pub fn new(schema: Schema) -> Self {
        let env = Env { stores: Arc::new(Memory(Arc::new(InMemory::new()))), clock: Arc::new(SystemClock), ids: Arc::new(RandomIds) };
        let state = TableState {
            own_folder: String::new(),
            metadata_location: None,
            version: None,
            location: "memory:///lake/shop/orders".into(),
            schema: Arc::new(schema),
            keys: Vec::new(),
            partition_by: Vec::new(),
            properties: BTreeMap::new(),
            history: Arc::default(),
            refs: BTreeMap::new(),
            rules: Arc::default(),
            inner: Arc::new(()),
        };
        let name = "shop.orders".parse().unwrap();
        Self { env, name, state, files: Vec::new(), deleted: BTreeMap::new(), scanned: Arc::default() }
    }

    /// Writes a Parquet file and gives its URL and size.
    pub async fn put(&self, name: &str, batch: &RecordBatch, properties: WriterProperties) -> (String, u64) {
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        self.put_bytes(name, bytes).await
    }

    pub async fn put_bytes(&self, name: &str, bytes: Vec<u8>) -> (String, u64) {
        let url = format!("{}/{name}", self.state.location);
        let size = bytes.len() as u64;
        let (store, path) = self.env.stores.resolve(&url).unwrap();
        store.put(&path, bytes.into()).await.unwrap();
        (url, size)
    }

    /// Adds a data file with these rows.
    pub async fn add(&mut self, batch: &RecordBatch) -> &mut DataFile {
        self.add_with(batch, WriterProperties::builder().build()).await
    }

    pub async fn add_with(&mut self, batch: &RecordBatch, properties: WriterProperties) -> &mut DataFile {
        let (path, size_bytes) = self.put(&format!("{}.parquet", self.files.len()), batch, properties).await;
        self.files.push(DataFile {
            path,
            size_bytes,
            record_count: batch.num_rows() as u64,
            summary: FileSummary::default(),
            deletes: DeleteState::None,
            deleted_rows: Some(0),
            equality_deletes: Vec::new(),
            lineage: None,
            inner: Arc::new(()),
        });
        self.files.last_mut().unwrap()
    }

    /// Deletes rows of the file at this index by position.
    pub fn delete(&mut self, file: usize, positions: impl IntoIterator<Item = u64>) {
        self.files[file].deletes = DeleteState::Some;
        self.deleted.entry(self.files[file].path.clone()).or_default().extend(positions);
    }

    /// Adds an equality delete file, written with its own columns, that applies to all data files so far.
    pub async fn delete_equal(&mut self, name: &str, keys: &RecordBatch, field_ids: &[i32]) {
        let (path, size_bytes) = self.put(name, keys, WriterProperties::builder().build()).await;
        for file in &mut self.files {
            file.equality_deletes.push(EqualityDelete { path: path.clone(), size_bytes, field_ids: field_ids.to_vec() });
        }
    }

    pub fn session(&self) -> SessionContext {
        self.session_at(ReadAt::Head)
    }

    pub fn session_at(&self, at: ReadAt) -> SessionContext {
        session(Arc::new(self.clone()), &self.env, at, &SessionOptions::default()).unwrap()
    }

    /// The answer of a query as rows of text: columns joined by a space, nulls as `null`.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        rows(&self.session(), sql).await
    }

    /// How many files the scans since the last call took.
    pub fn files_scanned(&self) -> usize {
        self.scanned.swap(0, Ordering::Relaxed)
    }
}

pub async fn rows(session: &SessionContext, sql: &str) -> Vec<String> {
    let batches = query(session, sql).await.unwrap().collect().await.unwrap();
    let mut rows = Vec::new();
    for batch in &batches {
        let options = arrow::util::display::FormatOptions::new().with_null("null");
        let columns: Vec<_> = batch.columns().iter().map(|c| arrow::util::display::ArrayFormatter::try_new(c, &options).unwrap()).collect();
        rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join(" ")));
    }
    rows
}

#[async_trait]
impl Catalog for Lake {
    async fn list(&self) -> Result<Vec<TableName>> {
        Ok(vec![self.name.clone()])
    }

    async fn open(&self, name: &TableName) -> Result<Option<Arc<dyn TableFormat>>> {
        Ok((name == &self.name).then(|| Arc::new(self.clone()) as Arc<dyn TableFormat>))
    }

    fn preview(&self, _: &TableName, _: &TableDefinition) -> Result<TableState> {
        unreachable!("these tests only read")
    }

    async fn create(&self, _: &TableName, _: &TableDefinition) -> Result<Arc<dyn TableFormat>> {
        unreachable!("these tests only read")
    }
}

#[async_trait]
impl TableFormat for Lake {
    fn name(&self) -> &TableName {
        &self.name
    }

    async fn head(&self) -> Result<TableState> {
        Ok(self.state.clone())
    }

    async fn at(&self, base: &TableState, version: VersionId) -> Result<TableState> {
        Ok(TableState { version: Some(version), ..base.clone() })
    }

    /// The files of the newest version; of the one numbered n, the first n.
    async fn data_files(&self, state: &TableState, prune: &dyn FilePruner) -> Result<Vec<DataFile>> {
        let live = state.version.map_or(self.files.len(), |version| version.0 as usize);
        let files: Vec<DataFile> = self.files[..live].iter().filter(|file| prune.keep(&file.summary)).cloned().collect();
        self.scanned.fetch_add(files.len(), Ordering::Relaxed);
        Ok(files)
    }

    async fn deleted_rows(&self, file: &DataFile) -> Result<RoaringTreemap> {
        Ok(self.deleted.get(&file.path).cloned().unwrap_or_default())
    }

    async fn evolve(&self, _: &TableState, _: &SchemaRef) -> Result<CommitOutcome> {
        unreachable!("these tests only read")
    }

    async fn commit(&self, _: &TableState, _: &Commit) -> Result<CommitOutcome> {
        unreachable!("these tests only read")
    }

    async fn settle(&self, _: &TableState, _: &Commit) -> Result<CommitOutcome> {
        unreachable!("these tests only read")
    }

    async fn set_tag(&self, _: &TableState, _: &str, _: Option<VersionId>) -> Result<CommitOutcome> {
        unreachable!("these tests only read")
    }

    async fn expire(&self, _: &TableState, _: &Expiry) -> Result<CommitOutcome> {
        unreachable!("these tests only read")
    }

    async fn reachable(&self, _: &TableState, _: &HashSet<VersionId>) -> Result<StoredFiles> {
        unreachable!("these tests only read")
    }
}

/// A column with a field id.
pub fn column(id: i32, name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true).with_metadata([(FIELD_ID.to_owned(), id.to_string())].into())
}

/// A batch of these columns.
pub fn batch(columns: Vec<(Field, arrow::array::ArrayRef)>) -> RecordBatch {
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}
