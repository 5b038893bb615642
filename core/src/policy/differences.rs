//! What two policies decide differently about requests that were really made: who would lose and who would gain which operation
//! on which point. `policy shadow` gathers it from live traffic, `policy replay` from the journal; both show this one shape.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::decision::{Decision, Reason};
use crate::moment::UnixMs;
use crate::names::{AssetId, PointName, RuleId, SubjectId};
use crate::world::Standing;

mod pieces;

/// Lines kept at once, unless somebody asks for fewer.
pub const MOST_LINES: usize = 1_000;

/// Which way a decision turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// Allowed before, refused after.
    Lost,
    /// Refused before, allowed after.
    Gained,
    /// Allowed by both, and counted against another limit. What the limit would refuse is not counted here.
    Terms,
}

/// What one of the two policies says.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// Why not; none where it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The rule that allows, refuses or comes nearest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleId>,
    /// The limit, such as `600 writes per minute`, where terms differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// Who it is by this policy, where the two disagree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
}

/// What is counted as one line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    turn: Turn,
    subject: Option<SubjectId>,
    source: Option<IpAddr>,
    asset: Option<AssetId>,
    verb: String,
    point: Option<PointName>,
    /// Addresses without a name.
    nameless: Option<pieces::Range>,
    before: Side,
    after: Side,
}

/// What was counted.
#[derive(Clone, Debug)]
struct Tally {
    /// The hull of all addresses that were touched.
    range: Option<pieces::Range>,
    count: u64,
    first: UnixMs,
    last: UnixMs,
    sample: Option<String>,
}

/// One operation of one subject on one point about which the two policies disagree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Which way.
    pub turn: Turn,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// From where, when neither policy knows who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// On what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    /// `read`, `write`, `broadcast`, or a function as the policy writes it.
    pub verb: String,
    /// The point, by the newer name where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<PointName>,
    /// The addresses that were touched, such as `holding 100-101`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<String>,
    /// The policy before.
    pub before: Side,
    /// The policy after.
    pub after: Side,
    /// How many requests.
    pub count: u64,
    /// The first of them, in milliseconds since 1970 UTC.
    pub first: UnixMs,
    /// The last of them.
    pub last: UnixMs,
    /// The value that the last of them would write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
}

/// All that was found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Differences {
    /// Requests judged by both.
    pub judged: u64,
    /// Requests of which something would be lost.
    pub lost: u64,
    /// Requests of which something would be gained.
    pub gained: u64,
    /// Requests under another limit.
    pub terms: u64,
    /// One line each, the losses first.
    pub lines: Vec<Difference>,
    /// Occurrences that found no line any more: what is listed is not all.
    pub left_out: u64,
}

/// What one policy makes of a request.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// What the session may do.
    pub standing: &'a Standing,
    /// What was decided, limits not counted.
    pub decision: &'a Decision,
}

/// One request that both have judged.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// All that it would do, in wire order.
    pub accesses: &'a [Access<'a>],
    /// From where.
    pub source: IpAddr,
    /// When, in milliseconds since 1970 UTC.
    pub at: UnixMs,
    /// How many requests it stands for.
    pub weight: u64,
}

/// Gathers differences, in bounded memory.
#[derive(Clone, Debug)]
pub struct Gathering {
    most: usize,
    judged: u64,
    turns: [u64; 3],
    lines: BTreeMap<Key, Tally>,
    left_out: u64,
}

impl Default for Gathering {
    fn default() -> Self {
        Self::new(MOST_LINES)
    }
}

/// False where a look at the two decisions shows that the request is treated alike: the quick way out for nearly every frame.
pub fn differs(before: &Decision, after: &Decision) -> bool {
    before.effect != after.effect || before.allows() && (before.limited || after.limited)
}

impl Gathering {
    /// Keeps so many lines at most.
    pub const fn new(most: usize) -> Self {
        Self { most, judged: 0, turns: [0; 3], lines: BTreeMap::new(), left_out: 0 }
    }

    /// Counts requests that both have judged, whatever came of it.
    pub const fn judged(&mut self, requests: u64) {
        self.judged = self.judged.saturating_add(requests);
    }

    /// Adds a request, if the two disagree about it; whether they do.
    pub fn add(&mut self, request: &Request<'_>, before: Judged<'_>, after: Judged<'_>) -> bool {
        if !differs(before.decision, after.decision) {
            return false;
        }
        let found = match (before.decision.allows(), after.decision.allows()) {
            (true, false) => pieces::refused(request, Turn::Lost, before, after),
            (false, true) => pieces::refused(request, Turn::Gained, after, before),
            (true, true) | (false, false) => pieces::limits(request, before, after),
        };
        let Some(turn) = found.first().map(|piece| piece.turn) else { return false };
        let known = |side: &Standing| side.subject.as_ref().map(|subject| subject.id.clone());
        let (was, is) = (known(before.standing), known(after.standing));
        let other = is.clone().filter(|_| was.is_some() && was != is);
        let subject = was.or(is);
        let source = subject.is_none().then(|| request.source.to_canonical());
        let asset = before.standing.table.asset().or(after.standing.table.asset());
        for piece in found {
            let key = Key {
                turn: piece.turn,
                subject: subject.clone(),
                source,
                asset: asset.cloned(),
                verb: piece.verb,
                nameless: piece.range.filter(|_| piece.point.is_none()),
                point: piece.point,
                before: piece.before,
                after: Side { subject: other.clone(), ..piece.after },
            };
            self.count(key, piece.range, piece.sample, request);
        }
        if let Some(turns) = self.turns.get_mut(turn as usize) {
            *turns = turns.saturating_add(request.weight);
        }
        true
    }

    fn count(&mut self, key: Key, range: Option<pieces::Range>, sample: Option<String>, request: &Request<'_>) {
        let weight = request.weight;
        let room = self.lines.len() < self.most;
        match self.lines.get_mut(&key) {
            Some(tally) => {
                tally.count = tally.count.saturating_add(weight);
                tally.range = tally.range.zip(range).map(|(one, other)| one.hull(other));
                tally.first = tally.first.min(request.at);
                if request.at >= tally.last {
                    tally.last = request.at;
                    tally.sample = sample;
                }
            }
            None if room => {
                let tally = Tally { range, count: weight, first: request.at, last: request.at, sample };
                self.lines.insert(key, tally);
            }
            None => self.left_out = self.left_out.saturating_add(weight),
        }
    }

    /// Requests that turn: lost, gained, under another limit.
    pub const fn turns(&self) -> [u64; 3] {
        self.turns
    }

    /// Occurrences that found no line any more.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Distinct lines so far.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// True while nothing was found.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What was found, sorted.
    pub fn report(&self) -> Differences {
        let [lost, gained, terms] = self.turns;
        let line = |(key, tally): (&Key, &Tally)| {
            let key = key.clone();
            Difference {
                turn: key.turn,
                subject: key.subject,
                source: key.source,
                asset: key.asset,
                verb: key.verb,
                point: key.point,
                addresses: tally.range.map(|range| range.to_string()),
                before: key.before,
                after: key.after,
                count: tally.count,
                first: tally.first,
                last: tally.last,
                sample: tally.sample.clone(),
            }
        };
        let lines = self.lines.iter().map(line).collect();
        Differences { judged: self.judged, lost, gained, terms, lines, left_out: self.left_out }
    }
}

impl Differences {
    /// Requests about which the two disagree.
    pub const fn differ(&self) -> u64 {
        self.lost.saturating_add(self.gained).saturating_add(self.terms)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Some(reason) => write!(f, "refused, {}", reason.name())?,
            None => f.write_str("allowed")?,
        }
        if let Some(rule) = &self.rule {
            write!(f, " by {rule}")?;
        }
        if let Some(limit) = &self.limit {
            write!(f, ", {limit}")?;
        }
        match &self.subject {
            Some(subject) => write!(f, " as {subject}"),
            None => Ok(()),
        }
    }
}

/// `- scada write filler-plc/speed (holding 100) = 900: allowed by .. -> refused, no-rule`, without count and time.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.turn {
            Turn::Lost => '-',
            Turn::Gained => '+',
            Turn::Terms => '~',
        };
        write!(f, "{mark} ")?;
        match (&self.subject, self.source) {
            (Some(subject), _) => subject.fmt(f)?,
            (None, Some(source)) => source.fmt(f)?,
            (None, None) => f.write_str("nobody")?,
        }
        write!(f, " {}", self.verb)?;
        match (&self.asset, &self.point) {
            (Some(asset), Some(point)) => write!(f, " {asset}/{point}")?,
            (Some(asset), None) => write!(f, " {asset}")?,
            (None, _) => {}
        }
        if let Some(addresses) = &self.addresses {
            write!(f, " ({addresses})")?;
        }
        if let Some(sample) = &self.sample {
            write!(f, " = {sample}")?;
        }
        write!(f, ": {} -> {}", self.before, self.after)
    }
}

#[cfg(test)]
mod tests;
