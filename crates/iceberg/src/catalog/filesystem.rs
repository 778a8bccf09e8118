//! Tables that are their own catalog, in the layout of Iceberg's Hadoop catalog: `WAREHOUSE/NAMESPACE/TABLE/metadata/vN.metadata.json`,
//! each written only if its name is free, then `version-hint.text`. The hint may be old or missing: newer files count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use uuid::Uuid;
use waterline_core::error::{Error, Result};
use waterline_core::format::{Catalog, TableDefinition, TableFormat, TableState};
use waterline_core::table::TableName;
use waterline_env::Env;
use waterline_env::attempts::{ATTEMPTS, pause};
use waterline_env::files::store_failed;

use crate::catalog::create;
use crate::files::{Created, Files, NewFile};
use crate::location::{self, MetadataCodec};
use crate::metadata::{self, Metadata};
use crate::pointer::{Pointer, Swap};
use crate::probe::{Commits, Probe};
use crate::table::IcebergTable;

const CODECS: [MetadataCodec; 2] = [MetadataCodec::Plain, MetadataCodec::Gzip];

/// A catalog without a service: all tables below a folder of an object store with conditional create.
#[derive(Debug)]
pub struct FilesystemCatalog {
    warehouse: String,
    env: Env,
    files: Files,
    probe: Arc<Probe>,
}

impl FilesystemCatalog {
    /// `warehouse` is a path or a URL.
    pub fn new(warehouse: &str, env: Env) -> Result<Self> {
        let probe = Arc::new(Probe::new(env.clone(), Commits::ByCreate));
        Ok(Self { warehouse: location::of_warehouse(warehouse)?, files: Files::new(env.stores.clone()), env, probe })
    }

    fn folder(&self, name: &TableName) -> Folder {
        Folder::new(format!("{}/{}/{}", self.warehouse, name.namespace(), name.name()), self.files.clone(), self.probe.clone())
    }

    fn table(&self, name: &TableName, folder: Folder) -> Arc<dyn TableFormat> {
        Arc::new(IcebergTable::new(name.clone(), Arc::new(folder), self.env.clone()))
    }
}

#[async_trait]
impl Catalog for FilesystemCatalog {
    async fn list(&self) -> Result<Vec<TableName>> {
        let mut names = Vec::new();
        for namespace in self.files.list(&self.warehouse).await?.folders {
            for table in self.files.list(&format!("{}/{namespace}", self.warehouse)).await?.folders {
                let Ok(name) = TableName::new(&namespace, &table) else { continue };
                if self.folder(&name).newest().await?.is_some() {
                    names.push(name);
                }
            }
        }
        names.sort();
        Ok(names)
    }

    async fn open(&self, name: &TableName) -> Result<Option<Arc<dyn TableFormat>>> {
        let folder = self.folder(name);
        Ok(folder.newest().await?.map(|_| self.table(name, folder)))
    }

    fn preview(&self, name: &TableName, definition: &TableDefinition) -> Result<TableState> {
        create::preview(definition, &self.folder(name).location, &self.env)
    }

    async fn create(&self, name: &TableName, definition: &TableDefinition) -> Result<Arc<dyn TableFormat>> {
        let folder = self.folder(name);
        if folder.newest().await?.is_none() {
            let table = create::new_table(definition, &folder.location, &self.env)?;
            let codec = metadata::codec(&table)?;
            let file =
                NewFile { location: location::numbered_metadata(&folder.location, 1, codec), bytes: metadata::serialise(&table, codec)? };
            folder.create_first(&file).await?;
        }
        Ok(self.table(name, folder))
    }
}

/// A table's folder as the pointer to its metadata.
#[derive(Debug)]
struct Folder {
    location: String,
    files: Files,
    probe: Arc<Probe>,
    /// The newest version that was seen; there is none below it to be looked for.
    seen: AtomicU64,
}

impl Folder {
    fn new(location: String, files: Files, probe: Arc<Probe>) -> Self {
        Self { location, files, probe, seen: AtomicU64::new(0) }
    }

    /// The newest metadata file, by the hint and then by the names that follow, or by listing where the hint leads nowhere.
    async fn newest(&self) -> Result<Option<String>> {
        let hinted = self.hint().await?.max(self.seen.load(Ordering::Relaxed));
        let start = match self.file_of(hinted).await? {
            Some(found) => Some((hinted, found)),
            None => self.listed().await?,
        };
        let Some((mut version, mut newest)) = start else { return Ok(None) };
        while let Some(next) = self.file_of(version + 1).await? {
            (version, newest) = (version + 1, next);
        }
        self.seen.fetch_max(version, Ordering::Relaxed);
        Ok(Some(newest))
    }

    /// 0 when there is no hint that can be read.
    async fn hint(&self) -> Result<u64> {
        let hint = self.files.read_if_exists(&self.hint_location()).await?;
        Ok(hint.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.trim().parse().ok()).unwrap_or(0))
    }

    fn hint_location(&self) -> String {
        format!("{}/metadata/version-hint.text", self.location)
    }

    async fn file_of(&self, version: u64) -> Result<Option<String>> {
        if version == 0 {
            return Ok(None);
        }
        for codec in CODECS {
            let location = location::numbered_metadata(&self.location, version, codec);
            if self.files.exists(&location).await? {
                return Ok(Some(location));
            }
        }
        Ok(None)
    }

    async fn listed(&self) -> Result<Option<(u64, String)>> {
        let folder = format!("{}/metadata", self.location);
        let names = self.files.list(&folder).await?.files;
        let metadata =
            names.iter().filter(|name| name.starts_with('v') && (name.ends_with(".metadata.json") || name.ends_with(".metadata.json.gz")));
        let newest = metadata.map(|name| (location::metadata_version(name), name)).max();
        Ok(newest.map(|(version, name)| (version, format!("{folder}/{name}"))))
    }

    /// Makes the table, whoever made it first. A create whose answer was lost is repeated until it is known to be there.
    async fn create_first(&self, file: &NewFile) -> Result<()> {
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            match self.create(1, file).await? {
                Swap::Won | Swap::Lost => return Ok(()),
                Swap::Unknown(error) => last = Some(error),
            }
        }
        last.map_or(Ok(()), Err)
    }

    /// Looks who holds a name that is taken. It may be us: the store repeats requests whose answers it lost. It may also be
    /// nobody: S3 answers so to requests that collide.
    async fn holder(&self, file: &NewFile) -> Result<Holder> {
        let held = self.files.read(&file.location).await?;
        Ok(if held == file.bytes { Holder::Us } else { Holder::Another })
    }

    /// Takes the slot of a version. A name that is free may be one that was taken and cleaned up: then there are newer ones.
    async fn create(&self, version: u64, file: &NewFile) -> Result<Swap> {
        self.probe.ensure(&file.location).await?;
        match self.files.create(file).await? {
            Created::Yes => {}
            Created::Exists => match self.holder(file).await {
                Ok(Holder::Us) => {}
                Ok(Holder::Another) => return Ok(Swap::Lost),
                Err(error) => return Ok(Swap::Unknown(error)),
            },
            Created::Unknown(error) => return Ok(Swap::Unknown(store_failed(&file.location, error))),
        }
        match self.newest().await {
            Ok(Some(newest)) if newest == file.location => {}
            Ok(_) => return Ok(Swap::Lost),
            Err(error) => return Ok(Swap::Unknown(error)),
        }
        let hint = NewFile { location: self.hint_location(), bytes: version.to_string().into() };
        if let Err(error) = self.files.write(&hint).await {
            tracing::warn!(%error, "the version hint is left behind; readers find the newest version without it");
        }
        Ok(Swap::Won)
    }
}

/// Whose metadata is in a slot.
enum Holder {
    Us,
    Another,
}

#[async_trait]
impl Pointer for Folder {
    async fn current(&self) -> Result<String> {
        let newest = self.newest().await?;
        newest.ok_or_else(|| Error::not_found("the table does not exist any more").with("table", &self.location))
    }

    fn successor(&self, base: &Metadata, codec: MetadataCodec, _: Uuid) -> String {
        location::numbered_metadata(&self.location, location::metadata_version(&base.location) + 1, codec)
    }

    async fn swap(&self, _: &str, next: &NewFile) -> Result<Swap> {
        self.create(location::metadata_version(&next.location), next).await
    }

    fn own_files(&self) -> Vec<String> {
        vec![self.hint_location()]
    }
}
