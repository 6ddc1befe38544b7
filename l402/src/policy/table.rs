//! Reading what an operator wrote, with the full path of the key in every complaint (T127).
//!
//! By hand and not derived: a derived reader says "unknown field" without saying where, and a
//! reader for each table has its weight in the worker.

use serde_json::{Map, Value};

use super::PolicyFault;

/// One table of the policy, whose keys are all known.
pub(super) struct Table<'v> {
    path: String,
    members: &'v Map<String, Value>,
}

impl<'v> Table<'v> {
    /// Takes a table in which only `known` keys stand; an empty list permits any name.
    pub(super) fn new(path: String, value: &'v Value, known: &[&str]) -> Result<Self, PolicyFault> {
        let members = value.as_object().ok_or_else(|| PolicyFault::at(&path, "a table"))?;
        let table = Self { path, members };
        match table.members.keys().find(|key| !known.is_empty() && !known.contains(&key.as_str())) {
            Some(key) => Err(PolicyFault::at(table.key(key), format!("is not known; known are {}", known.join(", ")))),
            None => Ok(table),
        }
    }

    /// The full path of a key, `services.api.price_msat`.
    pub(super) fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn get<T>(&self, name: &str, what: &str, read: impl Fn(&'v Value) -> Option<T>) -> Result<Option<T>, PolicyFault> {
        let Some(value) = self.members.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| PolicyFault::at(self.key(name), what))
    }

    /// Whether a key stands here at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'v str>, PolicyFault> {
        self.get(name, "a text in quotes", Value::as_str)
    }

    pub(super) fn required_text(&self, name: &str) -> Result<&'v str, PolicyFault> {
        self.text(name)?.ok_or_else(|| PolicyFault::at(self.key(name), "is missing"))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, PolicyFault> {
        self.flag_or(name, false)
    }

    /// A switch that is in a position of its own where nobody touched it.
    pub(super) fn flag_or(&self, name: &str, default: bool) -> Result<bool, PolicyFault> {
        Ok(self.get(name, "true or false", Value::as_bool)?.unwrap_or(default))
    }

    /// A whole number between `min` and `max`.
    pub(super) fn number(&self, name: &str, min: u64, max: u64) -> Result<Option<u64>, PolicyFault> {
        let what = format!("a whole number from {min} to {max}");
        self.get(name, &what, |value| value.as_u64().filter(|n| (min..=max).contains(n)))
    }

    /// A whole number of at least 1.
    pub(super) fn count(&self, name: &str, default: u32) -> Result<u32, PolicyFault> {
        let number = self.number(name, 1, u64::from(u32::MAX))?;
        Ok(number.and_then(|n| u32::try_from(n).ok()).unwrap_or(default))
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<&'v str>, PolicyFault> {
        Ok(self.some_texts(name)?.unwrap_or_default())
    }

    /// The same where an empty list is not the same as none.
    pub(super) fn some_texts(&self, name: &str) -> Result<Option<Vec<&'v str>>, PolicyFault> {
        let list = |value: &'v Value| value.as_array()?.iter().map(Value::as_str).collect();
        self.get(name, "a list of texts in quotes", list)
    }

    /// A list of tables.
    pub(super) fn tables(&self, name: &str, known: &[&str]) -> Result<Vec<Table<'v>>, PolicyFault> {
        let list = self.get(name, "a list of tables", Value::as_array)?;
        let path = |i: usize| format!("{}[{i}]", self.key(name));
        list.into_iter().flatten().enumerate().map(|(i, value)| Table::new(path(i), value, known)).collect()
    }

    pub(super) fn table(&self, name: &str, known: &[&str]) -> Result<Option<Table<'v>>, PolicyFault> {
        self.members.get(name).map(|value| Table::new(self.key(name), value, known)).transpose()
    }

    /// Every member, for a table whose keys are names of the operator's.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'v String, &'v Value)> + use<'v> {
        self.members.iter()
    }

    /// What is wrong with one of these keys.
    pub(super) fn fault<T>(&self, name: &str, reason: impl Into<String>) -> Result<T, PolicyFault> {
        Err(PolicyFault::at(self.key(name), reason))
    }

    /// Where this table stands.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}
