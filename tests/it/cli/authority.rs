//! The plant's own CA from the command line, on requests that openssl has made.

use bulkhead_core::x509::leaf::{Leaf, RoleMark};
use bulkhead_core::x509::list::TakenBack;
use bulkhead_core::x509::request::Request;

use super::online::{Daemon, free_port, ok, policy};
use super::{Plant, Said};
use crate::kit::until;

const REQUEST: &[u8] = include_bytes!("../../../core/src/x509/request/fixtures/p256.pem");
const OTHER: &[u8] = include_bytes!("../../../core/src/x509/request/fixtures/rsa2048.pem");
const WEAK: &[u8] = include_bytes!("../../../core/src/x509/request/fixtures/rsa1024.pem");

/// A daemon whose policy lets certificates show `scada`, and addresses alone `panel`.
fn running(port: u16) -> (Plant, Daemon) {
    let plant = Plant::new();
    let text = policy(port, "enforce").replace("proof = \"address\"\n", "proof = [\"certificate\", \"address\"]\n")
        + "[subjects.panel]\nzone = \"room\"\nproof = \"address\"\nrole = \"Operator\"\naddress = \"127.0.0.9\"\n";
    std::fs::write(plant.path("plant.toml"), text).unwrap();
    for (name, bytes) in [("scada.csr", REQUEST), ("other.csr", OTHER), ("weak.csr", WEAK), ("none.csr", b"no request")]
    {
        std::fs::write(plant.path(name), bytes).unwrap();
    }
    ok(&plant.run(&["init", "--policy", "plant.toml"]));
    let daemon = Daemon::start(&plant);
    (plant, daemon)
}

#[track_caller]
fn no(said: &Said, words: &str) {
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains(words) && said.err.contains("next: "), "`{words}` is missing: {said:?}");
}

/// DER of the first block of a PEM file.
fn der(plant: &Plant, file: &str) -> Vec<u8> {
    let text = std::fs::read(plant.path(file)).unwrap();
    x509_parser::pem::parse_x509_pem(&text).unwrap().1.contents
}

fn sign(plant: &Plant, subject: &str, request: &str, output: &str) -> Said {
    plant.run(&["ca", "sign", "--subject", subject, "--csr", request, "-o", output])
}

#[test]
fn a_request_becomes_a_certificate_with_the_role_of_the_policy_and_its_key_is_registered() {
    let (plant, _daemon) = running(free_port());
    no(&plant.run(&["ca", "show"]), "no CA yet");
    no(&sign(&plant, "scada", "scada.csr", "scada.pem"), "no CA yet");
    assert!(ok(&plant.run(&["ca", "init", "--name", "Riverside CA"])).starts_with("Riverside CA"));
    no(&plant.run(&["ca", "init"]), "has a CA already: `Riverside CA`");

    let said = sign(&plant, "scada", "scada.csr", "scada.pem");
    assert!(ok(&said).contains("scada (Operator), P-256, serial "), "{said:?}");
    let leaf = Leaf::read(&der(&plant, "scada.pem")).unwrap();
    // The request asks to be a CA with another name: nothing of that is in the certificate.
    assert_eq!(leaf.role, RoleMark::One("Operator".into()));
    assert!(ok(&plant.run(&["device", "show", "scada"])).contains(&leaf.spki.to_string()));
    let text = String::from_utf8_lossy(&der(&plant, "scada.pem")).into_owned();
    assert!(!text.contains("evil") && !text.contains("Somebody Else"), "only the key of a request counts");

    no(&sign(&plant, "nobody", "other.csr", "no.pem"), "names no subject `nobody`");
    no(&sign(&plant, "panel", "other.csr", "no.pem"), "does not let a certificate show `panel`: `proof` is address");
    no(&sign(&plant, "scada", "weak.csr", "no.pem"), "RSA of 1024 bits");
    no(&sign(&plant, "scada", "none.csr", "no.pem"), "neither PEM nor DER");
    no(&sign(&plant, "scada", "missing.csr", "no.pem"), "missing.csr cannot be read");
    let said = plant.run(&["ca", "sign", "--subject", "scada", "--csr", "other.csr", "--days", "0", "-o", "no.pem"]);
    no(&said, "0 days are no life");
    assert!(!plant.path("no.pem").exists());
}

#[test]
fn what_is_taken_back_is_on_the_list_and_an_old_key_gets_no_new_certificate() {
    let (plant, daemon) = running(free_port());
    ok(&plant.run(&["ca", "init"]));
    // A renewal with the same key and one with a new key: all three are good together.
    for (request, output) in [("scada.csr", "1.pem"), ("scada.csr", "2.pem"), ("other.csr", "3.pem")] {
        ok(&sign(&plant, "scada", request, output));
    }
    let serials: Vec<_> = ["1.pem", "2.pem", "3.pem"].map(|file| Leaf::read(&der(&plant, file)).unwrap().serial).into();
    assert!(serials[0] != serials[1] && serials[1] != serials[2]);
    let on_list = |plant: &Plant| {
        ok(&plant.run(&["ca", "crl", "-o", "crl.pem"]));
        let list = TakenBack::read(&der(plant, "crl.pem")).unwrap();
        serials.iter().map(|serial| list.has(&list.issuer, serial)).collect::<Vec<_>>()
    };
    assert_eq!(on_list(&plant), [false; 3]);
    ok(&plant.run(&["ca", "retire", &serials[0].to_string()]));
    assert_eq!(on_list(&plant), [true, false, false]);
    no(&plant.run(&["ca", "retire", "00"]), "has issued no certificate `00`");
    ok(&plant.run(&["device", "suspend", "scada"]));
    no(&sign(&plant, "scada", "scada.csr", "no.pem"), "`scada` is suspended");
    ok(&plant.run(&["device", "resume", "scada"]));
    ok(&plant.run(&["device", "revoke", "scada"]));
    until("the list follows", || on_list(&plant) == [true; 3]);
    no(&sign(&plant, "scada", "scada.csr", "no.pem"), "`scada` is revoked");
    let number = |plant: &Plant| plant.run(&["ca", "crl", "-o", "crl.pem"]).out;
    let before = number(&plant);

    // After a kill everything is as it was, and the list does not go back.
    drop(daemon);
    let _daemon = Daemon::start(&plant);
    assert_eq!(on_list(&plant), [true; 3]);
    assert_eq!(number(&plant), before);
    let listed = plant.run(&["ca", "list"]);
    assert_eq!(ok(&listed).matches("TAKEN BACK").count(), 3, "{listed:?}");
    assert!(ok(&plant.run(&["status"])).contains("3 taken back"));
    let shown = plant.run(&["journal", "show", "--subject", "scada"]);
    assert_eq!(ok(&shown).matches("for scada (Operator)").count(), 3, "{shown:?}");
    ok(&plant.run(&["journal", "verify"]));
}

#[test]
fn a_chain_is_taken_in_only_whole_and_for_our_key() {
    let (plant, _daemon) = running(free_port());
    ok(&plant.run(&["ca", "init"]));
    let said = plant.run(&["ca", "csr", "-o", "ca.csr"]);
    ok(&said);
    // The gateway signs no request of a CA, its own neither: it has no subject.
    no(&plant.run(&["ca", "sign", "--subject", "line", "--csr", "ca.csr"]), "names no subject `line`");
    std::fs::write(plant.path("bad.pem"), "no chain").unwrap();
    no(&plant.run(&["ca", "install", "bad.pem"]), "0 certificates, not 1 to 5");
    ok(&sign(&plant, "scada", "scada.csr", "scada.pem"));
    no(&plant.run(&["ca", "install", "scada.pem"]), "is not for this gateway's CA key");
    assert!(ok(&plant.run(&["ca", "show"])).contains("signed by itself"));
}

#[test]
fn a_chain_that_what_was_issued_would_not_find_is_refused() {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair};
    use rcgen::{KeyUsagePurpose, SubjectPublicKeyInfo, date_time_ymd};

    let (plant, _daemon) = running(free_port());
    ok(&plant.run(&["ca", "init", "--name", "Line CA"]));
    ok(&plant.run(&["ca", "csr", "-o", "ca.csr"]));
    let request = Request::read(&std::fs::read(plant.path("ca.csr")).unwrap()).unwrap();
    let asked = SubjectPublicKeyInfo::from_der(&request.spki).unwrap();
    let (key, mut root) = (KeyPair::generate().unwrap(), CertificateParams::default());
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let top = root.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(root, key);
    let signed = |id: KeyIdMethod, (from, to): (i32, i32)| {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Line CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.key_identifier_method = id;
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        std::fs::write(plant.path("chain.pem"), params.signed_by(&asked, &issuer).unwrap().pem() + &top).unwrap();
        plant.run(&["ca", "install", "chain.pem"])
    };
    no(&signed(KeyIdMethod::PreSpecified(vec![7; 20]), (2020, 2040)), "states another identifier of our key");
    no(&signed(KeyIdMethod::PreSpecified(vec![7; 20]), (2030, 2029)), "begins later");
    assert!(ok(&plant.run(&["ca", "show"])).contains("signed by itself"), "nothing was changed");
}
