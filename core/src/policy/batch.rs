//! `policy decide`: one JSON request a line, one JSON answer a line, the same order. A stable interface for oracles, what-if
//! tools and support: no daemon, no state, limits are not counted.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Policy;
use super::ask::{Ask, AskError};
use super::table::TableCache;
use crate::access::Accesses;
use crate::decision::{Class, Decision, Effect, Keep, Reason};
use crate::digest::Sha256;
use crate::identity::{Approval, Assurance, Attributes, Evidence, Grant, Mac, Proof, Registry};
use crate::moment::{BootMs, ClockTrust, Moment, RanMs, UnixMs};
use crate::names::{AssetId, PointName, RemoteName, Role, RuleId, SubjectId};
use crate::policy::model::UnitZero;
use crate::wire::modbus::Request as Frame;
use crate::world::{Standing, World, derive_with};

/// A policy that answers lines.
#[derive(Debug)]
pub struct Batch {
    world: World,
    cache: TableCache,
}

/// Why a line gets no answer.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// It is no request.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A time is not RFC 3339.
    #[error("`{text}` is no time; write for example `2026-03-10T09:00:00Z`")]
    Time {
        /// What was written.
        text: String,
    },
    /// The bytes are no hex.
    #[error("`{text}` is not an even number of hex digits")]
    Hex {
        /// What was written.
        text: String,
    },
    /// Neither or both of `pdu` and `access`.
    #[error("write one of `pdu` and `access`")]
    What,
    /// A proof is not one of the three forms.
    #[error(
        "a proof is one of `certificate` (with `role`), `grant` (with `by`, `ends`) and `token` (with `roles`, `claims`)"
    )]
    Proof,
    /// The access cannot be asked for.
    #[error("{0}")]
    Ask(#[from] AskError),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    at: String,
    #[serde(default = "proven")]
    clock: ClockTrust,
    listener: std::net::SocketAddr,
    source: std::net::IpAddr,
    mac: Option<Mac>,
    remote: Option<RemoteName>,
    #[serde(default)]
    approvals: Vec<ApprovalLine>,
    #[serde(default)]
    proofs: Vec<ProofLine>,
    #[serde(default)]
    facts: Facts,
    pdu: Option<String>,
    access: Option<AccessLine>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApprovalLine {
    by: Role,
    at: String,
}

/// One of three forms, told apart by the key that is there: an untagged enum would hide what is wrong.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofLine {
    certificate: Option<SubjectId>,
    role: Option<Role>,
    grant: Option<SubjectId>,
    by: Option<Role>,
    ends: Option<String>,
    token: Option<SubjectId>,
    roles: Option<Vec<Role>>,
    claims: Option<Facts>,
}

/// The closed list of keys of facts and claims, with times as text.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Facts {
    #[serde(rename = "plant mode")]
    plant_mode: Option<Arc<str>>,
    #[serde(rename = "work order")]
    work_order: Option<bool>,
    #[serde(rename = "second factor")]
    second_factor: Option<bool>,
    line: Option<Arc<str>>,
    location: Option<Arc<str>>,
    shift: Option<Arc<str>>,
    #[serde(rename = "logged in")]
    logged_in: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessLine {
    asset: AssetId,
    verb: String,
    point: Option<PointName>,
    value: Option<serde_json::Value>,
}

#[derive(Debug, Serialize)]
struct Answer {
    effect: Effect,
    class: Option<Class>,
    reason: Option<Reason>,
    rule: Option<RuleId>,
    points: Vec<String>,
    assurance: Assurance,
    keep: Keep,
    valid_until: Option<String>,
}

const fn proven() -> ClockTrust {
    ClockTrust::Proven
}

/// Answers one line. For many lines make a [`Batch`] once.
pub fn decide_line(policy: &Policy, line: &str) -> Result<String, BatchError> {
    Batch::new(Arc::new(policy.clone())).line(line)
}

impl Batch {
    /// Makes a world in which every subject of the policy holds the credential that a request says it shows.
    pub fn new(policy: Arc<Policy>) -> Self {
        let keys = policy.subjects.keys().map(|id| (key(id), id.clone())).collect();
        let registry = Arc::new(Registry { keys, ..Registry::default() });
        Self {
            world: World { generation: 0, policy, registry, facts: Attributes::default() },
            cache: TableCache::default(),
        }
    }

    /// Answers one line: a JSON object in, a JSON object out, without a newline.
    pub fn line(&mut self, line: &str) -> Result<String, BatchError> {
        let request: Request = serde_json::from_str(line)?;
        let now =
            Moment { wall: time(&request.at)?, boot: BootMs(0), ran: RanMs(0), trust: request.clock, floor: UnixMs(0) };
        self.world.facts = attributes(&request.facts)?;
        let evidence = evidence(&request)?;
        let standing = derive_with(&self.world, &evidence, now, &mut self.cache);
        let answer = match (&request.pdu, &request.access) {
            (Some(pdu), None) => self.frame(&standing, &evidence, pdu, now)?,
            (None, Some(access)) => self.access(&standing, access, now)?,
            (Some(_), Some(_)) | (None, None) => return Err(BatchError::What),
        };
        Ok(serde_json::to_string(&answer)?)
    }

    fn frame(&self, standing: &Standing, evidence: &Evidence, pdu: &str, now: Moment) -> Result<Answer, BatchError> {
        let bytes = hex(pdu)?;
        let malformed = || Answer { assurance: Assurance::NONE, valid_until: None, ..refusal(Reason::Malformed) };
        let Some((unit, pdu)) = bytes.split_first() else {
            return Ok(malformed());
        };
        let Ok(frame) = Frame::decode(pdu) else {
            return Ok(malformed());
        };
        let asset = self.world.policy.asset_at(evidence.listener);
        let zero = asset.map_or(UnitZero::Itself, |(_, asset)| asset.profile.unit_zero);
        Ok(answer(standing, &frame.accesses(*unit, zero), now))
    }

    fn access(&self, standing: &Standing, access: &AccessLine, now: Moment) -> Result<Answer, BatchError> {
        let policy = &self.world.policy;
        let Some((id, asset)) = policy.assets.get_key_value(access.asset.as_str()) else {
            let help = super::ask::hint(access.asset.as_str(), policy.assets.keys().map(AssetId::as_str));
            return Err(AskError::Asset { name: access.asset.to_string(), help }.into());
        };
        let value = access.value.as_ref().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let words = [Some(access.verb.as_str()), access.point.as_ref().map(PointName::as_str), value.as_deref()];
        let text = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let ask = match Ask::parse(id, asset, &text) {
            // A value that the registers cannot hold is outside of any limits: it is judged as one that nobody knows.
            Err(AskError::Fit { point, .. })
                if asset.points.get(&point).is_some_and(|point| point.values.is_some()) =>
            {
                Ask::parse(id, asset, &format!("write {point}"))?
            }
            other => other?,
        };
        let mut accesses = ask.accesses();
        accesses.iter_mut().for_each(|access| access.asset = Some(id));
        Ok(answer(standing, &accesses, now))
    }
}

fn answer(standing: &Standing, accesses: &Accesses<'_>, now: Moment) -> Answer {
    let Decision { effect, reason, rule, keep, .. } = super::table::decide(&standing.table, accesses, now);
    let mut points: Vec<String> = Vec::new();
    for touched in standing.table.touched(accesses) {
        let name = format!("{}/{}", touched.asset, touched.point);
        if !points.contains(&name) {
            points.push(name);
        }
    }
    Answer {
        effect,
        class: reason.map(Reason::class),
        reason,
        rule,
        points,
        assurance: standing.assurance,
        keep,
        valid_until: standing.valid_until.wall.and_then(text),
    }
}

fn refusal(reason: Reason) -> Answer {
    Answer {
        effect: Effect::Deny,
        class: Some(reason.class()),
        reason: Some(reason),
        rule: None,
        points: Vec::new(),
        assurance: Assurance::NONE,
        keep: Keep::Later,
        valid_until: None,
    }
}

fn evidence(request: &Request) -> Result<Evidence, BatchError> {
    let mut proofs = vec![Proof::Address { ip: request.source, mac: request.mac }];
    for line in &request.proofs {
        proofs.push(proof(line)?);
    }
    let approval = |line: &ApprovalLine| Ok(Approval { by: line.by.clone(), at: time(&line.at)? });
    Ok(Evidence {
        listener: request.listener,
        source: request.source,
        remote: request.remote.clone(),
        approvals: request.approvals.iter().map(approval).collect::<Result<_, BatchError>>()?,
        proofs,
    })
}

fn proof(line: &ProofLine) -> Result<Proof, BatchError> {
    match line {
        ProofLine {
            certificate: Some(id),
            role,
            grant: None,
            by: None,
            ends: None,
            token: None,
            roles: None,
            claims: None,
        } => Ok(Proof::Certificate {
            spki: key(id),
            role: role.clone(),
            not_before: UnixMs(i64::MIN),
            not_after: UnixMs(i64::MAX),
        }),
        ProofLine {
            grant: Some(id),
            by: Some(by),
            ends: Some(ends),
            certificate: None,
            role: None,
            token: None,
            roles: None,
            claims: None,
        } => {
            let grant =
                Grant { id: "batch".into(), subject: id.clone(), by: by.clone(), ends: time(ends)?, ends_ran: None };
            Ok(Proof::SessionGrant { grant: Arc::new(grant) })
        }
        ProofLine {
            token: Some(id),
            roles,
            claims,
            certificate: None,
            role: None,
            grant: None,
            by: None,
            ends: None,
        } => Ok(Proof::Token {
            subject: id.clone(),
            roles: roles.iter().flatten().cloned().collect(),
            claims: claims.as_ref().map_or_else(|| Ok(Attributes::default()), attributes)?,
            bound_to: None,
            expires: None,
        }),
        _ => Err(BatchError::Proof),
    }
}

fn attributes(facts: &Facts) -> Result<Attributes, BatchError> {
    Ok(Attributes {
        plant_mode: facts.plant_mode.clone(),
        work_order: facts.work_order,
        second_factor: facts.second_factor,
        line: facts.line.clone(),
        location: facts.location.clone(),
        shift: facts.shift.clone(),
        logged_in: facts.logged_in.as_deref().map(time).transpose()?,
    })
}

/// The key that stands for a subject's registered one.
fn key(id: &SubjectId) -> Sha256 {
    Sha256::of(id.as_str().as_bytes())
}

fn time(text: &str) -> Result<UnixMs, BatchError> {
    let at: Timestamp = text.parse().map_err(|_| BatchError::Time { text: text.to_owned() })?;
    Ok(UnixMs(at.as_millisecond()))
}

fn text(at: UnixMs) -> Option<String> {
    Timestamp::from_millisecond(at.0).ok().map(|at| at.to_string())
}

fn hex(text: &str) -> Result<Vec<u8>, BatchError> {
    let digit = |c: &u8| char::from(*c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let wrong = || BatchError::Hex { text: text.chars().take(80).collect() };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return Err(wrong());
    };
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect::<Option<_>>().ok_or_else(wrong)
}

#[cfg(test)]
mod tests;
