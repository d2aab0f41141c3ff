//! The functions of the embedded warehouse, family by family, against BigQuery's documented answers.

use common::port::PortError;

#[path = "support/warehouse.rs"]
mod support;
use support::{folder, sql};

/// Each statement with its one row.
async fn answers(cases: &[(&str, &str)]) {
    let folder = folder(&["d"]).await;
    let mut wrong = Vec::new();
    for (text, expected) in cases {
        match folder.rows(&sql(text)).await {
            Ok(rows) if rows == [*expected] => {}
            other => wrong.push(format!("{text}: {other:?}, not {expected}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Each statement with words of its refusal.
async fn refusals(cases: &[(&str, &str)]) {
    let folder = folder(&["d"]).await;
    let mut wrong = Vec::new();
    for (text, named) in cases {
        match folder.rows(&sql(text)).await {
            Err(PortError::InvalidQuery(message)) if message.contains(named) => {}
            other => wrong.push(format!("{text}: {other:?}, not {named}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn regular_expressions() {
    answers(&[
        (
            r"SELECT REGEXP_CONTAINS('foo@example.com', r'@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+'), REGEXP_CONTAINS('www.example.net', r'@'), REGEXP_CONTAINS(NULL, 'a')",
            "[true,false,null]",
        ),
        (
            r"SELECT REGEXP_EXTRACT('foo@example.com', r'^[a-zA-Z0-9_.+-]+'), REGEXP_EXTRACT('foo@example.com', r'^[a-zA-Z0-9_.+-]+@[a-zA-Z0-9-]+\.([a-zA-Z0-9-.]+$)'), REGEXP_EXTRACT('ab', 'b(.)')",
            r#"["foo","com",null]"#,
        ),
        (
            "SELECT REGEXP_EXTRACT('Hello Helloo and Hellooo', 'H?ello+', 3, 1), REGEXP_EXTRACT('Hello Helloo and Hellooo', 'H?ello+', 3, 2), REGEXP_EXTRACT('Hello', 'H', 20), REGEXP_EXTRACT('ééa', 'a', 3)",
            r#"["Helloo","Hellooo",null,"a"]"#,
        ),
        (
            r"SELECT REGEXP_REPLACE('# Heading', r'^# ([a-zA-Z0-9\s]+$)', '<h1>\\1</h1>'), REGEXP_REPLACE('a1b22', r'\d+', '<\\0>'), REGEXP_REPLACE('a', 'b', 'c')",
            r#"["<h1>Heading</h1>","a<1>b<22>","a"]"#,
        ),
        (
            "SELECT REGEXP_EXTRACT_ALL('Try `func(x)` or `func(y)`', '`(.+?)`'), REGEXP_EXTRACT_ALL('a', 'b')",
            r#"[["func(x)","func(y)"],[]]"#,
        ),
        // Digits, spaces and words are ASCII's; a dot is one character.
        (
            r"SELECT REGEXP_CONTAINS('٣', r'\d'), REGEXP_CONTAINS('é', r'\w'), REGEXP_CONTAINS('é', r'^.$'), REGEXP_CONTAINS('\v', r'\s')",
            "[false,false,true,false]",
        ),
        ("SELECT SAFE.REGEXP_EXTRACT('ab', '(a)(b)'), REGEXP_CONTAINS('aB', '(?i)AB')", "[null,true]"),
    ])
    .await;
    refusals(&[
        ("SELECT REGEXP_EXTRACT('ab', '(a)(b)')", "more than one capturing group"),
        ("SELECT REGEXP_CONTAINS('ab', '(a')", "an unclosed ("),
        (r"SELECT REGEXP_CONTAINS('ab', r'\pL')", r"\p in the pattern"),
        (r"SELECT SAFE.REGEXP_CONTAINS('ab', r'\pL')", r"\p in the pattern"),
        ("SELECT REGEXP_REPLACE('ab', 'x*', '-')", "may match nothing"),
        ("SELECT REGEXP_REPLACE('ab', 'a', r'\\1')", "lacks"),
        ("SELECT REGEXP_EXTRACT('ab', '^b', 2)", "an anchor"),
        ("SELECT REGEXP_EXTRACT('ab', 'b', 0)", "from 1 on"),
        ("SELECT REGEXP_EXTRACT('b', '(a)?b')", "took no part"),
    ])
    .await;
}

#[tokio::test]
async fn hashes_and_bytes() {
    answers(&[
        ("SELECT TO_HEX(MD5('')), TO_HEX(SHA1('abc'))", r#"["d41d8cd98f00b204e9800998ecf8427e","a9993e364706816aba3e25717850c26c9cd0d89d"]"#),
        ("SELECT TO_BASE64(SHA256('abc')), LENGTH(SHA512('abc')), MD5(CAST(NULL AS STRING))", r#"["ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",64,null]"#),
        ("SELECT TO_HEX(FROM_HEX('0aF')), SAFE.FROM_HEX('0g'), CAST(FROM_BASE64('YWI=') AS STRING)", r#"["00af",null,"ab"]"#),
        ("SELECT BYTE_LENGTH('é'), OCTET_LENGTH('é'), CHARACTER_LENGTH('é')", "[2,2,1]"),
    ])
    .await;
    refusals(&[
        ("SELECT FROM_HEX('0g')", "not hexadecimal"),
        ("SELECT FROM_BASE64('YWI')", "padded"),
        ("SELECT SAFE.FROM_BASE64('YWI')", "FROM_BASE64"),
    ])
    .await;
}

#[tokio::test]
async fn text() {
    answers(&[
        ("SELECT INSTR('banana', 'an', 1, 1), INSTR('banana', 'an', 1, 2), INSTR('banana', 'an', 1, 3), INSTR('banana', 'an', 3, 1)", "[2,4,0,4]"),
        ("SELECT INSTR('banana', 'an', -1, 1), INSTR('banana', 'an', -3, 1), INSTR('banana', 'an', -4, 1), INSTR('banana', 'ann'), INSTR('helloooo', 'oo', 1, 2), INSTR('éa', 'a', 9)", "[4,4,2,0,6,0]"),
        ("SELECT REPEAT('abc', 3), REPEAT('abc', 0), REPEAT(NULL, 5), SAFE.REPEAT('a', -1)", r#"["abcabcabc","",null,null]"#),
        ("SELECT INITCAP('Hello World-everyone!'), INITCAP('the dog BARKS loudly+friendly'), INITCAP('apples1oranges2pears', '12')", r#"["Hello World-Everyone!","The Dog Barks Loudly+Friendly","Apples1Oranges2Pears"]"#),
        ("SELECT TRANSLATE('This is a cookie', 'sco', 'zku'), TRANSLATE('abc', 'ab', 'x'), SAFE.TRANSLATE('a', 'aa', 'bc')", r#"["Thiz iz a kuukie","xc",null]"#),
        ("SELECT ASCII('abcd'), ASCII(''), UNICODE('âbcd'), UNICODE(''), CHR(65), CHR(255), CHR(0)", r#"[97,0,226,0,"A","ÿ",""]"#),
        ("SELECT SPLIT('b,c'), SPLIT('', ','), SPLIT('a::b', '::'), SPLIT('äb', ''), SPLIT(NULL, ',')", r#"[["b","c"],[""],["a","b"],["ä","b"],[]]"#),
        ("SELECT TO_CODE_POINTS('aÄ'), (SELECT COUNT(*) FROM UNNEST(SPLIT('a b c', ' ')))", "[[97,196],3]"),
    ])
    .await;
    refusals(&[
        ("SELECT INSTR('a', 'a', 0)", "position 0"),
        ("SELECT INSTR('a', 'a', 1, 0)", "occurrence 0"),
        ("SELECT INSTR('a', '')", "an empty text"),
        ("SELECT ASCII('â')", "not ASCII"),
        ("SELECT CHR(55296)", "no such code point"),
        ("SELECT INITCAP('é')", "other than ASCII"),
        ("SELECT SAFE.UPPER('a')", "SAFE.UPPER"),
    ])
    .await;
}
