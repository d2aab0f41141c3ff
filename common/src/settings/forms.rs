//! The forms of single values: text in, the value or the rule that it breaks out.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::Uri;

/// A URL that a service is called at: https, or http on this machine.
pub fn endpoint(text: &str) -> Result<String, &'static str> {
    let (scheme, host) = scheme_and_host(text)?;
    match scheme.as_str() {
        "https" => Ok(text.to_owned()),
        "http" if names_this_machine(&host) => Ok(text.to_owned()),
        _ => Err("is neither https nor on this machine"),
    }
}

/// A URL on this machine.
pub(super) fn on_this_machine(text: &str) -> Result<String, &'static str> {
    let (scheme, host) = scheme_and_host(text)?;
    if ["http", "https"].contains(&scheme.as_str()) && names_this_machine(&host) {
        Ok(text.to_owned())
    } else {
        Err("is not on this machine")
    }
}

fn scheme_and_host(text: &str) -> Result<(String, String), &'static str> {
    let rule = "is not a URL";
    let uri: Uri = text.parse().map_err(|_| rule)?;
    let authority = uri.authority().ok_or(rule)?;
    if authority.as_str().contains('@') {
        return Err("holds a user's name");
    }
    Ok((uri.scheme_str().ok_or(rule)?.to_owned(), authority.host().to_owned()))
}

/// Whether a URL's host is `localhost` or a loopback address.
pub fn names_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A full resource name of a form such as `projects/P/topics/T`, where capital letters stand for names.
pub fn resource(form: &'static str) -> impl Fn(&str) -> Result<String, String> {
    move |text| {
        let (form_parts, parts) = (form.split('/'), text.split('/'));
        let same_length = form_parts.clone().count() == parts.clone().count();
        let fits = |(form, part): (&str, &str)| {
            if form.len() == 1 {
                !part.is_empty() && part.chars().all(|c| c.is_ascii_graphic())
            } else {
                part == form
            }
        };
        if same_length && form_parts.zip(parts).all(fits) {
            Ok(text.to_owned())
        } else {
            Err(format!("is not of the form {form}"))
        }
    }
}

/// An e-mail address, as the tokens of accounts hold it.
pub fn email(text: &str) -> Result<String, &'static str> {
    let parts = text.split_once('@');
    let good = parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
        && text.chars().all(|c| c.is_ascii_graphic());
    if good { Ok(text.to_owned()) } else { Err("is not an e-mail address") }
}

/// A number of seconds between two bounds, both allowed.
pub fn seconds(text: &str, least: u64, most: u64) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| (least..=most).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| format!("is not a whole number of seconds from {least} to {most}"))
}

/// A project's id, which may begin with a domain.
pub(super) fn project(text: &str) -> Result<String, &'static str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:".contains(c);
    if text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("is not a project's id: small letters, digits and hyphens")
    }
}

/// A location of BigQuery.
pub(super) fn location(text: &str) -> Result<String, &'static str> {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        Ok(text.to_owned())
    } else {
        Err("is not a location of BigQuery")
    }
}
