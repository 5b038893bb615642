use bulkhead_core::digest::Sha256;
use bulkhead_core::journal::record::Seq;
use bulkhead_core::journal::verify::{Head, checkpoint_message, to_hex, verify};

use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("bulkhead-keys-{name}-{}", std::process::id()));
    drop(fs::remove_dir_all(&folder));
    folder.join("keys")
}

#[tokio::test]
async fn a_key_is_made_once_and_signs_the_same_in_the_next_life() {
    let path = folder("made").join("gateway.key");
    let made = SoftwareKey::load_or_create(&path).unwrap();
    assert!(matches!(SoftwareKey::create(&path), Err(KeyError::Exists { .. })));
    let loaded = SoftwareKey::load_or_create(&path).unwrap();
    assert_eq!(made.sign(b"x").await.unwrap(), loaded.sign(b"x").await.unwrap());
    let public = fs::read_to_string(path.with_extension("pub")).unwrap();
    assert_eq!(public.parse(), Ok(loaded.public()));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 2, "nothing half made is left");
    // What it signs is what the verifier asks for.
    let message = checkpoint_message(Seq(0), &Sha256::default());
    let signature = to_hex(&loaded.sign(&message).await.unwrap());
    let head = Head { seq: Seq(0), digest: Sha256::default(), key: loaded.id(), signature };
    assert!(verify([], vec![loaded.public()], Some(head)).is_ok());
}

#[test]
fn a_key_file_that_others_may_read_or_that_holds_no_key_is_refused() {
    let path = folder("refused").join("gateway.key");
    SoftwareKey::create(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = SoftwareKey::load_or_create(&path).unwrap_err();
    assert!(matches!(refused, KeyError::Open { mode: 0o640, .. }), "{refused}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for bytes in [&b""[..], b"no key", &[0x30; 5000]] {
        fs::write(&path, bytes).unwrap();
        let refused = SoftwareKey::load_or_create(&path).unwrap_err();
        assert!(matches!(refused, KeyError::NoKey { .. }), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "a bad key is never overwritten");
    }
}

#[test]
fn a_key_never_prints_its_secret() {
    let key = SoftwareKey::from_seed(&[7; 32]).unwrap();
    assert_eq!(format!("{key:?}"), format!("SoftwareKey({}, <redacted>)", key.id()));
}
