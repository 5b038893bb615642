//! What the CA does by itself: its own leaf, its list, and what the TLS doors show and believe.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::Ordering;

use bulkhead_core::moment::{Moment, UnixMs};
use bulkhead_core::x509::write;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivatePkcs8KeyDer};

use super::issue::LEAF_DAYS;
use super::state::Leaf;
use super::{Ca, DAY_MS, latest};
use crate::service::trust::Material;

impl Leaf {
    /// Whether two thirds of its life are over. Counted back from the end, since the beginning goes by a floor that may lie far
    /// behind; another one that ends with the CA, at `last`, as this one does would be no better.
    pub(super) fn is_due(&self, last: UnixMs, now: Moment) -> bool {
        self.not_after < last && latest(now) >= self.not_after.0.saturating_sub(LEAF_DAYS * DAY_MS / 3)
    }
}

impl Ca {
    /// Does what is due; what fails is told, and tried again the next time.
    pub(crate) async fn tend(&self) {
        let Some(authority) = self.state().authority.clone() else { return };
        if !self.published.swap(true, Ordering::Relaxed) {
            // The last life may have ended between a row and the copy for others.
            self.publish("ca.pem", authority.pem()).await;
            let list = self.state().list.as_ref().map(|list| write::pem("X509 CRL", &list.der));
            if let Some(list) = list {
                self.publish("crl.pem", list).await;
            }
        }
        if let Some(addresses) = self.leaf_due()
            && let Err(error) = self.issue_leaf(addresses).await
        {
            tracing::error!(%error, "this gateway's own certificate could not be issued; next try in a minute");
        }
        if self.is_list_due()
            && let Err(error) = self.make_list(&[], "gateway").await
        {
            tracing::error!(%error, "the list of what was taken back could not be made; next try in a minute");
        }
    }

    /// Resolves when something was taken back, or the CA has changed.
    pub(crate) async fn rung(&self) {
        self.orders.taken_back.notified().await;
    }

    /// The addresses of a leaf that has to be issued now: there is none, the listeners have others, two thirds of its life are over.
    pub(super) fn leaf_due(&self) -> Option<Vec<IpAddr>> {
        let listeners: BTreeSet<IpAddr> = {
            let world = self.orders.shared.worlds.current();
            world.policy.listeners().filter(|(listen, ..)| listen.tls).map(|(listen, ..)| listen.at.ip()).collect()
        };
        let state = self.state();
        let wanted: Vec<IpAddr> = listeners.into_iter().collect();
        if wanted.is_empty() || state.authority.as_ref().is_none_or(|authority| authority.signer().is_err()) {
            return None;
        }
        let now = self.now();
        let last = state.authority.as_ref().map_or(UnixMs(0), |authority| authority.not_after);
        let good = state.leaf.as_ref().is_some_and(|leaf| leaf.addresses == wanted && !leaf.is_due(last, now));
        (!good).then_some(wanted)
    }

    /// What counts for handshakes from now on; nothing before there is a leaf.
    pub(super) fn put_trust(&self) {
        let material = {
            let state = self.state();
            let (Some(authority), Some(leaf), Some(key)) = (&state.authority, &state.leaf, &state.server_key) else {
                return;
            };
            let chain = std::iter::once(&leaf.der).chain(authority.between());
            Material {
                chain: chain.map(|der| CertificateDer::from(der.clone())).collect(),
                key: PrivatePkcs8KeyDer::from(key.clone()),
                // Clients have their certificates from this CA: it vouches for them, and the plant's root for this CA.
                roots: authority.chain.first().into_iter().map(|der| CertificateDer::from(der.clone())).collect(),
                crls: state.list.iter().map(|list| CertificateRevocationListDer::from(list.der.clone())).collect(),
            }
        };
        self.trust.put(material);
    }
}
