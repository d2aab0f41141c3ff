//! Regular expressions. Which patterns are understood, `patterns` says.

use std::cell::RefCell;
use std::rc::Rc;

use common::warehouse::DataType::{self, Bool, Int64, String as Text};
use regex::{Captures, Regex};

use super::super::refusal::not_here;
use super::super::rowwise::Cell;
use super::patterns::{Pattern, translate};
use super::text::{LONGEST, too_long};
use super::{Overload, fixed, listing};

const TT: &[DataType] = &[Text, Text];
const AT: &[DataType] = &[Text, Text, Int64];
const NTH: &[DataType] = &[Text, Text, Int64, Int64];

/// The `REGEXP` functions.
pub(crate) const OVERLOADS: &[Overload] = &[
    fixed("REGEXP_CONTAINS", TT, Bool, |r| {
        Ok(Cell::Bool(compiled(r.text(1))?.regex.is_match(r.text(0))))
    })
    .whole(|b| {
        let compiled = compiled(b.constant_text(1)?).ok()?;
        Some(b.test(|r| compiled.regex.is_match(r.text(0))))
    }),
    fixed("REGEXP_EXTRACT", TT, Text, |r| extract(r.text(0), r.text(1), 1, 1)),
    fixed("REGEXP_EXTRACT", AT, Text, |r| extract(r.text(0), r.text(1), r.int(2), 1)),
    fixed("REGEXP_EXTRACT", NTH, Text, |r| extract(r.text(0), r.text(1), r.int(2), r.int(3))),
    fixed("REGEXP_SUBSTR", TT, Text, |r| extract(r.text(0), r.text(1), 1, 1)),
    fixed("REGEXP_SUBSTR", AT, Text, |r| extract(r.text(0), r.text(1), r.int(2), 1)),
    fixed("REGEXP_SUBSTR", NTH, Text, |r| extract(r.text(0), r.text(1), r.int(2), r.int(3))),
    listing("REGEXP_EXTRACT_ALL", TT, Text, |r| {
        let compiled = single_group(r.text(1), "REGEXP_EXTRACT_ALL")?;
        never_empty(&compiled, "REGEXP_EXTRACT_ALL")?;
        let found = compiled.regex.captures_iter(r.text(0)).map(|c| extracted(&c));
        Ok(Cell::List(found.collect::<Result<_, _>>()?))
    }),
    fixed("REGEXP_REPLACE", &[Text, Text, Text], Text, |r| {
        replace(r.text(0), r.text(1), r.text(2))
    }),
];

struct Compiled {
    regex: Regex,
    pattern: Pattern,
}

/// Patterns kept by each thread: most statements have one or two.
const KEPT: usize = 64;

thread_local! {
    static COMPILED: RefCell<Vec<(String, Rc<Compiled>)>> = RefCell::default();
}

fn compiled(pattern: &str) -> Result<Rc<Compiled>, String> {
    // The newest first: a row's pattern is nearly always that of the row before.
    let known = |kept: &Vec<(String, Rc<Compiled>)>| {
        let mut newest = kept.iter().rev();
        newest.find(|(text, _)| text == pattern).map(|(_, compiled)| Rc::clone(compiled))
    };
    if let Some(kept) = COMPILED.with_borrow(known) {
        return Ok(kept);
    }
    let read = translate(pattern)?;
    let regex = Regex::new(&read.text).map_err(|_| not_here(format!("the pattern '{pattern}'")))?;
    let new = Rc::new(Compiled { regex, pattern: read });
    COMPILED.with_borrow_mut(|kept| {
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.push((pattern.to_owned(), Rc::clone(&new)));
    });
    Ok(new)
}

fn single_group(pattern: &str, name: &str) -> Result<Rc<Compiled>, String> {
    let compiled = compiled(pattern)?;
    if compiled.pattern.groups > 1 {
        return Err(format!("{name} with more than one capturing group in '{pattern}'"));
    }
    Ok(compiled)
}

/// After an empty match, engines go on at different places.
fn never_empty(compiled: &Compiled, name: &str) -> Result<(), String> {
    if compiled.pattern.empty {
        return Err(not_here(format!("{name} with a pattern that may match nothing")));
    }
    Ok(())
}

/// The group, or the whole match where the pattern has none.
fn extracted(captures: &Captures<'_>) -> Result<Cell, String> {
    let found = captures.get(captures.len() - 1);
    let found =
        found.ok_or_else(|| not_here("extracting a group that took no part in the match"))?;
    Ok(Cell::Text(found.as_str().to_owned()))
}

/// The n-th match from a 1-based position on.
fn extract(text: &str, pattern: &str, position: i64, occurrence: i64) -> Result<Cell, String> {
    let compiled = single_group(pattern, "REGEXP_EXTRACT")?;
    let (Ok(position), Ok(occurrence)) = (usize::try_from(position), usize::try_from(occurrence))
    else {
        return Err("REGEXP_EXTRACT takes a position and an occurrence from 1 on".to_owned());
    };
    if position == 0 || occurrence == 0 {
        return Err("REGEXP_EXTRACT takes a position and an occurrence from 1 on".to_owned());
    }
    if (position, occurrence) != (1, 1) {
        never_empty(&compiled, "REGEXP_EXTRACT at a position or occurrence")?;
        if compiled.pattern.anchored {
            let what = "REGEXP_EXTRACT at a position or occurrence with an anchor in the pattern";
            return Err(not_here(what));
        }
    }
    let Some((start, _)) = text.char_indices().nth(position - 1) else {
        // Behind the end there is nothing; of an empty text, the first position is its end.
        let matched = position == 1 && compiled.regex.is_match("");
        return Ok(if matched { Cell::Text(String::new()) } else { Cell::Null });
    };
    let mut found = compiled.regex.captures_iter(&text[start..]);
    found.nth(occurrence - 1).map_or(Ok(Cell::Null), |captures| extracted(&captures))
}

/// Every match replaced; `\1` to `\9` are the groups, `\0` the match, `\\` a backslash.
fn replace(text: &str, pattern: &str, with: &str) -> Result<Cell, String> {
    let compiled = compiled(pattern)?;
    never_empty(&compiled, "REGEXP_REPLACE")?;
    let mut pieces: Vec<(String, Option<usize>)> = Vec::new();
    let mut literal = String::new();
    let mut rest = with.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            literal.push(c);
            continue;
        }
        match rest.next() {
            Some('\\') => literal.push('\\'),
            Some(digit @ '0'..='9') => {
                let group = digit as usize - '0' as usize;
                if group > compiled.pattern.groups {
                    return Err(format!(
                        "REGEXP_REPLACE with \\{group}, a group that '{pattern}' lacks"
                    ));
                }
                pieces.push((std::mem::take(&mut literal), Some(group)));
            }
            _ => return Err("REGEXP_REPLACE with a \\ before neither a digit nor a \\".to_owned()),
        }
    }
    pieces.push((literal, None));
    let mut replaced = String::with_capacity(text.len());
    let mut after = 0;
    for captures in compiled.regex.captures_iter(text) {
        let Some(whole) = captures.get(0) else { continue };
        replaced.push_str(&text[after..whole.start()]);
        for (literal, group) in &pieces {
            replaced.push_str(literal);
            let group = group.and_then(|group| captures.get(group));
            replaced.push_str(group.map_or("", |group| group.as_str()));
        }
        after = whole.end();
        if replaced.len() > LONGEST {
            return Err(too_long("REGEXP_REPLACE"));
        }
    }
    replaced.push_str(&text[after..]);
    Ok(Cell::Text(replaced))
}
