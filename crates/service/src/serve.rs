//! Accepts connections and serves HTTP/1.1 and HTTP/2 on them, within limits of time and number.
//!
//! This is a loop of its own over hyper, and not one of the ready-made ones, because each of those lacks something that a
//! server on a hostile network needs: a limit on connections, on the time of a handshake, on the time of a request's head,
//! and on a peer that neither sends nor takes anything. A slow peer costs a connection and nothing else.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;

use crate::shutdown::Shutdown;
use crate::tls::{self, Tls};

/// What a connection may cost.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Most connections at a time; more wait in the operating system's queue.
    pub connections: usize,
    /// Longest time for a TLS handshake.
    pub handshake: Duration,
    /// Longest time from the beginning of a connection, or the end of an answer, to the end of the next request's head. It
    /// bounds idle connections too.
    pub head: Duration,
    /// Longest time in which not a byte moves in either direction.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(60),
            stall: Duration::from_secs(120),
        }
    }
}

/// The certificate that a client has shown; among the extensions of its requests, where the server asks for certificates.
#[derive(Clone, Debug)]
pub struct PeerCertificate {
    subject: Arc<str>,
    der: Arc<[u8]>,
}

impl PeerCertificate {
    fn of(session: &rustls::ServerConnection) -> Option<Self> {
        let der = session.peer_certificates()?.first()?;
        Some(Self {
            subject: tls::subject(der).into(),
            der: der.as_ref().into(),
        })
    }

    /// The beginning of its subject as RFC 4514 writes it.
    #[must_use]
    pub fn subject(&self) -> Arc<str> {
        Arc::clone(&self.subject)
    }

    /// Its bytes.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// Answers requests. Clones are made per connection.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The body of the answers.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static;

    /// Answers a request of `peer`.
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// Serves until `shutdown` is requested and every request that had begun then is answered.
///
/// The caller bounds the time of the latter by dropping the future. Without `tls` the connections are plain HTTP/1.1.
pub async fn serve<H: Handler>(
    listeners: Vec<TcpListener>,
    tls: Option<Arc<Tls>>,
    limits: Limits,
    handler: H,
    shutdown: Shutdown,
) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut loops = JoinSet::new();
    for listener in listeners {
        let (slots, limits, shutdown) = (Arc::clone(&slots), limits.clone(), shutdown.clone());
        let server = Server {
            tls: tls.clone(),
            limits,
            handler: handler.clone(),
            shutdown,
        };
        loops.spawn(server.accept(listener, slots));
    }
    while loops.join_next().await.is_some() {}
}

#[derive(Clone)]
struct Server<H> {
    tls: Option<Arc<Tls>>,
    limits: Limits,
    handler: H,
    shutdown: Shutdown,
}

impl<H: Handler> Server<H> {
    async fn accept(self, listener: TcpListener, slots: Arc<Semaphore>) {
        let mut shutdown = self.shutdown.clone();
        // Dropping the set ends the connections: that is what happens when the time limit of a shutdown passes.
        let mut connections = JoinSet::new();
        loop {
            let next = async {
                // The semaphore is never closed.
                let slot = Arc::clone(&slots).acquire_owned().await.ok();
                (slot, listener.accept().await)
            };
            tokio::select! {
                biased;
                () = shutdown.requested() => break,
                Some(_) = connections.join_next() => {}
                (slot, accepted) = next => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(self.clone().connection(stream, peer, slot));
                    }
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => {
                        tracing::error!("cannot accept connections: {error}");
                        tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                    }
                },
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    async fn connection(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        slot: Option<OwnedSemaphorePermit>,
    ) {
        // Answers are written in one piece; waiting for more would only delay them. A failure only costs speed.
        let _ = stream.set_nodelay(true);
        let stream = StallGuard::new(stream, self.limits.stall);
        let result = match &self.tls {
            None => self.http1(stream, peer, None).await,
            Some(tls) => {
                let handshake = TlsAcceptor::from(tls.current()).accept(stream);
                match tokio::time::timeout(self.limits.handshake, handshake).await {
                    Ok(Ok(stream)) => {
                        let session = stream.get_ref().1;
                        let certificate = PeerCertificate::of(session);
                        if session.alpn_protocol() == Some(b"h2") {
                            self.http2(stream, peer, certificate).await
                        } else {
                            self.http1(stream, peer, certificate).await
                        }
                    }
                    Ok(Err(error)) => {
                        tracing::debug!("TLS handshake with {peer} failed: {error}");
                        Ok(())
                    }
                    Err(_) => {
                        tracing::debug!("TLS handshake with {peer} took too long");
                        Ok(())
                    }
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!("connection of {peer} ended: {error}");
        }
        drop(slot);
    }

    async fn http1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self,
        stream: S,
        peer: SocketAddr,
        certificate: Option<PeerCertificate>,
    ) -> hyper::Result<()> {
        let mut shutdown = self.shutdown.clone();
        let service = service_fn(|mut request: Request<Incoming>| {
            if let Some(certificate) = &certificate {
                request.extensions_mut().insert(certificate.clone());
            }
            async { Ok::<_, Infallible>(self.handler.handle(request, peer).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_buf_size(MAX_HEAD_BYTES)
            // As Go spells header names.
            .title_case_headers(true)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        tokio::select! {
            result = connection.as_mut() => return result,
            () = shutdown.requested() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }

    async fn http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self,
        stream: S,
        peer: SocketAddr,
        certificate: Option<PeerCertificate>,
    ) -> hyper::Result<()> {
        let mut shutdown = self.shutdown.clone();
        let handler = self.handler.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            if let Some(certificate) = &certificate {
                request.extensions_mut().insert(certificate.clone());
            }
            let handler = handler.clone();
            async move { Ok::<_, Infallible>(handler.handle(request, peer).await) }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEAD_BYTES_2)
            .max_pending_accept_reset_streams(MAX_RESETS)
            .max_local_error_reset_streams(MAX_ERRORS)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        tokio::select! {
            result = connection.as_mut() => return result,
            () = shutdown.requested() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }
}

/// Errors of `accept` that say nothing about the next call.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(200);
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEAD_BYTES_2: u32 = 64 * 1024;
const MAX_STREAMS: u32 = 100;
/// Requests that a peer has taken back before anybody looked at them; who goes on is cut off.
const MAX_RESETS: usize = 20;
/// Streams that were ended for a peer's faults; who goes on is cut off.
const MAX_ERRORS: usize = 256;

/// A stream that fails when nothing has moved for too long.
///
/// The timer is set once and looks, when it fires, at when something moved last: that costs a request next to nothing.
struct StallGuard<S> {
    stream: S,
    limit: Duration,
    moved: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<S> StallGuard<S> {
    fn new(stream: S, limit: Duration) -> Self {
        Self {
            stream,
            limit,
            moved: Instant::now(),
            timer: Box::pin(tokio::time::sleep(limit)),
        }
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.moved = Instant::now();
            return result;
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let deadline = self.moved + self.limit;
            if Instant::now() >= deadline {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "nothing moved for too long",
                )));
            }
            self.timer.as_mut().reset(deadline);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.watch(cx, result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallGuard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
