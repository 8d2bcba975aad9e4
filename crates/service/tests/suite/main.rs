//! Tests of what the services share: configuration files, the accept loop, TLS.

#[cfg(test)]
mod config;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod tls;
