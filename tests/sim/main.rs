//! The simulated plant: the whole daemon in one thread, under one seed, on simulated time, network and disk.
//!
//! `cargo test --test sim` runs [`SEEDS`] seeds; `SEED=n` runs one, `SEEDS=a..b` a range, `FAULT=NAME` with a planted bug
//! (faults.rs), `LOG=1` prints every event. Read in this order: plan.rs (what happens), check.rs (the promises, as data),
//! power.rs (a crash between any two effects), run.rs (one run), gateway.rs (what of the world is replaced).
#![expect(clippy::disallowed_methods, reason = "the plant keeps simulated time itself")]
#![expect(clippy::print_stdout, reason = "a run is asked for what happened")]
#![expect(clippy::wildcard_enum_match_arm, reason = "each promise is about a few of the many events")]

#[cfg(test)]
mod acts;
#[cfg(test)]
mod agree;
#[cfg(test)]
mod bypass;
#[cfg(test)]
mod chance;
#[cfg(test)]
mod check;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod event;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod image;
#[cfg(test)]
mod key;
#[cfg(test)]
mod log;
#[cfg(test)]
mod masters;
#[cfg(test)]
mod modbus;
#[cfg(test)]
mod model;
#[cfg(test)]
mod office;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod plc;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod power;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod report;
#[cfg(test)]
mod run;
#[cfg(test)]
mod shrink;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod wire;
