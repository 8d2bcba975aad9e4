//! The service in process: requests go in, answers come out, no sockets.

#[cfg(test)]
mod archives;
#[cfg(test)]
mod busy;
#[cfg(test)]
mod caching;
#[cfg(test)]
mod captures;
#[cfg(test)]
mod checking;
#[cfg(test)]
mod cold;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod database_keys;
#[cfg(test)]
mod dump;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod hanging;
#[cfg(test)]
mod import;
#[cfg(test)]
mod late;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod museum;
#[cfg(test)]
mod mysql;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod publisher;
#[cfg(test)]
mod reads;
#[cfg(test)]
mod renewal;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod stored_roots;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod tokens_museum;
#[cfg(test)]
mod update;
#[cfg(test)]
mod vectors;
