//! Portions of records.

use super::*;

fn added(subject: &str, keys: usize) -> Edit {
    let credentials = (0..keys).map(|n| Credential::Key(Sha256::of(format!("{subject}{n}").as_bytes()))).collect();
    Edit::Added { subject: subject.into(), life: Life::Active, again: false, credentials }
}

#[test]
fn a_long_import_is_many_short_records_and_none_of_its_edits_is_lost() {
    let edits: Vec<Edit> = (0..100).map(|n| added(&format!("device-{n}"), 8)).collect();
    let parts = parts(&edits);
    assert!(parts.len() > 5, "{}", parts.len());
    assert_eq!(parts.concat(), edits);
    for part in parts {
        let record = GatewayRecord::Registry { edits: part.to_vec(), by: "uid 0".to_owned(), cut: 0 };
        assert!(
            serde_json::to_string(&record).unwrap().len() < 2 * RECORD,
            "an unfinished line of it is still looked at"
        );
    }
    assert!(super::parts(&[]).is_empty());
}
