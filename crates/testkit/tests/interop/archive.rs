//! Archives of a whole population: made, interrupted, checked, and brought to another server. What is expected comes from how the population was
//! made, from `tar`, and from what Go's clients read from the original server.

mod create;
mod population;
mod restored;
mod takeover;
mod walk;
