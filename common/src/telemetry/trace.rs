//! The trace that a request belongs to, as its headers say.

use axum::http::HeaderMap;

/// The caller's trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// 32 hex digits.
    pub trace_id: String,
    /// 16 hex digits.
    pub span_id: String,
    /// Whether the caller records the trace.
    pub sampled: bool,
}

impl TraceContext {
    /// Reads `traceparent` (W3C Trace Context), else `X-Cloud-Trace-Context`; one that is malformed is as none.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        text("traceparent")
            .and_then(Self::parse_w3c)
            .or_else(|| text("x-cloud-trace-context").and_then(Self::parse_cloud))
    }

    /// `00-{trace}-{span}-{flags}`; later versions may append more.
    fn parse_w3c(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lower = |part: &str| !part.bytes().any(|b| b.is_ascii_uppercase());
        if version == "ff" || (version == "00" && parts.next().is_some()) || !lower(text) {
            return None;
        }
        hex(version, 2)?;
        let flags = hex(flags, 2)?;
        let (trace_id, span_id) = (nonzero(trace, 32)?, nonzero(span, 16)?);
        Some(Self { trace_id, span_id, sampled: flags & 1 == 1 })
    }

    /// `{trace}/{span in decimal};o={0|1}`, where all after the trace may be missing.
    fn parse_cloud(text: &str) -> Option<Self> {
        let (trace, rest) = text.split_once('/').unwrap_or((text, ""));
        let (span, options) = rest.split_once(';').unwrap_or((rest, ""));
        let span = span.parse::<u64>().unwrap_or(0);
        Some(Self {
            trace_id: nonzero(trace, 32)?.to_ascii_lowercase(),
            span_id: format!("{span:016x}"),
            sampled: options == "o=1",
        })
    }
}

fn hex(text: &str, digits: usize) -> Option<u128> {
    let form = text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    form.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

fn nonzero(text: &str, digits: usize) -> Option<String> {
    hex(text, digits).filter(|number| *number != 0).map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn of(name: &'static str, value: &str) -> Option<TraceContext> {
        TraceContext::of(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]))
    }

    #[test]
    fn both_headers_are_read() {
        let expected = |span_id: &str, sampled| {
            Some(TraceContext { trace_id: TRACE.into(), span_id: span_id.into(), sampled })
        };
        let w3c = |flags| of("traceparent", &format!("00-{TRACE}-b7ad6b7169203331-{flags}"));
        assert_eq!(w3c("01"), expected("b7ad6b7169203331", true));
        assert_eq!(w3c("00"), expected("b7ad6b7169203331", false));
        let cloud = |tail| of("x-cloud-trace-context", &format!("{TRACE}{tail}"));
        assert_eq!(cloud("/10;o=1"), expected("000000000000000a", true));
        assert_eq!(cloud("/10"), expected("000000000000000a", false));
        assert_eq!(cloud(""), expected("0000000000000000", false));
    }

    #[test]
    fn what_is_malformed_is_no_trace() {
        for bad in [
            "",
            "00",
            "00-0-0-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert_eq!(of("traceparent", bad), None, "{bad}");
            assert_eq!(of("x-cloud-trace-context", bad), None, "{bad}");
        }
    }
}
