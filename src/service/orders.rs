//! Orders: what changes the world. Each is a record first, then a row that carries the record's number, then the answer; so a
//! crash between any two of them is seen at the next start. One order at a time: they are rare, and their order is the chain's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::{Edit, Life, RegistryError};
use bulkhead_core::journal::record::{Event, GatewayRecord, Seq};
use bulkhead_core::moment::RanMs;
use bulkhead_core::names::{ConduitId, SubjectId};
use bulkhead_core::policy::model::Mode;
use bulkhead_core::policy::{self, Finding, Problem};
use tokio::sync::{Mutex, Notify};
use tokio::time::sleep;

use super::sessions::Sessions;
use super::shared::Shared;
use crate::ports::store::{Change, Store, StoredShadow};
use crate::tasks::Tasks;
use crate::telemetry::Fault;

/// How long an order waits for the disk.
const DURABLE: Duration = Duration::from_secs(5);
/// How long before a disk that refused is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// No such subject.
    #[error("there is no subject `{0}`, neither in the policy nor in the registry")]
    NoSubject(SubjectId),
    /// No such conduit.
    #[error("there is no conduit `{0}` in the policy")]
    NoConduit(ConduitId),
    /// The registry does not take it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The policy does not load; the running one stays.
    #[error("the policy was refused: {} problem(s)", .0.len())]
    Policy(Vec<Problem>),
    /// The candidate is the policy in force.
    #[error("policy {} is in force already: there is nothing to compare", .0.short())]
    InForce(Sha256),
    /// No candidate is judged.
    #[error("no candidate policy is judged")]
    NoShadow,
    /// The order is in force in memory and could not be made durable: after a restart it would be forgotten.
    #[error("{what} is in force, but could not be written down: {why}; give the order again when the disk is well")]
    NotDurable {
        /// The order.
        what: &'static str,
        /// The disk's trouble.
        why: String,
    },
    /// Nothing was changed, because the order could not be written down.
    #[error("nothing was changed, the order could not be written down: {0}")]
    NotKept(String),
}

/// What a revocation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Sessions that were cut.
    pub sessions: u32,
    /// The record.
    pub seq: Seq,
    /// It had been revoked before.
    pub again: bool,
}

/// What an activation did.
#[derive(Clone, Debug)]
pub struct Activated {
    /// The policy before.
    pub from: Sha256,
    /// The policy now.
    pub to: Sha256,
    /// What lint says about it.
    pub findings: Vec<Finding>,
}

/// The one way to change the world.
#[derive(Debug)]
pub struct Orders {
    pub(super) shared: Arc<Shared>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) store: Store,
    pub(super) one: Mutex<()>,
    /// How long a revoked name rests before it can be registered anew.
    pub(super) hold: Duration,
    /// Rung when names or keys were taken back: the CA's list follows.
    pub(super) taken_back: Notify,
    /// Orders up to this record have their row, or were told that they failed.
    pub(super) settled: AtomicU64,
    /// A revocation of this life is in force and not durable: the mark stays where it is until the next start has looked.
    pub(super) unsettled: AtomicBool,
}

impl Orders {
    pub(crate) fn new(shared: Arc<Shared>, sessions: Arc<Sessions>, store: Store, hold: Duration) -> Self {
        Self {
            shared,
            sessions,
            store,
            one: Mutex::new(()),
            hold,
            taken_back: Notify::new(),
            settled: AtomicU64::new(0),
            unsettled: AtomicBool::new(false),
        }
    }

    /// How long a revoked name rests before it can be registered anew.
    pub fn hold(&self) -> Duration {
        self.hold
    }

    /// Takes every right from a subject, for good, and cuts its sessions: in memory at once, then durably, then in memory again
    /// (an order that was queued before must not undo it), then the answer. A retry waits for the first attempt's commit.
    ///
    /// # Errors
    /// `NoSubject`; `NotDurable` when the sessions are cut and the disk did not take it.
    pub async fn revoke(&self, subject: &SubjectId, by: &str) -> Result<Cut, OrderError> {
        self.bar(subject, Life::Revoked, by).await
    }

    /// As [`Self::revoke`], but not for good: its connections are cut and let in no more until it is resumed.
    ///
    /// # Errors
    /// As `revoke`; `Registry` when it is revoked already.
    pub async fn suspend(&self, subject: &SubjectId, by: &str) -> Result<Cut, OrderError> {
        self.bar(subject, Life::Suspended, by).await
    }

    async fn bar(&self, subject: &SubjectId, life: Life, by: &str) -> Result<Cut, OrderError> {
        let before = {
            let world = self.shared.worlds.current();
            if !world.policy.subjects.contains_key(subject) && !world.registry.lives.contains_key(subject) {
                return Err(OrderError::NoSubject(subject.clone()));
            }
            let edit = Edit::Life { subject: subject.clone(), life };
            world.registry.check(&edit, self.hold, self.shared.time.now())?;
            world.registry.life(subject)
        };
        let mut cut = self.cut(subject, life);
        let _order = self.one.lock().await;
        if self.shared.fault == Fault::RevokeNotDurable {
            return Ok(Cut { sessions: cut, seq: Seq(0), again: false });
        }
        let (record, what) = match life {
            Life::Suspended | Life::Registered | Life::Active => {
                let edits = vec![Edit::Life { subject: subject.clone(), life }];
                (GatewayRecord::Registry { edits, by: by.to_owned(), cut }, "the suspension")
            }
            Life::Revoked => {
                (GatewayRecord::Revoked { subject: subject.clone(), by: by.to_owned(), cut }, "the revocation")
            }
        };
        let not_durable = |why| {
            // Its record may be on the disk all the same: the next start has to look at it, whatever is ordered after it.
            self.unsettled.store(true, Ordering::Relaxed);
            OrderError::NotDurable { what, why }
        };
        // What came meanwhile counts: a suspension that waited behind a revocation changes nothing any more. Whatever else was
        // queued before this order must not have undone it.
        let now = self.shared.worlds.current().registry.life(subject);
        if now != life {
            if now == Life::Revoked {
                return Err(RegistryError::Revoked(subject.clone()).into());
            }
            cut += self.cut(subject, life);
        }
        let seq = self.record(record).await.map_err(not_durable)?;
        let row = Change::Life { subject: subject.clone(), life, seq, at: self.shared.time.now() };
        self.store.commit(row).await.map_err(|error| not_durable(error.to_string()))?;
        self.settled.fetch_max(seq.0, Ordering::Relaxed);
        cut += self.cut(subject, life);
        self.taken_back.notify_one();
        Ok(Cut { sessions: cut, seq, again: before == life })
    }

    fn cut(&self, subject: &SubjectId, life: Life) -> u32 {
        let now = self.shared.time.now();
        self.shared.worlds.set_registry(|registry| {
            registry.apply(&Edit::Life { subject: subject.clone(), life }, now);
        });
        if self.shared.fault == Fault::RevokeLeavesSessions {
            return 0;
        }
        u32::try_from(self.sessions.cut(subject)).unwrap_or(u32::MAX)
    }

    /// Overrides a conduit's mode on this gateway, or ends the override, until an activation changes that conduit's mode.
    ///
    /// # Errors
    /// `NoConduit`; `NotKept` when the disk did not take it: the mode is as before.
    pub async fn set_mode(&self, conduit: &ConduitId, mode: Mode, by: &str) -> Result<Mode, OrderError> {
        self.watch_mode(conduit, mode, None, by).await
    }

    /// As [`Self::set_mode`]; for so many seconds it is watched, also over a restart.
    ///
    /// # Errors
    /// As [`Self::set_mode`].
    pub async fn watch_mode(
        &self,
        conduit: &ConduitId,
        mode: Mode,
        watch: Option<u64>,
        by: &str,
    ) -> Result<Mode, OrderError> {
        let _order = self.one.lock().await;
        let before = {
            let world = self.shared.worlds.current();
            if !world.policy.conduits.contains_key(conduit) {
                return Err(OrderError::NoConduit(conduit.clone()));
            }
            world.mode(conduit)
        };
        let record = GatewayRecord::Mode { conduit: conduit.clone(), mode, by: by.to_owned() };
        let seq = self.record(record).await.map_err(OrderError::NotKept)?;
        let ran = self.shared.time.now().ran.0;
        let watch = watch.map(|seconds| RanMs(ran.saturating_add(seconds.saturating_mul(1_000))));
        self.commit(Change::Mode { conduit: conduit.clone(), mode: Some(mode), watch, seq }, seq).await?;
        self.shared.worlds.set_mode(conduit, Some(mode));
        Ok(before)
    }

    /// Puts a policy in force, if it is wholly valid. No connection is dropped and no frame is judged by two policies.
    ///
    /// # Errors
    /// `Policy` with every problem; `NotKept` when the disk did not take it. In both cases the running policy stays.
    pub async fn activate(&self, text: String, tasks: &Tasks) -> Result<Activated, OrderError> {
        let _order = self.one.lock().await;
        // Parsing takes milliseconds: beside the data path.
        let (text, loaded) = tasks
            .blocking(move || {
                let loaded = policy::load(&text);
                (text, loaded)
            })
            .await
            .map_err(|error| OrderError::NotKept(error.to_string()))?;
        let now = self.shared.time.now();
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(problems) => {
                let refused = GatewayRecord::PolicyRefused {
                    policy: Sha256::of(text.as_bytes()),
                    problems: u32::try_from(problems.len()).unwrap_or(u32::MAX),
                    first: problems.first().map(ToString::to_string).unwrap_or_default(),
                };
                self.shared.say(Event::Gateway(refused), now);
                return Err(OrderError::Policy(problems));
            }
        };
        let from = self.shared.worlds.current().policy.hash;
        let to = loaded.policy.hash;
        let seq = self.record(GatewayRecord::Policy { from, to }).await.map_err(OrderError::NotKept)?;
        let ended = self.shared.worlds.overrides_ended_by(&loaded.policy);
        let row = Change::Policy { text, hash: to, seq, at: now, ended };
        self.commit(row, seq).await?;
        self.shared.worlds.swap_policy(Arc::new(loaded.policy));
        self.shared.shadow_follows(now);
        Ok(Activated { from, to, findings: loaded.findings })
    }

    /// Judges a candidate policy beside the one in force, for so many seconds; one that was judged before ends. Nothing that it
    /// says changes anything.
    ///
    /// # Errors
    /// `Policy` with every problem; `InForce` when it is the policy in force; `NotKept` when the disk did not take it.
    pub async fn shade(
        &self,
        name: String,
        text: String,
        seconds: u64,
        by: &str,
        tasks: &Tasks,
    ) -> Result<Sha256, OrderError> {
        let _order = self.one.lock().await;
        let (text, loaded) = tasks
            .blocking(move || {
                let loaded = policy::load(&text);
                (text, loaded)
            })
            .await
            .map_err(|error| OrderError::NotKept(error.to_string()))?;
        let candidate = loaded.map_err(OrderError::Policy)?.policy;
        let (hash, against) = (candidate.hash, self.shared.worlds.current().policy.hash);
        if hash == against {
            return Err(OrderError::InForce(hash));
        }
        let record = GatewayRecord::ShadowStarted { policy: hash, against, seconds, by: by.to_owned() };
        let seq = self.record(record).await.map_err(OrderError::NotKept)?;
        let now = self.shared.time.now();
        let until = RanMs(now.ran.0.saturating_add(seconds.saturating_mul(1_000)));
        let shadow = StoredShadow { name: name.clone(), text, hash, until };
        self.commit(Change::Shadow { shadow, seq, ran: now.ran }, seq).await?;
        self.shared.shade(name, Arc::new(candidate), until, self.shared.time.now());
        Ok(hash)
    }

    /// Ends the candidate that is judged.
    ///
    /// # Errors
    /// `NoShadow` when none is; `NotKept` when the disk did not take it: it is judged no longer, and will be after a restart.
    pub async fn unshade(&self, by: &str) -> Result<(), OrderError> {
        let _order = self.one.lock().await;
        let now = self.shared.time.now();
        self.shared.end_shadow(by, now).ok_or(OrderError::NoShadow)?;
        // Nothing rests on it: what is counted may end before it is written down.
        let durable = self.shared.journal.commit(DURABLE).await;
        durable.map_err(|trouble| OrderError::NotKept(trouble.to_string()))?;
        self.store.commit(Change::ShadowEnded).await.map_err(|error| OrderError::NotKept(error.to_string()))
    }

    /// Writes down that the candidate has ended by itself, unless another one was ordered meanwhile. A disk that refuses is told
    /// by its own alarms: the next start then goes on with it until its end comes again.
    pub(crate) async fn shadow_is_over(&self) {
        let _order = self.one.lock().await;
        if self.shared.shadow.current().is_none()
            && let Err(error) = self.store.commit(Change::ShadowEnded).await
        {
            tracing::warn!(%error, "the end of the candidate policy could not be written down");
        }
    }

    /// Writes the rows of revocations that the last life recorded and did not finish; they are in force already. A disk that
    /// refuses is asked again: until the rows are there, no other order may move the mark behind which records are looked at.
    pub(crate) async fn settle(&self, unfinished: Vec<Change>, up_to: Seq) {
        let _order = self.one.lock().await;
        for row in unfinished {
            while let Err(error) = self.store.commit(row.clone()).await {
                tracing::error!(%error, "an order of the last life could not be written down yet");
                sleep(RETRY).await;
            }
        }
        self.settled.fetch_max(up_to.0, Ordering::Relaxed);
    }

    /// Writes down how long this gateway has run, and the floor of its clock.
    pub(crate) async fn heartbeat(&self) -> bool {
        let row = Change::Ran { ran: self.shared.time.now().ran, floor: self.shared.time.floor() };
        if self.unsettled.load(Ordering::Relaxed) {
            return self.store.commit(row).await.is_ok();
        }
        // An order that is under way has its record behind this one. Both share one commit.
        let settled = Change::Settled(Seq(self.settled.load(Ordering::Relaxed)));
        let (ran, settled) = tokio::join!(self.store.commit(row), self.store.commit(settled));
        ran.is_ok() && settled.is_ok()
    }

    /// Keeps the rows of an order whose record is durable. An order whose rows are not there was not carried out: its record gets
    /// one that says so, and the next start need not look at it.
    pub(super) async fn commit(&self, row: Change, seq: Seq) -> Result<(), OrderError> {
        let kept = self.store.commit(row).await;
        self.settled.fetch_max(seq.0, Ordering::Relaxed);
        if kept.is_err() {
            self.shared.say(Event::Gateway(GatewayRecord::Abandoned { of: seq }), self.shared.time.now());
        }
        kept.map_err(|error| OrderError::NotKept(error.to_string()))
    }

    pub(super) async fn record(&self, record: GatewayRecord) -> Result<Seq, String> {
        let now = self.shared.time.now();
        self.shared.journal.keep(now, Event::Gateway(record), DURABLE).await.map_err(|trouble| trouble.to_string())
    }
}
