//! A report: sections of lines, each with a verdict and, where it is not good, one sentence on what to do.

use serde_json::json;

use crate::fault::Exit;
use crate::say::{Say, Tone};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Info,
    /// As it should be.
    Good,
    /// Works, and could be better.
    Warn,
    /// Costs somebody money, access or trust.
    Fail,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its section.
    pub section: &'static str,
    /// Names the check, for programs: `challenge.order`.
    pub id: &'static str,
    /// How bad.
    pub level: Level,
    /// What was found.
    pub says: String,
    /// What to do.
    pub todo: Option<String>,
}

/// All findings about one patient.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Who was looked at. Holds no secret.
    pub patient: String,
    /// In the order in which they were found.
    pub lines: Vec<Line>,
    section: &'static str,
}

impl Report {
    /// An empty one.
    pub fn new(patient: String) -> Self {
        Self { patient, ..Self::default() }
    }

    /// What follows belongs to this section.
    pub const fn section(&mut self, name: &'static str) {
        self.section = name;
    }

    /// As it should be.
    pub fn good(&mut self, id: &'static str, says: impl Into<String>) {
        self.line(id, Level::Good, says, None);
    }

    /// Good to know.
    pub fn info(&mut self, id: &'static str, says: impl Into<String>) {
        self.line(id, Level::Info, says, None);
    }

    /// Works, and could be better.
    pub fn warn(&mut self, id: &'static str, says: impl Into<String>, todo: &str) {
        self.line(id, Level::Warn, says, Some(todo));
    }

    /// Is wrong.
    pub fn fail(&mut self, id: &'static str, says: impl Into<String>, todo: &str) {
        self.line(id, Level::Fail, says, Some(todo));
    }

    fn line(&mut self, id: &'static str, level: Level, says: impl Into<String>, todo: Option<&str>) {
        let (says, todo) = (says.into(), todo.map(str::to_owned));
        self.lines.push(Line { section: self.section, id, level, says, todo });
    }

    /// How many are of this level.
    pub fn count(&self, level: Level) -> usize {
        self.lines.iter().filter(|line| line.level == level).count()
    }

    /// 1 when something is wrong.
    pub fn exit(&self) -> Exit {
        if self.count(Level::Fail) > 0 { Exit::NotGood } else { Exit::Ok }
    }

    /// To stdout.
    pub fn print(&self, say: &Say) {
        if say.json {
            return say.document(&self.document());
        }
        let mut section = "";
        for line in &self.lines {
            if line.section != section {
                say.out(&format!(
                    "{}{}",
                    if section.is_empty() { "" } else { "\n" },
                    say.paint(Tone::Head, line.section)
                ));
                section = line.section;
            }
            let (mark, tone) = match line.level {
                Level::Info => ("    ", Tone::Aside),
                Level::Good => ("ok  ", Tone::Good),
                Level::Warn => ("warn", Tone::Odd),
                Level::Fail => ("FAIL", Tone::Bad),
            };
            say.out(&format!("  {}  {}", say.paint(tone, mark), line.says));
            if let Some(todo) = &line.todo {
                say.out(&format!("        {} {todo}", say.paint(Tone::Aside, "→")));
            }
        }
        say.out(&format!("\n{}", self.summary()));
    }

    fn summary(&self) -> String {
        let (good, warn, fail) = (self.count(Level::Good), self.count(Level::Warn), self.count(Level::Fail));
        let verdict = match (fail, warn) {
            (0, 0) => "nothing to do",
            (0, _) => "it works; look at the warnings",
            _ => "something is wrong",
        };
        format!("{}: {good} ok, {warn} to look at, {fail} wrong: {verdict}", self.patient)
    }

    fn document(&self) -> serde_json::Value {
        let level = |level: Level| match level {
            Level::Info => "info",
            Level::Good => "ok",
            Level::Warn => "warn",
            Level::Fail => "fail",
        };
        let lines = self.lines.iter().map(|line| {
            json!({"section": line.section, "id": line.id, "level": level(line.level), "says": line.says, "todo": line.todo})
        });
        json!({
            "patient": self.patient,
            "ok": self.count(Level::Good), "warn": self.count(Level::Warn), "fail": self.count(Level::Fail),
            "lines": lines.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_no_failure_and_a_failure_is() {
        let mut report = Report::new("x".to_owned());
        report.section("A");
        report.good("a.good", "fine");
        report.warn("a.warn", "so so", "mend it");
        assert_eq!(
            (report.exit(), report.summary()),
            (Exit::Ok, "x: 1 ok, 1 to look at, 0 wrong: it works; look at the warnings".to_owned())
        );
        report.fail("a.fail", "broken", "repair it");
        assert_eq!(report.exit(), Exit::NotGood);
        assert_eq!(report.document()["lines"][2]["todo"], "repair it");
    }
}
