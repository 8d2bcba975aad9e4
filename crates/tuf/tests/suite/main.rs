//! Tests of the TUF core as a whole: vectors recorded from the Go programs, attacks, and properties.

mod support;
mod vectors;
