//! The functions of the embedded warehouse, family by family, against BigQuery's documented answers.

#[path = "support/warehouse.rs"]
mod support;
use support::folder;

async fn answers(cases: &[(&str, &str)]) {
    folder(&["d"]).await.answers_one(cases).await;
}

async fn refusals(cases: &[(&str, &str)]) {
    folder(&["d"]).await.refuses(cases).await;
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
        ("SELECT EDIT_DISTANCE('a', 'b'), EDIT_DISTANCE('aa', 'b'), EDIT_DISTANCE('aa', 'ba'), EDIT_DISTANCE('kitten', 'sitting'), EDIT_DISTANCE('', 'é')", "[1,2,1,3,1]"),
        ("SELECT 'abc' LIKE ANY ('x%', '%c'), 'abc' LIKE ANY ('x'), 'abc' LIKE ANY ('x', NULL), 'abc' LIKE ANY ('a%', NULL)", "[true,false,null,true]"),
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
        ("SELECT 'a' NOT LIKE ANY ('a')", "not supported"),
    ])
    .await;
}

#[tokio::test]
async fn dates_and_times_are_read_by_a_format() {
    answers(&[
        ("SELECT PARSE_DATE('%Y%m', '202601'), PARSE_DATE('%F', ' 2026-1-5 '), PARSE_DATE('%d.%m.%Y', '31.12.1999'), PARSE_DATE('%m', '2')", r#"["2026-01-01","2026-01-05","1999-12-31","1970-02-01"]"#),
        ("SELECT PARSE_TIMESTAMP('%Y-%m-%d %H:%M:%S', '2026-01-01 00:00:01'), PARSE_TIMESTAMP('%F %T', '2026-01-01 23:59:59', 'UTC'), PARSE_DATETIME('%FT%H:%M:%E*S', '2026-01-01T00:00:01.5')", r#"["2026-01-01T00:00:01Z","2026-01-01T23:59:59Z","2026-01-01T00:00:01.500"]"#),
        ("SELECT SAFE.PARSE_DATE('%F', '2026-02-30'), SAFE.PARSE_DATE('%F', 'x'), PARSE_DATE('%F', NULL)", "[null,null,null]"),
    ])
    .await;
    refusals(&[
        ("SELECT PARSE_DATE('%F', '2026-02-30')", "not of the format"),
        ("SELECT PARSE_DATE('%F', '2026-01-01x')", "not of the format"),
        ("SELECT PARSE_DATE('%Q', '1')", "the element %Q"),
        ("SELECT SAFE.PARSE_DATE('%Q', '1')", "the element %Q"),
        ("SELECT PARSE_DATE('%m%Y', '12026')", "not supported"),
        ("SELECT PARSE_DATE('%Y %F', '2026 2026-01-01')", "twice"),
        ("SELECT PARSE_DATE('%F %T', '2026-01-01 00:00:00')", "a time of day"),
        ("SELECT PARSE_TIMESTAMP('%F', '2026-01-01', 'Mars/Base')", "Mars/Base"),
    ])
    .await;
}

#[tokio::test]
async fn arrays() {
    answers(&[
        ("SELECT GENERATE_ARRAY(1, 5, 2), GENERATE_ARRAY(5, 1, -3), GENERATE_ARRAY(2, 1), GENERATE_ARRAY(9223372036854775806, 9223372036854775807)", r#"[[1,3,5],[5,2],[],["9223372036854775806","9223372036854775807"]]"#),
        ("SELECT GENERATE_DATE_ARRAY('2026-02-27', '2026-03-01'), GENERATE_DATE_ARRAY(DATE '2026-01-02', DATE '2026-01-01')", r#"[["2026-02-27","2026-02-28","2026-03-01"],[]]"#),
        ("SELECT ARRAY_CONCAT([1, 2], [3]), ARRAY_REVERSE(['a', 'b']), ARRAY_LENGTH([7, 8]), ARRAY_LENGTH(SPLIT(NULL, ','))", r#"[[1,2,3],["b","a"],2,null]"#),
        ("SELECT ARRAY_TO_STRING(['a', NULL, 'b'], '-'), ARRAY_TO_STRING(['a', NULL], '-', 'x'), ARRAY_TO_STRING(SPLIT('', ','), ','), ARRAY_TO_STRING(SPLIT(NULL, ','), ','), ARRAY_TO_STRING(['a'], NULL)", r#"["a-b","a-x","",null,null]"#),
        ("SELECT ARRAY_FIRST([1, 2]), ARRAY_LAST(['a', 'b']), ARRAY_FIRST(SPLIT(NULL, ',')), GENERATE_ARRAY(NUMERIC '0', NUMERIC '1', NUMERIC '0.5')", r#"[1,"b",null,["0","0.5","1"]]"#),
        ("SELECT ARRAY_REVERSE(SPLIT(x, ' ')) FROM UNNEST(['a b c']) AS x", r#"[["c","b","a"]]"#),
    ])
    .await;
    refusals(&[
        ("SELECT GENERATE_ARRAY(1, 2, 0)", "the step 0"),
        ("SELECT GENERATE_ARRAY(1, 2000000)", "more than"),
        ("SELECT ARRAY_LENGTH(1)", "no array"),
        ("SELECT ARRAY_LAST(ARRAY<INT64>[])", "an empty array"),
        ("SELECT ARRAY_FIRST(1)", "no array"),
        ("SELECT ARRAY_TO_STRING([1], ',')", "not a ARRAY<STRING>"),
        ("SELECT GENERATE_ARRAY(0.5, 1.5)", "GENERATE_ARRAY"),
        ("SELECT ARRAY_CONCAT([1], ['a'])", "no common type"),
    ])
    .await;
}

#[tokio::test]
async fn values_are_printed() {
    answers(&[
        ("SELECT FORMAT('%05d-%s', 42, 'x'), FORMAT('%5d|%-5d|%05d', -7, -7, -7), FORMAT('100%%'), FORMAT('é%s', 'ü')", r#"["00042-x","   -7|-7   |-0007","100%","éü"]"#),
        ("SELECT FORMAT('%.2f', 1234.567), FORMAT('%f', 5.5), FORMAT('%.0f', 2.6), FORMAT('%.1f', NUMERIC '-7.26'), FORMAT('%.3f', NUMERIC '2')", r#"["1234.57","5.500000","3","-7.3","2.000"]"#),
        ("SELECT FORMAT('%.1f', 1.5), FORMAT('%.1f', NUMERIC '1.5')", r#"["1.5","1.5"]"#),
        ("SELECT FORMAT(\"%'d\", 12345678), FORMAT(\"%'d\", -999), FORMAT('%x-%X', 255, 255), FORMAT('%t %t %t %t', 5, DATE '2026-01-02', TRUE, CAST(NULL AS INT64)), FORMAT('%t', TIMESTAMP '2026-01-02 00:00:00+00')", r#"["12,345,678","-999","ff-FF","5 2026-01-02 true NULL","2026-01-02 00:00:00+00"]"#),
        ("SELECT CAST(1.5 AS STRING), CAST(-0.001 AS STRING), CAST(CAST(NULL AS FLOAT64) AS STRING)", r#"["1.5","-0.001",null]"#),
        ("SELECT FORMAT('%d', NULL), FORMAT('%s', CAST(NULL AS STRING)), FORMAT('%d%d', 1, 2)", r#"[null,null,"12"]"#),
    ])
    .await;
    refusals(&[
        ("SELECT FORMAT('%e', 1.5)", "the element %e of FORMAT at 1:8"),
        ("SELECT FORMAT('%f', 1)", "%f takes a FLOAT64 or a NUMERIC, not INT64"),
        ("SELECT FORMAT('%.2f', 0.125)", "%.2f of 0.125"),
        ("SELECT FORMAT('%.1f', NUMERIC '0.25')", "%.1f of the NUMERIC 0.25"),
        ("SELECT CAST(100.0 AS STRING)", "CAST of the FLOAT64 100"),
        ("SELECT SAFE_CAST(1.5e20 AS STRING)", "CAST of the FLOAT64"),
        ("SELECT CAST(x / 3 AS STRING) FROM UNNEST([1]) AS x", "the text of the FLOAT64"),
        ("SELECT FORMAT('%x', -1)", "hexadecimal"),
        ("SELECT FORMAT('%t', 1.5)", "%t of a FLOAT64"),
        ("SELECT FORMAT('%5s', 'a')", "the element %5s"),
        ("SELECT FORMAT('%+d', 1)", "the element %+"),
        ("SELECT FORMAT('%', 1)", "the element %"),
        ("SELECT FORMAT('%é', 1)", "the element %é"),
        ("SELECT FORMAT('%d', 'a')", "not a INT64"),
        ("SELECT FORMAT('%d')", "fewer values"),
        ("SELECT FORMAT('a', 1)", "more values"),
        ("SELECT FORMAT(x, 1) FROM UNNEST(['%d']) AS x", "a computed format at 1:8"),
    ])
    .await;
}

#[tokio::test]
async fn bytes() {
    answers(&[
        (r"SELECT TO_HEX(b'abc\x00\xff'), LENGTH(b'é'), b'a' = CAST('a' AS BYTES), TO_HEX(b'''a'b'''), CAST(B'ab' AS STRING)", r#"["61626300ff",2,true,"612762","ab"]"#),
        ("SELECT TO_HEX(CONCAT(b'a', b'b', b'c')), TO_HEX(b'a' || b'b'), TO_HEX(SUBSTR(b'abc', 2)), TO_HEX(SUBSTR(b'abc', -2, 1)), TO_HEX(LEFT(b'abc', 2)), TO_HEX(RIGHT(b'abc', 9))", r#"["616263","6162","6263","62","6162","616263"]"#),
        ("SELECT TO_HEX(REVERSE(b'ab')), TO_HEX(REPEAT(b'ab', 2)), STARTS_WITH(b'abc', b'ab'), ENDS_WITH(b'abc', b'b'), STRPOS(b'abcb', b'b'), STRPOS(b'a', b'x'), TO_CODE_POINTS(b'ab')", r#"["6261","61626162",true,false,2,0,[97,98]]"#),
        ("SELECT SAFE_CONVERT_BYTES_TO_STRING(b'ab'), BIT_COUNT(b'\\xff'), BIT_COUNT(-1), CONCAT(b'a', CAST(NULL AS BYTES))", r#"["ab",8,64,null]"#),
    ])
    .await;
    refusals(&[
        (r"SELECT SAFE_CONVERT_BYTES_TO_STRING(b'\xff')", "other than UTF-8"),
        (r"SELECT b'\u0041'", "in a literal of BYTES at 1:8"),
        (r"SELECT b'\xg0'", "two hexadecimal digits"),
        ("SELECT b'a' || 'a'", "no matching signature"),
        ("SELECT LEFT(b'a', -1)", "negative length"),
    ])
    .await;
}

#[tokio::test]
async fn arithmetic() {
    answers(&[
        ("SELECT POW(2, 10), POWER(-3, 3), POW(1.5, 2), POW(7, 0), POW(10, 15)", "[1024.0,-27.0,2.25,1.0,1000000000000000.0]"),
        ("SELECT SAFE_ADD(9223372036854775807, 1), SAFE_ADD(NUMERIC '1.5', NUMERIC '2'), SAFE_SUBTRACT(1.5, 1), SAFE_MULTIPLY(NUMERIC '99999999999999999999999999999', NUMERIC '10'), SAFE_NEGATE(-9223372036854775808), SAFE_NEGATE(5), SAFE_MULTIPLY(1e308, 10)", r#"[null,"3.5",0.5,null,null,-5,null]"#),
        ("SELECT DIV(NUMERIC '7.5', NUMERIC '2'), TRUNC(NUMERIC '-1.987', 1), TRUNC(NUMERIC '1234', -2), SIGN(-2.5), SIGN(0.0), TO_JSON_STRING(IEEE_DIVIDE(1, 0)), TO_JSON_STRING(IEEE_DIVIDE(0, 0)), IEEE_DIVIDE(1, 4)", r#"["3","-1.9","1200",-1.0,0.0,"\"Infinity\"","\"NaN\"",0.25]"#),
        ("SELECT 12 & 10, 12 | 3, 12 ^ 10, ~5, (1 | 2) & 3, 1 & 3 = 1", "[8,15,6,-6,3,true]"),
        ("SELECT GREATEST(3, 5, 1), LEAST(3, NULL), GREATEST('a', 'B'), LEAST(DATE '2026-01-02', DATE '2026-01-01'), GREATEST(1, 2.5), TO_JSON_STRING(LEAST(1.0, CAST('nan' AS FLOAT64))), GREATEST(TIMESTAMP '2026-01-01 00:00:00+00', TIMESTAMP '2025-01-01 00:00:00+00'), LEAST(NUMERIC '1.5', 2)", r#"[5,null,"a","2026-01-01",2.5,"\"NaN\"","2026-01-01T00:00:00Z","1.5"]"#),
    ])
    .await;
    refusals(&[
        ("SELECT POW(1.1, 2)", "POW(1.1, 2)"),
        ("SELECT POW(2, 0.5)", "POW(2, 0.5)"),
        ("SELECT POW(NUMERIC '2', 2)", "POW of a NUMERIC"),
        ("SELECT TRUNC(1.55, 1)", "TRUNC of a FLOAT64"),
        ("SELECT TRUNC(155, -1)", "TRUNC of a FLOAT64"),
        ("SELECT EXP(1)", "the function EXP"),
        ("SELECT 1 | 2 & 3", "needs parentheses"),
        ("SELECT 1 + 2 & 3", "needs parentheses"),
        ("SELECT 1.5 & 1", "no matching signature"),
        ("SELECT GREATEST([1], [2])", "GREATEST of"),
        ("SELECT GREATEST()", "GREATEST"),
        ("SELECT RAND()", "the function RAND"),
        ("SELECT GENERATE_UUID()", "the function GENERATE_UUID"),
    ])
    .await;
}
