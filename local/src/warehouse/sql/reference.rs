//! What the SQL front answers, as a document: the functions from their registry, the constructs by example.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::functions::{self, Overload};

mod calls;
mod constructs;

pub use calls::{AGGREGATES, SPECIAL, Special, WINDOWS};
pub use constructs::{ANSWERED, Chapter, Construct, REFUSED};

/// Whether a call of this name is answered in some form.
pub(super) fn lists(name: &str) -> bool {
    functions::exists(name)
        || [SPECIAL, AGGREGATES, WINDOWS].iter().any(|list| list.iter().any(|s| s.name == name))
}

/// The row functions by name, each with its signatures.
#[must_use]
pub fn functions() -> BTreeMap<&'static str, Vec<String>> {
    let mut signatures: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for overload in functions::all() {
        if functions::answers(overload) {
            signatures.entry(overload.name).or_default().push(signature(overload));
        }
    }
    signatures
}

fn signature(overload: &Overload) -> String {
    let mut args: Vec<String> = overload.args.iter().map(ToString::to_string).collect();
    if overload.variadic {
        args.push("…".to_owned());
    }
    let result = if overload.list {
        format!("ARRAY<{}>", overload.result)
    } else {
        overload.result.to_string()
    };
    format!("({}) → {result}", args.join(", "))
}

/// The document: Markdown, `docs/googlesql.md`.
#[must_use]
pub fn document() -> String {
    let mut out = String::from(HEAD);
    for chapter in ANSWERED {
        let _ = write!(out, "\n## {}\n\n| | for example |\n|---|---|\n", chapter.title);
        for construct in chapter.constructs {
            row(&mut out, construct.about, construct.example);
        }
    }
    out.push_str("\n## Refused\n\nWhat neither the tables above nor the functions below name is refused. The best known of it:\n\n");
    out.push_str("| | for example | the refusal says |\n|---|---|---|\n");
    for (construct, says) in REFUSED {
        let (about, example) = (construct.about, code(construct.example));
        let _ = writeln!(out, "| {about} | {example} | {says} |");
    }
    for (title, list) in [("Aggregate functions", AGGREGATES), ("Window functions", WINDOWS)] {
        let _ = write!(out, "\n## {title}\n\n| | |\n|---|---|\n");
        for special in list {
            let _ = writeln!(out, "| {} | {} |", special.name, code(special.form));
        }
    }
    out.push_str("\n## Functions\n\nAn INT64 argument widens to NUMERIC or FLOAT64, a string constant is read as a date or time, as in GoogleSQL.\n\n| | |\n|---|---|\n");
    let mut all = functions();
    for special in SPECIAL {
        all.entry(special.name).or_default().push(special.form.to_owned());
    }
    for (name, signatures) in &all {
        let signatures: Vec<String> = signatures.iter().map(|s| code(s)).collect();
        let _ = writeln!(out, "| {name} | {} |", signatures.join("<br>"));
    }
    let _ = write!(out, "\n`SAFE.` may stand before {}.\n", functions::SAFE.join(", "));
    out
}

const HEAD: &str = "# The embedded SQL\n
The embedded warehouse answers GoogleSQL exactly as BigQuery documents it, or refuses the statement with the construct's name and its place. This page is generated from the code that answers (`UPDATE=1 cargo test -p local --test googlesql_reference`), and a test runs each of its examples.\n
Exact means: NUMERIC and INT64 add and multiply without rounding and refuse to overflow; NULL, NaN and -0.0 compare, group and sort as documented; a row whose answer is not known to be BigQuery's is refused while it runs. Sums of FLOAT64 carry along what rounding loses, so that their last digits do not depend on the order of rows as BigQuery's do.\n
The examples read the tables of `local/tests/googlesql/cases.json`.
";

fn row(out: &mut String, about: &str, example: &str) {
    let _ = writeln!(out, "| {about} | {} |", code(example));
}

/// Text as code within a table.
fn code(text: &str) -> String {
    let text = text.replace('|', "\\|");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}
