//! Requests made by openssl, which ask for more than they get.

use super::*;

const P256_PEM: &[u8] = include_bytes!("fixtures/p256.pem");
const P256_DER: &[u8] = include_bytes!("fixtures/p256.der");

#[test]
fn a_request_of_each_kind_gives_its_key_and_nothing_else() {
    for (bytes, kind) in [
        (P256_PEM, "P-256"),
        (include_bytes!("fixtures/p384.pem"), "P-384"),
        (include_bytes!("fixtures/ed25519.pem"), "Ed25519"),
        (include_bytes!("fixtures/rsa2048.pem"), "RSA 2048"),
    ] {
        let request = Request::read(bytes).unwrap();
        assert_eq!(request.kind, kind);
        assert!(request.spki.ends_with(&request.public_key));
    }
    assert_eq!(Request::read(P256_PEM), Request::read(P256_DER));
}

#[test]
fn keys_that_are_too_weak_or_of_another_kind_are_refused_with_the_cause() {
    for (bytes, cause) in [
        (&include_bytes!("fixtures/rsa1024.pem")[..], "RSA of 1024 bits; use 2048 to 8192"),
        (include_bytes!("fixtures/p521.pem"), "the curve `1.3.132.0.35`"),
        (include_bytes!("fixtures/k256.pem"), "the curve `1.3.132.0.10`"),
    ] {
        let said = Request::read(bytes).unwrap_err().to_string();
        assert!(said.contains(cause), "{said}");
    }
}

#[test]
fn whoever_does_not_hold_the_private_half_gets_nothing() {
    // Another key in a request that somebody else has signed: one bit of the key, of what is asked for, of the signature. What the
    // signature does not cover may be read leniently, and gives the same key.
    let (whole, mut refused) = (Request::read(P256_DER), 0);
    for at in 0..P256_DER.len() {
        let mut bent = P256_DER.to_vec();
        bent[at] ^= 1;
        let read = Request::read(&bent);
        assert!(read.is_err() || read == whole, "byte {at}: {read:?}");
        refused += usize::from(read.is_err());
    }
    assert!(refused + 4 > P256_DER.len(), "{refused} of {}", P256_DER.len());
    assert_eq!(
        Request::read(&{
            let mut bent = P256_DER.to_vec();
            let last = bent.len() - 1;
            bent[last] ^= 1;
            bent
        }),
        Err(NotARequest::Possession)
    );
}

#[test]
fn what_is_no_request_is_told_so() {
    let certificate = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    assert_eq!(Request::read(certificate), Err(NotARequest::Label("CERTIFICATE".to_owned())));
    assert_eq!(Request::read(&vec![0x30; MAX_BYTES + 1]), Err(NotARequest::Large));
    let mut twice = P256_DER.to_vec();
    twice.push(0);
    let doubled = [P256_PEM, P256_PEM].concat();
    let cut = &P256_DER[..P256_DER.len() - 1];
    for bytes in [b"", &b"hello"[..], &twice, &doubled, cut, &P256_PEM[..100]] {
        assert_eq!(Request::read(bytes), Err(NotARequest::Encoding), "{bytes:02x?}");
    }
    let new = String::from_utf8(P256_PEM.to_vec()).unwrap().replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
    assert!(Request::read(new.as_bytes()).is_ok(), "older tools call it new");
}
