//! Schema evolution: new columns, and wider types where the table allows it (Delta protocol, "Type Widening").

use arrow::datatypes::SchemaRef;
use waterline_core::error::{Error, ErrorKind, Result};
use waterline_core::format::{CommitOutcome, TableState, table_schema};
use waterline_core::schema::TableSchema;

use crate::actions::{Action, Protocol};
use crate::features::{self, Configuration, TIMESTAMP_NTZ, TYPE_WIDENING};
use crate::schema::{self, ColumnMapping, DeltaField};
use crate::snapshot::Snapshot;
use crate::state::{DeltaState, Head};
use crate::table::DeltaTable;

const ENABLED: &str = "delta.enableTypeWidening";

impl DeltaTable {
    pub(crate) async fn evolve_to(&self, base: &TableState, wanted: &SchemaRef) -> Result<CommitOutcome> {
        let incoming = TableSchema::new(wanted.fields().to_vec(), base.keys.clone())?;
        let state = DeltaState::of(base)?;
        let Some(grown) = table_schema(base)?.evolve(&incoming)? else { return Ok(CommitOutcome::Committed(base.clone())) };
        let actions = actions(&state.head.log.snapshot, &grown)?;
        let keys = base.keys.clone();
        let is_done = |head: &Head| {
            let now = TableSchema::new(head.log.snapshot.table.schema.fields().to_vec(), keys.clone());
            now.and_then(|now| now.evolve(&incoming)).is_ok_and(|grown| grown.is_none())
        };
        self.change(state, "CHANGE COLUMNS", actions, state.head.ledger.as_ref().clone(), is_done).await
    }
}

fn actions(snapshot: &Snapshot, grown: &TableSchema) -> Result<Vec<Action>> {
    let table = &snapshot.table;
    if table.mapping != ColumnMapping::None {
        let problem = "a column of the source is new or has another type, which a table with column mapping does not take from Waterline; change the table with its own writer";
        return Err(Error::new(ErrorKind::SchemaChange, problem).with("table", &snapshot.root));
    }
    let mut fields = table.fields.clone();
    for column in grown.fields() {
        match fields.iter_mut().find(|field| field.name == *column.name() && !field.is_partition_of_ours()) {
            Some(field) => *field = widened(field, column, snapshot)?,
            None => fields.push(DeltaField { nullable: true, ..schema::new_field(column)? }),
        }
    }
    ensure_names_differ(&fields)?;
    let protocol = protocol_for(&snapshot.protocol, &fields);
    let mut actions: Vec<Action> = Vec::new();
    if protocol != *snapshot.protocol {
        actions.push(protocol.into());
    }
    actions.push(table.with_fields(fields)?.into());
    Ok(actions)
}

fn widened(field: &DeltaField, column: &arrow::datatypes::FieldRef, snapshot: &Snapshot) -> Result<DeltaField> {
    let mut wide = schema::widened(field, column)?;
    wide.nullable = field.nullable;
    if wide.data_type != field.data_type && !allows_wider_types(&snapshot.protocol, &snapshot.table.raw.configuration) {
        return Err(Error::new(
            ErrorKind::SchemaChange,
            "a column of the source has a wider type now, which a Delta table takes with type widening only, and not every reader knows that; set the property when the table is made, or load the table anew",
        )
        .with("column", &field.name)
        .with("property", ENABLED)
        .with("source type", column.data_type()));
    }
    Ok(wide)
}

fn allows_wider_types(protocol: &Protocol, configuration: &Configuration) -> bool {
    protocol.supports(TYPE_WIDENING) && features::is_set(configuration, ENABLED)
}

/// The protocol that the types of the columns ask for.
pub(crate) fn protocol_for(protocol: &Protocol, fields: &[DeltaField]) -> Protocol {
    match fields.iter().any(|field| schema::has_type(&field.data_type, "timestamp_ntz")) {
        true => protocol.and(TIMESTAMP_NTZ),
        false => protocol.clone(),
    }
}

/// Delta compares names of columns without case.
pub(crate) fn ensure_names_differ(fields: &[DeltaField]) -> Result<()> {
    let mut seen = std::collections::BTreeMap::new();
    for field in fields {
        if let Some(other) = seen.insert(field.name.to_lowercase(), &field.name) {
            return Err(Error::new(ErrorKind::SchemaChange, "a Delta table cannot have two columns whose names differ in case only")
                .with("column", &field.name)
                .with("column", other));
        }
    }
    Ok(())
}
