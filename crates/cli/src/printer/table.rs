//! Rows as aligned columns for people. Laid out part by part, so that a long result needs no memory; the first part fixes
//! the widths.

use std::ops::Range;

use arrow::datatypes::{DataType, Field, SchemaRef};
use comfy_table::{Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, TableComponent, Width};

use waterline_core::cells::Cells;

/// What is written for a null.
const NULL: &str = "NULL";
/// No column is made narrower than this to fit a terminal.
const MIN_WIDTH: u16 = 8;
/// Space and line between two columns.
const SEPARATOR_WIDTH: u16 = 3;

/// How a table may look on the terminal at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Columns of the terminal; `None` when lines may be of any length.
    pub(crate) width: Option<u16>,
    pub(crate) color: bool,
}

pub(crate) struct TableLayout {
    layout: Layout,
    /// Of the columns' contents; known after the first part.
    widths: Option<Vec<u16>>,
}

impl TableLayout {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout, widths: None }
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.widths.is_some()
    }

    /// Appends rows, and before the first ones the header.
    pub(crate) fn push(&mut self, out: &mut String, schema: &SchemaRef, columns: &[Cells], rows: Range<usize>) {
        if rows.is_empty() && self.has_begun() {
            return;
        }
        let mut table = empty_table();
        if !self.has_begun() {
            table.set_header(schema.fields().iter().map(|field| self.header_cell(field)));
        }
        for row in rows {
            table.add_row(columns.iter().zip(schema.fields()).map(|(column, field)| self.cell(column, row, field)));
        }
        let layout = self.layout;
        let widths = self.widths.get_or_insert_with(|| fit(table.column_max_content_widths(), layout.width));
        constrain(&mut table, widths, layout);
        if layout.color {
            table.enforce_styling();
        }
        for line in table.lines() {
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }

    fn header_cell(&self, field: &Field) -> Cell {
        let cell = aligned(Cell::new(printable(field.name())), field.data_type());
        if self.layout.color { cell.add_attribute(Attribute::Bold) } else { cell }
    }

    fn cell(&self, column: &Cells, row: usize, field: &Field) -> Cell {
        if column.is_null(row) {
            let cell = aligned(Cell::new(NULL), field.data_type());
            return if self.layout.color { cell.fg(Color::DarkGrey) } else { cell };
        }
        let mut text = String::new();
        column.write_text(&mut text, row);
        aligned(Cell::new(printable(&text)), field.data_type())
    }
}

fn empty_table() -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for (component, symbol) in
        [(TableComponent::VerticalLines, '|'), (TableComponent::HeaderLines, '-'), (TableComponent::MiddleHeaderIntersections, '+')]
    {
        table.set_style(component, symbol);
    }
    table
}

fn constrain(table: &mut Table, widths: &[u16], layout: Layout) {
    for (column, width) in table.column_iter_mut().zip(widths) {
        let padded = Width::Fixed(width.saturating_add(column.padding_width()));
        // Without a terminal nothing is wrapped: a longer value in a later part moves its line only.
        column.set_constraint(if layout.width.is_some() {
            ColumnConstraint::Absolute(padded)
        } else {
            ColumnConstraint::LowerBoundary(padded)
        });
    }
}

/// Widths that fit the terminal: the widest columns give way first.
fn fit(wanted: Vec<u16>, terminal: Option<u16>) -> Vec<u16> {
    let Some(terminal) = terminal else { return wanted };
    let separators = SEPARATOR_WIDTH.saturating_mul(u16::try_from(wanted.len()).unwrap_or(u16::MAX));
    let room = u32::from(terminal.saturating_sub(separators));
    let total = |cap: u16| wanted.iter().map(|width| u32::from(*width.min(&cap))).sum::<u32>();
    let widest = wanted.iter().copied().max().unwrap_or(0);
    let cap = (MIN_WIDTH..=widest).rev().find(|cap| total(*cap) <= room).unwrap_or(MIN_WIDTH);
    wanted.iter().map(|width| *width.min(&cap)).collect()
}

fn aligned(cell: Cell, data_type: &DataType) -> Cell {
    if data_type.is_numeric() { cell.set_alignment(CellAlignment::Right) } else { cell }
}

/// Text without characters that could move the cursor.
fn printable(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}
