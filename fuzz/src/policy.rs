//! The policy language and its line interface: a person's typing errors, and worse.

use bulkhead_core::policy::{self, Severity, ask::Ask, batch::decide_line};

/// A policy file.
pub fn text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let checked = policy::check(&text);
    let lines = u32::try_from(text.lines().count()).unwrap_or(u32::MAX).saturating_add(1);
    for finding in &checked.findings {
        let problem = &finding.problem;
        assert!(problem.place.line <= lines, "line {} of {lines}: {problem:?}", problem.place.line);
        assert!(!problem.id.is_empty() && !problem.message.is_empty(), "{problem:?}");
    }
    let blocked = checked.findings.iter().any(|finding| finding.severity >= Severity::Blocking);
    match policy::load(&text) {
        Ok(loaded) => assert!(!blocked && loaded.policy.hash == checked.policy.hash),
        Err(problems) => assert!(blocked && !problems.is_empty()),
    }
}

/// A line of `policy decide`, and words of `explain --do`, against a sound policy.
pub fn line(data: &[u8]) {
    thread_local! {
        static PLANT: policy::Policy =
            policy::check(include_str!("../../config/examples/bottling/plant.toml")).policy;
    }
    let text = String::from_utf8_lossy(data);
    PLANT.with(|plant| {
        assert!(!plant.assets.is_empty());
        for (id, asset) in &plant.assets {
            if let Ok(ask) = Ask::parse(id, asset, &text) {
                assert!(!ask.accesses().is_empty(), "`{text}` asks for nothing");
            }
        }
        if let Ok(answer) = decide_line(plant, &text) {
            assert!(!answer.contains('\n'), "one line is answered by one line: {answer}");
        }
    });
}
