//! Which URLs a webhook may be sent to: https, at a host and port that the operator named.

use std::fmt;

use reqwest::Url;

/// The port of https, meant where none is named.
const HTTPS: u16 = 443;
const LONGEST_URL: usize = 2_048;
const LONGEST_HOST: usize = 253;
/// Names that exist only inside a network or a machine. What they resolve to would be refused at every send.
const INSIDE: [&str; 4] = [".internal", ".local", ".localhost", ".home.arpa"];

/// A host that cannot be on the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("webhook host '{host}' {rule}")]
pub struct InvalidHost {
    /// What was given.
    pub host: String,
    /// What it must be.
    pub rule: &'static str,
}

/// Why a message is not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// By its URL.
    #[error("webhook URL '{url}' {rule}")]
    Url {
        /// What was asked for, without what may be secret in it.
        url: String,
        /// Why not.
        rule: &'static str,
    },
    /// By what its host resolves to; the address itself is not the tenant's to know.
    #[error(
        "webhook host '{host}' resolves to an address that is not public: name a host whose addresses all are"
    )]
    Address {
        /// The host.
        host: String,
    },
    /// By its id.
    #[error("webhook message id '{id}' must be 1 to 128 ASCII letters, digits, '-' and '_'")]
    Id {
        /// The id.
        id: String,
    },
}

/// A host and port that webhooks may be sent to. Names are lower-case ASCII.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Host {
    name: String,
    port: u16,
}

impl Host {
    /// Parses `hooks.example.com` or `hooks.example.com:8443`.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidHost> {
        let invalid = |rule| InvalidHost { host: text.escape_debug().to_string(), rule };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
        if text.is_empty() || !text.chars().all(plain) {
            return Err(invalid(
                "must be a host such as hooks.example.com, with :port where that is not 443: no wildcard, no \
                 scheme, no path, no address in brackets; an international name in its xn-- form",
            ));
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, port.parse().ok().filter(|port| *port > 0)),
            None => (text, Some(HTTPS)),
        };
        let port = port.ok_or_else(|| invalid("has a port that is not one of 1 to 65535"))?;
        // The same parser reads the URLs, so one name has one form on both sides.
        let url = Url::parse(&format!("https://{name}/")).ok();
        let name = url.as_ref().and_then(Url::domain).ok_or_else(|| {
            invalid("is an address or no name: addresses are refused, name the host")
        })?;
        let label =
            |l: &str| (1..=63).contains(&l.len()) && !l.starts_with('-') && !l.ends_with('-');
        if name.len() > LONGEST_HOST || !name.split('.').all(label) {
            return Err(invalid(
                "must be labels of 1 to 63 characters that neither begin nor end with '-', without a dot at \
                 the end, 253 characters at most",
            ));
        }
        if !name.contains('.') || INSIDE.iter().any(|suffix| name.ends_with(suffix)) {
            return Err(invalid(
                "exists only inside a network: webhooks go to public addresses, name a public host",
            ));
        }
        Ok(Self { name: name.to_owned(), port })
    }

    /// The host and port of a URL, unless the URL has an address in the host's place.
    fn of(url: &Url) -> Option<Self> {
        Some(Self { name: url.domain()?.to_owned(), port: url.port_or_known_default()? })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A URL that webhooks may be sent to. `Debug` hides its path and query, where receivers keep tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub(super) url: Url,
    pub(super) host: Host,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({:?})", self.host)
    }
}

impl Endpoint {
    /// Reads a URL. Whether its host is on a list is not judged here.
    pub(super) fn parse(text: &str) -> Result<Self, Refused> {
        let refused = |rule| Refused::Url { url: shown(text), rule };
        if text.len() > LONGEST_URL {
            return Err(refused("is longer than 2048 bytes"));
        }
        // The parser drops some of these and reads a backslash as a slash: another URL than was written.
        if !text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
            return Err(refused(
                "holds a space, a control character, a backslash or a character outside of ASCII: encode it, \
                 and write an international name in its xn-- form",
            ));
        }
        let rest = match text.split_at_checked("https://".len()) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https://") => rest,
            _ => return Err(refused("must begin with https://")),
        };
        if authority(rest).contains('@') {
            return Err(refused("holds user information: leave out what stands before the '@'"));
        }
        if text.contains('#') {
            return Err(refused(
                "holds a fragment, which is never sent: leave out '#' and what follows",
            ));
        }
        if authority(rest).is_empty() {
            return Err(refused("names no host"));
        }
        let url = Url::parse(text).map_err(|_| refused("is no URL"))?;
        let host = Host::of(&url)
            .ok_or_else(|| refused("names an address: addresses are refused, name the host"))?;
        Ok(Self { url, host })
    }

    /// Refuses it by its host.
    pub(super) fn not_allowed(&self) -> Refused {
        Refused::Url {
            url: shown(self.url.as_str()),
            rule: "names a host and port that are not on the operator's list for webhooks: ask the operator to \
                   add them",
        }
    }
}

/// What stands between `https://` and the path.
fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// The URL up to its path, without user information: the rest may be secret, and may be long.
fn shown(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    let host = authority(rest);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let start: String = format!("{scheme}{host}").chars().take(100).collect();
    let hidden = if start.len() < text.len() { "…" } else { "" };
    format!("{}{hidden}", start.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_public_names_with_an_optional_port() {
        for (given, read) in [
            ("hooks.example.com", "hooks.example.com:443"),
            ("hooks.example.com:443", "hooks.example.com:443"),
            ("hooks.example.com:8443", "hooks.example.com:8443"),
            ("HOOKS.Example.COM", "hooks.example.com:443"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example:443"),
            ("a-b.1c.example", "a-b.1c.example:443"),
        ] {
            assert_eq!(Host::parse(given).map(|host| format!("{host:?}")).as_deref(), Ok(read));
        }
        for (invalid, rule) in [
            ("", "must be a host such as"),
            ("*.example.com", "must be a host such as"),
            ("https://hooks.example.com", "must be a host such as"),
            ("hooks.example.com/path", "must be a host such as"),
            ("user@hooks.example.com", "must be a host such as"),
            ("hooks.example.com,other.example.com", "must be a host such as"),
            (" hooks.example.com", "must be a host such as"),
            ("hooks.example.com\n", "must be a host such as"),
            ("bücher.example", "must be a host such as"),
            ("[2001:db8::1]", "must be a host such as"),
            ("2001:db8::1", "has a port"),
            ("hooks.example.com:", "has a port"),
            ("hooks.example.com:0", "has a port"),
            ("hooks.example.com:+443", "must be a host such as"),
            ("hooks.example.com:65536", "has a port"),
            ("hooks.example.com:https", "has a port"),
            (":443", "is an address"),
            ("127.0.0.1", "is an address"),
            ("127.1", "is an address"),
            ("0x7f000001", "is an address"),
            ("2130706433", "is an address"),
            ("0177.0.0.1", "is an address"),
            ("8.8.8.8:443", "is an address"),
            ("hooks.example.0x7f", "is an address"),
            ("xn--a-ecp.example..", "is an address or no name"),
            ("hooks.example.com.", "must be labels"),
            ("hooks..example.com", "must be labels"),
            (".example.com", "must be labels"),
            ("-hooks.example.com", "must be labels"),
            ("hooks-.example.com", "must be labels"),
            (&format!("{}.example.com", "a".repeat(64)), "must be labels"),
            (&"a.".repeat(150), "must be labels"),
            ("localhost", "exists only inside"),
            ("metadata", "exists only inside"),
            ("app.localhost", "exists only inside"),
            ("metadata.google.internal", "exists only inside"),
            ("METADATA.GOOGLE.INTERNAL", "exists only inside"),
            ("printer.local:8443", "exists only inside"),
        ] {
            let refused = Host::parse(invalid).unwrap_err();
            assert!(refused.rule.starts_with(rule), "{refused}");
        }
    }

    #[test]
    fn a_refusal_shows_no_password_path_or_query() {
        for (url, shows) in [
            ("http://hooks.example.com/services/T0/secret?k=secret", "http://hooks.example.com…"),
            ("https://user:secret@hooks.example.com/", "https://hooks.example.com…"),
            ("https://secret@secret@hooks.example.com", "https://hooks.example.com…"),
            ("https://hooks.example.com#secret", "https://hooks.example.com…"),
            ("ftp://a\nb.example.com", "ftp://a\\nb.example.com"),
            ("plain", "plain"),
        ] {
            let Err(Refused::Url { url: shown, .. }) = Endpoint::parse(url) else {
                panic!("{url} is read")
            };
            assert_eq!(shown, shows);
        }
        let long = format!("https://{}.example.com/", "a".repeat(3_000));
        assert!(Endpoint::parse(&long).unwrap_err().to_string().len() < 250);
        let endpoint = Endpoint::parse("https://hooks.example.com/secret").unwrap();
        assert_eq!(format!("{endpoint:?}"), "Endpoint(hooks.example.com:443)");
    }
}
