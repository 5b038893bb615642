//! Fuzz targets as plain functions: whatever the bytes, nothing panics, and what is asserted holds.
//!
//! They are run by libFuzzer (`fuzz_targets/`) and, mutated from the seeds, by `make test` (`tests/it/fuzz.rs`).

mod modbus;
mod policy;
mod registry;
mod x509;

/// Something that parses what others send.
pub struct Target {
    /// Its name: of its file in `fuzz_targets/` and of its folder in `seeds/`.
    pub name: &'static str,
    /// Runs it on any bytes.
    pub run: fn(&[u8]),
    /// Mutations that `make test` tries: what fits in about a second.
    pub rounds: u32,
}

/// Every target. The test wants for each a file in `fuzz_targets/`, a `[[bin]]` and three seeds at least.
pub const ALL: &[Target] = &[
    Target { name: "modbus_stream", run: modbus::stream, rounds: 200_000 },
    Target { name: "modbus_reply", run: modbus::reply, rounds: 200_000 },
    Target { name: "policy_text", run: policy::text, rounds: 4_000 },
    Target { name: "policy_line", run: policy::line, rounds: 20_000 },
    Target { name: "peer_certificate", run: x509::leaf, rounds: 30_000 },
    Target { name: "certificate_request", run: x509::request, rounds: 10_000 },
    Target { name: "registry_sheet", run: registry::sheet, rounds: 20_000 },
];

/// Runs a target by its name.
pub fn run(name: &str, data: &[u8]) {
    let target = ALL.iter().find(|target| target.name == name).expect("a target of this name");
    (target.run)(data);
}
