//! The program as its operators see it: command line, configuration, signals, TLS, files, logs.

#[cfg(test)]
mod archives;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod beside_go;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod databases;
#[cfg(test)]
mod htpasswd;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod quickstart;
#[cfg(test)]
mod resources;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod token;
