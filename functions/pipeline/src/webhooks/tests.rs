use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::keys::Secret;
use futures::FutureExt;

use super::receiver::{Answer, ENDLESS, Receiver, resolving};
use super::*;

/// Longer than any exchange here takes on a busy machine.
const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(200);

fn key() -> Secret {
    Secret::new("0123456789abcdef0123456789abcdef")
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn message(tenant_id: &TenantId) -> Message<'_> {
    Message {
        tenant_id,
        id: "run-1_done".to_owned(),
        at: DateTime::from_timestamp(1_763_373_600, 999_000_000).unwrap(),
        body: br#"{"event":"run"}"#.to_vec(),
    }
}

async fn send(webhooks: &Webhooks, url: &str) -> Result<(), SendError> {
    let (endpoint, tenant) = (webhooks.allow(url).unwrap(), acme());
    let message = message(&tenant);
    let sending = webhooks.send(&endpoint, &message);
    tokio::time::timeout(LONG, sending).await.expect("a send ends by itself")
}

fn addresses(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|address| address.parse().unwrap()).collect()
}

#[test]
fn only_https_urls_of_listed_hosts_and_ports_are_allowed() {
    let webhooks = Webhooks::new(["hooks.example.com", "Alt.Example.com:8443"], key()).unwrap();
    for allowed in [
        "https://hooks.example.com",
        "https://hooks.example.com/a/b?c=d@e:f",
        "https://hooks.example.com/@x",
        "https://hooks.example.com:443/",
        "HTTPS://HOOKS.EXAMPLE.COM/",
        "https://hooks%2Eexample.com/",
        "https://alt.example.com:8443/",
    ] {
        assert!(webhooks.allow(allowed).is_ok(), "{allowed}");
    }
    let long = format!("https://hooks.example.com/{}", "a".repeat(2_048));
    for (refused, rule) in [
        ("", "must begin with https://"),
        ("hooks.example.com", "must begin with https://"),
        ("http://hooks.example.com/", "must begin with https://"),
        ("ftp://hooks.example.com/", "must begin with https://"),
        ("https:hooks.example.com", "must begin with https://"),
        ("https:/hooks.example.com", "must begin with https://"),
        ("https:///hooks.example.com", "names no host"),
        ("https://", "names no host"),
        ("https://?x", "names no host"),
        ("https://user@hooks.example.com/", "holds user information"),
        ("https://user:secret@hooks.example.com/", "holds user information"),
        ("https://@hooks.example.com/", "holds user information"),
        ("https://hooks.example.com:443@other.example.com/", "holds user information"),
        ("https://hooks.example.com/#x", "holds a fragment"),
        ("https://other.example.com#@hooks.example.com/", "holds a fragment"),
        ("https://other.example.com\\@hooks.example.com/", "holds a space"),
        ("https://hooks.example.com\\.other.example.com/", "holds a space"),
        (" https://hooks.example.com/", "holds a space"),
        ("https://hooks.example.com/a b", "holds a space"),
        ("https://hooks.exa\tmple.com/", "holds a space"),
        ("https://hooks.example.com/\r\nx: y", "holds a space"),
        ("https://hooks.example.com/\0", "holds a space"),
        ("https://hooks.example。com/", "holds a space"),
        ("https://１２７.0.0.1/", "holds a space"),
        (&long, "is longer than"),
        ("https://hooks.example.com:99999/", "is no URL"),
        ("https://hooks.exa<mple.com/", "is no URL"),
        ("https://127.0.0.1/", "names an address"),
        ("https://127.1/", "names an address"),
        ("https://0x7f000001/", "names an address"),
        ("https://0177.0.0.1/", "names an address"),
        ("https://2130706433/", "names an address"),
        ("https://%31%32%37.0.0.1/", "names an address"),
        ("https://8.8.8.8/", "names an address"),
        ("https://[::1]/", "names an address"),
        ("https://[::ffff:127.0.0.1]/", "names an address"),
        ("https://hooks.example.com:8443/", "names a host and port that are not"),
        ("https://hooks.example.com:80/", "names a host and port that are not"),
        ("https://alt.example.com/", "names a host and port that are not"),
        ("https://hooks.example.com./", "names a host and port that are not"),
        ("https://a.hooks.example.com/", "names a host and port that are not"),
        ("https://example.com/", "names a host and port that are not"),
        ("https://hooks.example.com.evil.example/", "names a host and port that are not"),
        ("https://localhost/", "names a host and port that are not"),
        ("https://metadata.google.internal/", "names a host and port that are not"),
        ("https://xn--hoks-0ra.example.com/", "names a host and port that are not"),
    ] {
        match webhooks.allow(refused) {
            Err(Refused::Url { rule: why, .. }) => {
                assert!(why.starts_with(rule), "{refused}: {why}");
            }
            other => panic!("{refused}: {other:?}"),
        }
    }
    assert!(Webhooks::none().allow("https://hooks.example.com/").is_err());
    assert!(Webhooks::new(["hooks.example.com", "*"], key()).is_err());
}

#[tokio::test]
async fn the_receiver_can_verify_what_it_gets() {
    let receiver = Receiver::start(Answer::Status(204)).await;
    let webhooks = receiver.webhooks(key(), LONG);
    assert_eq!(send(&webhooks, &receiver.url()).await, Ok(()));
    let [request] = &receiver.received()[..] else { panic!("one request") };
    assert_eq!(request.line(), "POST /in HTTP/1.1");
    assert_eq!(request.body, br#"{"event":"run"}"#);
    for (name, value) in [
        ("content-type", "application/json"),
        ("user-agent", concat!("headgate/", env!("CARGO_PKG_VERSION"))),
        ("webhook-id", "run-1_done"),
        ("webhook-timestamp", "1763373600"),
        // Python's hmac says so, by the steps that the convention gives a receiver.
        ("webhook-signature", "v1,Bst357pdE7sajMb3j/wJMXLmR1n+EuDYw6ElKb9YpcI="),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    assert_eq!(request.header("cookie"), None);
}

#[tokio::test]
async fn an_answer_that_is_not_a_2xx_rejects_and_some_may_pass() {
    for (status, retryable) in [
        (300, false),
        (304, false),
        (400, false),
        (401, false),
        (404, false),
        (408, true),
        (410, false),
        (422, false),
        (429, true),
        (500, true),
        (502, true),
        (503, true),
        (599, true),
    ] {
        let receiver = Receiver::start(Answer::Status(status)).await;
        let error = send(&receiver.webhooks(key(), LONG), &receiver.url()).await.unwrap_err();
        assert_eq!((&error, error.retryable()), (&SendError::Rejected { status }, retryable));
        assert_eq!(receiver.received().len(), 1, "{status}: sent once");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    for status in [301, 302, 303, 307, 308] {
        for to in [
            format!("http://127.0.0.1:{port}/"),
            format!("https://127.0.0.1:{port}/"),
            format!("https://other.example.com:{port}/"),
            "/again".to_owned(),
        ] {
            let receiver = Receiver::start(Answer::Redirect(status, to.clone())).await;
            let sent = send(&receiver.webhooks(key(), LONG), &receiver.url()).await;
            assert_eq!(sent, Err(SendError::Rejected { status }), "{to}");
            assert_eq!(receiver.received().len(), 1, "{to}");
        }
    }
    assert!(elsewhere.accept().is_err(), "nobody has come");
}

#[tokio::test]
async fn a_host_with_any_address_that_is_not_public_is_refused_and_not_connected_to() {
    let receiver = Receiver::start(Answer::Status(200)).await;
    for list in [
        &["10.0.0.1"][..],
        &["169.254.169.254"],
        &["fd00:ec2::254"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["127.0.0.2"],
        &["127.0.0.1", "192.168.1.1"],
        &["127.0.0.1", "8.8.8.8", "fe80::1"],
        &["100.64.0.1", "127.0.0.1"],
    ] {
        let names = resolving(addresses(list));
        let webhooks = receiver.webhooks_over(names, key(), LONG);
        let error = send(&webhooks, &receiver.url()).await.unwrap_err();
        let refused = Refused::Address { host: "hooks.example.com".to_owned() };
        assert_eq!((&error, error.retryable()), (&SendError::Refused(refused), false), "{list:?}");
        for address in list {
            assert!(!error.to_string().contains(address), "{error}");
        }
    }
    // Loopback itself, where nothing is trusted.
    let names = Names { trusted: None, ..resolving(addresses(&["127.0.0.1"])) };
    let webhooks = receiver.webhooks_over(names, key(), LONG);
    let refused = send(&webhooks, &receiver.url()).await;
    assert!(matches!(refused, Err(SendError::Refused(Refused::Address { .. }))), "{refused:?}");
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_name_is_looked_up_once_for_each_send_and_vetted_each_time() {
    let receiver = Receiver::start(Answer::Status(200)).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let lookup = move |name: String| {
        assert_eq!(name, "hooks.example.com");
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        let address = if first { "127.0.0.1" } else { "10.0.0.1" };
        std::future::ready(Ok(addresses(&[address]))).boxed()
    };
    let names = Names { lookup: Arc::new(lookup), ..resolving([]) };
    let webhooks = receiver.webhooks_over(names, key(), LONG);
    assert_eq!(send(&webhooks, &receiver.url()).await, Ok(()));
    assert_eq!(asked.load(Ordering::SeqCst), 1, "what was vetted is what is connected to");
    let second = send(&webhooks, &receiver.url()).await;
    assert!(matches!(second, Err(SendError::Refused(_))), "{second:?}");
    assert_eq!((asked.load(Ordering::SeqCst), receiver.connections()), (2, 1));
}

#[tokio::test]
async fn a_receiver_without_an_answer_is_given_up_on() {
    let receiver = Receiver::start(Answer::Silence).await;
    let error = send(&receiver.webhooks(key(), SHORT), &receiver.url()).await.unwrap_err();
    assert_eq!(error, SendError::Unreachable("no answer within 200ms".to_owned()));
    assert!(error.retryable());

    let lookup = Arc::new(|_| std::future::pending().boxed());
    let names = Names { lookup, ..resolving([]) };
    let error = send(&receiver.webhooks_over(names, key(), SHORT), &receiver.url()).await;
    assert_eq!(error, Err(SendError::Unreachable("no answer within 200ms".to_owned())));
}

#[tokio::test]
async fn a_huge_answer_is_not_read() {
    let receiver = Receiver::start(Answer::Endless).await;
    assert_eq!(send(&receiver.webhooks(key(), LONG), &receiver.url()).await, Ok(()));
    assert!(receiver.written.load(Ordering::SeqCst) < ENDLESS / 4);
}

#[tokio::test]
async fn what_cannot_be_reached_says_why_and_may_pass() {
    let receiver = Receiver::start(Answer::Status(200)).await;
    let url = receiver.url();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let closed = Host::parse(&format!("hooks.example.com:{port}")).unwrap();
    let gone = Webhooks { hosts: [closed].into(), ..receiver.webhooks(key(), LONG) };
    let refused = send(&gone, &format!("https://hooks.example.com:{port}/")).await.unwrap_err();
    let nowhere = receiver.webhooks_over(resolving([]), key(), LONG);
    // Its client trusts the machine's authorities alone.
    let strange = Webhooks {
        names: resolving(addresses(&["127.0.0.1"])),
        client: OnceCell::new(),
        ..receiver.webhooks(key(), LONG)
    };
    let untrusted = send(&strange, &url).await.unwrap_err();
    assert!(
        receiver.received().is_empty(),
        "nothing is sent to whom the certificate does not prove"
    );
    for (error, reason) in [
        (refused, "refused"),
        (send(&nowhere, &url).await.unwrap_err(), "the name has no address"),
        (untrusted, "certificate"),
    ] {
        assert!(error.retryable() && error.to_string().contains(reason), "{error}");
        assert!(matches!(error, SendError::Unreachable(_)), "{error:?}");
    }
}

#[tokio::test]
async fn an_id_that_would_blur_the_signature_is_refused() {
    let receiver = Receiver::start(Answer::Status(200)).await;
    let webhooks = receiver.webhooks(key(), LONG);
    let endpoint = webhooks.allow(&receiver.url()).unwrap();
    let tenant = acme();
    for id in ["", "a.1", "a b", "a\r\nx: y", "ä", &"a".repeat(129)] {
        let message = Message { id: id.to_owned(), ..message(&tenant) };
        let sent = webhooks.send(&endpoint, &message).await;
        assert!(matches!(sent, Err(SendError::Refused(Refused::Id { .. }))), "{id}: {sent:?}");
    }
    // Nor does one list's leave hold for another.
    let sent = Webhooks::none().send(&endpoint, &message(&tenant)).await;
    assert!(matches!(sent, Err(SendError::Refused(Refused::Url { .. }))), "{sent:?}");
    assert_eq!(receiver.connections(), 0);
}

#[test]
fn the_key_does_not_show() {
    let shown = format!("{:?}", Webhooks::new(["hooks.example.com:8443"], key()).unwrap());
    assert_eq!(shown, "Webhooks { hosts: {hooks.example.com:8443}, .. }");
}
