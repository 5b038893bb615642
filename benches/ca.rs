//! What a certificate costs from its request, without disk: reading it, the proof of possession, name, role, signature; against the
//! floor, which is the same with `rcgen`. `cargo bench --bench ca`
//!
//! `ratio` is our CPU time over that of the floor in the same run; the bar is 5.

use std::fs;
use std::hint::black_box;
use std::io::{self, Write};
use std::sync::Arc;

use bulkhead::ports::keys::{FileVault, Vault};
use bulkhead::service::ca::{Authority, sign_request};
use bulkhead_core::moment::{ClockTrust, Moment, UnixMs};
use bulkhead_core::names::Role;
use bulkhead_core::x509::write::{Plan, Purpose, certificate, common_name, key_id, signed};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SerialNumber,
};

const ROUNDS: usize = 7;
const CERTIFICATES: u64 = 2_000;
const ENDS: (UnixMs, UnixMs) = (UnixMs(1_800_000_000_000), UnixMs(1_900_000_000_000));

fn main() -> io::Result<()> {
    let folder = std::env::temp_dir().join(format!("bulkhead-bench-ca-{}", std::process::id()));
    let ours = authority(&FileVault::new(folder.join("keys"), folder.join("ca")))?;
    let (request, floor) = (request()?, floor()?);
    let role = Role::from("Operator");
    let own = median(|| {
        for number in 0..CERTIFICATES {
            let serial = (number | 1 << 62).to_be_bytes();
            let der = sign_request(&ours, request.as_bytes(), &serial, "scada", Some(&role), ENDS);
            black_box(der.map_err(io::Error::other)?.len());
        }
        Ok(())
    })?;
    let least = median(|| {
        for number in 0..CERTIFICATES {
            let mut asked = CertificateSigningRequestParams::from_pem(&request).map_err(io::Error::other)?;
            asked.params.serial_number = Some(SerialNumber::from(number + 1));
            asked.params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            asked.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            asked.params.use_authority_key_identifier_extension = true;
            black_box(asked.signed_by(&floor).map_err(io::Error::other)?.der().len());
        }
        Ok(())
    })?;
    fs::remove_dir_all(&folder)?;
    let mut out = io::stdout().lock();
    writeln!(out, "certificate from a request  {own:6.1} us CPU, floor {least:6.1} us, ratio {:.2}", own / least)
}

fn authority(vault: &FileVault) -> io::Result<Authority> {
    let key = vault.make_authority().map_err(io::Error::other)?;
    let (subject, id) = (common_name("Bench CA"), key_id(key.public_key()));
    let unsigned = certificate(&Plan {
        serial: &[1],
        issuer: &subject,
        issuer_key: &id,
        subject: &subject,
        spki: &key.spki(),
        subject_key: &id,
        not_before: ENDS.0,
        not_after: ENDS.1,
        purpose: Purpose::Authority,
    });
    let signature = key.sign(&unsigned).map_err(io::Error::other)?;
    let now = Moment { trust: ClockTrust::Doubtful, ..Moment::default() };
    Authority::of(Arc::clone(&key), vec![signed(&unsigned, &signature)], &subject, now).map_err(io::Error::other)
}

fn request() -> io::Result<String> {
    let mut leaf = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
    leaf.distinguished_name.push(DnType::CommonName, "plc-00001");
    let key = KeyPair::generate().map_err(io::Error::other)?;
    leaf.serialize_request(&key).and_then(|request| request.pem()).map_err(io::Error::other)
}

fn floor() -> io::Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.distinguished_name.push(DnType::CommonName, "plant CA");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().map_err(io::Error::other)?;
    CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)
}

/// Microseconds of CPU for one certificate: the median of some rounds.
fn median(mut work: impl FnMut() -> io::Result<()>) -> io::Result<f64> {
    work()?;
    let mut costs = Vec::new();
    for _ in 0..ROUNDS {
        let start = cpu()?;
        work()?;
        costs.push(cpu()?.saturating_sub(start));
    }
    costs.sort_unstable();
    let middle = costs.get(ROUNDS / 2).copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of some seconds")]
    let (middle, count) = (middle as f64, CERTIFICATES as f64);
    Ok(middle / 1_000.0 / count)
}

/// Nanoseconds that this thread has run, by the kernel's word.
fn cpu() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    text.split(' ').next().and_then(|first| first.parse().ok()).ok_or_else(|| io::Error::other("no schedstat"))
}
