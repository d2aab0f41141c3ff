//! JSON functions of the embedded warehouse, against BigQuery's documented answers.

use common::warehouse::Format;

#[path = "support/warehouse.rs"]
mod support;
use support::folder;

#[tokio::test]
async fn values_are_taken_from_strings_of_json() {
    let folder = folder(&["d"]).await;
    folder.answers_one(&[
        (
            r#"SELECT JSON_VALUE('{"name": "Jakob", "age": "6"}', '$.name'), JSON_QUERY('{"name": "Jakob", "age": "6"}', '$.name'), JSON_VALUE('{"fruits": ["apple", "banana"]}', '$.fruits'), JSON_VALUE('{"a.b": {"c": "world"}}', '$."a.b".c')"#,
            r#"["Jakob","\"Jakob\"",null,"world"]"#,
        ),
        (
            r#"SELECT JSON_EXTRACT('{"class" : {"students" : [{"name" : "Jane"}]}}', '$'), JSON_EXTRACT('{"class" : {"students" : []}}', '$.class.students[0]'), JSON_EXTRACT_SCALAR('{"a.b": {"c": "world"}}', "$['a.b'].c")"#,
            r#"["{\"class\":{\"students\":[{\"name\":\"Jane\"}]}}",null,"world"]"#,
        ),
        // A STRING keeps its numbers and the order of its members.
        (
            r#"SELECT JSON_VALUE('{"x": 1.50}', '$.x'), JSON_QUERY('{"b": 1e5, "a": [1.0]}', '$'), JSON_VALUE('true'), JSON_QUERY('null', '$'), JSON_VALUE('"a\\nb"')"#,
            r#"["1.50","{\"b\":1e5,\"a\":[1.0]}","true",null,"a\nb"]"#,
        ),
        (
            r#"SELECT JSON_VALUE_ARRAY('["apples", "oranges", 5, true]'), JSON_QUERY_ARRAY('["a", {"b": 1}]'), JSON_EXTRACT_ARRAY('{"f": [1, 2]}', '$.f'), JSON_EXTRACT_STRING_ARRAY('[1, "x"]', '$')"#,
            r#"[["apples","oranges","5","true"],["\"a\"","{\"b\":1}"],["1","2"],["1","x"]]"#,
        ),
        (
            r#"SELECT ARRAY_LENGTH(JSON_VALUE_ARRAY('[1, {"a": 1}]')), ARRAY_LENGTH(JSON_VALUE_ARRAY('{"a": 1}', '$.a')), ARRAY_LENGTH(JSON_QUERY_ARRAY('{"a": 1}', '$.b')), ARRAY_LENGTH(JSON_VALUE_ARRAY('[null, 1]')), ARRAY_LENGTH(JSON_QUERY_ARRAY('[]'))"#,
            "[null,null,null,2,0]",
        ),
        (
            r"SELECT JSON_VALUE(CAST(NULL AS STRING), '$.a'), JSON_VALUE(NULL, '$.a'), JSON_VALUE('[1]', '$.a'), JSON_VALUE('[1]', '$[1]'), JSON_VALUE('5', '$.a')",
            "[null,null,null,null,null]",
        ),
    ])
    .await;
    folder
        .refuses(&[
            (
                "SELECT JSON_VALUE('{a: 1}', '$.a')",
                "not JSON from byte 1 on, which is not supported",
            ),
            ("SELECT JSON_VALUE('', '$.a')", "not supported"),
            ("SELECT JSON_VALUE('{}', 'a')", "does not begin with $ at 1:8"),
            ("SELECT JSON_VALUE('{}', '$.*')", "an operator"),
            ("SELECT JSON_VALUE('{}', '$[')", "an invalid token"),
            ("SELECT JSON_VALUE('{}', 'lax $.a')", "the JSONPath 'lax $.a' of JSON_VALUE at 1:8"),
            ("SELECT JSON_VALUE('{}', \"$['a']\")", "the JSONPath"),
            ("SELECT JSON_VALUE('{}', x) FROM UNNEST(['$']) AS x", "a computed JSONPath"),
            (r#"SELECT JSON_VALUE('{"a": 1, "a": 2}', '$.a')"#, "two members a"),
            (r#"SELECT JSON_QUERY('["a\\nb"]', '$')"#, "a backslash"),
            ("SELECT JSON_QUERY_ARRAY('[null]')", "with a null"),
            ("SELECT JSON_QUERY('{}')", "without a JSONPath"),
            ("SELECT JSON_VALUE(1, '$')", "not a STRING"),
            ("SELECT JSON_VALUE()", "takes a value"),
            ("SELECT SAFE.JSON_VALUE('{}', '$.a')", "SAFE.JSON_VALUE"),
        ])
        .await;
}

#[tokio::test]
async fn values_are_taken_from_json() {
    let folder = folder(&["d"]).await;
    let columns = r#"[{"name":"id","type":"INT64"},{"name":"j","type":"JSON"}]"#;
    let rows =
        [r#"{"id":1,"j":{"b":{"c":"x"},"a":[1,2.5,null,"t"],"n":null}}"#, r#"{"id":2,"j":null}"#];
    folder.load("d.t", columns, Format::Ndjson, &rows.join("\n")).await;
    folder.answers_one(&[
        (
            "SELECT JSON_VALUE(j, '$.b.c'), JSON_VALUE(j, '$.a[1]'), JSON_VALUE(j, '$.n'), JSON_QUERY(j, '$.n'), JSON_QUERY(j, '$.x') FROM d.t WHERE id = 1",
            r#"["x","2.5",null,"null",null]"#,
        ),
        (
            "SELECT TO_JSON_STRING(j), TO_JSON_STRING(j.b), j.b.c IS NULL, j.B IS NULL, j.n IS NULL, STRING(j.b.c), INT64(j.a[0]), STRING(j['b']['c']), j.a[9] IS NULL, FLOAT64(j.a[1]) FROM d.t WHERE id = 1",
            r#"["{\"a\":[1,2.5,null,\"t\"],\"b\":{\"c\":\"x\"},\"n\":null}","{\"c\":\"x\"}",false,true,false,"x",1,"x",true,2.5]"#,
        ),
        (
            "SELECT JSON_VALUE(j, '$.a'), TO_JSON_STRING(j), JSON_TYPE(j), j.a IS NULL FROM d.t WHERE id = 2",
            r#"[null,"null",null,true]"#,
        ),
        (
            "SELECT ARRAY_LENGTH(JSON_QUERY_ARRAY(j, '$.a')), JSON_VALUE_ARRAY(j, '$.a')[OFFSET(3)], TO_JSON_STRING(JSON_QUERY_ARRAY(j, '$.a')) FROM d.t WHERE id = 1",
            r#"[4,"t","[1,2.5,null,\"t\"]"]"#,
        ),
        // Of two members of one name a JSON value has the first, a STRING keeps both.
        (
            r#"SELECT JSON_QUERY('{"key": 1, "key": 2}', '$'), TO_JSON_STRING(JSON_QUERY(JSON '{"key": 1, "key": 2}', '$')), JSON_VALUE(JSON '{"key": 1, "key": 2}', '$.key'), TO_JSON_STRING(TO_JSON(STRUCT(1 AS a, 2 AS a)))"#,
            r#"["{\"key\":1,\"key\":2}","{\"key\":1}","1","{\"a\":1}"]"#,
        ),
        (
            "SELECT TO_JSON_STRING(TO_JSON(9007199254740993)), TO_JSON_STRING(TO_JSON(NUMERIC '123.56')), TO_JSON_STRING(1.0), TO_JSON_STRING(TO_JSON(CAST('inf' AS FLOAT64)))",
            r#"["9007199254740993","123.56","1","\"Infinity\""]"#,
        ),
        (
            r#"SELECT LAX_BOOL(JSON 'true'), LAX_BOOL(JSON '"TRUE"'), LAX_BOOL(JSON '"true "'), LAX_BOOL(JSON '"foo"'), LAX_BOOL(JSON '10'), LAX_BOOL(JSON '0.0'), LAX_BOOL(JSON '-1.1'), LAX_BOOL(JSON 'null')"#,
            "[true,true,null,null,true,false,true,null]",
        ),
        (
            r#"SELECT LAX_INT64(JSON '10'), LAX_INT64(JSON 'true'), LAX_INT64(JSON '1.1'), LAX_INT64(JSON '"10"'), LAX_INT64(JSON '"1.1"'), LAX_INT64(JSON '"foo"'), LAX_INT64(JSON '1e100'), LAX_INT64(JSON '[1]')"#,
            "[10,1,1,10,1,null,null,null]",
        ),
        (
            r#"SELECT LAX_FLOAT64(JSON '9.8'), LAX_FLOAT64(JSON '9'), LAX_FLOAT64(JSON 'true'), LAX_FLOAT64(JSON '"1.1e2"'), LAX_FLOAT64(JSON '"+1.5"'), LAX_FLOAT64(JSON '"foo"'), LAX_STRING(JSON '"purple"'), LAX_STRING(JSON 'false'), LAX_STRING(JSON '10'), LAX_STRING(JSON '1.5'), LAX_STRING(JSON '[1]')"#,
            r#"[9.8,9.0,null,110.0,1.5,null,"purple","false","10","1.5",null]"#,
        ),
        (
            "SELECT STRING_AGG(JSON_VALUE(x), ',' ORDER BY JSON_VALUE(x)), SUM(SAFE_CAST(JSON_VALUE(x) AS FLOAT64)) FROM d.t, UNNEST(JSON_QUERY_ARRAY(j, '$.a')) AS x",
            r#"["1,2.5,t",3.5]"#,
        ),
        (
            "SELECT JSON_VALUE(j, '$.b.c') AS c, COUNT(*) FROM d.t WHERE JSON_VALUE(j, '$.b.c') = 'x' GROUP BY c",
            r#"["x",1]"#,
        ),
        (
            r#"SELECT JSON_TYPE(JSON '{}'), JSON_TYPE(JSON '[]'), JSON_TYPE(JSON '1'), JSON_TYPE(JSON '"a"'), JSON_TYPE(JSON 'true'), JSON_TYPE(JSON 'null')"#,
            r#"["object","array","number","string","boolean","null"]"#,
        ),
        (
            r#"SELECT INT64(JSON '2005'), INT64(JSON '10.0'), SAFE.INT64(JSON '10.1'), SAFE.INT64(JSON '"strawberry"'), BOOL(JSON 'true'), SAFE.BOOL(JSON '123'), FLOAT64(JSON '9.8'), STRING(JSON '"purple"'), SAFE.STRING(JSON '123')"#,
            r#"[2005,10,null,null,true,null,9.8,"purple",null]"#,
        ),
        (
            r#"SELECT TO_JSON_STRING(PARSE_JSON('{"b": 1, "a": [ true ]}')), SAFE.PARSE_JSON('{a}') IS NULL, TO_JSON_STRING(TO_JSON(STRUCT(1 AS id, [10, 20] AS coordinates))), JSON_VALUE(TO_JSON(STRUCT(1.5 AS x)), '$.x')"#,
            r#"["{\"a\":[true],\"b\":1}",true,"{\"coordinates\":[10,20],\"id\":1}","1.5"]"#,
        ),
    ])
    .await;
    folder
        .refuses(&[
            ("SELECT INT64(JSON '10.1')", "not an INT64"),
            ("SELECT LAX_STRING(JSON '1.0')", "the JSON number 1.0"),
            (r#"SELECT LAX_INT64(JSON '"1.1e2"')"#, "LAX_INT64 of 1.1e2"),
            ("SELECT STRING(JSON 'null')", "not a string"),
            ("SELECT PARSE_JSON('{a}')", "not JSON from byte 1"),
            ("SELECT JSON '{a}'", "not JSON from byte 1 on at 1:13"),
            ("SELECT TO_JSON_STRING(JSON '1e300')", "the JSON number 1e300"),
            ("SELECT JSON_VALUE(JSON '[1.0]', '$[0]')", "the JSON number 1.0"),
            ("SELECT TO_JSON(1.0)", "without a fraction"),
            ("SELECT TO_JSON_STRING(JSON '1.0')", "the JSON number 1.0"),
            ("SELECT PARSE_JSON('0.12345678901234567890')", "the JSON number 0.1234"),
            ("SELECT j FROM d.t GROUP BY j", "JSON"),
            ("SELECT COUNT(*) FROM d.t WHERE j = j", "JSON"),
            ("SELECT PARSE_JSON('1', wide_number_mode => 'round')", "a named argument"),
        ])
        .await;
}

#[tokio::test]
async fn values_become_json() {
    let folder = folder(&["d"]).await;
    folder.answers_one(&[
        (
            "SELECT TO_JSON_STRING(9007199254740992), TO_JSON_STRING(9007199254740993), TO_JSON_STRING(NUMERIC '5'), TO_JSON_STRING(NUMERIC '1.25'), TO_JSON_STRING(NUMERIC '9007199254740993')",
            r#"["9007199254740992","\"9007199254740993\"","5","\"1.25\"","\"9007199254740993\""]"#,
        ),
        (
            "SELECT TO_JSON_STRING(1.5), TO_JSON_STRING(CAST('nan' AS FLOAT64)), TO_JSON_STRING(CAST('-inf' AS FLOAT64)), TO_JSON_STRING(TRUE), TO_JSON_STRING(NULL), TO_JSON_STRING(CAST(NULL AS STRING), false)",
            r#"["1.5","\"NaN\"","\"-Infinity\"","true","null","null"]"#,
        ),
        (
            r#"SELECT TO_JSON_STRING('a"\\\n\u0001é'), TO_JSON_STRING(DATE '2017-03-06'), TO_JSON_STRING(TIMESTAMP '2017-03-06 12:34:56.789012+00'), TO_JSON_STRING(TIMESTAMP '2017-03-06 12:34:56.78+00'), TO_JSON_STRING(DATETIME '2017-03-06 12:34:56'), TO_JSON_STRING(TIME '12:34:56.5'), TO_JSON_STRING(SHA1('abc'))"#,
            r#"["\"a\\\"\\\\\\n\\u0001é\"","\"2017-03-06\"","\"2017-03-06T12:34:56.789012Z\"","\"2017-03-06T12:34:56.780Z\"","\"2017-03-06T12:34:56\"","\"12:34:56.500\"","\"qZk+NkcGgWq6PiVxeFDCbJzQ2J0=\""]"#,
        ),
        (
            "SELECT TO_JSON_STRING(STRUCT(1 AS a, 'x' AS b, [1, 2] AS c, STRUCT(CAST(NULL AS INT64) AS e) AS d, NULL AS f)), TO_JSON_STRING((1, 2)), TO_JSON_STRING([STRUCT(1 AS a)])",
            r#"["{\"a\":1,\"b\":\"x\",\"c\":[1,2],\"d\":{\"e\":null},\"f\":null}","{\"\":1,\"\":2}","[{\"a\":1}]"]"#,
        ),
        (
            "SELECT TO_JSON_STRING(t) FROM (SELECT 1 AS a, 'b' AS b) AS t",
            r#"["{\"a\":1,\"b\":\"b\"}"]"#,
        ),
    ])
    .await;
    folder
        .refuses(&[
            ("SELECT TO_JSON_STRING(1, true)", "with options"),
            ("SELECT TO_JSON_STRING(x / 3) FROM UNNEST([1]) AS x", "the text of the FLOAT64"),
        ])
        .await;
}
