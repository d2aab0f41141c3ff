//! A receiver of webhooks for tests: TLS on loopback, with a certificate for one name by an authority of its own.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::keys::Secret;
use futures::FutureExt;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::Certificate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::server::TlsStream;

use super::names::Names;
use super::{Webhooks, client};

/// The name that the certificate is for.
pub(crate) const NAME: &str = "hooks.example.com";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// What [`Answer::Endless`] would send; far more than all buffers between the two ends hold.
pub(crate) const ENDLESS: usize = 256 << 20;

/// What the receiver does once it has read a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Answers a status.
    Status(u16),
    /// Answers a status and where to go instead.
    Redirect(u16, String),
    /// Says nothing.
    Silence,
    /// Answers 200 and a body without an end.
    Endless,
}

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received {
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Serves until it is dropped.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    pub(crate) connections: Arc<AtomicUsize>,
    /// How much of an endless body was written.
    pub(crate) written: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<Received>>>,
    authority: Certificate,
    _serving: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn start(answer: Answer) -> Self {
        let (acceptor, authority) = tls();
        let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut serving = JoinSet::new();
        let (connections, written) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let requests = Arc::<Mutex<Vec<Received>>>::default();
        let (counted, kept, sent) = (connections.clone(), requests.clone(), written.clone());
        serving.spawn(async move {
            let mut exchanges = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                // A client that breaks off ends its exchange alone.
                let (answer, kept, sent) = (answer.clone(), kept.clone(), sent.clone());
                exchanges.spawn(exchange(acceptor.clone(), stream, answer, kept, sent));
            }
        });
        Self { port, connections, written, requests, authority, _serving: serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{NAME}:{}/in", self.port)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Webhooks that may be sent here, trust the receiver's authority, and take loopback for public.
    pub(crate) fn webhooks(&self, key: Secret, patience: Duration) -> Webhooks {
        self.webhooks_over(resolving([LOOPBACK]), key, patience)
    }

    pub(super) fn webhooks_over(&self, names: Names, key: Secret, patience: Duration) -> Webhooks {
        let client = client(&names, patience).tls_certs_only([self.authority.clone()]);
        Webhooks {
            patience,
            client: OnceCell::new_with(Some(client.build().unwrap())),
            names,
            ..Webhooks::new([format!("{NAME}:{}", self.port)], key).unwrap()
        }
    }
}

/// Every name resolves to these addresses, and loopback is taken for public.
pub(super) fn resolving(addresses: impl Into<Vec<IpAddr>>) -> Names {
    let addresses = addresses.into();
    let lookup = move |_| std::future::ready(Ok(addresses.clone())).boxed();
    Names { lookup: Arc::new(lookup), trusted: Some(LOOPBACK) }
}

fn tls() -> (TlsAcceptor, Certificate) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new([NAME.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key.into())
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), Certificate::from_der(authority.der()).unwrap())
}

/// Answers requests, one after the other, as long as the client keeps the connection.
async fn exchange(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    answer: Answer,
    requests: Arc<Mutex<Vec<Received>>>,
    written: Arc<AtomicUsize>,
) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    while let Some(received) = request(&mut stream).await? {
        requests.lock().unwrap().push(received);
        match &answer {
            Answer::Status(status) => {
                let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
            }
            Answer::Redirect(status, to) => {
                let head =
                    format!("HTTP/1.1 {status} x\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
            }
            Answer::Silence => std::future::pending().await,
            Answer::Endless => {
                let head = format!("HTTP/1.1 200 x\r\ncontent-length: {ENDLESS}\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                let part = vec![b'x'; 64 << 10];
                while written.load(Ordering::SeqCst) < ENDLESS {
                    stream.write_all(&part).await?;
                    written.fetch_add(part.len(), Ordering::SeqCst);
                }
            }
        }
    }
    Ok(())
}

/// The next request; `None` where the client has closed the connection.
async fn request(stream: &mut TlsStream<TcpStream>) -> io::Result<Option<Received>> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(None);
        }
    };
    let mut received = Received {
        head: String::from_utf8_lossy(&read[..end]).into_owned(),
        body: read.split_off(end + 4),
    };
    let length = received.header("content-length").and_then(|length| length.parse().ok());
    while received.body.len() < length.unwrap_or(0) {
        if stream.read_buf(&mut received.body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(received))
}
