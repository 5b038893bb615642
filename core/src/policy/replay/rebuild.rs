//! From a record back to what was judged: the frame's accesses and the session's evidence.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::access::{Access, Accesses, Bank, Target, Values, Verb};
use crate::decision::Reason;
use crate::digest::Sha256;
use crate::identity::{Evidence, Grant, Life, Mac, Proof, Registry};
use crate::journal::record::{AccessRecord, DecisionRecord, ProofRecord};
use crate::journal::target::{Meant, read};
use crate::names::SubjectId;
use crate::policy::Policy;
use crate::policy::model::SubjectEntry;

/// What evidence depends on: records that agree in it share a standing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    listener: SocketAddr,
    source: IpAddr,
    mac: Option<Mac>,
    /// The name that a certificate showed.
    subject: Option<SubjectId>,
    /// That name was known and nobody yet.
    registered: bool,
    proofs: String,
}

/// A frame, with the values that it carried.
pub(super) struct Rebuilt {
    unit: u8,
    function: u8,
    accesses: Vec<(Verb, Meant, Carried)>,
}

/// What a write carried, as on the wire.
enum Carried {
    Nothing,
    Registers(Vec<u8>),
    Coil(bool),
    Coils(Vec<u8>),
    Mask([u16; 2]),
}

/// The frame of a record, or why it cannot be had.
pub(super) fn request(record: &DecisionRecord) -> Result<Rebuilt, String> {
    let accesses = record.accesses.iter().map(|access| one(record, access)).collect::<Result<_, _>>()?;
    Ok(Rebuilt { unit: record.frame.unit, function: record.frame.function, accesses })
}

fn one(record: &DecisionRecord, access: &AccessRecord) -> Result<(Verb, Meant, Carried), String> {
    let meant = read(&access.target).ok_or_else(|| format!("`{}` is no target", access.target))?;
    let Meant::Registers { bank, count, .. } = meant else {
        return Ok((access.verb, meant, Carried::Nothing));
    };
    if access.verb == Verb::Read {
        return Ok((access.verb, meant, Carried::Nothing));
    }
    let carried = match (&access.new, access.mask) {
        (_, Some(mask)) => Carried::Mask(mask),
        (Some(values), None) if values.len() == usize::from(count.get()) => carried(record, bank, values),
        (Some(values), None) => {
            return Err(format!("{} values are recorded for {} addresses", values.len(), count));
        }
        (None, None) => return Err("the record does not tell the values that were written".to_owned()),
    };
    Ok((access.verb, meant, carried))
}

fn carried(record: &DecisionRecord, bank: Bank, values: &[u16]) -> Carried {
    match (bank, values) {
        (Bank::Coils, [one]) if record.frame.function == 5 => Carried::Coil(*one != 0),
        (Bank::Coils, values) => {
            let byte = |bits: &[u16]| bits.iter().rev().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit != 0));
            Carried::Coils(values.chunks(8).map(byte).collect())
        }
        (Bank::Discrete | Bank::Input | Bank::Holding | Bank::File(_), values) => {
            Carried::Registers(values.iter().flat_map(|value| value.to_be_bytes()).collect())
        }
    }
}

impl Rebuilt {
    /// As the frame asked for them.
    pub(super) fn accesses(&self) -> Accesses<'_> {
        fn target(unit: u8, meant: Meant, carried: &Carried) -> Target<'_> {
            match meant {
                Meant::Registers { bank, first, count } => {
                    Target::Registers { unit, bank, first, count, values: values(carried) }
                }
                Meant::Function { code, sub } => Target::Function { unit, code, sub },
            }
        }
        self.accesses
            .iter()
            .map(|(verb, meant, carried)| Access {
                asset: None,
                verb: *verb,
                function: self.function,
                target: target(self.unit, *meant, carried),
            })
            .collect()
    }
}

const fn values(carried: &Carried) -> Values<'_> {
    match carried {
        Carried::Nothing => Values::None,
        Carried::Registers(bytes) => Values::Registers(bytes.as_slice()),
        Carried::Coil(on) => Values::Coil(*on),
        Carried::Coils(bits) => Values::Coils(bits.as_slice()),
        Carried::Mask([and, or]) => Values::Mask { and: *and, or: *or },
    }
}

/// What the session had shown, and a registry in which it is the recorded subject's: its certificate, and its address where the
/// policy that decided does not name it.
pub(super) fn evidence(record: &DecisionRecord, old: &Policy) -> (Key, Evidence, Arc<Registry>) {
    let ip = record.source.ip();
    let mut registry = Registry::default();
    let address = || Proof::Address { ip, mac: record.mac };
    let proof = |proof: &ProofRecord| match proof {
        ProofRecord::Address => address(),
        ProofRecord::Certificate { role, not_after } => Proof::Certificate {
            spki: key_of(record),
            role: role.clone(),
            not_before: crate::moment::UnixMs(i64::MIN),
            not_after: *not_after,
        },
        ProofRecord::Token { subject, roles, bound, expires, claims } => Proof::Token {
            subject: subject.clone(),
            roles: roles.clone(),
            claims: claims.clone(),
            bound_to: bound.then(|| key_of(record)),
            expires: *expires,
        },
        ProofRecord::SessionGrant { subject, by, ends, ends_ran } => Proof::SessionGrant {
            grant: Arc::new(Grant {
                id: "replayed".into(),
                subject: subject.clone(),
                by: by.clone(),
                ends: *ends,
                ends_ran: *ends_ran,
            }),
        },
    };
    let proofs = record.proofs.as_ref().map_or_else(|| vec![address()], |proofs| proofs.iter().map(proof).collect());
    if let Some(subject) = &record.subject {
        registry.keys.insert(key_of(record), subject.clone());
        let of_policy = old.subjects.get(subject).and_then(SubjectEntry::bound);
        let known = of_policy.is_some_and(|(address, _)| address.to_canonical() == ip.to_canonical());
        if record.proofs.is_none() && !known {
            registry.addresses.insert((ip.to_canonical(), None), subject.clone());
        }
        if record.reason == Some(Reason::NoSubject) {
            // Known, and nobody yet.
            registry.lives.insert(subject.clone(), Life::Registered);
        }
    }
    let key = Key {
        listener: record.listener,
        source: ip,
        mac: record.mac,
        subject: record.subject.clone(),
        registered: record.subject.is_some() && record.reason == Some(Reason::NoSubject),
        proofs: record.proofs.as_ref().map_or_else(String::new, |proofs| format!("{proofs:?}")),
    };
    let evidence = Evidence { listener: record.listener, source: ip, remote: None, approvals: Vec::new(), proofs };
    (key, evidence, Arc::new(registry))
}

/// A key of its own for each name: which one it was does not matter, only that the registry knows it.
fn key_of(record: &DecisionRecord) -> Sha256 {
    Sha256::of(record.subject.as_ref().map_or("", |subject| subject.as_str()).as_bytes())
}
