//! Tables that a command line names, by name or by pattern.

use std::collections::BTreeSet;

use waterline_core::error::{Error, Result};
use waterline_core::table::TableName;

use crate::settings::TablePattern;

/// Tables by their own names, changelogs aside. A name that matches nothing is an error.
pub(crate) fn selected(all: &[TableName], patterns: &[String]) -> Result<BTreeSet<TableName>> {
    let mirrors: BTreeSet<TableName> = all.iter().map(|name| name.mirror().unwrap_or_else(|| name.clone())).collect();
    if patterns.is_empty() {
        return Ok(mirrors);
    }
    let mut chosen = BTreeSet::new();
    for pattern in patterns {
        let pattern = TablePattern::new(pattern);
        let before = chosen.len();
        chosen.extend(mirrors.iter().filter(|name| pattern.matches(name)).cloned());
        if chosen.len() == before && !mirrors.iter().any(|name| pattern.matches(name)) {
            return Err(Error::not_found("the catalog has no such table").with("table", pattern.as_str()));
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests;
