//! `JSONPath` as the JSON functions read it: from `$` through keys and indexes.

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// An object's member.
    Key(String),
    /// An array's element, from 0.
    Index(usize),
}

/// Why a path was not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is no path.
    Wrong(String),
    /// It may be one on BigQuery.
    Unsure,
}

/// Reads a path. The standard functions write a key of other characters as `."a b"`, the legacy ones as
/// `['a b']`.
pub(super) fn parse(path: &str, standard: bool) -> Result<Vec<Step>, Unread> {
    let Some(mut rest) = path.strip_prefix('$') else {
        // A mode may stand in front of the path.
        let mode = path.starts_with("lax") || path.starts_with("strict");
        let wrong = || Unread::Wrong(format!("the JSONPath '{path}' does not begin with $"));
        return Err(if mode { Unread::Unsure } else { wrong() });
    };
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, after) = if let Some(named) = rest.strip_prefix('.') {
            key(path, named, standard)?
        } else if let Some(inside) = rest.strip_prefix('[') {
            bracket(path, inside, standard)?
        } else {
            return Err(invalid(path, rest));
        };
        steps.push(step);
        rest = after;
    }
    Ok(steps)
}

fn invalid(path: &str, rest: &str) -> Unread {
    Unread::Wrong(format!("the JSONPath '{path}' has an invalid token at '{rest}'"))
}

fn key<'p>(path: &str, named: &'p str, standard: bool) -> Result<(Step, &'p str), Unread> {
    if standard && let Some(quoted) = named.strip_prefix('"') {
        let (name, after) = quoted.split_once('"').ok_or_else(|| invalid(path, named))?;
        return literal(name).map(|step| (step, after));
    }
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let end = named.find(|c| !plain(c)).unwrap_or(named.len());
    let (name, after) = named.split_at(end);
    if matches!(named.chars().next(), Some('*' | '.' | '@')) {
        return Err(Unread::Wrong(format!(
            "the JSONPath '{path}' has an operator that does not exist"
        )));
    }
    // Keys of digits reach into arrays as well, and a colon or a space may belong to a key.
    let digits = name.chars().all(char::is_numeric);
    if digits || !(after.is_empty() || after.starts_with(['.', '['])) {
        return Err(Unread::Unsure);
    }
    Ok((Step::Key(name.to_owned()), after))
}

fn bracket<'p>(path: &str, inside: &'p str, standard: bool) -> Result<(Step, &'p str), Unread> {
    if !standard && let Some(quoted) = inside.strip_prefix('\'') {
        let (name, after) = quoted.split_once('\'').ok_or_else(|| invalid(path, inside))?;
        let after = after.strip_prefix(']').ok_or(Unread::Unsure)?;
        return literal(name).map(|step| (step, after));
    }
    let (index, after) = inside.split_once(']').ok_or_else(|| invalid(path, inside))?;
    if index.contains('*') {
        return Err(Unread::Wrong(format!(
            "the JSONPath '{path}' has an operator that does not exist"
        )));
    }
    let plain = index.bytes().all(|b| b.is_ascii_digit()) && index.len() <= 9;
    let index = index.parse().ok().filter(|_| plain).ok_or(Unread::Unsure)?;
    Ok((Step::Index(index), after))
}

/// A quoted key; how its backslashes are read is not written down.
fn literal(name: &str) -> Result<Step, Unread> {
    if name.contains('\\') || name.is_empty() || name.chars().all(char::is_numeric) {
        return Err(Unread::Unsure);
    }
    Ok(Step::Key(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Step {
        Step::Key(name.to_owned())
    }

    #[test]
    fn paths_are_read_by_the_rules_of_their_functions() {
        assert_eq!(parse("$", true), Ok(vec![]));
        assert_eq!(parse("$.a.b_c[0]", true), Ok(vec![key("a"), key("b_c"), Step::Index(0)]));
        assert_eq!(parse("$.\"a b\".é", true), Ok(vec![key("a b"), key("é")]));
        assert_eq!(parse("$['a.b'].c", false), Ok(vec![key("a.b"), key("c")]));
        for wrong in ["a", "", "$..a", "$.*", "$[*]", "$[0", "$a", "$.\"a"] {
            assert!(matches!(parse(wrong, true), Err(Unread::Wrong(_))), "{wrong}");
        }
        for unsure in ["$['a']", "$.0", "$[-1]", "$.a b", "lax $.a", "$[ 0 ]", "$."] {
            assert_eq!(parse(unsure, true), Err(Unread::Unsure), "{unsure}");
        }
    }
}
