//! What holds for every finding: its mend can be typed, a test makes it, and the guide tells it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

pub(super) use crate::cli::status::tests::status;

/// Grade and id of each, for comparing.
pub(super) fn lines(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{:?} {}", finding.grade, finding.id).to_lowercase()).collect()
}

/// The ids of what must be mended.
pub(super) fn bad(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().filter(|finding| finding.grade == Grade::Bad).map(|finding| finding.id).collect()
}

/// The `bulkhead ..` commands of a mend that the command line does not take.
pub(super) fn untypable(mend: &str) -> Vec<String> {
    let commands = mend.match_indices("bulkhead ").filter(|(at, _)| {
        // `systemctl restart bulkhead, ..`, `-u bulkhead` and paths name the service, not the command.
        let before = mend[..*at].trim_end();
        before.is_empty() || before.ends_with([';', ':', '(']) || before.ends_with("sudo") || before.ends_with("then")
    });
    let words = |at: usize| -> Vec<String> {
        let rest = &mend[at..];
        let end = rest.find([';', ',', ')', '|']).unwrap_or(rest.len());
        rest[..end].split_whitespace().map(|word| word.trim_matches('"').to_owned()).collect()
    };
    let typed = commands.map(|(at, _)| words(at));
    let wrong = |words: &Vec<String>| {
        use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
        let parsed = crate::cli::args::command().try_get_matches_from(words);
        parsed.is_err_and(|error| !matches!(error.kind(), DisplayHelp | DisplayVersion))
    };
    typed.filter(wrong).map(|words| words.join(" ")).collect()
}

#[test]
fn a_mend_that_nobody_could_type_is_found() {
    assert_eq!(untypable("bulkhead frob"), ["bulkhead frob"]);
    assert_eq!(untypable("write it down, then: bulkhead enforce"), ["bulkhead enforce"]);
    assert_eq!(untypable("bulkhead journal show --last 20; bulkhead journal shew"), ["bulkhead journal shew"]);
    assert_eq!(untypable("systemctl edit bulkhead, with [Service] LimitNOFILE=9"), [""; 0]);
    assert_eq!(untypable("sudo bulkhead doctor"), [""; 0]);
}

/// Every id in the source of `doctor`, with whether it stands in a test.
fn ids() -> Vec<(String, bool)> {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("src/cli/doctor");
    let mut all = Vec::new();
    let mut code = vec![fs::read_to_string(folder.with_extension("rs")).unwrap()];
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    code.extend(files.filter(|file| !file.ends_with("tests.rs")).map(|file| fs::read_to_string(file).unwrap()));
    let tests: String =
        code.iter().filter_map(|text| text.split_once("#[cfg(test)]\nmod tests {")).map(|(_, tests)| tests).collect();
    for text in &code {
        let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for opening in ["::ok(", "::note(", "::weak(", "::bad(", "weak("] {
            for (at, _) in product.match_indices(opening) {
                let Some(id) = product[at + opening.len()..]
                    .trim_start()
                    .strip_prefix('"')
                    .and_then(|rest| rest.split('"').next())
                else {
                    continue;
                };
                all.push((id.to_owned(), tests.contains(&format!("{id}\""))));
            }
        }
    }
    all.sort();
    all.dedup();
    all
}

#[test]
fn every_finding_is_made_by_a_test_and_told_in_the_guide() {
    let ids = ids();
    assert!(ids.len() > 60, "{ids:?}");
    // Told by tests of another shape: their text, or a whole gateway.
    let elsewhere = [
        "bypass-router",
        "bypass-same-interface",
        "bypass-two-interfaces",
        "config-mode",
        "disk-unknown",
        "keys-hidden",
        "listener-ok",
        "route-missing",
        "route-ok",
    ];
    let untested: Vec<&str> = ids
        .iter()
        .filter(|(id, tested)| !tested && !elsewhere.contains(&id.as_str()))
        .map(|(id, _)| id.as_str())
        .collect();
    assert_eq!(untested, [""; 0], "findings that no test makes");
    let guide = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("docs/doctor.md");
    let guide = fs::read_to_string(guide).unwrap();
    let told: BTreeSet<&str> = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let known: BTreeSet<&str> = ids.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(told, known, "docs/doctor.md tells each finding and no other");
}

#[test]
fn the_whole_look_at_a_bare_machine_panics_nowhere_and_tells_what_is_missing() {
    let host = host::fixture::host(&[("proc/net/route", "broken"), ("etc/group", "x")]);
    let mut settings = config::defaults().unwrap();
    settings.state = host.path("state");
    settings.socket = host.path("c.sock");
    let silent = Err(Failure { exit: Exit::No, cause: "it does not run".to_owned(), next: "bulkhead run".to_owned() });
    let found = examine(&host.host, &settings, &silent);
    assert_eq!(bad(&found), ["policy-missing", "keys-missing", "disk-state", "daemon-silent"]);
    for finding in &found {
        let json = serde_json::to_value(finding).unwrap();
        assert!(json["where"].is_string() && json["id"].is_string());
        assert!(finding.grade == Grade::Ok || finding.mend.is_some(), "{finding:?} says not how to mend it");
    }
}
