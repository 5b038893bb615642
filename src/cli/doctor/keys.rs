//! Whether the keys are there, whether others may read them, and what they are worth.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use super::Finding;
use crate::config::Settings;
use crate::ports::keys::{Keys as _, SoftwareKey};

/// The folder of the software keys.
pub(super) fn findings(settings: &Settings) -> Vec<Finding> {
    let file = settings.checkpoint_key();
    let config = settings.file.display();
    match fs::metadata(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return vec![
                Finding::bad("keys-missing", file.display(), "this gateway has no keys")
                    .mend(format!("bulkhead --config {config} init")),
            ];
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return vec![
                Finding::weak("keys-hidden", file.display(), "this user may not look at the keys")
                    .mend("sudo bulkhead doctor"),
            ];
        }
        Err(_) | Ok(_) => {}
    }
    let mut findings = exposed(settings);
    if findings.is_empty() {
        findings.push(match SoftwareKey::load(&file) {
            Ok(key) => {
                let text = format!("SOFTWARE KEYS: whoever copies this disk has them (key {})", key.id());
                Finding::weak("keys-software", file.display(), text)
                    .mend("lock the cabinet and encrypt the disk; keys in a TPM come with a later version")
            }
            Err(error) => Finding::bad("keys-broken", file.display(), error.to_string())
                .mend("put the key back from a backup; without one: bulkhead journal verify, then a new state folder"),
        });
    }
    findings
}

/// Every file there but public halves and certificates is a secret.
fn exposed(settings: &Settings) -> Vec<Finding> {
    let folder = settings.keys_folder();
    let Ok(entries) = fs::read_dir(&folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let secret = |file: &&std::path::PathBuf| file.extension().is_some_and(|extension| extension == "key");
    let open = |file: &std::path::PathBuf| fs::metadata(file).is_ok_and(|meta| meta.mode() & 0o077 != 0);
    let finding = |file: &std::path::PathBuf| {
        let shown = file.display();
        Finding::bad("keys-mode", &shown, format!("others than the gateway may read {shown}"))
            .mend(format!("chmod 600 {shown}"))
    };
    files.iter().filter(secret).filter(|file| open(file)).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::host::fixture::host;
    use super::super::tests::lines;
    use super::*;

    #[test]
    fn keys_that_are_missing_readable_by_others_or_broken_are_bad_and_software_ones_weak() {
        let host = host(&[("state/keys/x.pub", "")]);
        let mut settings = crate::config::defaults().unwrap();
        settings.state = host.path("state");
        assert_eq!(lines(&findings(&settings)), ["bad keys-missing"]);
        let key = settings.checkpoint_key();
        SoftwareKey::load_or_create(&key).unwrap();
        assert_eq!(lines(&findings(&settings)), ["weak keys-software"]);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(lines(&findings(&settings)), ["bad keys-mode"]);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&key, "no key").unwrap();
        assert_eq!(lines(&findings(&settings)), ["bad keys-broken"]);
    }
}
