//! TLS for the doors that want to know who somebody is by a certificate: the handshake, its bounds, and the stream behind it.
//!
//! * `material` makes of the CA's material what a handshake needs, once for each change of it: suites, versions, no resumption.
//! * `verify` judges a client's certificate: chain and usage by webpki, dates by this gateway's clock, revocation by the lists at
//!   hand. It keeps what the certificate said, so that the journal can name a key that was refused.
//! * `failure` gives each end of a handshake one word of a closed list; the peer gets the alert of the standard, never the word.
//! * `room` bounds the handshakes under way, `pace` what they take from the one thread that the data path has.
//! * `link` is the stream behind a handshake: a `net::Link` like any other.

mod failure;
mod link;
mod material;
mod pace;
mod room;
mod verify;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulkhead_core::journal::record::HandshakeFailure;
use bulkhead_core::x509::leaf::Leaf;
use bulkhead_core::x509::list::TakenBack;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use self::link::{Counted, Secure};
use self::material::Prepared;
use self::pace::Pace;
use self::room::Place;
pub(crate) use self::room::Room;
use self::verify::Judge;
use crate::net::Stream;
use crate::service::House;
use crate::service::trust::Material;

/// From the accept to the end of the handshake, the wait for a turn included.
pub(crate) const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// How long a peer that was refused may take to read why, and how much it may still say meanwhile.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 64 * 1024;

/// What all TLS listeners of a gateway share.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    pace: Pace,
    last: Mutex<Option<Last>>,
}

/// The material that was prepared last, and what was made of it; nothing where it cannot be used.
#[derive(Debug)]
struct Last {
    material: Arc<Material>,
    prepared: Option<Arc<Prepared>>,
}

/// A client that has shown a certificate, and holds its key.
pub(crate) struct Secured {
    pub(crate) stream: Stream,
    pub(crate) leaf: Leaf,
}

/// A handshake that came to nothing.
pub(crate) struct Refused {
    pub(crate) failure: HandshakeFailure,
    /// The certificate that was shown, where one was.
    pub(crate) leaf: Option<Leaf>,
    /// Where an alert is on its way.
    stream: Option<Stream>,
}

impl Refused {
    /// Lets the alert arrive. A socket that is closed while bytes lie unread in it is reset, and the peer would lose the alert.
    pub(crate) async fn let_it_be_read(self) {
        let Some(mut stream) = self.stream else { return };
        let drain = async {
            stream.shutdown().await?;
            let (mut room, mut heard) = ([0; 1024], 0);
            while heard < LINGER_BYTES {
                match stream.read(&mut room).await? {
                    0 => break,
                    count => heard += count,
                }
            }
            std::io::Result::Ok(())
        };
        // Whether it arrives is the peer's business.
        drop(timeout(LINGER, drain).await);
    }
}

impl Tls {
    /// Shakes hands within [`HANDSHAKE_WITHIN`], or until the place is needed by somebody else.
    pub(crate) async fn accept(&self, stream: Stream, place: &Place, house: &House) -> Result<Secured, Refused> {
        let time = &house.time;
        let Some(prepared) = self.prepared(house) else {
            return Err(Refused { failure: HandshakeFailure::NoMaterial, leaf: None, stream: None });
        };
        let judge = Arc::new(Judge::new(Arc::clone(&prepared.roots), Arc::clone(time)));
        let refused = |failure| Refused { failure, leaf: judge.shown(), stream: None };
        let Some(config) = prepared.config(&judge, time) else { return Err(refused(HandshakeFailure::NoMaterial)) };
        let shake = self.pace.drive(TlsAcceptor::from(Arc::new(config)).accept(Counted::new(stream)).into_fallible());
        let shaken = tokio::select! {
            biased;
            () = place.lost() => return Err(refused(HandshakeFailure::Busy)),
            shaken = timeout(HANDSHAKE_WITHIN, shake) => shaken,
        };
        match shaken {
            Err(_) => Err(refused(HandshakeFailure::TimedOut)),
            Ok(Err((error, stream))) => {
                let failure = failure::of(&error);
                let alert = failure != HandshakeFailure::Closed;
                Err(Refused { stream: alert.then(|| stream.into_inner()), ..refused(failure) })
            }
            Ok(Ok(stream)) => match judge.shown() {
                Some(leaf) => Ok(Secured { stream: Box::new(Secure::new(stream)), leaf }),
                // INVARIANT: a handshake ends well only after the judge has seen a certificate: it is mandatory.
                None => Err(refused(HandshakeFailure::NoCertificate)),
            },
        }
    }

    /// What the material in force gives. Made anew only when it is other material; sessions that are there are not touched.
    fn prepared(&self, house: &House) -> Option<Arc<Prepared>> {
        let material = house.trust.current()?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = last.as_ref().filter(|last| Arc::ptr_eq(&last.material, &material)) {
            return known.prepared.clone();
        }
        let before = last.take().and_then(|last| last.prepared);
        let prepared = match Prepared::of(&material, &material.crls) {
            Ok(prepared) => Some(Arc::new(prepared)),
            Err(error) => {
                let (prepared, then) = Self::instead(&material, before);
                let text = format!("new certificates or lists cannot be used: {error}; {then}");
                tracing::error!("{text}");
                house.gate.alarm("trust-unusable", None, None, text);
                prepared
            }
        };
        *last = Some(Last { material, prepared: prepared.clone() });
        prepared
    }

    /// One list that is damaged must not close the plant. What was in force goes on: it knows what was taken back before. A gateway
    /// that has just started has none: there the lists that can be read count, and the registry in any case.
    fn instead(material: &Material, before: Option<Arc<Prepared>>) -> (Option<Arc<Prepared>>, &'static str) {
        if before.is_some() {
            return (before, "those before stay in force");
        }
        let good: Vec<_> = material.crls.iter().filter(|list| TakenBack::read(list).is_ok()).cloned().collect();
        match Prepared::of(material, &good).or_else(|_| Prepared::of(material, &[])) {
            Ok(prepared) => (Some(Arc::new(prepared)), "lists that cannot be used are left out"),
            Err(_) => (None, "every TLS connection is refused"),
        }
    }
}
