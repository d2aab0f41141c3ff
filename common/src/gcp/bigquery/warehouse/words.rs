//! Reads a GoogleSQL text as words: enough to hold it to one SELECT, and to see what a dry run does not list.

/// A word of a text and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word<'s> {
    kind: Kind,
    /// Without its backquotes.
    text: &'s str,
    at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bare,
    Quoted,
    Sign,
    Literal,
}

impl Word<'_> {
    fn is(&self, name: &str) -> bool {
        self.kind == Kind::Bare && self.text.eq_ignore_ascii_case(name)
    }

    fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }

    fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Bare | Kind::Quoted)
    }
}

/// Tables about tables, and functions that read elsewhere: a dry run does not list what they show.
const UNLISTED: [&str; 5] = [
    "INFORMATION_SCHEMA",
    "EXTERNAL_QUERY",
    "EXTERNAL_OBJECT_TRANSFORM",
    "__TABLES__",
    "__TABLES_SUMMARY__",
];
/// Namespaces whose functions run models, which a dry run does not list either.
const MODELS: [&str; 2] = ["ML", "AI"];

/// The one SELECT that a text is, without a `;` at its end; otherwise what it is instead.
pub(super) fn one_select(sql: &str) -> Result<String, String> {
    let mut words = words(sql);
    let mut text = sql.to_owned();
    if let Some(last) = words.pop_if(|word| word.is_sign(";")) {
        text.remove(last.at);
    }
    let first = words.iter().find(|word| !word.is_sign("("));
    let starts = ["SELECT", "WITH", "FROM"];
    if !first.is_some_and(|word| starts.iter().any(|start| word.is(start))) {
        let what = first.map_or("nothing", |word| word.text);
        return Err(format!(
            "a statement that starts with '{what}' is not a SELECT; a query is one SELECT"
        ));
    }
    if words.iter().any(|word| word.is_sign(";")) {
        return Err("a script of several statements is not one SELECT".to_owned());
    }
    Ok(text)
}

/// What the text reads that no dry run lists, if anything.
pub(super) fn unlisted(sql: &str) -> Option<String> {
    let words = words(sql);
    let named = |word: &Word<'_>| {
        let part = word
            .text
            .split('.')
            .find(|part| UNLISTED.iter().any(|name| part.trim().eq_ignore_ascii_case(name)))?;
        word.is_name().then(|| part.to_owned())
    };
    let modelled = |window: &[Word<'_>]| match window {
        [space, dot, name, call] => {
            let is_model = MODELS.iter().any(|model| space.is(model));
            (is_model && dot.is_sign(".") && call.is_sign("("))
                .then(|| format!("{}.{}", space.text, name.text))
        }
        _ => None,
    };
    words.iter().find_map(named).or_else(|| words.windows(4).find_map(modelled))
}

/// Whether the text names a table after a FROM or JOIN: one that it does not define itself.
pub(super) fn names_a_table(sql: &str) -> bool {
    let words = words(sql);
    let defined: Vec<&str> = words
        .windows(3)
        .filter(|w| w[0].is_name() && w[1].is("AS") && w[2].is_sign("("))
        .map(|w| w[0].text)
        .collect();
    sources(&words).any(|at| {
        let Some(name) = words.get(at).filter(|word| word.is_name()) else { return false };
        let is_path = words.get(at + 1).is_some_and(|next| next.is_sign("."));
        let is_defined = defined.iter().any(|known| name.text.eq_ignore_ascii_case(known));
        !name.is("UNNEST") && (is_path || !is_defined)
    })
}

/// Whether the rows of the whole query are ordered.
pub(super) fn is_ordered(sql: &str) -> bool {
    let words = words(sql);
    let outer = words.iter().take_while(|word| word.is_sign("(")).count();
    let mut depth = 0;
    words.windows(2).any(|pair| {
        match pair[0].text {
            "(" if pair[0].kind == Kind::Sign => depth += 1,
            ")" if pair[0].kind == Kind::Sign => depth -= 1,
            _ => {}
        }
        depth <= outer && pair[0].is("ORDER") && pair[1].is("BY")
    })
}

/// The text with every `dataset.table` that it reads from in a project.
pub(super) fn in_project(sql: &str, project: &str) -> String {
    let words = words(sql);
    let mut text = sql.to_owned();
    let places: Vec<usize> = sources(&words)
        .filter(|&at| match words.get(at..) {
            Some([dataset, dot, table, rest @ ..]) => {
                let goes_on = rest.first().is_some_and(|w| w.is_sign(".") || w.is_sign("("));
                dataset.is_name() && dot.is_sign(".") && table.is_name() && !goes_on
            }
            _ => false,
        })
        .map(|at| words[at].at)
        .collect();
    for at in places.into_iter().rev() {
        text.insert_str(at, &format!("`{project}`."));
    }
    text
}

/// The places of the words that follow a FROM or JOIN which reads a table.
fn sources<'w>(words: &'w [Word<'w>]) -> impl Iterator<Item = usize> + 'w {
    let mut callers: Vec<Option<&Word<'_>>> = Vec::new();
    words.iter().enumerate().filter_map(move |(at, word)| {
        let before = |back: usize| at.checked_sub(back).and_then(|at| words.get(at));
        if word.is_sign("(") {
            callers.push(before(1));
        } else if word.is_sign(")") {
            callers.pop();
        }
        // EXTRACT(part FROM value), and a IS DISTINCT FROM b.
        let extracts = callers.last().copied().flatten().is_some_and(|word| word.is("EXTRACT"));
        let compares = before(1).is_some_and(|word| word.is("DISTINCT"))
            && before(2).is_some_and(|word| word.is("IS") || word.is("NOT"));
        let reads = word.is("JOIN") || (word.is("FROM") && !extracts && !compares);
        reads.then_some(at + 1)
    })
}

fn words(sql: &str) -> Vec<Word<'_>> {
    let bytes = sql.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &sql[at..];
        let line = || rest.find('\n').unwrap_or(rest.len());
        let (kind, length) = match bytes[at] {
            b'-' if rest.starts_with("--") => (None, line()),
            b'#' => (None, line()),
            b'/' if rest.starts_with("/*") => {
                (None, rest[2..].find("*/").map_or(rest.len(), |end| end + 4))
            }
            b'`' => (Some(Kind::Quoted), quoted(rest)),
            b'\'' | b'"' => (Some(Kind::Literal), quoted(rest)),
            b if b.is_ascii_whitespace() => (None, 1),
            b if b.is_ascii_alphanumeric() || b == b'_' => {
                let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
                let length = rest.bytes().position(|b| !is_word(b)).unwrap_or(rest.len());
                (Some(Kind::Bare), length)
            }
            _ => (Some(Kind::Sign), rest.chars().next().map_or(1, char::len_utf8)),
        };
        if let Some(kind) = kind {
            let text = &rest[..length];
            let text = if kind == Kind::Quoted { text.trim_matches('`') } else { text };
            words.push(Word { kind, text, at });
        }
        at += length;
    }
    words
}

/// The length of the quoted text that `rest` starts with; all of it where it does not end.
fn quoted(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let triple = [bytes[0]; 3];
    let end: &[u8] =
        if bytes[0] != b'`' && bytes.starts_with(&triple) { &triple } else { &triple[..1] };
    let mut at = end.len();
    while at < bytes.len() {
        if bytes[at] == b'\\' {
            at += 2;
        } else if bytes[at..].starts_with(end) {
            return at + end.len();
        } else {
            at += 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_one_select() {
        for (sql, text) in [
            ("SELECT 1", "SELECT 1"),
            ("SELECT ';' -- ;\n;", "SELECT ';' -- ;\n"),
            ("SELECT 1; -- done", "SELECT 1 -- done"),
            (
                "/* ; */ (WITH x AS (SELECT 1) SELECT * FROM x)",
                "/* ; */ (WITH x AS (SELECT 1) SELECT * FROM x)",
            ),
        ] {
            assert_eq!(one_select(sql).unwrap(), text);
        }
        for (sql, said) in [
            ("DELETE FROM t WHERE TRUE", "'DELETE'"),
            ("CREATE TEMP FUNCTION f() AS (1); SELECT f()", "'CREATE'"),
            ("SELECT 1; SELECT 2", "script"),
            ("SELECT 1;;", "script"),
            ("-- SELECT 1", "'nothing'"),
            ("`SELECT` 1", "'SELECT'"),
        ] {
            let error = one_select(sql).unwrap_err();
            assert!(error.contains(said), "{sql}: {error}");
        }
    }

    #[test]
    fn what_a_dry_run_does_not_list_is_seen() {
        for (sql, found) in [
            ("SELECT * FROM acme.INFORMATION_SCHEMA.TABLES", "INFORMATION_SCHEMA"),
            ("SELECT * FROM `p.region-eu.information_schema.JOBS`", "information_schema"),
            ("SELECT * FROM `region-eu`.INFORMATION_SCHEMA.JOBS", "INFORMATION_SCHEMA"),
            ("SELECT * FROM EXTERNAL_QUERY('c', 'SELECT 1')", "EXTERNAL_QUERY"),
            ("SELECT * FROM acme.__TABLES__", "__TABLES__"),
            ("SELECT * FROM ML.PREDICT(MODEL other.m, TABLE acme.t)", "ML.PREDICT"),
            ("SELECT AI.GENERATE('x')", "AI.GENERATE"),
        ] {
            assert_eq!(unlisted(sql).as_deref(), Some(found), "{sql}");
        }
        for sql in [
            "SELECT 'INFORMATION_SCHEMA' AS a -- EXTERNAL_QUERY",
            "SELECT ml.a, model AS m FROM acme.t AS ml",
        ] {
            assert_eq!(unlisted(sql), None, "{sql}");
        }
    }

    #[test]
    fn a_table_after_from_or_join_is_seen() {
        for sql in [
            "SELECT * FROM acme.t",
            "SELECT * FROM t",
            "SELECT 1 FROM UNNEST([1]) AS a JOIN `acme.t` AS b ON TRUE",
            "WITH x AS (SELECT * FROM acme.t) SELECT * FROM x",
            "WITH x AS (SELECT 1 AS a) SELECT EXTRACT(DAY FROM (SELECT MAX(d) FROM acme.t)) FROM x",
        ] {
            assert!(names_a_table(sql), "{sql}");
        }
        for sql in [
            "SELECT 1",
            "SELECT 'a FROM acme.t' -- FROM acme.t",
            "WITH x AS (SELECT 1 AS a), `y` AS (SELECT 2 AS a) SELECT * FROM X JOIN y USING (a)",
            "SELECT EXTRACT(DAY FROM d) FROM UNNEST(@days) AS d WHERE d IS NOT DISTINCT FROM @x",
            "SELECT * FROM (SELECT 1)",
        ] {
            assert!(!names_a_table(sql), "{sql}");
        }
    }

    #[test]
    fn an_order_of_the_whole_is_told_from_one_within() {
        for sql in
            ["SELECT a FROM t ORDER BY a", "(SELECT a FROM t order by a)", "FROM t |> ORDER BY a"]
        {
            assert!(is_ordered(sql), "{sql}");
        }
        for sql in [
            "SELECT ROW_NUMBER() OVER (ORDER BY a) AS n FROM t",
            "SELECT * FROM (SELECT a FROM t ORDER BY a LIMIT 3)",
            "SELECT 'ORDER BY' AS a",
        ] {
            assert!(!is_ordered(sql), "{sql}");
        }
    }

    #[test]
    fn only_tables_without_a_project_are_put_into_one() {
        let sql = "SELECT l.a, 'FROM a.b' FROM tenants.t AS l CROSS JOIN UNNEST(l.days) AS d JOIN `x`.u ON TRUE \
                   JOIN other.x.v ON TRUE JOIN w ON TRUE";
        let expected = "SELECT l.a, 'FROM a.b' FROM `p-1`.tenants.t AS l CROSS JOIN UNNEST(l.days) AS d JOIN \
                        `p-1`.`x`.u ON TRUE JOIN other.x.v ON TRUE JOIN w ON TRUE";
        assert_eq!(in_project(sql, "p-1"), expected);
    }
}
