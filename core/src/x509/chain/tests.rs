use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, date_time_ymd,
};

use super::*;
use crate::moment::ClockTrust;

/// A root of 2000 to 2100 and our CA below it, from one year to another.
fn chain(from: i32, to: i32, trust: ClockTrust) -> Result<Chain, ChainError> {
    let authority = |name: &str, from, to| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        params
    };
    let (key, root) = (KeyPair::generate().unwrap(), authority("root", 2000, 2100));
    let top = root.self_signed(&key).unwrap().der().to_vec();
    let (own, ours) = (KeyPair::generate().unwrap(), authority("ours", from, to));
    let made = ours.signed_by(&own, &Issuer::new(root, key)).unwrap().der().to_vec();
    let subject = X509Certificate::from_der(&made).unwrap().1.subject().as_raw().to_vec();
    let wall = UnixMs(date_time_ymd(2026, 11, 25).unix_timestamp() * 1_000);
    let now = Moment { wall, trust, ..Moment::default() };
    Chain::of(vec![made, top], &Sha256::of(&own.subject_public_key_info()), &subject, now)
}

#[test]
fn a_chain_counts_by_a_clock_that_may_be_believed_and_never_when_it_ends_before_it_begins() {
    let (floor, doubt) = (ClockTrust::Floor, ClockTrust::Doubtful);
    assert!(chain(2020, 2040, floor).is_ok());
    assert_eq!(chain(2030, 2040, floor), Err(ChainError::NotBegun(1)));
    assert!(chain(2030, 2040, doubt).is_ok(), "a boot in 1970 keeps no CA out");
    assert_eq!(chain(2015, 2020, floor), Err(ChainError::Expired(1)));
    assert_eq!(chain(2040, 2039, doubt), Err(ChainError::Dates), "nothing could ever be issued by it");
}
