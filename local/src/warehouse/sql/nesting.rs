//! What the tokens and the plan tell before anything walks them: spelling that GoogleSQL does not have, and
//! nesting too deep for the recursion of binding, planning and running on a stack of 2 MiB.

use common::port::PortError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::refusal::{invalid, unsupported};

/// What a statement may spend. The costs below are what each construct took of 2 MiB in a build without
/// optimisation, as parts of 250, so that a fifth stays free.
const BUDGET: usize = 200;
/// An operator of a chain such as `a + b + c`.
const OPERATOR: usize = 3;
/// A UNION of a chain, or a JOIN.
const UNION: usize = 6;
/// Parentheses, a call, an array or a CASE.
const PARENTHESES: usize = 11;
/// A query in parentheses.
const QUERY: usize = 25;
/// Steps of a plan upon one another; a UNION takes two, as does a JOIN.
const PLAN: usize = 64;

/// Steps of a plan in all: a name of WITH that is read twice stands in it twice.
const STEPS: usize = 2000;

/// One pair of parentheses, or the statement.
#[derive(Default)]
struct Level {
    cost: usize,
    settled: usize,
    unions: usize,
    ors: usize,
    ands: (usize, usize),
    others: (usize, usize),
    inner: usize,
}

impl Level {
    fn depth(&self) -> usize {
        let chain = OPERATOR * (self.ors + self.ands.1 + self.others.1) + self.inner;
        self.settled.max(chain) + UNION * self.unions + self.cost
    }

    /// A new expression starts beside those before it.
    fn settle(&mut self) {
        let (unions, cost) = (std::mem::take(&mut self.unions), std::mem::take(&mut self.cost));
        *self = Self { settled: self.depth(), unions, cost, ..Self::default() };
    }

    fn operator(&mut self, word: Keyword) {
        match word {
            Keyword::OR => {
                self.ors += 1;
                self.ands.0 = 0;
                self.others.0 = 0;
            }
            Keyword::AND => {
                self.ands.0 += 1;
                self.ands.1 = self.ands.1.max(self.ands.0);
                self.others.0 = 0;
            }
            _ => {
                self.others.0 += 1;
                self.others.1 = self.others.1.max(self.others.0);
            }
        }
    }
}

/// Refuses what the parser takes and GoogleSQL does not, where the tokens alone tell.
pub(super) fn check_spelling(tokens: &[TokenWithSpan]) -> Result<(), PortError> {
    let written: Vec<&TokenWithSpan> =
        tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    let mut labels = 0..0;
    for (at, token) in written.iter().enumerate() {
        if is_word(&token.token, Keyword::UNPIVOT) {
            labels = at..at + parentheses(&written[at..]);
        }
        if token.token == Token::DoubleEq {
            return Err(invalid("the operator == ; write =", token.span));
        }
        if is_word(&token.token, Keyword::TRY_CAST) {
            return Err(unsupported("TRY_CAST; write SAFE_CAST", token.span));
        }
        let next = written.get(at + 1).map(|t| &t.token);
        if is_word(&token.token, Keyword::LIMIT) && next.is_some_and(|t| is_word(t, Keyword::ALL)) {
            return Err(invalid("LIMIT ALL", token.span));
        }
        let before = at.checked_sub(1).map(|at| &written[at].token);
        let names =
            |t: &Token| [Keyword::AS, Keyword::FROM, Keyword::JOIN].iter().any(|k| is_word(t, *k));
        let text =
            matches!(token.token, Token::SingleQuotedString(_) | Token::DoubleQuotedString(_));
        let told_apart = at > 1 && is_word(&written[at - 2].token, Keyword::DISTINCT);
        // EXTRACT(… FROM '…') alone has a literal there, and needs a CAST anyway.
        if text && before.is_some_and(names) && !told_apart && !labels.contains(&at) {
            return Err(invalid("a string literal as a name: write it in backticks", token.span));
        }
        let closing =
            [Keyword::WHERE, Keyword::GROUP, Keyword::HAVING, Keyword::ORDER, Keyword::LIMIT];
        let ends = |t: &Token| {
            matches!(t, Token::RParen | Token::RBracket | Token::EOF)
                || closing.iter().any(|k| is_word(t, *k))
        };
        if token.token == Token::Comma && next.is_none_or(ends) {
            return Err(invalid("a comma with nothing behind it", token.span));
        }
    }
    Ok(())
}

/// How many tokens there are to the end of the first parentheses, in which UNPIVOT has its labels.
fn parentheses(tokens: &[&TokenWithSpan]) -> usize {
    let mut open = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen => open += 1,
            Token::RParen if open > 1 => open -= 1,
            Token::RParen => return at,
            _ => {}
        }
    }
    0
}

/// Refuses text whose syntax tree would be too deep; each token is looked at once, without recursion.
pub(super) fn check_text(tokens: &[TokenWithSpan]) -> Result<(), PortError> {
    let mut levels = vec![Level::default()];
    let written: Vec<&TokenWithSpan> =
        tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    for (at, token) in written.iter().enumerate() {
        if closes(&token.token) && levels.len() > 1 {
            let inner = levels.pop().map_or(0, |level| level.depth());
            if let Some(level) = levels.last_mut() {
                level.inner = level.inner.max(inner);
            }
        }
        if opens(&token.token) {
            let queries = |t: &&TokenWithSpan| {
                is_word(&t.token, Keyword::SELECT) || is_word(&t.token, Keyword::WITH)
            };
            let cost = if written.get(at + 1).is_some_and(queries) { QUERY } else { PARENTHESES };
            levels.push(Level { cost, ..Level::default() });
        }
        let open: usize = levels.iter().map(|level| level.cost).sum();
        let Some(level) = levels.last_mut() else { continue };
        match &token.token {
            Token::Comma => level.settle(),
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::JOIN => {
                    level.settle();
                    level.unions += 1;
                }
                Keyword::SELECT
                | Keyword::FROM
                | Keyword::WHERE
                | Keyword::GROUP
                | Keyword::HAVING
                | Keyword::ORDER
                | Keyword::LIMIT
                | Keyword::ON
                | Keyword::WHEN
                | Keyword::THEN
                | Keyword::ELSE => level.settle(),
                Keyword::OR
                | Keyword::AND
                | Keyword::NOT
                | Keyword::IS
                | Keyword::IN
                | Keyword::LIKE
                | Keyword::BETWEEN
                | Keyword::COLLATE
                | Keyword::AT => level.operator(word.keyword),
                _ => {}
            },
            Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::Period
            | Token::LParen
            | Token::LBracket
            | Token::RParen
            | Token::RBracket => {}
            // Whatever else there is may be an operator.
            _ => level.operator(Keyword::NoKeyword),
        }
        if open.max(level.depth()) > BUDGET {
            let message =
                "a statement of so many operators, parentheses, JOINs or UNIONs inside one another";
            return Err(unsupported(message, token.span));
        }
    }
    Ok(())
}

fn opens(token: &Token) -> bool {
    matches!(token, Token::LParen | Token::LBracket) || is_word(token, Keyword::CASE)
}

fn closes(token: &Token) -> bool {
    matches!(token, Token::RParen | Token::RBracket) || is_word(token, Keyword::END)
}

pub(super) fn is_word(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}

/// Refuses a plan of too many steps upon one another, which names of WITH and views make without nesting.
pub(super) fn check_plan(plan: &LogicalPlan) -> Result<(), PortError> {
    let mut open = vec![(plan, 1)];
    let mut steps = 0;
    while let Some((plan, depth)) = open.pop() {
        steps += 1;
        if depth > PLAN || steps > STEPS {
            let message = format!(
                "a statement of more than {PLAN} steps upon one another or {STEPS} in all (JOINs, UNIONs, names of WITH, views)"
            );
            return Err(unsupported(message, Span::empty()));
        }
        open.extend(plan.inputs().into_iter().map(|input| (input, depth + 1)));
    }
    Ok(())
}
