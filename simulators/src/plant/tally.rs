//! What was asked and what came of it, for the screen and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// Latencies kept of one master; what comes later is not looked at.
const KEPT: usize = 200_000;

/// What one master has seen so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Arc<Mutex<Counts>>);

#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) asked: u64,
    pub(super) answered: u64,
    pub(super) exceptions: BTreeMap<u8, u64>,
    pub(super) silent: u64,
    pub(super) foreign: u64,
    pub(super) wrong: u64,
    pub(super) connections: u64,
    pub(super) closed: u64,
    pub(super) took: Vec<Duration>,
}

impl Tally {
    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// An answer: its code where it is an exception, and how long it took.
    pub(super) fn answer(&self, exception: Option<u8>, took: Duration) {
        self.count(|counts| {
            counts.answered += 1;
            if let Some(code) = exception {
                *counts.exceptions.entry(code).or_default() += 1;
            }
            if counts.took.len() < KEPT {
                counts.took.push(took);
            }
        });
    }

    /// For a line of the screen: asked, answered, exceptions.
    pub(super) fn now(&self) -> (u64, u64, u64) {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (counts.asked, counts.answered, counts.exceptions.values().sum())
    }

    pub(super) fn report(&self) -> StationReport {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        counts.took.sort_unstable();
        let at = |percent: usize| {
            let place = counts.took.len().saturating_sub(1) * percent / 100;
            counts.took.get(place).map_or(0, |took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
        };
        StationReport {
            asked: counts.asked,
            answered: counts.answered,
            p50_us: at(50),
            p99_us: at(99),
            max_us: at(100),
            exceptions: counts.exceptions.iter().map(|(code, n)| (format!("{code:02X}"), *n)).collect(),
            silent: counts.silent,
            foreign: counts.foreign,
            wrong: counts.wrong,
            connections: counts.connections,
            closed: counts.closed,
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The scenario.
    pub scenario: &'static str,
    /// How long it ran, in seconds.
    pub seconds: u64,
    /// What each master has seen.
    pub masters: BTreeMap<&'static str, StationReport>,
    /// What each device has seen.
    pub devices: BTreeMap<&'static str, DeviceReport>,
}

/// What a master has seen.
#[derive(Clone, Debug, Serialize)]
pub struct StationReport {
    /// Requests sent.
    pub asked: u64,
    /// Replies to them, exceptions included.
    pub answered: u64,
    /// Exceptions by their code in hex.
    pub exceptions: BTreeMap<String, u64>,
    /// Requests without a reply in time.
    pub silent: u64,
    /// Replies that belong to no request.
    pub foreign: u64,
    /// Replies to a read whose length is not the one asked for.
    pub wrong: u64,
    /// Connections made.
    pub connections: u64,
    /// Connections that the far end closed.
    pub closed: u64,
    /// Half of the replies came within so many microseconds.
    pub p50_us: u64,
    /// 99 of 100 did.
    pub p99_us: u64,
    /// All did.
    pub max_us: u64,
}

/// What a device has seen: its own word, not the gateway's.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceReport {
    /// Connections taken.
    pub connections: u64,
    /// Connections refused because its sockets were in use.
    pub refused: u64,
    /// Most connections at once.
    pub most: usize,
    /// Requests executed.
    pub requests: u64,
    /// Frames that are no request of a function that it knows.
    pub malformed: u64,
    /// Times that it reset its connections.
    pub resets: u64,
    /// Writes to each coil.
    pub coils: BTreeMap<u16, u64>,
    /// Writes to each holding register.
    pub registers: BTreeMap<u16, u64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {} s", self.scenario, self.seconds)?;
        writeln!(
            f,
            "  {:<14} {:>8} {:>8} {:>7} {:>7} {:>7} {:>8} {:>8}  exceptions",
            "master", "asked", "answered", "silent", "foreign", "closed", "p50 ms", "p99 ms"
        )?;
        for (name, seen) in &self.masters {
            let codes: Vec<String> = seen.exceptions.iter().map(|(code, n)| format!("{code}: {n}")).collect();
            let ms = |us: u64| format!("{}.{:02}", us / 1_000, us % 1_000 / 10);
            writeln!(
                f,
                "  {name:<14} {:>8} {:>8} {:>7} {:>7} {:>7} {:>8} {:>8}  {}",
                seen.asked,
                seen.answered,
                seen.silent,
                seen.foreign,
                seen.closed,
                ms(seen.p50_us),
                ms(seen.p99_us),
                if codes.is_empty() { "none".to_owned() } else { codes.join(", ") }
            )?;
        }
        for (name, seen) in &self.devices {
            let list = |what: &str, counts: &BTreeMap<u16, u64>| -> String {
                let all: Vec<String> = counts.iter().take(12).map(|(at, n)| format!("{what} {at} x{n}")).collect();
                let more = if counts.len() > 12 { format!(" and {} more", counts.len() - 12) } else { String::new() };
                all.join(", ") + &more
            };
            let written: Vec<String> = [list("coil", &seen.coils), list("holding", &seen.registers)]
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect();
            writeln!(
                f,
                "  device {name}: {} requests on {} connections ({} at once, {} refused, {} resets), {} malformed; written: {}",
                seen.requests,
                seen.connections,
                seen.most,
                seen.refused,
                seen.resets,
                seen.malformed,
                if written.is_empty() { "nothing".to_owned() } else { written.join("; ") }
            )?;
        }
        Ok(())
    }
}
