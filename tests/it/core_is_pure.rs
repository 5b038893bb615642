//! What the core depends on and calls: no runtime, no socket, no clock, no file, no randomness.

use std::fs;
use std::process::Command;

use crate::source::{self, rust_files};

/// A crate that the core must never depend on, and why.
const BANNED: &[(&str, &str)] = &[
    ("getrandom", "the core draws nothing"),
    ("mio", "the core opens no socket"),
    ("rand", "the core draws nothing"),
    ("reqwest", "the core calls no server"),
    ("rumqttc", "the core calls no broker"),
    ("rusqlite", "the core keeps no state"),
    ("rustix", "the core calls no kernel"),
    ("socket2", "the core opens no socket"),
    ("tokio", "the core starts no task"),
    ("tracing", "the core writes no log"),
    ("tss_esapi", "the core holds no key"),
];

/// A path that the core's text must not name, and why.
const UNNAMED: &[(&str, &str)] = &[
    ("std::fs", "no file"),
    ("std::net::Tcp", "no socket"),
    ("std::net::Udp", "no socket"),
    ("std::thread", "no thread"),
    ("std::process", "no process"),
    ("std::env", "no environment"),
    ("SystemTime", "the time is an argument"),
    ("Instant::now", "the time is an argument"),
    ("Zoned::now", "the time is an argument"),
    ("Timestamp::now", "the time is an argument"),
    ("TimeZone::system", "the plant names its zone"),
    ("aws_lc_rs::rand", "no randomness"),
    ("KeyPair", "the core verifies and never signs"),
    ("static mut", "no global state"),
    ("OnceLock", "no global state"),
    ("thread_local!", "no global state"),
];

#[test]
fn core_depends_on_no_runtime() {
    let out = Command::new(env!("CARGO"))
        .current_dir(source::root())
        .args(["tree", "--offline", "--package", "bulkhead-core"])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{lib}"])
        .output()
        .unwrap();
    let tree = String::from_utf8(out.stdout).unwrap();
    // An empty answer would pass everything below.
    assert!(
        tree.lines().any(|name| name == "bulkhead_core"),
        "cargo tree did not name the core: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    for (banned, reason) in BANNED {
        assert!(!tree.lines().any(|name| name == *banned), "the core must not depend on `{banned}`: {reason}");
    }
}

#[test]
fn core_names_no_clock_no_file_and_no_socket() {
    let src = source::root().join("core/src");
    let files = rust_files(&src);
    assert!(files.len() > 10, "no source under {}", src.display());
    let mut wrong = Vec::new();
    for file in files {
        if file.file_name().is_some_and(|name| name == "tests.rs") || file.iter().any(|part| part == "tests") {
            continue;
        }
        let code = source::without_comments(&fs::read_to_string(&file).unwrap());
        for (name, reason) in UNNAMED {
            if source::without_tests(&code).contains(name) {
                wrong.push(format!("{}: `{name}`: {reason}", file.strip_prefix(&src).unwrap().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "the core is pure: {wrong:#?}");
}
