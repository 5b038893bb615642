//! Carrying orders out. The services journal first, then change, then answer; here their results become answers for people.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bulkhead_core::decision::Effect;
use bulkhead_core::identity::{Assurance, RegistryError};
use bulkhead_core::moment::BootMs;
use bulkhead_core::names::{AssetId, ConduitId, SubjectId};
use bulkhead_core::policy::explain::{By as ShownBy, Who, question};
use bulkhead_core::policy::model::{From, Mode, RecordKind, SubjectEntry, SubjectProof};
use bulkhead_core::policy::{self, Finding, Problem, Severity};

use super::watch::{self, Watch};
use super::{
    Answer, AssetLine, AssetState, By, Carry, ClockLine, Command, ConduitLine, Explained, JournalLine, KeysLine,
    ListenerLine, PolicyLine, Refusal, RefusalKind, SHADOW, ShadowLine, ShadowSeen, Status, StoreLine, SubjectLine,
    Tried, WATCH,
};
use crate::net::Later;
use crate::service::House;
use crate::service::orders::OrderError;
use crate::service::reach::Reached;
use crate::service::registry::Registration;

/// Problems and warnings in one answer.
const LINES: usize = 100;
/// Changes in the answer to a dry run.
const CHANGES: usize = 1_000;

/// What only the composition root knows.
pub trait Premises: fmt::Debug + Send + Sync {
    /// Every address that the policy wants, and why one does not listen.
    fn listeners(&self) -> Vec<ListenerLine>;

    /// Keeps the text of a policy that is in force where the next start and the offline verbs find it.
    fn keep_policy(&self, text: &str) -> io::Result<()>;
}

/// What does not change in one life.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The site's name.
    pub site: Option<String>,
    /// The most bytes of journal.
    pub journal_max: u64,
    /// The checkpoint key's id.
    pub key: String,
    /// Its private half lies in a file.
    pub software_key: bool,
    /// What happened to the store at the start.
    pub store_trouble: Option<String>,
}

/// Where orders come in.
#[derive(Debug)]
pub struct Desk {
    pub(super) house: Arc<House>,
    about: About,
    premises: Arc<dyn Premises>,
    pub(super) watches: Mutex<BTreeMap<ConduitId, Watch>>,
}

impl Carry for Desk {
    fn carry(self: Arc<Self>, order: Command, by: By) -> Later<'static, Result<Answer, Refusal>> {
        Box::pin(async move {
            match order {
                Command::Status => Ok(Answer::Status(Box::new(self.status()))),
                Command::SubjectList => Ok(Answer::Subjects(self.subjects())),
                Command::SubjectRevoke { subject } => self.revoke(subject, by).await,
                Command::DeviceAdd { subject, life, credentials } => {
                    self.device_add(Registration { subject, life, credentials }, by).await
                }
                Command::DeviceList { after } => Ok(self.devices(after.as_ref())),
                Command::DeviceShow { subject } => self.device_show(&subject),
                Command::DeviceSuspend { subject } => self.device_suspend(subject, by).await,
                Command::DeviceResume { subject } => self.device_resume(subject, by).await,
                Command::DeviceRemove { subject, credential } => self.device_remove(subject, credential, by).await,
                Command::DeviceImport { text, dry_run } => self.device_import(text, dry_run, by).await,
                Command::CaInit { name } => self.ca_init(name, by).await,
                Command::CaRequest => self.ca_request().await,
                Command::CaInstall { pem } => self.ca_install(&pem, by).await,
                Command::CaShow => Ok(self.ca_show()),
                Command::CaSign { subject, request, days } => self.ca_sign(subject, request, days, by).await,
                Command::CaList => self.ca_list().await,
                Command::CaCertificates { subject } => Ok(self.ca_certificates(subject.as_ref())),
                Command::CaRetire { serial } => self.ca_retire(&serial, by).await,
                Command::Observe { conduit } => {
                    let answer = self.set_mode(conduit.clone(), Mode::Observe, None, by).await?;
                    watch::end(&self, &conduit);
                    Ok(answer)
                }
                Command::Enforce { conduit, watch } => self.enforce(conduit, watch, by).await,
                Command::PolicyActivate { name, text } => self.activate(name, text).await,
                Command::PolicyTry { text } => self.try_policy(text).await,
                Command::PolicyShadow { name, text, seconds } => self.shadow(name, text, seconds, by).await,
                Command::ShadowShow => Ok(self.shadow_seen()),
                Command::ShadowStop => {
                    self.house.orders.unshade(&by.to_string()).await.map_err(refused)?;
                    Ok(self.shadow_seen())
                }
                Command::ExplainLive { subject, asset, words, by } => self.explain(&subject, &asset, &words, by),
            }
        })
    }
}

impl Desk {
    /// A desk in a house. What the last life watched, it watches on.
    pub fn new(house: Arc<House>, about: About, premises: Arc<dyn Premises>) -> Arc<Self> {
        let desk = Arc::new(Self { house, about, premises, watches: Mutex::default() });
        watch::resume(&desk);
        desk
    }

    async fn revoke(&self, subject: SubjectId, by: By) -> Result<Answer, Refusal> {
        let done = self.house.orders.revoke(&subject, &by.to_string()).await.map_err(refused)?;
        tracing::info!(%subject, %by, cut = done.sessions, "revoked");
        Ok(Answer::Revoked { subject, cut: done.sessions, seq: done.seq })
    }

    async fn enforce(self: &Arc<Self>, conduit: ConduitId, seconds: Option<u64>, by: By) -> Result<Answer, Refusal> {
        if let Some(seconds) = seconds.filter(|seconds| !WATCH.contains(seconds)) {
            let cause = format!("{seconds} s are no time to watch");
            return Err(Refusal::new(
                RefusalKind::Refused,
                cause,
                format!("from {} to {} s", WATCH.start(), WATCH.end()),
            ));
        }
        // An order that the disk refuses leaves the watch of before on guard.
        let answer = self.set_mode(conduit.clone(), Mode::Enforce, seconds, by).await?;
        watch::end(self, &conduit);
        if let Some(seconds) = seconds {
            watch::start(self, conduit, seconds);
        }
        Ok(answer)
    }

    pub(super) async fn set_mode(
        &self,
        conduit: ConduitId,
        mode: Mode,
        watch: Option<u64>,
        by: By,
    ) -> Result<Answer, Refusal> {
        self.house.orders.watch_mode(&conduit, mode, watch, &by.to_string()).await.map_err(refused)?;
        tracing::info!(%conduit, ?mode, %by, "mode set");
        Ok(Answer::Mode { conduit, mode, watch })
    }

    async fn activate(&self, name: String, text: String) -> Result<Answer, Refusal> {
        let done = self.house.orders.activate(text.clone(), &self.house.tasks).await.map_err(refused)?;
        if let Err(error) = self.premises.keep_policy(&text) {
            // In force and in the store: only the copy for people and for offline verbs is behind.
            tracing::error!(%error, "the copy of the active policy could not be written");
        }
        tracing::info!(%name, from = %done.from.short(), to = %done.to.short(), "policy activated");
        let generation = self.house.world.generation();
        Ok(Answer::Activated { from: done.from, to: done.to, generation, warnings: warnings(&done.findings) })
    }

    async fn try_policy(&self, text: String) -> Result<Answer, Refusal> {
        let plant = Arc::clone(&self.house.world.current().plant);
        // Parsing and comparing take milliseconds: beside the data path.
        let tried = self.house.tasks.blocking(move || {
            let loaded = policy::load(&text)?;
            let changes = policy::diff::diff(&plant, &loaded.policy).lines();
            Ok((loaded, changes, plant.hash))
        });
        let tried = tried.await.map_err(|error| refused(OrderError::NotKept(error.to_string())))?;
        let (loaded, mut changes, from) = tried.map_err(|problems| refused(OrderError::Policy(problems)))?;
        let changed = u64::try_from(changes.len()).unwrap_or(u64::MAX);
        changes.truncate(CHANGES);
        Ok(Answer::Tried(Box::new(Tried {
            from,
            to: loaded.policy.hash,
            warnings: warnings(&loaded.findings),
            changes,
            changed,
            ends: self.house.world.overrides_ended_by(&loaded.policy),
        })))
    }

    async fn shadow(&self, name: String, text: String, seconds: u64, by: By) -> Result<Answer, Refusal> {
        if !SHADOW.contains(&seconds) {
            let cause = format!("{seconds} s are no time for a candidate");
            let next = format!("from {} to {} s", SHADOW.start(), SHADOW.end());
            return Err(Refusal::new(RefusalKind::Refused, cause, next));
        }
        let (orders, tasks) = (&self.house.orders, &self.house.tasks);
        let hash = orders.shade(name, text, seconds, &by.to_string(), tasks).await.map_err(refused)?;
        tracing::info!(candidate = %hash.short(), seconds, %by, "a candidate policy is judged beside the one in force");
        Ok(self.shadow_seen())
    }

    fn shadow_seen(&self) -> Answer {
        let seen = self.house.shared.shadow_seen(self.house.time.now());
        let zone = self.house.world.current().policy.plant.timezone.iana_name().map(str::to_owned);
        Answer::Shadow(seen.map(|seen| {
            Box::new(ShadowSeen {
                name: seen.name,
                policy: seen.policy,
                against: seen.against,
                since: seen.since,
                left: seen.left,
                ended: seen.ended,
                timezone: zone,
                differences: seen.differences,
            })
        }))
    }

    fn explain(
        &self,
        subject: &SubjectId,
        asset: &AssetId,
        words: &str,
        by: Option<ShownBy>,
    ) -> Result<Answer, Refusal> {
        let who = Who { subject, grant: None, by };
        let world = Arc::clone(&self.house.world.current().world);
        let explained = question(&world, who, asset, words, self.house.time.now()).map_err(|error| {
            let next = "see the names: bulkhead subject list, bulkhead status";
            Refusal::new(RefusalKind::Refused, error.to_string(), next)
        })?;
        let allowed = explained.effect == Effect::Allow;
        let lines = explained.to_string().lines().map(str::to_owned).collect();
        let explanation = serde_json::to_value(&explained)
            .map_err(|error| Refusal::new(RefusalKind::Internal, error.to_string(), "report this"))?;
        Ok(Answer::Explained(Explained { allowed, lines, explanation }))
    }

    fn subjects(&self) -> Vec<SubjectLine> {
        let world = self.house.world.current();
        let connected = self.connected();
        let life = |id: &SubjectId| world.registry.life(id);
        let sessions = |id: &SubjectId| connected.get(id).copied().unwrap_or_default();
        let of_policy = world.policy.subjects.iter().map(|(id, entry)| SubjectLine {
            subject: id.clone(),
            zone: Some(entry.zone.clone()),
            proof: entry.proof_words(),
            assurance: entry.strongest().map_or(Assurance::NONE, SubjectProof::assurance),
            role: entry.role.clone(),
            life: life(id),
            sessions: sessions(id),
        });
        // Whoever was revoked stays revoked when a policy forgets the name.
        let forgotten = world.registry.lives.iter().filter(|(id, _)| !world.policy.subjects.contains_key(*id));
        let forgotten = forgotten.map(|(id, life)| SubjectLine {
            subject: id.clone(),
            zone: None,
            proof: String::new(),
            assurance: Assurance::NONE,
            role: None,
            life: *life,
            sessions: sessions(id),
        });
        of_policy.chain(forgotten).collect()
    }

    fn status(&self) -> Status {
        let (house, now) = (&self.house, self.house.time.now());
        let world = house.world.current();
        let counters = house.gate.counters();
        let policy = &world.policy;
        let revoked = world.registry.lives.iter().filter(|(_, life)| life.is_barred());
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            site: self.about.site.clone(),
            running: now.boot.0,
            clock: ClockLine { wall: now.wall, trust: now.trust, ran: now.ran.0 },
            policy: PolicyLine {
                plant: policy.plant.name.to_string(),
                hash: policy.hash,
                generation: world.generation,
                timezone: policy.plant.timezone.iana_name().map(str::to_owned),
            },
            shadow: house.shared.shadow_line(now).map(|(policy, left, judged, [lost, gained, terms])| ShadowLine {
                policy,
                left,
                judged,
                lost,
                gained,
                terms,
            }),
            conduits: self.conduits(),
            listeners: self.premises.listeners(),
            assets: policy.assets.iter().map(|(id, asset)| self.asset(id, asset.connect, now.boot)).collect(),
            sessions: u64::try_from(house.sessions.count()).unwrap_or(u64::MAX),
            allowed: counters.allowed,
            refused: counters.refused(),
            handshakes: counters.handshakes,
            identity: identity(policy.subjects.values()),
            revoked: revoked.map(|(id, life)| (id.clone(), *life)).collect(),
            journal: self.journal(counters.late),
            store: StoreLine { trouble: self.about.store_trouble.clone() },
            keys: KeysLine {
                kind: if self.about.software_key { "software" } else { "tpm" }.to_owned(),
                id: self.about.key.clone(),
            },
            authority: self.authority(),
            cloud: "none configured".to_owned(),
        }
    }

    fn asset(&self, id: &AssetId, connect: SocketAddr, now: BootMs) -> AssetLine {
        let (state, down_for) = match self.house.shared.reach.of(id) {
            None => (AssetState::Idle, None),
            Some(Reached::Up) => (AssetState::Up, None),
            Some(Reached::Down { since }) => (AssetState::Down, Some(now.0.saturating_sub(since.0))),
        };
        AssetLine { asset: id.clone(), connect, state, down_for }
    }

    fn journal(&self, late: u64) -> JournalLine {
        let state = self.house.journal.state();
        JournalLine {
            seq: state.last,
            durable: state.durable,
            trouble: state.trouble.map(|trouble| trouble.word().to_owned()),
            late,
            lost: state.lost,
            bytes: state.bytes,
            max: self.about.journal_max,
        }
    }

    fn conduits(&self) -> Vec<ConduitLine> {
        let world = self.house.world.current();
        let now = self.house.time.now().boot;
        let lines = world.plant.conduits.iter().map(|(id, conduit)| {
            let (from, served) = match &conduit.from {
                From::Zone(zone) => (zone.to_string(), true),
                From::Remote(name) => (format!("remote:{name}"), false),
            };
            let record = match conduit.record {
                RecordKind::Durable => "durable",
                RecordKind::Written => "written: a power cut may take the last 50 ms",
            };
            ConduitLine {
                conduit: id.clone(),
                from,
                to: conduit.to.clone(),
                mode: world.mode(id),
                policy_mode: conduit.mode,
                watch: watch::left(self, id, now),
                served,
                record: record.to_owned(),
            }
        });
        lines.collect()
    }
}

/// What this gateway can verify today, and what it cannot.
fn identity<'a>(subjects: impl Iterator<Item = &'a SubjectEntry>) -> String {
    let (mut by_address, mut by_key, mut others) = (0_usize, 0_usize, 0_usize);
    for entry in subjects {
        // The weakest way in is what an attacker takes.
        match entry.weakest() {
            Some(SubjectProof::Address { .. }) => by_address += 1,
            Some(SubjectProof::Certificate) => by_key += 1,
            Some(SubjectProof::Token | SubjectProof::SessionGrant { .. }) | None => others += 1,
        }
    }
    let weak = format!("{by_address} by address (assurance 1: anybody in the segment can take an address over)");
    let weak = if by_key == 0 { weak } else { format!("{by_key} by certificate (assurance 3); {weak}") };
    match others {
        0 => weak,
        n => format!("{weak}; {n} by other proofs, which this version cannot verify yet"),
    }
}

/// An order's failure for a person.
pub(super) fn refused(error: OrderError) -> Refusal {
    let cause = error.to_string();
    match error {
        OrderError::NoSubject(_) => {
            Refusal::new(RefusalKind::Refused, cause, "see who there is: bulkhead subject list")
        }
        OrderError::NoConduit(_) => Refusal::new(RefusalKind::Refused, cause, "see what there is: bulkhead status"),
        OrderError::InForce(_) => {
            Refusal::new(RefusalKind::Refused, cause, "name the policy that is to take its place")
        }
        OrderError::NoShadow => {
            Refusal::new(RefusalKind::Refused, cause, "begin with one: bulkhead policy shadow FILE --for 3d")
        }
        OrderError::Policy(problems) => Refusal {
            kind: RefusalKind::Policy,
            cause: format!("the policy is refused, {}; the running one stays", counted(&problems)),
            next: "mend it, check it with `bulkhead check FILE`, and activate it again".to_owned(),
            problems: problems.iter().take(LINES).map(ToString::to_string).collect(),
        },
        OrderError::Registry(error) => Refusal::new(RefusalKind::Refused, cause, next_step(&error)),
        OrderError::NotDurable { .. } | OrderError::NotKept(_) => Refusal::new(
            RefusalKind::Internal,
            cause,
            "see the journal's line of `bulkhead status`, mend the disk, order again",
        ),
    }
}

/// What lint says aloud.
fn warnings(findings: &[Finding]) -> Vec<String> {
    let is_loud = |finding: &&Finding| finding.severity >= Severity::Warning && finding.severity != Severity::Accepted;
    findings.iter().filter(is_loud).take(LINES).map(|finding| finding.problem.to_string()).collect()
}

fn next_step(error: &RegistryError) -> &'static str {
    match error {
        RegistryError::Name(_) => "choose a name that the policy could write",
        RegistryError::Unknown(_) | RegistryError::NotIts { .. } => "see what there is: bulkhead device list",
        RegistryError::Held { .. } | RegistryError::Revoked(_) => {
            "register the device under another name, with a new key: bulkhead device add NAME"
        }
        RegistryError::KeySpent(_) => "make a new key on the device",
        RegistryError::KeyTaken(_) => "one key is one device: make a new key on this one, or see: bulkhead device list",
        RegistryError::AddressTaken { .. } => {
            "give each its own address, or tell them apart by --mac; see: bulkhead device list"
        }
        RegistryError::Address(_) => "write one address of a machine, such as 10.10.9.31",
        RegistryError::TooMany { .. } => {
            "remove what is old first: bulkhead device remove NAME --key SPKI | --address IP"
        }
        RegistryError::Full { .. } => "what was registered stays; another gateway has room for more",
    }
}

fn counted(problems: &[Problem]) -> String {
    match problems.len() {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    }
}
