//! What a statement is and what it touches, told from its words.

use std::sync::Arc;

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// It reads.
    Select,
    /// It adds rows.
    Insert,
    /// It changes or removes rows: UPDATE, DELETE, MERGE.
    Mutation,
    /// Anything else, such as a load.
    Other,
}

/// A statement that was sent.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The door it came through.
    pub door: Arc<str>,
    /// Its label `statement`.
    pub label: String,
    /// What it does.
    pub kind: Kind,
    /// The table that it changes, or the first that it reads; without backticks.
    pub table: String,
    /// Whether it is a MERGE with a subquery where BigQuery allows none.
    pub refused: bool,
}

impl Statement {
    /// Reads a statement.
    pub fn read(door: Arc<str>, label: &str, sql: &str) -> Self {
        let code: String = sql
            .lines()
            .map(|line| line.split("--").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n");
        let words: Vec<String> = code
            .replace(['(', ')', ','], " $0 ".replace("$0", " ").as_str())
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let is =
            |at: usize, word: &str| words.get(at).is_some_and(|w| w.eq_ignore_ascii_case(word));
        let (kind, at) = match words.first().map(|w| w.to_uppercase()).as_deref() {
            Some("SELECT" | "WITH") => {
                let from = words.iter().position(|w| w.eq_ignore_ascii_case("FROM"));
                (Kind::Select, from.map_or(usize::MAX, |at| at + 1))
            }
            Some("INSERT") => (Kind::Insert, 1 + usize::from(is(1, "INTO"))),
            Some("UPDATE") => (Kind::Mutation, 1),
            Some("DELETE") => (Kind::Mutation, 1 + usize::from(is(1, "FROM"))),
            Some("MERGE") => (Kind::Mutation, 1 + usize::from(is(1, "INTO"))),
            _ => (Kind::Other, usize::MAX),
        };
        let table = words.get(at).map(|name| name.replace('`', "")).unwrap_or_default();
        let refused = is(0, "MERGE") && has_subquery_after_source(&code);
        Self { door, label: label.to_owned(), kind, table, refused }
    }

    /// Whether it is about the control dataset.
    pub fn is_control(&self) -> bool {
        self.table.starts_with("tenants.")
    }
}

/// Whether a SELECT stands after the source of a MERGE: in its condition or in an action.
fn has_subquery_after_source(sql: &str) -> bool {
    let upper = sql.to_uppercase();
    let Some(using) = upper.find("USING") else { return false };
    let mut depth = 0;
    let mut end = using;
    for (at, letter) in upper[using..].char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    end = using + at;
                    break;
                }
            }
            _ => {}
        }
    }
    upper[end..].contains("SELECT")
}

#[test]
fn statements_are_told_by_their_words() {
    let cases = [
        ("SELECT * FROM tenants.a AS x", Kind::Select, "tenants.a", false),
        ("INSERT INTO `acme`.runs (a) SELECT 1", Kind::Insert, "acme.runs", false),
        ("-- why\nUPDATE tenants.t SET a = 1", Kind::Mutation, "tenants.t", false),
        ("DELETE FROM d.t WHERE TRUE", Kind::Mutation, "d.t", false),
        (
            "MERGE d.t AS t USING (SELECT 1 AS a) AS s ON t.a = s.a WHEN MATCHED THEN DELETE",
            Kind::Mutation,
            "d.t",
            false,
        ),
        ("MERGE d.t t USING (SELECT 1 AS a) s ON t.a = (SELECT 1)", Kind::Mutation, "d.t", true),
        (
            "MERGE d.t t USING (SELECT 1) s ON TRUE WHEN MATCHED THEN UPDATE SET a = (SELECT s.a)",
            Kind::Mutation,
            "d.t",
            true,
        ),
    ];
    for (sql, kind, table, refused) in cases {
        let statement = Statement::read("".into(), "x", sql);
        assert_eq!(
            (statement.kind, statement.table.as_str(), statement.refused),
            (kind, table, refused),
            "{sql}"
        );
    }
}
