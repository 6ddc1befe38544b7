//! Rows of a query, without names: integers and texts by their place.

use worker::{Result, SqlStorage, SqlStorageValue};

/// One row.
pub struct Row(Vec<SqlStorageValue>);

/// The first row of a query, if it has one.
pub fn first(sql: &SqlStorage, query: &str) -> Result<Option<Row>> {
    first_of(sql, query, Vec::new())
}

/// The same, of a query with values in it.
pub fn first_of(sql: &SqlStorage, query: &str, values: Vec<SqlStorageValue>) -> Result<Option<Row>> {
    sql.exec(query, values)?.raw().next().transpose().map(|row| row.map(Row))
}

/// All rows of a query.
pub fn all_of(sql: &SqlStorage, query: &str, values: Vec<SqlStorageValue>) -> Result<Vec<Row>> {
    sql.exec(query, values)?.raw().map(|row| row.map(Row)).collect()
}

/// Whether an object has this table yet.
pub fn is_there(sql: &SqlStorage, table: &str) -> Result<bool> {
    Ok(first_of(sql, "SELECT 1 FROM sqlite_master WHERE name = ?", vec![table.into()])?.is_some())
}

/// A bound integer. Every bound number is a REAL to the platform, so columns are INTEGER and STRICT.
pub fn int(value: i64) -> Result<SqlStorageValue> {
    SqlStorageValue::try_from_i64(value)
}

impl Row {
    /// The integer at a place; 0 when there is none, which every caller reads as "nothing".
    pub fn int(&self, place: usize) -> i64 {
        match self.0.get(place) {
            Some(SqlStorageValue::Integer(value)) => *value,
            Some(SqlStorageValue::Float(value)) => *value as i64,
            _ => 0,
        }
    }

    /// The text at a place.
    pub fn text(&self, place: usize) -> String {
        match self.0.get(place) {
            Some(SqlStorageValue::String(value)) => value.clone(),
            _ => String::new(),
        }
    }

    /// The bytes at a place; empty when there are none, which no row of ours is.
    pub fn bytes(&self, place: usize) -> &[u8] {
        match self.0.get(place) {
            Some(SqlStorageValue::Blob(value)) => value,
            _ => &[],
        }
    }
}
