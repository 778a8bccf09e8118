//! Patterns of table names, such as `tpcc.*`.

use waterline_core::table::TableName;

/// `*` stands for any text, also none; everything else for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePattern(String);

impl TablePattern {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn matches(&self, table: &TableName) -> bool {
        matches(&self.0, &table.to_string())
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("tpcc.*", "tpcc.customer", true),
            ("tpcc.*", "tpc.customer", false),
            ("*", "a.b", true),
            ("tpcc.order*", "tpcc.orders", true),
            ("*.order*s", "tpcc.orders", true),
            ("tpcc.orders", "tpcc.orders", true),
            ("tpcc.orders", "tpcc.orders2", false),
            ("tpcc.o*o*s", "tpcc.os", false),
        ] {
            assert_eq!(TablePattern::new(pattern).matches(&name.parse().unwrap()), expected, "{pattern} {name}");
        }
    }
}
