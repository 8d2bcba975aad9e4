//! HTTP/2 as a peer sees it who writes the frames by hand: what is announced, and what ends a connection (RFC 9113).

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use signet_service::serve::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::serve::{Server, start_with};
use crate::tls::{Folder, Made, plain};

const PATIENCE: Duration = Duration::from_secs(20);
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// A client that takes HTTP/2 only.
fn trusting(made: &Made) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(made.certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

async fn server(made: &Made) -> (Folder, Server) {
    let folder = Folder::new();
    let tls = Arc::new(folder.server(made, &[]));
    (folder, start_with(Some(tls), Limits::default()).await)
}

struct Peer(TlsStream<TcpStream>);

impl Peer {
    async fn connect(server: &Server, config: Arc<ClientConfig>) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(config);
        let mut stream = connector.connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        let mut peer = Self(stream);
        peer.send(SETTINGS, 0, 0, &[]).await.unwrap();
        peer
    }

    async fn send(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await?;
        self.0.flush().await
    }

    /// The next frame: its kind and its payload.
    async fn frame(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await?;
        Ok((head[3], payload))
    }
}

/// The head of `GET https://x/` in HPACK: indexed fields and one literal (RFC 7541, appendix A).
const GET: &[u8] = &[0x82, 0x87, 0x84, 0x41, 0x01, b'x'];
const END_STREAM_AND_HEADERS: u8 = 0x5;

#[tokio::test]
async fn a17_streams_and_heads_are_bounded() {
    let made = Made::new(plain);
    let (_folder, server) = server(&made).await;
    let mut peer = Peer::connect(&server, trusting(&made)).await;
    let settings = tokio::time::timeout(PATIENCE, async {
        loop {
            let (kind, payload) = peer.frame().await.unwrap();
            if kind == SETTINGS && !payload.is_empty() {
                return payload;
            }
        }
    });
    let settings = settings.await.unwrap();
    let value = |wanted: u16| {
        settings.chunks(6).find_map(|entry| {
            let id = u16::from_be_bytes([entry[0], entry[1]]);
            let value = u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]);
            (id == wanted).then_some(value)
        })
    };
    // SETTINGS_MAX_CONCURRENT_STREAMS and SETTINGS_MAX_HEADER_LIST_SIZE.
    assert_eq!((value(3), value(6)), (Some(100), Some(64 * 1024)));
}

/// Rapid reset (CVE-2023-44487): requests that are taken back at once.
#[tokio::test]
async fn a17_who_takes_every_request_back_is_cut_off() {
    let made = Made::new(plain);
    let (_folder, server) = server(&made).await;
    let mut peer = Peer::connect(&server, trusting(&made)).await;
    for stream in (1..4001).step_by(2) {
        let sent = async {
            peer.send(HEADERS, END_STREAM_AND_HEADERS, stream, GET)
                .await?;
            peer.send(RST_STREAM, 0, stream, &8_u32.to_be_bytes()).await
        };
        if sent.await.is_err() {
            break;
        }
    }
    let reason = tokio::time::timeout(PATIENCE, async {
        loop {
            match peer.frame().await {
                Ok((GOAWAY, payload)) => return Some(payload[7]),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    });
    // ENHANCE_YOUR_CALM, or the connection is gone already.
    let reason = reason.await.expect("the connection goes on");
    assert!(matches!(reason, Some(11) | None), "{reason:?}");
    // Others are served.
    let mut other = Peer::connect(&server, trusting(&made)).await;
    other
        .send(HEADERS, END_STREAM_AND_HEADERS, 1, GET)
        .await
        .unwrap();
    let answered = tokio::time::timeout(PATIENCE, async {
        while other.frame().await.unwrap().0 != HEADERS {}
    });
    answered.await.unwrap();
}
