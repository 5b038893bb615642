//! `docs/policy-mistakes.md` says what the program says. `BLESS=1 cargo test --test it mistakes` writes the messages anew; read the
//! difference before you keep it.

use std::fmt::Write as _;
use std::path::Path;

use bulkhead_core::policy::{self, Severity};

/// What `policy lint plant.toml` prints of a text, its verdict on the whole left out.
fn lint(text: &str) -> String {
    let mut out = String::new();
    for finding in policy::check(text).findings {
        let severity = match finding.severity {
            Severity::Note => "note: ",
            Severity::Warning => "warning: ",
            Severity::Accepted => "accepted: ",
            Severity::Blocking => "blocking: ",
            Severity::Error => "",
        };
        let (place, words) = (finding.problem.place, finding.problem.to_string());
        let message = words.strip_prefix(&format!("{place}: ")).unwrap_or(&words);
        writeln!(out, "plant.toml:{place}: {severity}{message}").unwrap();
    }
    out
}

/// The block of a language behind `from`: where its text starts and ends.
fn block(page: &str, language: &str, from: usize) -> Option<(usize, usize)> {
    let fence = format!("```{language}\n");
    let start = from + page[from..].find(&fence)? + fence.len();
    Some((start, start + page[start..].find("```")?))
}

/// A change applied to the base: the lines with `-` become those with `+`.
fn changed(base: &str, diff: &str) -> String {
    let of = |sign: char| -> String {
        diff.lines().filter_map(|line| line.strip_prefix(sign)).flat_map(|line| [line, "\n"]).collect()
    };
    let (old, new) = (of('-'), of('+'));
    assert_eq!(base.matches(&old).count(), 1, "stands once in the policy: {old}");
    base.replace(&old, &new)
}

#[test]
fn twenty_mistakes_are_answered_as_the_page_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy-mistakes.md");
    let mut page = std::fs::read_to_string(&path).unwrap();
    let (start, end) = block(&page, "toml", 0).unwrap();
    let base = page[start..end].to_owned();
    let usual = lint(&base);
    assert!(policy::load(&base).is_ok(), "{usual}");
    let (mut at, mut mistakes) = (end, 0);
    while let Some((from, to)) = block(&page, "diff", at) {
        let text = changed(&base, &page[from..to]);
        let (start, end) = block(&page, "text", to).unwrap();
        // What the policy is told without any mistake is no message of this one.
        let words = |line: &str| line.split_once(' ').map(|(_, words)| words.to_owned());
        let told = lint(&text);
        let own = told.lines().filter(|line| !usual.lines().any(|usual| words(usual) == words(line)));
        let said: String = own.flat_map(|line| [line, "\n"]).collect();
        assert!(!said.is_empty(), "no message for {}", &page[from..to]);
        if std::env::var_os("BLESS").is_some() {
            page.replace_range(start..end, &said);
            at = start + said.len();
        } else {
            assert_eq!(&page[start..end], said, "{}", &page[from..to]);
            at = end;
        }
        mistakes += 1;
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert_eq!(mistakes, 20);
}

#[test]
fn the_program_prints_these_lines() {
    let folder = std::env::temp_dir().join(format!("bulkhead-mistakes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy-mistakes.md")).unwrap();
    let (start, end) = block(&page, "toml", 0).unwrap();
    let text = page[start..end].replace("networks = [\"10.10.9.0/24\"]", "netwroks = [\"10.10.9.0/24\"]");
    std::fs::write(folder.join("plant.toml"), &text).unwrap();
    let said = std::process::Command::new(env!("CARGO_BIN_EXE_bulkhead"))
        .current_dir(&folder)
        .args(["policy", "lint", "plant.toml"])
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let out = String::from_utf8(said.stdout).unwrap();
    assert!(out.starts_with(&lint(&text)), "{out}");
}
