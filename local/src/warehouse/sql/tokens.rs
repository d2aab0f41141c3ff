//! Spelling that the parser does not know, put into one that it does.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use super::nesting::is_word;

/// `ARRAY<…>[…]` as `TRY_CAST([…] AS ARRAY<…>)`, which nobody may write, and functions behind `SAFE.` as plain names;
/// each token keeps its place.
pub(super) fn rewritten(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let written: Vec<TokenWithSpan> =
        tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    rewrite(&written)
}

fn rewrite(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let typed = typed_array(&tokens[at..]);
        let Some((elements, end)) = typed.map(|(elements, end)| (at + elements, at + end)) else {
            out.push(if prefixed(&tokens[..at]) { plain(&tokens[at]) } else { tokens[at].clone() });
            at += 1;
            continue;
        };
        let span = tokens[at].span;
        let put = |token: Token| TokenWithSpan { token, span };
        out.push(word("TRY_CAST", span));
        out.push(put(Token::LParen));
        out.extend(rewrite(&tokens[elements..end]));
        out.push(word("AS", span));
        out.extend_from_slice(&tokens[at..elements]);
        out.push(put(Token::RParen));
        at = end;
    }
    out
}

/// Whether `SAFE.` stands in front.
fn prefixed(before: &[TokenWithSpan]) -> bool {
    let [.., prefix, dot] = before else { return false };
    let safe = |t: &Token| matches!(t, Token::Word(w) if w.value.eq_ignore_ascii_case("SAFE"));
    safe(&prefix.token) && dot.token == Token::Period
}

/// A function's name that the parser would read as syntax of its own.
fn plain(token: &TokenWithSpan) -> TokenWithSpan {
    match &token.token {
        Token::Word(word) => {
            let word = Word { keyword: Keyword::NoKeyword, ..word.clone() };
            TokenWithSpan { token: Token::Word(word), span: token.span }
        }
        _ => token.clone(),
    }
}

fn word(text: &str, span: Span) -> TokenWithSpan {
    TokenWithSpan { token: Token::make_keyword(text), span }
}

/// Where the elements of `ARRAY<…>[…]` begin and where they end, if that is what stands first.
fn typed_array(tokens: &[TokenWithSpan]) -> Option<(usize, usize)> {
    if !is_word(&tokens.first()?.token, Keyword::ARRAY) || tokens.get(1)?.token != Token::Lt {
        return None;
    }
    let mut open = 0_usize;
    let mut at = 1;
    loop {
        match &tokens.get(at)?.token {
            Token::Lt => open += 1,
            Token::Gt => open = open.checked_sub(1)?,
            Token::ShiftRight => open = open.checked_sub(2)?,
            Token::Word(_) | Token::Comma => {}
            _ => return None,
        }
        at += 1;
        if open == 0 {
            break;
        }
    }
    if tokens.get(at)?.token != Token::LBracket {
        return None;
    }
    let elements = at;
    let mut open = 0_usize;
    loop {
        match tokens.get(at)?.token {
            Token::LBracket => open += 1,
            Token::RBracket => open = open.checked_sub(1)?,
            _ => {}
        }
        at += 1;
        if open == 0 {
            return Some((elements, at));
        }
    }
}
