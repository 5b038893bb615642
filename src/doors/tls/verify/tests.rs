//! Dates under every kind of clock. What a handshake makes of the other reasons is in `tests/it/modbus/tls/handshakes.rs`.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;

use super::*;

/// A root, an intermediate of 2020 to 2040 below it, and a client's certificate of 2025 to 2030 below that.
struct Chain {
    roots: Arc<dyn ClientCertVerifier>,
    leaf: CertificateDer<'static>,
    between: CertificateDer<'static>,
}

fn authority(from: i32, to: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(rcgen::DnType::CommonName, format!("{from} to {to}"));
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    params
}

impl Chain {
    fn new() -> Self {
        let (key, root) = (KeyPair::generate().unwrap(), authority(2000, 2100));
        let mut store = RootCertStore::empty();
        store.add(root.self_signed(&key).unwrap().der().clone()).unwrap();
        let (below, between) = (KeyPair::generate().unwrap(), authority(2020, 2040));
        let root = Issuer::new(root, key);
        let made = between.signed_by(&below, &root).unwrap().der().clone();
        let mut leaf = CertificateParams::default();
        (leaf.not_before, leaf.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(2030, 1, 1));
        let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &Issuer::new(between, below)).unwrap().der().clone();
        let provider = Arc::new(default_provider());
        let roots = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider).build().unwrap();
        Self { roots, leaf, between: made }
    }

    /// The verdict when the wall clock stands in one year and its floor in another.
    fn judge(&self, wall: i32, floor: i32) -> &'static str {
        let at = |year| UnixMs(date_time_ymd(year, 7, 1).unix_timestamp() * 1_000);
        let trust = if wall < floor { ClockTrust::Doubtful } else { ClockTrust::Floor };
        let now = Moment { wall: at(wall), floor: at(floor), trust, ..Moment::default() };
        let leaf = Leaf::read(&self.leaf).unwrap();
        match believe(&*self.roots, &leaf, &self.leaf, std::slice::from_ref(&self.between), now) {
            Ok(_) => "let in",
            Err(Error::InvalidCertificate(CertificateError::NotValidYet)) => "not valid yet",
            Err(Error::InvalidCertificate(CertificateError::Expired)) => "over",
            Err(_) => "refused otherwise",
        }
    }
}

#[test]
fn a_clock_that_may_be_believed_decides() {
    let chain = Chain::new();
    assert_eq!(chain.judge(2026, 2024), "let in");
    assert_eq!(chain.judge(2024, 2023), "not valid yet");
    assert_eq!(chain.judge(2031, 2024), "over");
    assert_eq!(chain.judge(2045, 2044), "over", "and so is the one between: the client's own is named");
    assert_eq!(chain.judge(2015, 2010), "not valid yet");
}

#[test]
fn a_boot_in_1970_keeps_nobody_out_and_revives_nobody() {
    let chain = Chain::new();
    assert_eq!(chain.judge(1970, 2026), "let in");
    assert_eq!(chain.judge(1970, 2010), "let in", "a clock behind its floor proves no beginning");
    assert_eq!(chain.judge(2019, 2026), "let in", "set back");
    assert_eq!(chain.judge(1970, 2031), "over", "the floor itself is past the end");
    assert_eq!(chain.judge(2026, 2031), "over", "set back into its validity");
}
