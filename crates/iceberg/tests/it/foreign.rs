//! Another writer: commits to a table of a filesystem catalog with the `iceberg` crate alone, in ways that we never do.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use iceberg::io::FileIO;
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, FormatVersion, MAIN_BRANCH, ManifestContentType, ManifestFile,
    ManifestList, ManifestListWriter, ManifestWriterBuilder, Operation, Snapshot, Struct, Summary, TableMetadata,
};
use parquet::arrow::ArrowWriter;
use waterline_core::format::FIELD_ID;

use crate::lake::Lake;

pub struct Writer {
    folder: PathBuf,
}

pub const FILE_PATH_ID: i32 = 2_147_483_546;
pub const POSITION_ID: i32 = 2_147_483_545;

impl Writer {
    pub fn new(lake: &Lake) -> Self {
        Self { folder: lake.folder.path().join("ware house/shop/orders") }
    }

    pub fn metadata(&self) -> TableMetadata {
        serde_json::from_value(self.json()).unwrap()
    }

    fn version(&self) -> u64 {
        std::fs::read_to_string(self.folder.join("metadata/version-hint.text")).unwrap().parse().unwrap()
    }

    fn json(&self) -> serde_json::Value {
        let file = self.folder.join(format!("metadata/v{}.metadata.json", self.version()));
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    }

    fn publish(&self, json: &serde_json::Value) {
        let next = self.version() + 1;
        std::fs::write(self.folder.join(format!("metadata/v{next}.metadata.json")), serde_json::to_vec(json).unwrap()).unwrap();
        std::fs::write(self.folder.join("metadata/version-hint.text"), next.to_string()).unwrap();
    }

    /// Changes the metadata as JSON.
    pub fn edit(&self, change: impl FnOnce(&mut serde_json::Value)) {
        let mut json = self.json();
        change(&mut json);
        self.publish(&json);
    }

    pub fn upgrade(&self) {
        let builder = self.metadata().into_builder(None).upgrade_format_version(FormatVersion::V3).unwrap();
        self.publish(&serde_json::to_value(builder.build().unwrap().metadata).unwrap());
    }

    pub fn manifests(&self, snapshot: &Snapshot) -> Vec<ManifestFile> {
        let bytes = std::fs::read(snapshot.manifest_list().strip_prefix("file://").unwrap()).unwrap();
        ManifestList::parse_with_version(&bytes, self.metadata().format_version()).unwrap().entries().to_vec()
    }

    /// Adds delete files, or data files, in one snapshot.
    pub async fn add(&self, content: ManifestContentType, files: Vec<DataFile>) {
        let (table, io) = (self.metadata(), FileIO::new_with_fs());
        let (id, sequence) = (table.last_sequence_number() + 1_000_000, table.next_sequence_number());
        let parent = table.current_snapshot().cloned();
        let at = |name: String| format!("file://{}/metadata/{name}", self.folder.display());
        let spec = table.default_partition_spec().as_ref().clone();
        let output = io.new_output(at(format!("foreign-{id}-m0.avro"))).unwrap();
        let builder = ManifestWriterBuilder::new(output, Some(id), table.current_schema().clone(), spec);
        let mut writer = if content == ManifestContentType::Data { builder.build_v2_data() } else { builder.build_v2_deletes() };
        files.into_iter().for_each(|file| writer.add_file(file, -1).unwrap());
        let mut manifests = vec![writer.write_manifest_file().await.unwrap()];
        manifests.extend(parent.iter().flat_map(|parent| self.manifests(parent)));
        let list = at(format!("foreign-{id}.avro"));
        let output = io.new_output(&list).unwrap().writer().await.unwrap();
        let mut writer = ManifestListWriter::v2(output, id, parent.as_ref().map(|parent| parent.snapshot_id()), sequence);
        writer.add_manifests(manifests.into_iter()).unwrap();
        writer.close().await.unwrap();
        let snapshot = Snapshot::builder()
            .with_snapshot_id(id)
            .with_parent_snapshot_id(parent.map(|parent| parent.snapshot_id()))
            .with_sequence_number(sequence)
            .with_timestamp_ms(table.last_updated_ms() + 1)
            .with_manifest_list(list)
            .with_schema_id(table.current_schema_id())
            .with_summary(Summary { operation: Operation::Overwrite, additional_properties: HashMap::new() })
            .build();
        let builder = table.into_builder(None).set_branch_snapshot(snapshot, MAIN_BRANCH).unwrap();
        self.publish(&serde_json::to_value(builder.build().unwrap().metadata).unwrap());
    }

    pub fn entry(
        &self,
        content: DataContentType,
        format: DataFileFormat,
        path: &str,
        records: usize,
        partition: Struct,
    ) -> DataFileBuilder {
        let mut builder = DataFileBuilder::default();
        builder
            .content(content)
            .file_format(format)
            .file_path(path.into())
            .record_count(records as u64)
            .file_size_in_bytes(std::fs::metadata(path.strip_prefix("file://").unwrap()).map_or(0, |file| file.len()))
            .partition(partition)
            .partition_spec_id(self.metadata().default_partition_spec_id());
        builder
    }

    /// A position delete file, with bounds as a writer makes them.
    pub fn positions(&self, name: &str, rows: &[(&str, i64)], partition: Struct) -> DataFile {
        let path = self.parquet(
            name,
            vec![
                ("file_path", FILE_PATH_ID, Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0)))),
                ("pos", POSITION_ID, Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1)))),
            ],
        );
        let bound = |path: Option<&str>| HashMap::from([(FILE_PATH_ID, Datum::string(path.unwrap()))]);
        let mut builder = self.entry(DataContentType::PositionDeletes, DataFileFormat::Parquet, &path, rows.len(), partition);
        builder.lower_bounds(bound(rows.iter().map(|row| row.0).min())).upper_bounds(bound(rows.iter().map(|row| row.0).max()));
        builder.build().unwrap()
    }

    /// An equality delete file by `id`.
    pub fn equality(&self, name: &str, ids: &[i64], partition: Struct) -> DataFile {
        let path = self.parquet(name, vec![("id", 1, Arc::new(Int64Array::from(ids.to_vec())))]);
        let mut builder = self.entry(DataContentType::EqualityDeletes, DataFileFormat::Parquet, &path, ids.len(), partition);
        builder.equality_ids(Some(vec![1])).build().unwrap()
    }

    fn parquet(&self, name: &str, columns: Vec<(&str, i32, ArrayRef)>) -> String {
        let field = |name: &str, kind: &DataType, id: i32| {
            Field::new(name, kind.clone(), false).with_metadata(HashMap::from([(FIELD_ID.into(), id.to_string())]))
        };
        let fields: Vec<Field> = columns.iter().map(|(name, id, column)| field(name, column.data_type(), *id)).collect();
        let batch =
            RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, _, column)| column).collect()).unwrap();
        let path = self.folder.join(format!("data/{name}.parquet"));
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        format!("file://{}", path.display())
    }
}
