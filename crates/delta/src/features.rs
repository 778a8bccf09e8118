//! Which tables are read and written (Delta protocol, "Table Features"). Anything else is refused by its name, and nothing is ever
//! written to a table whose features are not supported.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use waterline_core::error::{Error, Result};

use crate::actions::Protocol;
use crate::rules::{GENERATION, INVARIANTS};
use crate::schema::{ColumnMapping, DeltaField, DeltaType};

pub(crate) const DELETION_VECTORS: &str = "deletionVectors";
pub(crate) const TIMESTAMP_NTZ: &str = "timestampNtz";
pub(crate) const TYPE_WIDENING: &str = "typeWidening";
pub(crate) const GENERATED_COLUMNS: &str = "generatedColumns";
pub(crate) const V2_CHECKPOINT: &str = "v2Checkpoint";
pub(crate) const IN_COMMIT_TIMESTAMP: &str = "inCommitTimestamp";
const COLUMN_MAPPING: &str = "columnMapping";

pub(crate) const IN_COMMIT_TIMESTAMPS: &str = "delta.enableInCommitTimestamps";
const CHANGE_DATA_FEED: &str = "delta.enableChangeDataFeed";

/// Features of readers and writers, which both lists name.
pub(crate) const READER_FEATURES: [&str; 3] = [DELETION_VECTORS, TIMESTAMP_NTZ, TYPE_WIDENING];

const READ: [&str; 7] =
    [COLUMN_MAPPING, DELETION_VECTORS, TIMESTAMP_NTZ, TYPE_WIDENING, "typeWidening-preview", V2_CHECKPOINT, "vacuumProtocolCheck"];

/// Those that ask nothing of a writer until the table uses them, which is looked at apart, and those that are kept.
const WRITTEN: [&str; 12] = [
    "appendOnly",
    "changeDataFeed",
    "checkConstraints",
    COLUMN_MAPPING,
    DELETION_VECTORS,
    "domainMetadata",
    GENERATED_COLUMNS,
    "identityColumns",
    IN_COMMIT_TIMESTAMP,
    "invariants",
    TIMESTAMP_NTZ,
    TYPE_WIDENING,
];
const WRITTEN_TOO: [&str; 2] = [V2_CHECKPOINT, "vacuumProtocolCheck"];

const READER_WITH_FEATURES: i32 = 3;
const WRITER_WITH_FEATURES: i32 = 7;

pub(crate) type Configuration = BTreeMap<String, Option<String>>;

pub(crate) fn is_set(configuration: &Configuration, property: &str) -> bool {
    configuration.get(property).and_then(Option::as_deref) == Some("true")
}

impl Protocol {
    pub(crate) fn supports(&self, feature: &str) -> bool {
        self.writer_features.iter().flatten().any(|known| known == feature)
    }

    /// The protocol of a new table with these features.
    pub(crate) fn with(features: &[&str]) -> Self {
        if features.is_empty() {
            return Self { min_reader_version: 1, min_writer_version: 2, reader_features: None, writer_features: None };
        }
        let plain = Self { min_reader_version: 1, min_writer_version: 7, reader_features: None, writer_features: Some(Vec::new()) };
        ["appendOnly", "invariants"].iter().chain(features).fold(plain, |protocol, feature| protocol.and(feature))
    }

    /// The protocol with one more feature; features that its versions stand for are named.
    pub(crate) fn and(&self, feature: &str) -> Self {
        if self.supports(feature) {
            return self.clone();
        }
        let mut next = self.clone();
        let mut writer = next.writer_features.take().unwrap_or_else(|| legacy_features(self.min_writer_version));
        writer.push(feature.to_owned());
        (next.min_writer_version, next.writer_features) = (WRITER_WITH_FEATURES, Some(writer));
        if READER_FEATURES.contains(&feature) || next.min_reader_version >= READER_WITH_FEATURES {
            let legacy = if next.min_reader_version == 2 { vec![COLUMN_MAPPING.to_owned()] } else { Vec::new() };
            let mut reader = next.reader_features.take().unwrap_or(legacy);
            if READER_FEATURES.contains(&feature) {
                reader.push(feature.to_owned());
            }
            (next.min_reader_version, next.reader_features) = (READER_WITH_FEATURES, Some(reader));
        }
        next
    }
}

/// What the versions below 7 stand for (Delta protocol, "Writer Version Requirements").
fn legacy_features(version: i32) -> Vec<String> {
    let since = [
        (2, "appendOnly"),
        (2, "invariants"),
        (3, "checkConstraints"),
        (4, "changeDataFeed"),
        (4, GENERATED_COLUMNS),
        (5, COLUMN_MAPPING),
        (6, "identityColumns"),
    ];
    since.into_iter().filter(|(first, _)| *first <= version).map(|(_, feature)| feature.to_owned()).collect()
}

/// Fails for a table that cannot be read as it is meant.
pub(crate) fn ensure_readable(protocol: &Protocol) -> Result<()> {
    if protocol.min_reader_version > READER_WITH_FEATURES {
        return Err(unsupported("reader version").with("version", protocol.min_reader_version));
    }
    let named = protocol.reader_features.iter().flatten().filter(|_| protocol.min_reader_version == READER_WITH_FEATURES);
    match named.into_iter().find(|feature| !READ.contains(&feature.as_str())) {
        Some(feature) => Err(unsupported(feature)),
        None => Ok(()),
    }
}

/// Fails for a table that we cannot write as its features ask, before anything is written.
pub(crate) fn ensure_writable(protocol: &Protocol, configuration: &Configuration, columns: &[DeltaField]) -> Result<()> {
    if protocol.min_writer_version > WRITER_WITH_FEATURES {
        return Err(unwritable("writer version").with("version", protocol.min_writer_version));
    }
    let named = protocol.writer_features.iter().flatten().filter(|_| protocol.min_writer_version == WRITER_WITH_FEATURES);
    let is_known = |feature: &str| WRITTEN.contains(&feature) || WRITTEN_TOO.contains(&feature);
    if let Some(feature) = named.into_iter().find(|feature| !is_known(feature)) {
        return Err(unwritable(feature));
    }
    if is_set(configuration, CHANGE_DATA_FEED) {
        return Err(unwritable("change data feed").with("property", CHANGE_DATA_FEED));
    }
    columns.iter().try_for_each(|column| ensure_column_writable(column).map_err(|e| e.with("column", &column.name)))
}

fn ensure_column_writable(column: &DeltaField) -> Result<()> {
    if ["delta.identity.start", "delta.identity.step"].iter().any(|key| column.metadata.contains_key(*key)) {
        return Err(unwritable("identity columns"));
    }
    if column.metadata.contains_key("CURRENT_DEFAULT") {
        return Err(unwritable("column defaults"));
    }
    ensure_type_writable(&column.data_type)
}

/// Fails for types that data files would hold in another width than the table's, and for rules of what is inside of a column.
fn ensure_type_writable(data_type: &DeltaType) -> Result<()> {
    let nested = match data_type {
        DeltaType::Primitive(name) if name == "byte" || name == "short" => {
            return Err(unwritable("columns of this type").with("type", name));
        }
        DeltaType::Primitive(_) => return Ok(()),
        DeltaType::Nested(nested) => nested,
    };
    let is_ruled = |field: &&DeltaField| [INVARIANTS, GENERATION].iter().any(|key| field.metadata.contains_key(*key));
    match nested.fields().iter().find(is_ruled) {
        Some(field) => Err(unwritable("invariants inside of a column").with("field", &field.name)),
        None => nested.parts().into_iter().try_for_each(ensure_type_writable),
    }
}

/// The mode of column mapping, which counts only where the protocol has the feature.
pub(crate) fn column_mapping(protocol: &Protocol, configuration: &Configuration) -> Result<ColumnMapping> {
    let has_feature = match &protocol.reader_features {
        Some(features) => features.iter().any(|feature| feature == COLUMN_MAPPING),
        None => protocol.min_reader_version >= 2,
    };
    match configuration.get("delta.columnMapping.mode").and_then(Option::as_deref).filter(|_| has_feature) {
        None | Some("none") => Ok(ColumnMapping::None),
        Some("id" | "name") => Ok(ColumnMapping::Mapped),
        Some(other) => Err(unsupported("column mapping").with("mode", other)),
    }
}

/// Whether a commit may add deletion vectors.
pub(crate) fn has_deletion_vectors(protocol: &Protocol, configuration: &Configuration) -> bool {
    protocol.supports(DELETION_VECTORS) && is_set(configuration, "delta.enableDeletionVectors")
}

/// Whether commits say in their own words when they were made.
pub(crate) fn has_commit_times(protocol: &Protocol, configuration: &Configuration) -> bool {
    protocol.supports(IN_COMMIT_TIMESTAMP) && is_set(configuration, IN_COMMIT_TIMESTAMPS)
}

fn unsupported(feature: &str) -> Error {
    Error::unsupported("the table uses a feature of Delta that is not supported").with("feature", feature)
}

fn unwritable(feature: &str) -> Error {
    Error::unsupported("the table uses a feature of Delta that is read, but not written; nothing was written").with("feature", feature)
}

/// A key of a column's metadata as text.
pub(crate) fn text<'a>(metadata: &'a Map<String, Json>, key: &str) -> Option<&'a str> {
    metadata.get(key).and_then(Json::as_str)
}
