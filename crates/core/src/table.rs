//! Names of tables.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Suffix of a table's changelog: `<table>__changelog`.
const CHANGELOG_SUFFIX: &str = "__changelog";

/// `namespace.table`, as the source names it. Neither part is empty or holds a control character, a slash, or `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName {
    namespace: String,
    name: String,
}

impl TableName {
    pub fn new(namespace: &str, name: &str) -> Result<Self> {
        for part in [namespace, name] {
            if part.is_empty() || part == "." || part.contains("..") || part.contains(['/', '\\']) || part.chars().any(char::is_control) {
                return Err(Error::usage("not a table name; it must be NAMESPACE.TABLE without slashes or `..`")
                    .with("table", format!("{namespace}.{name}")));
            }
        }
        Ok(Self { namespace: namespace.into(), name: name.into() })
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The companion table that holds every event of this one.
    pub fn changelog(&self) -> Self {
        Self { namespace: self.namespace.clone(), name: format!("{}{CHANGELOG_SUFFIX}", self.name) }
    }

    /// The table that this changelog belongs to, or `None` when it is not a changelog.
    pub fn mirror(&self) -> Option<Self> {
        let name = self.name.strip_suffix(CHANGELOG_SUFFIX)?;
        (!name.is_empty()).then(|| Self { namespace: self.namespace.clone(), name: name.into() })
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.namespace, self.name)
    }
}

impl FromStr for TableName {
    type Err = Error;

    /// The part before the first dot is the namespace; the rest, dots included, is the table.
    fn from_str(text: &str) -> Result<Self> {
        let (namespace, name) = text.split_once('.').ok_or_else(|| Error::usage("a table is named NAMESPACE.TABLE").with("table", text))?;
        Self::new(namespace, name)
    }
}

impl TryFrom<String> for TableName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.to_string()
    }
}
