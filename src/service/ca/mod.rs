//! The plant's own CA. What it issues and takes back are orders like all others: a record, then a row, then the answer; a serial
//! number is durable before its certificate leaves, and is never used again. The key is behind `ports::keys::Vault`.
//!
//! Dates: a certificate begins a day before the floor of the clock, which is never in the future, and ends by the later of wall clock
//! and floor; so a boot in 1970 makes no certificate that has ended, and a clock set ahead none that has not begun.

mod issue;
mod lists;
mod signing;
mod state;
mod tend;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bulkhead_core::identity::Life;
use bulkhead_core::journal::record::GatewayRecord;
use bulkhead_core::moment::{Moment, UnixMs};
use bulkhead_core::names::SubjectId;
use bulkhead_core::x509::chain::{Chain, ChainError};
use bulkhead_core::x509::request::NotARequest;
use bulkhead_core::x509::write;

use super::orders::{OrderError, Orders};
use super::trust::Trust;
use crate::ports::keys::{KeyError, Vault};
use crate::ports::store::{Change, Found};
use crate::tasks::Tasks;

pub use issue::{Issued, Wanted};
pub use signing::{Authority, sign_request};
pub use state::CertificateLine;
use state::State;

/// Certificates that are remembered: the list of what was taken back is never longer.
pub const MAX_CERTIFICATES: usize = 10_000;
/// Days that a certificate lasts unless somebody says otherwise.
pub const DAYS: u32 = 730;
/// The most days that a certificate may last: machines live fifteen years.
pub const DAYS_MOST: u32 = 15 * 366;
/// Years of a CA that has signed itself.
const YEARS: i64 = 20;
const DAY_MS: i64 = 86_400_000;
/// The longest name of a CA, in characters.
const NAME: usize = 64;

/// Why the CA did not do it. Nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// There is none.
    #[error("this gateway has no CA yet")]
    None,
    /// There is one.
    #[error("this gateway has a CA already: `{0}`")]
    Exists(String),
    /// Its key is gone or cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No name.
    #[error("`{0}` is no name for a CA: 1 to 64 characters, none of them a control character")]
    Name(String),
    /// The request.
    #[error("the request: {0}")]
    Request(#[from] NotARequest),
    /// The chain.
    #[error("the chain: {0}")]
    Chain(#[from] ChainError),
    /// The policy does not name the subject.
    #[error("the policy in force names no subject `{0}`: it would have no role")]
    NoSubject(SubjectId),
    /// The policy does not let certificates show it.
    #[error("the policy does not let a certificate show `{subject}`: `proof` is {admitted}")]
    NotAdmitted {
        /// Who.
        subject: SubjectId,
        /// What the policy admits.
        admitted: String,
    },
    /// It may not act.
    #[error("`{subject}` is {}: it gets no certificate", .life.word())]
    Barred {
        /// Who.
        subject: SubjectId,
        /// Its life.
        life: Life,
    },
    /// Too long.
    #[error("{0} days are no life of a certificate: 1 to 5490")]
    Days(u32),
    /// The CA itself ends.
    #[error("the CA itself is past its end")]
    Ended,
    /// The table is full.
    #[error("the CA remembers {MAX_CERTIFICATES} certificates, and none of them is past its end for a year")]
    Full,
    /// No such certificate.
    #[error("this CA has issued no certificate `{0}`")]
    NoCertificate(String),
    /// The machine.
    #[error("not signed: {0}")]
    Machine(String),
    /// The order.
    #[error(transparent)]
    Order(#[from] OrderError),
}

/// The plant's own CA, if there is one.
pub struct Ca {
    orders: Arc<Orders>,
    trust: Arc<Trust>,
    tasks: Tasks,
    vault: Arc<dyn Vault>,
    state: Mutex<State>,
    /// The copies for other programs were written in this life.
    published: AtomicBool,
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").field("vault", &self.vault).finish_non_exhaustive()
    }
}

/// What the CA is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub name: String,
    /// The root above it; none when it has signed itself.
    pub root: Option<String>,
    /// Valid from.
    pub not_before: UnixMs,
    /// The first end in its chain.
    pub not_after: UnixMs,
    /// Its certificate and what leads to its root, as PEM.
    pub pem: String,
    /// Certificates that are in force.
    pub certificates: u64,
    /// Certificates on its newest list.
    pub taken_back: u64,
    /// The next end of a certificate, and whose.
    pub next: Option<(UnixMs, Option<SubjectId>)>,
    /// What is wrong, if anything.
    pub trouble: Option<String>,
}

impl Ca {
    /// The CA as the last life left it. `unfinished` are the changes that the last life recorded and did not keep.
    pub(crate) fn new(
        orders: Arc<Orders>,
        trust: Arc<Trust>,
        tasks: Tasks,
        vault: Arc<dyn Vault>,
        found: &Found,
        unfinished: &[Change],
    ) -> Self {
        let state = State::found(&*vault, found, unfinished);
        let ca = Self { orders, trust, tasks, vault, state: Mutex::new(state), published: AtomicBool::new(false) };
        ca.put_trust();
        ca
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Moment {
        self.orders.shared.time.now()
    }

    /// What the CA is; none before `init`.
    pub fn view(&self) -> Option<View> {
        let now = self.now();
        self.state().view(now)
    }

    /// Makes the CA: a key, and a certificate that it signs for itself.
    ///
    /// # Errors
    /// `Exists`, `Name`, and what the disk says.
    pub async fn init(&self, name: &str, by: &str) -> Result<View, CaError> {
        if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
            return Err(CaError::Name(name.chars().filter(|c| !c.is_control()).take(NAME).collect()));
        }
        let _order = self.orders.one.lock().await;
        if let Some(authority) = self.state().authority.as_ref() {
            return Err(CaError::Exists(authority.name.clone()));
        }
        let vault = Arc::clone(&self.vault);
        let signer = self.blocking(move || vault.make_authority()).await??;
        let now = self.now();
        let (from, to) = (begin(now), latest(now).saturating_add(YEARS * 365 * DAY_MS));
        let subject = write::common_name(name);
        let (spki, key_id) = (signer.spki(), write::key_id(signer.public_key()));
        let serial = self.fresh_serial()?;
        let unsigned = write::certificate(&write::Plan {
            serial: &serial,
            issuer: &subject,
            issuer_key: &key_id,
            subject: &subject,
            spki: &spki,
            subject_key: &key_id,
            not_before: from,
            not_after: UnixMs(to),
            purpose: write::Purpose::Authority,
        });
        let sign = Arc::clone(&signer);
        let der =
            self.blocking(move || sign.sign(&unsigned).map(|signature| write::signed(&unsigned, &signature))).await??;
        let authority = Authority::of(signer, vec![der], &subject, now)?;
        self.keep_chain(authority, by).await
    }

    /// The request by which a plant CA signs this one, as PEM.
    ///
    /// # Errors
    /// `None` before `init`; the key's.
    pub async fn request(&self) -> Result<String, CaError> {
        let authority = self.authority()?;
        let spki = authority.signer()?.spki();
        let key_id = write::key_id(authority.signer()?.public_key());
        let unsigned = write::request(&authority.subject, &spki, &key_id);
        let signer = authority.signer()?;
        let der = self.blocking(move || signer.sign(&unsigned).map(|made| write::signed(&unsigned, &made))).await??;
        Ok(write::pem("CERTIFICATE REQUEST", &der))
    }

    /// Takes the certificate that a plant CA has made of [`Self::request`], with what leads to its root. What was issued before
    /// stays good, and leads to the plant CA from now on.
    ///
    /// # Errors
    /// `None` before `init`; `Chain` with the certificate that is wrong; what the disk says.
    pub async fn install(&self, pem: &str, by: &str) -> Result<View, CaError> {
        let _order = self.orders.one.lock().await;
        let authority = self.authority()?;
        let signer = authority.signer()?;
        let chain = Chain::read(pem.as_bytes(), &authority.spki, &authority.subject, self.now())?;
        // What was issued names our key by this identifier: checkers that follow it must still find us.
        if chain.key_id.as_ref().is_some_and(|id| *id != authority.key_id) {
            return Err(ChainError::KeyId.into());
        }
        self.keep_chain(Authority::chained(signer, chain, &authority.name), by).await
    }

    /// The record, the row, the memory, the copy for people. The caller holds the order.
    async fn keep_chain(&self, authority: Authority, by: &str) -> Result<View, CaError> {
        let record = GatewayRecord::Authority {
            spki: authority.spki,
            not_after: authority.not_after,
            root: authority.root.clone(),
            by: by.to_owned(),
        };
        let pem = authority.pem();
        let seq = self.orders.record(record).await.map_err(OrderError::NotKept)?;
        self.orders.commit(Change::Chain { pem: pem.clone(), seq }, seq).await?;
        self.state().authority = Some(Arc::new(authority));
        self.publish("ca.pem", pem).await;
        self.put_trust();
        self.orders.taken_back.notify_one();
        self.view().ok_or(CaError::None)
    }

    fn authority(&self) -> Result<Arc<Authority>, CaError> {
        self.state().authority.clone().ok_or(CaError::None)
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, CaError> {
        self.tasks.blocking(work).await.map_err(|error| CaError::Machine(error.to_string()))
    }

    /// A copy for people and other programs. What counts is in the store: a disk that does not take it is only told.
    async fn publish(&self, name: &'static str, text: String) {
        let vault = Arc::clone(&self.vault);
        match self.blocking(move || vault.publish(name, &text)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, name, "the copy for people could not be written"),
            Err(error) => tracing::error!(%error, name, "the copy for people could not be written"),
        }
    }
}

/// Never in the future: a day before what the clock cannot be earlier than.
fn begin(now: Moment) -> UnixMs {
    UnixMs(now.floor.0.min(latest(now)).saturating_sub(DAY_MS))
}

/// The later of wall clock and floor.
fn latest(now: Moment) -> i64 {
    now.wall.0.max(now.floor.0)
}
