//! The service in process: requests go in, answers come out, no sockets.

mod concurrency;
mod conformance;
mod fixture;
mod museum;
mod publisher;
mod reads;
mod renewal;
mod update;
mod vectors;
