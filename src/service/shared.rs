//! What the services of one life share. Each field has one owner module; this one only holds them together.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bulkhead_core::decision::Reason;
use bulkhead_core::journal::record::{Event, GatewayRecord, SessionEvent, SessionRecord};
use bulkhead_core::limits::Bucket;
use bulkhead_core::moment::Moment;
use bulkhead_core::names::{AssetId, SubjectId};
use bulkhead_core::policy::model::Limit;
use bulkhead_core::policy::table::{Charge, Touched};

use super::reach::Reach;
use super::sessions::Session;
use super::shadow::Shadow;
use super::tally::Tally;
use super::time::Time;
use super::values::LastValues;
use super::world::Worlds;
use crate::ports::journal::Journal;
use crate::telemetry::{Fault, Probe};

/// Buckets kept at once; beyond, those that are full again go first.
const BUCKETS: usize = 4_096;

/// Who draws from what: the subject or its address, the point, the limit.
type BucketKey = (String, Touched, Limit);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) worlds: Arc<Worlds>,
    pub(crate) time: Arc<Time>,
    pub(crate) journal: Journal,
    pub(crate) probe: Arc<dyn Probe>,
    pub(crate) tally: Tally,
    pub(crate) values: LastValues,
    pub(crate) reach: Reach,
    pub(crate) fault: Fault,
    pub(crate) shadow: Shadow,
    pub(crate) buckets: Mutex<BTreeMap<BucketKey, Bucket>>,
}

impl Shared {
    pub(crate) fn stale_tables(&self) -> bool {
        self.fault == Fault::StaleTable
    }

    /// Hands an event to the journal without waiting for it; what the queue cannot take is counted there as lost.
    pub(crate) fn say(&self, event: Event, now: Moment) {
        self.journal.note(now, event);
    }

    /// A session's beginning or end, within the same bounds as refusals.
    pub(crate) fn say_session(&self, record: &SessionRecord, now: Moment) {
        let who = name_of(record.subject.as_ref(), record.source);
        let reason = match record.what {
            SessionEvent::Refused(reason) => reason,
            SessionEvent::Handshake(failure) => {
                let (by_itself, over) = self.tally.handshake(record.source.ip(), failure, now.boot);
                for event in over {
                    self.say(event, now);
                }
                if by_itself {
                    let (key, serial) = (record.key.map(|key| key.to_string()), record.serial.as_deref());
                    tracing::info!(peer = %record.source, at = %record.listener, key, serial, "handshake refused: {}", failure.says());
                    self.say(Event::Session(record.clone()), now);
                }
                return;
            }
            SessionEvent::Opened
            | SessionEvent::Closed
            | SessionEvent::Cut
            | SessionEvent::Malformed
            | SessionEvent::TimedOut => {
                let (by_itself, over) = self.tally.session(record.source.ip(), now.boot);
                for event in over {
                    self.say(event, now);
                }
                if by_itself {
                    self.say(Event::Session(record.clone()), now);
                }
                return;
            }
        };
        if self.count_denial(&who, None, reason, now) {
            self.say(Event::Session(record.clone()), now);
        }
    }

    /// Counts a refusal and says what a minute that is over left to say; true when it is to be recorded by itself.
    pub(crate) fn count_denial(&self, who: &str, asset: Option<&AssetId>, reason: Reason, now: Moment) -> bool {
        let (by_itself, over) = self.tally.deny(who, asset, reason, now.boot);
        for event in over {
            self.say(event, now);
        }
        by_itself
    }

    /// Something that a person should look at.
    pub(crate) fn alarm(&self, what: &str, source: Option<IpAddr>, asset: Option<&AssetId>, text: String, now: Moment) {
        self.tally.alarm();
        let alarm = GatewayRecord::Alarm { what: what.to_owned(), source, asset: asset.cloned(), text };
        self.say(Event::Gateway(alarm), now);
    }

    /// The asset behind a session's listener could not be reached, or did not answer.
    pub(crate) fn silent(&self, session: &Session, now: Moment) {
        if let Some(asset) = session.footing_at(now).standing.table.asset() {
            self.reach.silent(asset, now.boot);
        }
    }

    pub(crate) fn flush_repeats(&self, session: &Session, now: Moment) {
        let events = session.repeats.lock().unwrap_or_else(PoisonError::into_inner).flush();
        for event in events {
            self.say(event, now);
        }
    }

    /// Takes one token for each charge, or none at all.
    pub(crate) fn draw(&self, who: &str, charges: &[Charge], now: Moment) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut chosen = Vec::with_capacity(charges.len());
        for charge in charges {
            let found = charge.alternatives.iter().find_map(|(_, limit)| {
                let key = (who.to_owned(), charge.point.clone(), *limit);
                buckets.get(&key).is_none_or(|bucket| bucket.has(now.boot)).then_some(key)
            });
            let Some(key) = found else { return false };
            chosen.push(key);
        }
        for key in chosen {
            if buckets.len() >= BUCKETS && !buckets.contains_key(&key) {
                buckets.retain(|_, bucket| !bucket.is_full(now.boot));
                if buckets.len() >= BUCKETS {
                    return false;
                }
            }
            let limit = key.2;
            // Two accesses of one frame may draw from one bucket: the second may find it empty.
            if !buckets.entry(key).or_insert_with(|| Bucket::full(&limit, now.boot)).take(now.boot) {
                return false;
            }
        }
        true
    }
}

/// The subject's name, or where it comes from.
pub(crate) fn name_of(subject: Option<&SubjectId>, source: SocketAddr) -> String {
    subject.map_or_else(|| source.ip().to_string(), ToString::to_string)
}
