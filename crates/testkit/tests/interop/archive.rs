//! Archives of a whole population: made, interrupted and checked. What is expected comes from how the population was
//! made, from `tar`, and from what Go's clients read from the original server.

mod create;
mod population;
