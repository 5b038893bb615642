//! What one decision costs, against one hash of its key, with 20 to 2,000 rules. `cargo bench --bench decide`
//!
//! `flat` is the cost at 2,000 rules over that at 20; `hashes` the cost at 2,000 rules over that of the hash.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::hint::black_box;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Instant;

use bulkhead_core::access::{Access, Bank, Target, Values, Verb};
use bulkhead_core::decision::Effect;
use bulkhead_core::identity::{Attributes, Evidence, Proof, Registry};
use bulkhead_core::moment::{ClockTrust, Moment, UnixMs};
use bulkhead_core::policy;
use bulkhead_core::policy::differences::{self, Gathering, Judged, Request};
use bulkhead_core::policy::table::{Table, decide};
use bulkhead_core::world::{Standing, World, derive};

const ROUNDS: usize = 31;
const DECISIONS: u32 = 20_000;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut costs = Vec::new();
    let hash = median(one_hash);
    writeln!(out, "one hash of the key         {hash:6.1} ns")?;
    for rules in [20_u16, 200, 2000] {
        let (allowed, table) = table(rules)?;
        let allow = median(|n| judge(&table, n % rules, 1, &allowed));
        let deny = median(|n| judge(&table, n % rules, 60_000, &allowed));
        writeln!(out, "{rules:5} rules: allow          {allow:6.1} ns, deny {deny:6.1} ns")?;
        costs.push(allow.max(deny));
    }
    let (agrees, differs) = beside()?;
    writeln!(
        out,
        "beside a candidate: {agrees:6.1} ns where both agree, {differs:6.1} ns where the candidate refuses"
    )?;
    let (small, large) = (costs.first().copied().unwrap_or(f64::NAN), costs.last().copied().unwrap_or(f64::NAN));
    writeln!(out, "flat: {:.2}", large / small)?;
    writeln!(out, "hashes: {:.2}", large / hash)
}

/// What a candidate of `policy shadow` adds to a frame, once the session's standing under it is there: a second decision, and
/// the taking apart where the two disagree.
fn beside() -> io::Result<(f64, f64)> {
    let ((now, live), (_, candidate)) = (standing(200)?, standing(199)?);
    let mut found = Gathering::default();
    let mut frame = |register: u16| {
        let value = 1_u16.to_be_bytes();
        let accesses = [access(register, &value)];
        let decision = decide(&live.table, &accesses, now);
        let start = decision.effect == Effect::Allow;
        let would = decide(&candidate.table, &accesses, now);
        if differences::differs(&decision, &would) {
            let request = Request { accesses: &accesses, source: SOURCE, at: now.wall, weight: 1 };
            let (before, after) =
                (Judged { standing: &live, decision: &decision }, Judged { standing: &candidate, decision: &would });
            found.add(&request, before, after);
        }
        start
    };
    let alone = median(|n| {
        let value = 1_u16.to_be_bytes();
        decide(&live.table, &[access(n % 199, &value)], now).effect == Effect::Allow
    });
    let agrees = median(|n| frame(n % 199));
    let differs = median(|_| frame(199));
    Ok(((agrees - alone).max(0.0), (differs - alone).max(0.0)))
}

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 9, 10));

/// A session's table from a policy with so many allow rules, one point each.
fn table(rules: u16) -> io::Result<(Moment, Arc<Table>)> {
    standing(rules).map(|(now, standing)| (now, standing.table))
}

fn standing(rules: u16) -> io::Result<(Moment, Standing)> {
    let mut text = String::from(HEAD);
    text.extend((0..rules).map(|n| format!("value-{n} = \"holding {n} values 0..50000\"\n")));
    text.extend((0..rules).map(|n| {
        format!("[[conduits.office-to-cell.allow]]\nwho = [\"Operator\"]\non = \"plc\"\ncan = [\"write value-{n}\"]\n")
    }));
    let policy = policy::load(&text).map_err(|problems| io::Error::other(format!("{:?}", problems.first())))?.policy;
    let now = Moment { wall: UnixMs(1_795_000_000_000), trust: ClockTrust::Proven, ..Moment::default() };
    let ip = "127.0.9.10".parse().map_err(io::Error::other)?;
    let evidence = Evidence {
        listener: "127.0.9.20:502".parse().map_err(io::Error::other)?,
        source: ip,
        remote: None,
        approvals: Vec::new(),
        proofs: vec![Proof::Address { ip, mac: None }],
    };
    let world = World {
        generation: 1,
        policy: Arc::new(policy),
        registry: Arc::new(Registry::default()),
        facts: Attributes::default(),
    };
    Ok((now, derive(&world, &evidence, now)))
}

fn judge(table: &Table, register: u16, value: u16, now: &Moment) -> bool {
    let value = value.to_be_bytes();
    decide(table, &[access(register, &value)], *now).effect == Effect::Allow
}

fn access(register: u16, value: &[u8; 2]) -> Access<'_> {
    Access {
        asset: None,
        verb: Verb::Write,
        function: 16,
        target: Target::Registers {
            unit: 1,
            bank: Bank::Holding,
            first: black_box(register),
            count: NonZeroU16::MIN,
            values: Values::Registers(black_box(value)),
        },
    }
}

/// The yardstick: the key of a decision, hashed once with the standard library's hasher.
fn one_hash(n: u16) -> bool {
    let mut hasher = DefaultHasher::new();
    (black_box("scada"), black_box("plc"), Verb::Write, Bank::Holding, black_box(n), 1_u16, 1_u8).hash(&mut hasher);
    black_box(hasher.finish()) & 1 == 0
}

/// The median over rounds of the mean cost, in nanoseconds.
#[expect(clippy::disallowed_methods, reason = "measures the machine")]
fn median(mut one: impl FnMut(u16) -> bool) -> f64 {
    let mut took: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for n in 0..DECISIONS {
                black_box(one(u16::try_from(n.wrapping_mul(7919) % 60_000).unwrap_or_default()));
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(DECISIONS)
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)
}

const HEAD: &str = r#"
[plant]
name = "bench"
timezone = "UTC"
[zones.cell]
networks = ["127.0.1.0/24"]
[zones.office]
networks = ["127.0.9.0/24"]
[subjects.scada]
zone = "office"
proof = "address"
address = "127.0.9.10"
role = "Operator"
[conduits.office-to-cell]
from = "office"
to = "cell"
mode = "enforce"
[assets.plc]
zone = "cell"
listen = ["127.0.9.20:502"]
connect = "modbus://127.0.1.20:502"
units = [1]
[assets.plc.points]
"#;
