//! `ca`: the gateway's own CA.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use bulkhead_core::moment::UnixMs;
use bulkhead_core::x509::write;
use jiff::tz::TimeZone;

use super::args::{CaCrl, CaInit, CaInstall, CaList, CaRequest, CaRetire, CaSign};
use super::{Answer, Context, Exit, Failure, client, out, when};
use crate::service::commands::{Answer as Said, AuthorityLine, CertificateLine, Command};

/// The largest file that these verbs read, in bytes.
const FILE_MAX: u64 = 1 << 20;

fn day(at: UnixMs) -> String {
    when::stamp(at, &TimeZone::UTC)
}

/// `ca init [--name NAME]`.
pub(super) fn init(arguments: &CaInit, context: &mut Context<'_>) -> Answer {
    authority(Command::CaInit { name: arguments.name.clone() }, context)
}

/// `ca show`.
pub(super) fn show(context: &mut Context<'_>) -> Answer {
    authority(Command::CaShow, context)
}

/// `ca install CHAIN.pem`.
pub(super) fn install(arguments: &CaInstall, context: &mut Context<'_>) -> Answer {
    let pem = text(&arguments.file)?;
    authority(Command::CaInstall { pem }, context)
}

fn authority(order: Command, context: &mut Context<'_>) -> Answer {
    let answer = client::ask(context, order)?;
    context.out.value(&answer)?;
    let Said::Authority(line) = answer else { return Err(client::unexpected().into()) };
    let Some(line) = line else {
        return Err(Failure::no("this gateway has no CA yet", "make one: bulkhead ca init").into());
    };
    for text in screen(&line) {
        context.out.line(text)?;
    }
    context.out.line(line.pem.trim_end())?;
    Ok(Exit::Ok)
}

fn screen(line: &AuthorityLine) -> Vec<String> {
    let root = line.root.as_ref().map_or_else(
        || "signed by itself; for a plant CA: bulkhead ca csr, then bulkhead ca install".to_owned(),
        |root| format!("chained to {root}"),
    );
    let mut lines = vec![
        format!("{} (SOFTWARE KEY: whoever copies the disk has it)", line.name),
        format!("  root     {root}"),
        format!("  valid    {} to {} UTC", day(line.not_before), day(line.not_after)),
        format!("  issued   {} in force, {} taken back", line.certificates, line.taken_back),
    ];
    if let (Some(end), Some(subject)) = (line.next_end, &line.next) {
        lines.push(format!("  next end {} UTC: {subject}", day(end)));
    }
    lines.extend(line.trouble.as_ref().map(|trouble| format!("  TROUBLE  {trouble}")));
    lines
}

/// `ca csr [-o FILE]`.
pub(super) fn request(arguments: &CaRequest, context: &mut Context<'_>) -> Answer {
    let answer = client::ask(context, Command::CaRequest)?;
    let Said::Request(pem) = &answer else { return Err(client::unexpected().into()) };
    out_or(arguments.output.as_deref(), &answer, pem, context)?;
    Ok(Exit::Ok)
}

/// `ca sign --subject NAME [--csr FILE|-] [--days N] [-o FILE]`.
pub(super) fn sign(arguments: &CaSign, context: &mut Context<'_>) -> Answer {
    let bytes = read(&arguments.csr)?;
    // DER is sent as PEM; what is neither is refused there with its cause.
    let request = if bytes.first() == Some(&0x30) {
        write::pem("CERTIFICATE REQUEST", &bytes)
    } else {
        String::from_utf8(bytes).map_err(|_| {
            let cause = format!("{} is neither PEM nor DER of a certificate request", arguments.csr.display());
            Failure::no(
                cause,
                "make it on the device: openssl req -new -key device.key -subj /CN=device -out device.csr",
            )
        })?
    };
    let order = Command::CaSign { subject: arguments.subject.as_str().into(), request, days: arguments.days };
    let answer = client::ask(context, order)?;
    let Said::Certificate(made) = &answer else { return Err(client::unexpected().into()) };
    out_or(arguments.output.as_deref(), &answer, &made.pem, context)?;
    if arguments.output.is_some() {
        let role = made.line.role.as_ref().map_or_else(|| "no role".to_owned(), ToString::to_string);
        let (serial, end) = (&made.line.serial, day(made.line.not_after));
        context.out.line(format!("{} ({role}), {}, serial {serial}, to {end} UTC", arguments.subject, made.kind))?;
        let key = if made.registered { "its key is registered now" } else { "its key was registered before" };
        context.out.line(format!("{key}: {}", made.line.spki))?;
        if made.life == bulkhead_core::identity::Life::Registered {
            context.out.line(format!("note: it may act after bulkhead device resume {}", arguments.subject))?;
        }
    }
    Ok(Exit::Ok)
}

/// `ca crl [-o FILE]`.
pub(super) fn crl(arguments: &CaCrl, context: &mut Context<'_>) -> Answer {
    let answer = client::ask(context, Command::CaList)?;
    let Said::List { number, count, pem } = &answer else { return Err(client::unexpected().into()) };
    out_or(arguments.output.as_deref(), &answer, pem, context)?;
    if arguments.output.is_some() {
        context.out.line(format!("list {number} with {count} certificates"))?;
    }
    Ok(Exit::Ok)
}

/// `ca list [--subject NAME]`.
pub(super) fn list(arguments: &CaList, context: &mut Context<'_>) -> Answer {
    let subject = arguments.subject.as_deref().map(Into::into);
    let answer = client::ask(context, Command::CaCertificates { subject })?;
    context.out.value(&answer)?;
    let Said::Certificates { lines, more } = answer else { return Err(client::unexpected().into()) };
    if lines.is_empty() {
        context.out.line("no certificate was issued")?;
        return Ok(Exit::Ok);
    }
    let heading = ["SERIAL", "SUBJECT", "ROLE", "TO (UTC)", "STATE", "KEY"].map(str::to_owned).to_vec();
    let table: Vec<Vec<String>> = std::iter::once(heading).chain(lines.iter().map(row)).collect();
    for line in out::table(&table) {
        context.out.line(line)?;
    }
    if more > 0 {
        context
            .out
            .line(format!("and {more} older ones; see those of one subject: bulkhead ca list --subject NAME"))?;
    }
    Ok(Exit::Ok)
}

fn row(line: &CertificateLine) -> Vec<String> {
    let state = match line.revoked {
        Some(at) => format!("TAKEN BACK {}", day(at)),
        None if line.not_after <= when::now() => "ended".to_owned(),
        None => "in force".to_owned(),
    };
    vec![
        line.serial.clone(),
        line.subject.as_ref().map_or_else(|| "(this gateway)".to_owned(), ToString::to_string),
        line.role.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        day(line.not_after),
        state,
        line.spki.short(),
    ]
}

/// `ca retire SERIAL`.
pub(super) fn retire(arguments: &CaRetire, context: &mut Context<'_>) -> Answer {
    let answer = client::ask(context, Command::CaRetire { serial: arguments.serial.replace(':', "") })?;
    context.out.value(&answer)?;
    let Said::List { number, count, .. } = answer else { return Err(client::unexpected().into()) };
    context.out.line(format!("it is on list {number}, with {count} certificates; its key stays registered"))?;
    Ok(Exit::Ok)
}

/// The text goes into the file, else to the standard output; under `--json` the answer does.
fn out_or(file: Option<&Path>, answer: &Said, text: &str, context: &mut Context<'_>) -> anyhow::Result<()> {
    match file {
        Some(file) => put(file, text, context)?,
        None if context.out.wants_json() => {}
        None => context.out.raw(text)?,
    }
    Ok(context.out.value(answer)?)
}

fn text(file: &Path) -> Result<String, Failure> {
    String::from_utf8(read(file)?).map_err(|_| {
        Failure::usage(format!("{} is no PEM", file.display()), "openssl x509 -in FILE -outform PEM makes it one")
    })
}

/// A small file, or the standard input for `-`.
fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = |why: &dyn std::fmt::Display| {
        Failure::no(format!("{} cannot be read: {why}", file.display()), "name a file that you may read, or `-`")
    };
    let mut bytes = Vec::new();
    let from: Box<dyn io::Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(fs::File::open(file).map_err(|error| cannot(&error))?)
    };
    from.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_MAX {
        return Err(cannot(&format!("more than {FILE_MAX} bytes")));
    }
    Ok(bytes)
}

/// Writes a file that is there wholly or as it was, or the standard output for `-`.
fn put(file: &Path, text: &str, context: &mut Context<'_>) -> anyhow::Result<()> {
    if file == Path::new("-") {
        return Ok(context.out.raw(text)?);
    }
    let cannot = |error: io::Error| {
        Failure::no(format!("{} cannot be written: {error}", file.display()), "name a file that you may write")
    };
    let aside = file.with_added_extension("new");
    let mut to = fs::File::create(&aside).map_err(cannot)?;
    to.write_all(text.as_bytes()).and_then(|()| to.sync_all()).map_err(cannot)?;
    fs::rename(&aside, file).map_err(cannot)?;
    Ok(())
}
