//! Headers of a Kafka record: `[[name, value], ...]` or `{name: value}`, a value being JSON text, with or without a schema.

use std::borrow::Cow;

use super::json::{JsonKind, each_element, each_field, string};
use super::outline::payload;
use crate::error::{Error, Result};

/// The headers that matter.
#[derive(Debug, Default)]
pub(super) struct Headers<'a> {
    pub(super) op: Option<Cow<'a, str>>,
    old_key: Option<Cow<'a, str>>,
}

impl<'a> Headers<'a> {
    pub(super) fn read(json: &'a str) -> Result<Self> {
        let mut headers = Self::default();
        match JsonKind::of(json) {
            JsonKind::Array => {
                let mut pairs = Vec::new();
                each_element(json, |pair| pairs.push(pair))?;
                pairs.into_iter().try_for_each(|pair| headers.take_pair(pair))?;
            }
            JsonKind::Object => each_field(json, |name, value| headers.take(name, value))?,
            kind => return Err(Error::bad_input("headers are an array or an object").with("json type", kind)),
        }
        Ok(headers)
    }

    /// The key before a change of key, as a JSON object.
    pub(super) fn old_key(&self) -> Result<Option<Cow<'a, str>>> {
        let Some(json) = &self.old_key else { return Ok(None) };
        Ok(payload(json)?.map(|key| Cow::Owned(key.to_owned())))
    }

    fn take_pair(&mut self, pair: &'a str) -> Result<()> {
        let mut parts = Vec::new();
        each_element(pair, |part| parts.push(part))?;
        match parts.as_slice() {
            [name, value] => self.take(&string(name).unwrap_or_default(), value),
            _ => Err(Error::bad_input("a header is a pair of name and value")),
        }
    }

    fn take(&mut self, name: &str, value: &'a str) -> Result<()> {
        match name {
            "__debezium.oldkey" => self.old_key = Some(string(value).unwrap_or(Cow::Borrowed(value))),
            "__op" => {
                let json = string(value).unwrap_or(Cow::Borrowed(value));
                // Without a converter the header is the word itself.
                let word = payload(&json).ok().flatten().and_then(string).map(Cow::into_owned);
                self.op = Some(Cow::Owned(word.unwrap_or_else(|| json.clone().into_owned())));
            }
            _ => {}
        }
        Ok(())
    }
}
