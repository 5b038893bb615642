//! Live sessions: who is connected, what each may do now, and the cut that ends them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use bulkhead_core::decision::Reason;
use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::{Assurance, Evidence, Proof};
use bulkhead_core::journal::record::{HandshakeFailure, SessionEvent, SessionRecord};
use bulkhead_core::moment::Moment;
use bulkhead_core::names::SubjectId;
use bulkhead_core::policy::model::Mode;
use bulkhead_core::world::Standing;
use bulkhead_core::x509::leaf::Serial;
use bulkhead_core::x509::list::TakenBack;
use tokio::sync::Notify;

use super::gate::Denial;
use super::repeats::Repeats;
use super::shadow::{Candidate, Shaded};
use super::shared::Shared;

/// Sessions of one listener.
pub const PER_LISTENER: usize = 1_000;
/// Sessions of one source on one listener: a flood from one address leaves room for the others.
pub const PER_SOURCE: usize = 250;

/// What a session stands on, derived from its evidence in one world.
#[derive(Debug)]
pub(crate) struct Footing {
    pub(crate) standing: Standing,
    /// When it was derived.
    pub(super) at: Moment,
}

impl Footing {
    /// What its conduit does; without one, everything is refused.
    pub(crate) fn mode(&self) -> Mode {
        self.standing.table.conduit().map_or(Mode::Enforce, |conduit| conduit.mode)
    }

    /// Still what it was derived as. A clock that was set back, or whose trust changed, asks anew: `valid_until` looks ahead only.
    pub(super) fn holds(&self, now: Moment) -> bool {
        !self.standing.valid_until.reached(now) && now.trust == self.at.trust && now.wall >= self.at.wall
    }
}

/// Which certificate somebody has shown: its issuer has given the number once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// SHA-256 of the DER of its issuer's name.
    pub issuer: Sha256,
    /// Its serial number.
    pub serial: Serial,
}

/// One connection or association.
pub struct Session {
    number: u64,
    peer: SocketAddr,
    listener: SocketAddr,
    evidence: Mutex<Evidence>,
    /// Which certificate it was opened by, where it was.
    card: Option<Card>,
    footing: ArcSwap<Footing>,
    /// The same under the candidate of `policy shadow`, while one is judged.
    shaded: ArcSwapOption<Shaded>,
    pub(super) repeats: Mutex<Repeats>,
    /// Held shared while a frame leaves, exclusively by `cut`: nothing is sent after `cut` has returned.
    pub(super) live: RwLock<bool>,
    cut: AtomicBool,
    wake: Notify,
    shared: Arc<Shared>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} from {})", self.number, self.peer)
    }
}

impl Session {
    /// The far end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Where it arrived.
    pub fn listener(&self) -> SocketAddr {
        self.listener
    }

    /// What its conduit does now: refuse, or only watch.
    pub fn mode(&self) -> Mode {
        self.footing().mode()
    }

    /// Who it is, if anybody.
    pub fn subject(&self) -> Option<SubjectId> {
        self.footing().standing.subject.as_ref().map(|subject| subject.id.clone())
    }

    /// True once it was cut.
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Resolves when it is cut.
    pub async fn until_cut(&self) {
        loop {
            let mut woken = std::pin::pin!(self.wake.notified());
            woken.as_mut().enable();
            if self.is_cut() {
                return;
            }
            woken.await;
        }
    }

    /// What it stands on now, derived again when the world has moved or an end has come.
    pub(crate) fn footing(&self) -> Arc<Footing> {
        self.footing_at(self.shared.time.now())
    }

    pub(crate) fn footing_at(&self, now: Moment) -> Arc<Footing> {
        let footing = self.footing.load_full();
        let current = footing.standing.generation == self.shared.worlds.generation() || self.shared.stale_tables();
        if current && footing.holds(now) {
            return footing;
        }
        self.derive(now)
    }

    fn derive(&self, now: Moment) -> Arc<Footing> {
        let evidence = self.evidence.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = self.shared.worlds.derive(&evidence, now);
        let fresh = Arc::new(Footing { standing, at: now });
        self.footing.store(Arc::clone(&fresh));
        fresh
    }

    /// What it would stand on under a candidate policy: kept and derived again like [`Self::footing_at`].
    pub(super) fn shaded_at(&self, candidate: &Candidate, live: &Footing, now: Moment) -> Arc<Shaded> {
        let shaded = self.shaded.load_full();
        if let Some(shaded) = shaded.filter(|shaded| shaded.is_of(candidate, live, now)) {
            return shaded;
        }
        let evidence = self.evidence.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Arc::new(candidate.derive(&self.shared.worlds.current(), live, &evidence, now));
        self.shaded.store(Some(Arc::clone(&fresh)));
        fresh
    }

    /// Its evidence has changed: what was derived from it is derived again.
    fn unshade(&self) {
        self.shaded.store(None);
    }

    /// What the first proof has to say for which `read` has an answer.
    pub(crate) fn with_proofs<R>(&self, read: impl Fn(&Proof) -> Option<R>) -> Option<R> {
        self.evidence.lock().unwrap_or_else(PoisonError::into_inner).proofs.iter().find_map(read)
    }

    /// What all proofs together have to say.
    pub(crate) fn read_proofs<R>(&self, read: impl FnOnce(&[Proof]) -> R) -> R {
        read(&self.evidence.lock().unwrap_or_else(PoisonError::into_inner).proofs)
    }

    /// Ends it; false when it had ended before.
    fn end(&self) -> bool {
        // INVARIANT: whoever holds `live` shared has finished its send when the exclusive lock is granted.
        let was_live = std::mem::replace(&mut *self.live.write().unwrap_or_else(PoisonError::into_inner), false);
        self.cut.store(true, Ordering::Release);
        self.wake.notify_waiters();
        was_live
    }

    fn record(&self, what: SessionEvent) -> SessionRecord {
        let footing = self.footing.load();
        SessionRecord {
            what,
            subject: footing.standing.subject.as_ref().map(|subject| subject.id.clone()),
            source: self.peer,
            listener: self.listener,
            assurance: footing.standing.assurance,
            key: self.with_proofs(|proof| match proof {
                Proof::Certificate { spki, .. } => Some(*spki),
                Proof::Address { .. } | Proof::Token { .. } | Proof::SessionGrant { .. } => None,
            }),
            serial: self.card.as_ref().map(|card| card.serial.to_string()),
        }
    }
}

/// All sessions.
#[derive(Debug)]
pub struct Sessions {
    shared: Arc<Shared>,
    next: AtomicU64,
    live: Mutex<BTreeMap<u64, Arc<Session>>>,
    /// What issuers have taken back.
    taken_back: ArcSwap<Vec<TakenBack>>,
}

impl Sessions {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, next: AtomicU64::new(1), live: Mutex::default(), taken_back: ArcSwap::default() }
    }

    /// Lets a peer in with what it has shown.
    ///
    /// # Errors
    /// `Busy` at a cap of the listener or of the source; `Revoked` when its subject may not act any more (one that is registered
    /// and not active yet comes in, and is refused each request).
    pub fn open(&self, peer: SocketAddr, evidence: Evidence) -> Result<Arc<Session>, Denial> {
        self.admit(peer, evidence, None)
    }

    /// As [`Sessions::open`], for a peer that has shown a certificate.
    ///
    /// # Errors
    /// As [`Sessions::open`]; `Revoked` also when the issuer has taken the certificate back.
    pub fn open_by(&self, peer: SocketAddr, evidence: Evidence, card: Card) -> Result<Arc<Session>, Denial> {
        self.admit(peer, evidence, Some(card))
    }

    fn admit(&self, peer: SocketAddr, evidence: Evidence, card: Option<Card>) -> Result<Arc<Session>, Denial> {
        let now = self.shared.time.now();
        let standing = self.shared.worlds.derive(&evidence, now);
        // A key that is spent names nobody any more.
        let spent = standing.table.refuses_all() == Some(Reason::Revoked);
        let subject = standing.subject.as_ref().map(|subject| subject.id.clone());
        let session = Arc::new(Session {
            card,
            number: self.next.fetch_add(1, Ordering::Relaxed),
            peer,
            listener: evidence.listener,
            evidence: Mutex::new(evidence),
            footing: ArcSwap::from_pointee(Footing { standing, at: now }),
            shaded: ArcSwapOption::empty(),
            repeats: Mutex::default(),
            live: RwLock::new(true),
            cut: AtomicBool::new(false),
            wake: Notify::new(),
            shared: Arc::clone(&self.shared),
        });
        // The world is looked at again once the session can be found: a revocation that came between is not missed.
        let refused = self.enter(&session).or_else(|| {
            let gone = subject.is_some_and(|id| self.shared.worlds.current().registry.life(&id).is_barred());
            (gone || spent || self.is_taken_back(&session)).then_some(Reason::Revoked)
        });
        let Some(reason) = refused else {
            self.shared.say_session(&session.record(SessionEvent::Opened), now);
            return Ok(session);
        };
        self.leave(&session);
        self.shared.say_session(&session.record(SessionEvent::Refused(reason)), now);
        Err(Denial::new(reason))
    }

    fn enter(&self, session: &Arc<Session>) -> Option<Reason> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |one: &&Arc<Session>| one.listener == session.listener;
        let on_listener = live.values().filter(same).count();
        let of_source = live.values().filter(same).filter(|one| one.peer.ip() == session.peer.ip()).count();
        if on_listener >= PER_LISTENER || of_source >= PER_SOURCE {
            return Some(Reason::Busy);
        }
        live.insert(session.number, Arc::clone(session));
        None
    }

    fn is_taken_back(&self, session: &Session) -> bool {
        let lists = self.taken_back.load();
        session.card.as_ref().is_some_and(|card| lists.iter().any(|list| list.has(&card.issuer, &card.serial)))
    }

    /// Takes note of what issuers have taken back, and ends the sessions that were opened by it; how many. When it has returned, no
    /// frame of them is on its way any more.
    pub(crate) fn take_back(&self, lists: Vec<TakenBack>) -> usize {
        // The lists stand before the sessions are looked through: one that opens meanwhile looks at them once it can be found.
        self.taken_back.store(Arc::new(lists));
        let theirs: Vec<_> = self.all().into_iter().filter(|session| self.is_taken_back(session)).collect();
        theirs.iter().filter(|session| session.end()).count()
    }

    fn leave(&self, session: &Session) {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).remove(&session.number);
    }

    /// Forgets a session that has ended, and says how.
    pub fn close(&self, session: &Arc<Session>, how: SessionEvent) {
        self.leave(session);
        let now = self.shared.time.now();
        self.shared.flush_repeats(session, now);
        let how = if session.is_cut() { SessionEvent::Cut } else { how };
        self.shared.say_session(&session.record(how), now);
    }

    /// Says that a TLS handshake came to nothing, with the certificate that was shown in it, where one was.
    pub fn turned_away(
        &self,
        peer: SocketAddr,
        listener: SocketAddr,
        failure: HandshakeFailure,
        shown: Option<(Sha256, String)>,
    ) {
        let (key, serial) = shown.unzip();
        let what = SessionEvent::Handshake(failure);
        let assurance = Assurance::NONE;
        let record = SessionRecord { what, subject: None, source: peer, listener, assurance, key, serial };
        self.shared.say_session(&record, self.shared.time.now());
    }

    /// Adds a proof that was shown on a live session.
    ///
    /// # Errors
    /// `Busy` when it holds as many proofs as it may, `Revoked` once it is cut.
    pub fn present(&self, session: &Arc<Session>, proof: Proof) -> Result<(), Denial> {
        if session.is_cut() {
            return Err(Denial::new(Reason::Revoked));
        }
        {
            let mut evidence = session.evidence.lock().unwrap_or_else(PoisonError::into_inner);
            if evidence.proofs.len() >= MAX_PROOFS {
                return Err(Denial::new(Reason::Busy));
            }
            evidence.proofs.push(proof);
        }
        session.unshade();
        session.derive(self.shared.time.now());
        Ok(())
    }

    /// Replaces what is known of the neighbour's hardware address; the table shrinks or grows with it.
    pub fn neighbour(&self, session: &Arc<Session>, address: IpAddr, seen: Option<bulkhead_core::identity::Mac>) {
        let mut changed = false;
        {
            let mut evidence = session.evidence.lock().unwrap_or_else(PoisonError::into_inner);
            for proof in &mut evidence.proofs {
                if let Proof::Address { ip, mac } = proof
                    && *ip == address
                    && *mac != seen
                {
                    *mac = seen;
                    changed = true;
                }
            }
        }
        if changed {
            session.unshade();
            session.derive(self.shared.time.now());
        }
    }

    /// Ends every session of a subject. When it has returned, no frame of them is on its way any more.
    pub fn cut(&self, subject: &SubjectId) -> usize {
        let theirs: Vec<_> = {
            let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            // The subject that a session has now is derived in the new world, which may name nobody: the footing it last
            // stood on counts.
            let is_theirs = |one: &&Arc<Session>| {
                let footing = one.footing.load();
                footing.standing.subject.as_ref().is_some_and(|known| known.id == *subject)
            };
            live.values().filter(is_theirs).cloned().collect()
        };
        // One that was cut a moment ago may still be here: it is counted once.
        theirs.iter().filter(|session| session.end()).count()
    }

    /// Sessions that hold a standing under a candidate policy, so that one can see that they let go of it.
    pub fn shaded(&self) -> usize {
        self.all().iter().filter(|session| session.shaded.load().is_some()).count()
    }

    /// Every live session.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// How many are live.
    pub fn count(&self) -> usize {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Derives again whatever has come to an end, so that screens tell the truth and long silences hide no change.
    pub fn refresh(&self, now: Moment) {
        let candidate = self.shared.shadow.number();
        for session in self.all() {
            session.footing_at(now);
            // A session that asks nothing lets go of a candidate that is judged no longer.
            if session.shaded.load().as_ref().is_some_and(|shaded| shaded.number() != candidate) {
                session.unshade();
            }
        }
    }
}

/// Proofs on one session.
const MAX_PROOFS: usize = 8;
