//! Tests of the TUF core as a whole: vectors recorded from the Go programs, attacks, and properties.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod editor;
#[cfg(test)]
mod forge;
#[cfg(test)]
mod museum;
#[cfg(test)]
mod pem;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod support;
#[cfg(test)]
mod vectors;
