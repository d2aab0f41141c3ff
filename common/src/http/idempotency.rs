//! The `Idempotency-Key` of requests that create something.

use axum::http::HeaderMap;

use super::problem::{FieldError, Kind, Problem};

/// Reads `Idempotency-Key`, where it is given: 400 where it is not 1 to 255 printable ASCII characters.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let form =
        |key: &&str| (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    value.to_str().ok().filter(form).map(Some).ok_or_else(|| {
        let given = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let rule = "must be 1 to 255 printable ASCII characters without spaces";
        let error = FieldError::new("Idempotency-Key", given, rule);
        Problem::of_fields(Kind::MalformedRequest, &[error])
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_key_has_its_form() {
        let of = |bytes: &[u8]| {
            let value = HeaderValue::from_bytes(bytes).unwrap();
            let headers = HeaderMap::from_iter([("idempotency-key".parse().unwrap(), value)]);
            idempotency_key(&headers).map(|key| key.map(str::to_owned)).map_err(|p| p.kind())
        };
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
        assert_eq!(of(b"order-7"), Ok(Some("order-7".to_owned())));
        assert!(of(&[b'x'; 255]).is_ok());
        for bad in [&b""[..], b"a b", "zoë".as_bytes(), &[0xff], &[b'x'; 256]] {
            assert_eq!(of(bad), Err(Kind::MalformedRequest), "{bad:?}");
        }
    }
}
