use std::convert::Infallible;
use std::os::unix::ffi::OsStringExt;

use super::*;

#[expect(clippy::unnecessary_wraps, reason = "the form that variables are parsed in")]
fn text(value: &str) -> Result<String, Infallible> {
    Ok(value.to_owned())
}

fn number(value: &str) -> Result<u16, &'static str> {
    value.parse().map_err(|_| "is not a number from 0 to 65535")
}

#[test]
fn variables_are_typed() {
    let env = Env::of([("NAME", "a"), ("PORT", "80"), ("LIST", " 1, 2,,3 "), ("EMPTY", "")]);
    let mut vars = Vars::of(&env);
    assert_eq!(vars.required("NAME", "a name", text), Some("a".to_owned()));
    assert_eq!(vars.or("PORT", "a port", 1, number), Some(80));
    assert_eq!(vars.or("OTHER", "a port", 1, number), Some(1));
    assert_eq!(vars.optional("EMPTY", "a port", number), Some(None));
    assert_eq!(vars.list("LIST", "numbers", number), Some(vec![1, 2, 3]));
    assert_eq!(vars.some("LIST", "numbers", number), Some(vec![1, 2, 3]));
    assert_eq!(vars.list("NONE", "numbers", number), Some(vec![]));
    assert_eq!(vars.asked(), ["NAME", "PORT", "OTHER", "EMPTY", "LIST", "LIST", "NONE"]);
    assert_eq!(vars.finish(Some(7)), Ok(7));
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let plain = [("PORT", "eighty"), ("LIST", "1,two"), ("BLANK", ", ,"), ("KEY", "short, secret")];
    let plain = plain.map(|(name, value)| (name, OsString::from(value)));
    let env = Env::of(plain.into_iter().chain([("BYTES", OsString::from_vec(vec![b'a', 0xff]))]));
    let mut vars = Vars::of(&env);
    assert_eq!(vars.required("NAME", "a name", text), None);
    assert_eq!(vars.or("PORT", "a port", 1, number), None);
    assert_eq!(vars.list("LIST", "numbers", number), None);
    assert_eq!(vars.some("BLANK", "numbers", number), None);
    assert_eq!(vars.optional("BYTES", "a text", text), None);
    assert_eq!(vars.secret("KEY", "a key", 32), None);
    assert_eq!(vars.secret("NO_KEY", "a key", 32), None);
    let told = vars.finish(None::<()>).unwrap_err().to_string();
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "NAME is not set; set it to a name",
            "PORT is 'eighty' and is not a number from 0 to 65535; set it to a port",
            "LIST is '1,two' and is not a number from 0 to 65535; set it to numbers",
            "BLANK is not set; set it to numbers",
            "BYTES is 'a\u{fffd}' and is not UTF-8; set it to a text",
            "KEY, whose value is not shown, has less than 32 characters; set it to a key",
            "NO_KEY is not set; set it to a key",
        ]
    );
}

#[test]
fn what_is_wrong_between_variables_is_no_setting() {
    let env = Env::default();
    let mut vars = Vars::of(&env);
    let wrong = Wrong::Missing { name: "A", wanted: "what B is set for" };
    vars.refuse(wrong.clone());
    assert_eq!(vars.finish(Some(1)), Err(Invalid(vec![wrong])));
}

#[test]
fn a_secret_is_whole() {
    let key = "0123456789abcdef0123456789abcdef";
    for (value, good) in [(key, true), (&format!("{key}\n"), false), (&key[1..], false)] {
        let env = Env::of([("KEY", value)]);
        let mut vars = Vars::of(&env);
        assert_eq!(vars.secret("KEY", "a key", 32).is_some(), good);
        let finished = vars.finish(Some(()));
        assert_eq!(finished.is_ok(), good);
        assert!(!format!("{finished:?}").contains(&key[1..]));
    }
}
