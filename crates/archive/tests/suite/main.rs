//! Tests of the archive: what is written is read again, everything else is refused.

#![expect(
    clippy::disallowed_methods,
    reason = "tests damage files and need none of the care of writing one"
)]

#[cfg(test)]
mod assembled;
#[cfg(test)]
mod forge;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod making;
#[cfg(test)]
mod one_form;
#[cfg(test)]
mod past;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod sealed;
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod verdicts;
