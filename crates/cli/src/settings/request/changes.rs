//! What `changes` asks of the engine.

use waterline_core::as_of::Beyond;
use waterline_core::changes::Detail;
use waterline_core::error::Result;
use waterline_core::table::TableName;
use waterline_engine::changes::Span;

use super::with_memory;
use crate::args::ChangesArgs;
use crate::settings::{Limits, Settings, parse_moment, parse_zone};

/// The changes of a table between two moments of its source.
#[derive(Debug)]
pub(crate) struct ChangesRequest {
    pub(crate) table: TableName,
    pub(crate) span: Span,
    pub(crate) detail: Detail,
    pub(crate) limits: Limits,
}

impl ChangesRequest {
    pub(crate) fn resolve(args: &ChangesArgs, settings: &Settings) -> Result<Self> {
        let timezone = parse_zone(args.timezone.as_deref())?;
        let moment = |text: &str, option: &'static str| parse_moment(text, timezone).map_err(|e| e.with("option", option));
        let known_by_us = args.committed_by.as_deref().map(|text| moment(text, "--committed-by")).transpose()?;
        let span = Span {
            since_us: moment(&args.since, "--since")?,
            until_us: moment(&args.until, "--until")?,
            known_by_ms: known_by_us.map(|at_us| at_us.div_euclid(1000)),
            beyond: if args.allow_incomplete { Beyond::AsLogged } else { Beyond::Refuse },
        };
        Ok(Self {
            table: args.table.parse()?,
            span,
            detail: if args.net { Detail::Net } else { Detail::EveryEvent },
            limits: with_memory(settings.limits, args.memory_limit.as_deref())?,
        })
    }
}
