//! Counts everything, and decides which refusals become records: the first ten of a kind a minute, the rest as one number.
//! So a flood fills neither the journal nor memory, and the counters stay exact.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bulkhead_core::decision::{Class, Reason};
use bulkhead_core::journal::record::{Event, GatewayRecord, HandshakeFailure};
use bulkhead_core::moment::BootMs;
use bulkhead_core::names::{AssetId, ConduitId};
use bulkhead_core::policy::table::ConduitSettings;
use serde::{Deserialize, Serialize};

/// Records of one kind a minute.
const FIRST: u64 = 10;
/// Beginnings and ends of sessions that are recorded for one source in a minute.
const SESSIONS: u64 = 20;
const MINUTE_MS: u64 = 60_000;
/// Kinds told apart in one minute; all beyond count as `others`.
const KINDS: usize = 1_024;

/// What is told apart: who (or from where), on what, why.
type Kind = (String, Option<AssetId>, Reason);

#[derive(Debug, Default)]
struct Minute {
    began: BootMs,
    kinds: BTreeMap<Kind, u64>,
    /// Beginnings and ends of sessions by source.
    sessions: BTreeMap<IpAddr, u64>,
    /// Handshakes that came to nothing; those of sources beyond number have none.
    handshakes: BTreeMap<(Option<IpAddr>, HandshakeFailure), u64>,
}

/// The counters.
#[derive(Debug, Default)]
pub struct Tally {
    allowed: AtomicU64,
    repeated: AtomicU64,
    late: AtomicU64,
    alarms: AtomicU64,
    handshakes: AtomicU64,
    denied: [AtomicU64; Reason::ALL.len()],
    minute: Mutex<Minute>,
    /// Somebody follows a conduit: without this every frame would look into the map.
    followed: AtomicBool,
    conduits: RwLock<BTreeMap<ConduitId, Arc<ConduitCount>>>,
}

/// Requests of one conduit since somebody began to follow it.
#[derive(Debug, Default)]
pub(crate) struct ConduitCount {
    allowed: AtomicU64,
    refused: AtomicU64,
}

impl ConduitCount {
    /// Requests allowed, and those refused for another reason than a device that is away or a subject that was revoked.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.allowed.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Requests that got a permit.
    pub allowed: u64,
    /// Writes of an unchanged value, not recorded one by one.
    pub repeated: u64,
    /// Writes whose record was late.
    pub late: u64,
    /// Alarms.
    pub alarms: u64,
    /// TLS handshakes that came to nothing.
    pub handshakes: u64,
    /// Refusals by reason, those of `observe` included.
    pub denied: BTreeMap<Reason, u64>,
}

impl Counters {
    /// All refusals.
    pub fn refused(&self) -> u64 {
        self.denied.values().sum()
    }
}

impl Tally {
    pub(crate) fn allow(&self, conduit: Option<&ConduitSettings>) {
        self.allowed.fetch_add(1, Ordering::Relaxed);
        self.on(conduit, |count| &count.allowed);
    }

    /// Counts a refusal for whoever follows its conduit. A device that is away, or a subject that was revoked, would be so in
    /// `observe` too: neither speaks against enforcing.
    pub(crate) fn refuse(&self, conduit: Option<&ConduitSettings>, reason: Reason) {
        if reason.class() != Class::Unavailable && reason != Reason::Revoked {
            self.on(conduit, |count| &count.refused);
        }
    }

    fn on(&self, conduit: Option<&ConduitSettings>, which: impl Fn(&ConduitCount) -> &AtomicU64) {
        if !self.followed.load(Ordering::Relaxed) {
            return;
        }
        let conduits = self.conduits.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = conduit.and_then(|conduit| conduits.get(&conduit.id)) {
            which(count).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a conduit's requests from now on. Who followed it before keeps a count that stands still.
    pub(crate) fn follow(&self, conduit: &ConduitId) -> Arc<ConduitCount> {
        let count = Arc::new(ConduitCount::default());
        let mut conduits = self.conduits.write().unwrap_or_else(PoisonError::into_inner);
        conduits.insert(conduit.clone(), Arc::clone(&count));
        self.followed.store(true, Ordering::Relaxed);
        count
    }

    /// Nobody follows it any more.
    pub(crate) fn unfollow(&self, conduit: &ConduitId) {
        let mut conduits = self.conduits.write().unwrap_or_else(PoisonError::into_inner);
        conduits.remove(conduit);
        self.followed.store(!conduits.is_empty(), Ordering::Relaxed);
    }

    pub(crate) fn repeat(&self) {
        self.repeated.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn late(&self) {
        self.late.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn alarm(&self) {
        self.alarms.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a refusal; true when it is to be recorded by itself.
    pub(crate) fn deny(&self, who: &str, asset: Option<&AssetId>, reason: Reason, now: BootMs) -> (bool, Vec<Event>) {
        if let Some((_, count)) = Reason::ALL.iter().zip(&self.denied).find(|(one, _)| **one == reason) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let over = end_of(&mut minute, now);
        let mut kind = (who.to_owned(), asset.cloned(), reason);
        if minute.kinds.len() >= KINDS && !minute.kinds.contains_key(&kind) {
            kind = ("others".to_owned(), None, reason);
        }
        let count = minute.kinds.entry(kind).or_default();
        *count += 1;
        (*count <= FIRST, over)
    }

    /// Counts the beginning or the end of a session; true when it is to be recorded by itself. A station that comes and goes all
    /// the time must not wear the flash.
    pub(crate) fn session(&self, source: IpAddr, now: BootMs) -> (bool, Vec<Event>) {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let over = end_of(&mut minute, now);
        let source = source.to_canonical();
        if minute.sessions.len() >= KINDS && !minute.sessions.contains_key(&source) {
            // Sources beyond number are a flood: its refusals are counted, its comings and goings are not told one by one.
            return (false, over);
        }
        let count = minute.sessions.entry(source).or_default();
        *count += 1;
        (*count <= SESSIONS, over)
    }

    /// Counts a handshake that came to nothing; true when it is to be recorded by itself.
    pub(crate) fn handshake(&self, source: IpAddr, failure: HandshakeFailure, now: BootMs) -> (bool, Vec<Event>) {
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let over = end_of(&mut minute, now);
        let mut kind = (Some(source.to_canonical()), failure);
        if minute.handshakes.len() >= KINDS && !minute.handshakes.contains_key(&kind) {
            kind.0 = None;
        }
        let count = minute.handshakes.entry(kind).or_default();
        *count += 1;
        (*count <= FIRST, over)
    }

    /// What the minute that is over still has to say.
    pub(crate) fn flush(&self, now: BootMs) -> Vec<Event> {
        end_of(&mut self.minute.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// The counters of now.
    pub fn counters(&self) -> Counters {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let denied = Reason::ALL.iter().zip(&self.denied).map(|(reason, count)| (*reason, read(count)));
        Counters {
            allowed: read(&self.allowed),
            repeated: read(&self.repeated),
            late: read(&self.late),
            alarms: read(&self.alarms),
            handshakes: read(&self.handshakes),
            denied: denied.filter(|(_, count)| *count > 0).collect(),
        }
    }
}

fn end_of(minute: &mut Minute, now: BootMs) -> Vec<Event> {
    if now.0.saturating_sub(minute.began.0) < MINUTE_MS {
        return Vec::new();
    }
    minute.began = now;
    let churn = std::mem::take(&mut minute.sessions).into_iter().filter(|(_, count)| *count > SESSIONS).map(
        |(source, count)| {
            let text = format!("{count} beginnings and ends of sessions in a minute, of which {SESSIONS} are recorded");
            Event::Gateway(GatewayRecord::Alarm {
                what: "session-churn".to_owned(),
                source: Some(source),
                asset: None,
                text,
            })
        },
    );
    let handshakes = failed(std::mem::take(&mut minute.handshakes));
    let more = std::mem::take(&mut minute.kinds).into_iter().filter(|(_, count)| *count > FIRST);
    more.map(|((who, asset, reason), count)| Event::Denied { who, asset, reason, count: count - FIRST })
        .chain(churn)
        .chain(handshakes)
        .collect()
}

/// One line a source about handshakes beyond the first of each kind.
fn failed(handshakes: BTreeMap<(Option<IpAddr>, HandshakeFailure), u64>) -> impl Iterator<Item = Event> {
    let mut sources: BTreeMap<Option<IpAddr>, Vec<String>> = BTreeMap::new();
    for ((source, failure), count) in handshakes.into_iter().filter(|(_, count)| *count > FIRST) {
        let more = count - FIRST;
        sources.entry(source).or_default().push(format!("{more} more because {}", failure.says()));
    }
    sources.into_iter().map(|(source, kinds)| {
        let text = format!("handshakes that came to nothing in a minute: {}", kinds.join(", "));
        Event::Gateway(GatewayRecord::Alarm { what: "handshake-flood".to_owned(), source, asset: None, text })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_ten_records_a_minute_and_one_number() {
        let tally = Tally::default();
        let plc = AssetId::from("plc");
        let deny = |ms| tally.deny("10.0.0.9", Some(&plc), Reason::NoRule, BootMs(ms));
        let recorded = (0..5_000).filter(|ms| deny(*ms).0).count();
        assert_eq!(recorded, 10);
        let (again, over) = deny(60_000);
        assert!(again);
        let [Event::Denied { who, count: 4_990, .. }] = over.as_slice() else { panic!("{over:?}") };
        assert_eq!(who, "10.0.0.9");
        assert_eq!(tally.counters().denied[&Reason::NoRule], 5_001);
    }

    #[test]
    fn a_followed_conduit_counts_its_own_requests_and_no_others() {
        let tally = Tally::default();
        let settings = |id: &str| ConduitSettings {
            id: id.into(),
            mode: bulkhead_core::policy::model::Mode::Enforce,
            record: bulkhead_core::policy::model::RecordKind::Durable,
            on_stall: bulkhead_core::policy::model::OnStall::Deny,
            detail: bulkhead_core::policy::model::Detail::Writes,
        };
        let (one, other) = (settings("one"), settings("other"));
        tally.allow(Some(&one));
        let count = tally.follow(&one.id);
        for conduit in [Some(&one), Some(&other), None] {
            tally.allow(conduit);
            tally.refuse(conduit, Reason::NoRule);
            tally.refuse(conduit, Reason::AssetDown);
            tally.refuse(conduit, Reason::Revoked);
        }
        assert_eq!(count.read(), (1, 1));
        tally.unfollow(&one.id);
        tally.allow(Some(&one));
        assert_eq!(count.read(), (1, 1));
        assert_eq!(tally.counters().allowed, 5);
    }

    #[test]
    fn a_flood_of_handshakes_is_ten_records_of_a_kind_and_one_alarm_a_source() {
        let tally = Tally::default();
        let source: IpAddr = "10.0.0.9".parse().unwrap();
        let fail = |failure| (0..5_000).filter(|ms| tally.handshake(source, failure, BootMs(*ms)).0).count();
        assert_eq!(fail(HandshakeFailure::TimedOut), 10);
        assert_eq!(fail(HandshakeFailure::UnknownIssuer), 10, "one kind does not hide another");
        for number in 0..100_000_u32 {
            tally.handshake(IpAddr::from(number.to_be_bytes()), HandshakeFailure::Busy, BootMs(5_000));
        }
        assert_eq!(tally.minute.lock().unwrap().handshakes.len(), KINDS + 1, "bounded, whoever comes");
        let over = tally.flush(BootMs(60_000));
        let [Event::Gateway(GatewayRecord::Alarm { source: None, .. }), Event::Gateway(known)] = over.as_slice() else {
            panic!("{over:?}")
        };
        let GatewayRecord::Alarm { what, source: Some(_), text, .. } = known else { panic!("{known:?}") };
        assert_eq!(what, "handshake-flood");
        assert!(text.contains("4990 more because its certificate is signed by nobody"), "{text}");
        assert_eq!(tally.counters().handshakes, 110_000);
    }

    #[test]
    fn sources_beyond_number_share_one_line() {
        let tally = Tally::default();
        let recorded =
            (0..100_000).filter(|n| tally.deny(&format!("source {n}"), None, Reason::NoSubject, BootMs(1)).0).count();
        assert_eq!(recorded, KINDS + 10);
        assert_eq!(tally.minute.lock().unwrap().kinds.len(), KINDS + 1);
        assert_eq!(tally.flush(BootMs(60_001)).len(), 1);
    }

    #[test]
    fn a_station_that_comes_and_goes_is_twenty_records_a_minute_and_one_alarm() {
        let tally = Tally::default();
        let source = "10.0.0.9".parse().unwrap();
        let recorded = (0..50_000).filter(|ms| tally.session(source, BootMs(*ms)).0).count();
        assert_eq!(recorded, 20);
        let over = tally.flush(BootMs(60_000));
        let [Event::Gateway(GatewayRecord::Alarm { what, text, .. })] = over.as_slice() else { panic!("{over:?}") };
        assert_eq!(what, "session-churn");
        assert!(text.starts_with("50000 "), "{text}");
        assert!(tally.session(source, BootMs(60_001)).0);
    }
}
