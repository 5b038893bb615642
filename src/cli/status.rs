//! `status`: what the gateway does now, on one screen. What is weak is said in capitals.

use bulkhead_core::digest::Sha256;
use bulkhead_core::moment::UnixMs;
use bulkhead_core::policy::model::Mode;
use jiff::tz::TimeZone;

use super::{Answer, Context, Exit, client, out, when, words};
use crate::config;
use crate::service::commands::{Answer as Said, AssetState, AuthorityLine, Command, ConduitLine, ShadowLine, Status};

pub(super) fn run(context: &mut Context<'_>) -> Answer {
    let answer = client::ask(context, Command::Status)?;
    let Said::Status(status) = answer else { return Err(client::unexpected().into()) };
    context.out.value(&status)?;
    for line in screen(&status) {
        context.out.line(line)?;
    }
    Ok(Exit::Ok)
}

fn screen(status: &Status) -> Vec<String> {
    let zone = status.policy.timezone.as_deref().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let mut lines = Vec::new();
    let mut say = |name: &str, text: String| lines.push(format!("{name:<9} {text}"));

    let site = status.site.as_deref().unwrap_or("unnamed site");
    say("gateway", format!("{site}, bulkhead {}, running for {}", status.version, when::span(status.running)));
    let clock = status.clock;
    say("clock", format!("{}, {}", when::stamp(clock.wall, &zone), when::trust(clock.trust)));
    say("policy", policy(status));
    if let Some(line) = &status.shadow {
        say("shadow", shadow(line));
    }
    let keys = &status.keys;
    match keys.kind.as_str() {
        "software" => say("KEYS", format!("SOFTWARE KEYS: whoever copies the disk has them; key {}", keys.id)),
        kind => say("keys", format!("{kind}, key {}", keys.id)),
    }
    say("journal", journal(status));
    match &status.store.trouble {
        Some(trouble) => say("STORE", trouble.clone()),
        None => say("store", "ok".to_owned()),
    }
    say("cloud", status.cloud.clone());
    say("horizon", "nothing here depends on the cloud: operators, panels and devices go on for ever".to_owned());
    say("identity", status.identity.clone());
    if let Some(authority) = &status.authority {
        say("ca", authority_line(authority, status.clock.wall, &zone));
    }
    let revoked: Vec<&str> = status.revoked.iter().map(|(subject, _)| subject.as_str()).collect();
    if !revoked.is_empty() {
        say("revoked", revoked.join(", "));
    }
    say(
        "sessions",
        format!(
            "{} open; {} requests allowed, {} refused since the start{}",
            status.sessions,
            status.allowed,
            status.refused,
            match status.handshakes {
                0 => String::new(),
                count => format!("; {count} TLS handshakes came to nothing"),
            }
        ),
    );
    lines.extend(out::table(&conduits(status)).into_iter().map(|line| format!("  {line}")));
    lines.extend(out::table(&assets(status)).into_iter().map(|line| format!("  {line}")));
    lines
}

/// Days before the end of a certificate from which on it is said aloud.
const SOON: i64 = 60 * 86_400_000;

fn authority_line(line: &AuthorityLine, now: UnixMs, zone: &TimeZone) -> String {
    let root = line.root.as_ref().map_or_else(|| "signed by itself".to_owned(), |root| format!("chained to {root}"));
    let soon = |at: UnixMs| at.0.saturating_sub(now.0) < SOON;
    let end = format!("{}, {root}, to {}", line.name, when::stamp(line.not_after, zone));
    let end = if soon(line.not_after) { format!("{end} ENDS SOON") } else { end };
    let count = format!("{} certificates, {} taken back", line.certificates, line.taken_back);
    let next = line.next_end.zip(line.next.as_ref()).map(|(end, subject)| {
        let soon = if soon(end) { " ENDS SOON" } else { "" };
        format!("next end {subject} {}{soon}", when::stamp(end, zone))
    });
    let trouble = line.trouble.as_ref().map(|trouble| format!("TROUBLE: {trouble}"));
    let parts: Vec<String> = [Some(end), Some(count), next, trouble].into_iter().flatten().collect();
    parts.join("; ")
}

fn policy(status: &Status) -> String {
    let line = &status.policy;
    if line.hash == Sha256::default() || status.conduits.is_empty() {
        return format!("{} allows nothing: no conduit; nothing beyond loopback listens", line.hash.short());
    }
    format!("{} {} (generation {})", line.plant, line.hash.short(), line.generation)
}

fn shadow(line: &ShadowLine) -> String {
    format!(
        "candidate {} beside it for {} more: {} requests judged, {} would be lost, {} gained, {} under another limit; \
         see `bulkhead policy shadow`",
        line.policy.short(),
        when::span(line.left),
        line.judged,
        line.lost,
        line.gained,
        line.terms
    )
}

fn journal(status: &Status) -> String {
    let journal = &status.journal;
    let head = format!(
        "#{} written, #{} durable, {} of {}",
        journal.seq.0,
        journal.durable.0,
        config::size_text(journal.bytes),
        config::size_text(journal.max)
    );
    let trouble = journal.trouble.as_ref().map(|trouble| format!("TROUBLE: {trouble}"));
    let late = (journal.late > 0).then(|| format!("{} LATE", journal.late));
    let lost = (journal.lost > 0).then(|| format!("{} LOST", journal.lost));
    let parts: Vec<String> = [Some(head), trouble, late, lost].into_iter().flatten().collect();
    parts.join("; ")
}

fn conduits(status: &Status) -> Vec<Vec<String>> {
    if status.conduits.is_empty() {
        return Vec::new();
    }
    let heading = ["CONDUIT", "FROM", "TO", "MODE", "RECORD"].map(str::to_owned).to_vec();
    let row = |line: &ConduitLine| {
        vec![line.conduit.to_string(), line.from.clone(), line.to.to_string(), mode(line), line.record.clone()]
    };
    std::iter::once(heading).chain(status.conduits.iter().map(row)).collect()
}

fn mode(line: &ConduitLine) -> String {
    let mode = match line.mode {
        Mode::Enforce => "enforce",
        Mode::Observe => "OBSERVE: every byte passes",
    };
    let ordered = (line.mode != line.policy_mode)
        .then(|| format!("(ordered here; the policy says {})", words::mode_word(line.policy_mode)));
    let watched = line.watch.map(|seconds| format!("(watched for {} more)", when::span(seconds.saturating_mul(1_000))));
    let unserved = (!line.served).then(|| "(nothing listens for it yet)".to_owned());
    let parts: Vec<String> = [Some(mode.to_owned()), ordered, watched, unserved].into_iter().flatten().collect();
    parts.join(" ")
}

fn assets(status: &Status) -> Vec<Vec<String>> {
    if status.listeners.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![["LISTENER", "SPEAKS", "ASSET", "DEVICE", "STATE"].map(str::to_owned).to_vec()];
    for listener in &status.listeners {
        let asset = status.assets.iter().find(|asset| asset.asset == listener.asset);
        let state = match (&listener.trouble, asset.map(|asset| asset.state)) {
            (Some(trouble), _) => format!("DOES NOT LISTEN: {trouble}"),
            (None, _) if listener.blank => "CLOSES EVERY CONNECTION: the gateway has no certificate yet".to_owned(),
            (None, Some(AssetState::Up)) => "up".to_owned(),
            (None, Some(AssetState::Down)) => {
                let since = asset
                    .and_then(|asset| asset.down_for)
                    .map_or_else(String::new, |ms| format!(" for {}", when::span(ms)));
                format!("DOWN{since}: it does not answer")
            }
            (None, Some(AssetState::Idle) | None) => "not asked yet".to_owned(),
        };
        let device = asset.map_or_else(|| "-".to_owned(), |asset| asset.connect.to_string());
        let speaks = if listener.tls { "TLS" } else { "plain" };
        rows.push(vec![listener.at.to_string(), speaks.to_owned(), listener.asset.to_string(), device, state]);
    }
    rows
}

#[cfg(test)]
pub(super) mod tests;
