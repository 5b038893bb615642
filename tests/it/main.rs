//! The one integration-test binary; each further file directly under `tests/` would be one more link step.
//!
//! `#[cfg(test)]` on each module: without it clippy's `allow-unwrap-in-tests` does not reach the functions they share.

#[cfg(test)]
mod acceptance;
#[cfg(test)]
mod acceptance_list;
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod core_is_pure;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod modbus;
#[cfg(test)]
mod plant;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod seam;
#[cfg(test)]
mod source;
