//! `device`: the registry, who is known by what.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::sheet::{MAX_BYTES, Row, Sheet, subject_rows};
use bulkhead_core::identity::{Credential, Life, Mac};
use bulkhead_core::x509::leaf::Leaf;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::args::{Device, DeviceAdd, DeviceImport, DeviceRemove, Shown};
use super::{Answer, Context, Exit, Failure, client, files, out};
use crate::service::commands::{Answer as Said, Command, DeviceChanged, DeviceLine};

/// The largest certificate file.
const CERTIFICATE_MAX: u64 = 64 * 1024;

pub(super) fn run(verb: Device, context: &mut Context<'_>) -> Answer {
    match verb {
        Device::Add(arguments) => add(&arguments, context),
        Device::List => list(context),
        Device::Show(name) => show(&name.device, context),
        Device::Suspend(name) => change(Command::DeviceSuspend { subject: name.device.as_str().into() }, context),
        Device::Resume(name) => change(Command::DeviceResume { subject: name.device.as_str().into() }, context),
        Device::Revoke(name) => super::orders::revoke(&name.device, context),
        Device::Remove(arguments) => remove(&arguments, context),
        Device::Export(file) => export(file.file.as_deref(), context),
        Device::Import(arguments) => import(&arguments, context),
    }
}

/// What the arguments name as a credential.
fn credential(shown: &Shown) -> Result<Option<Credential>, Failure> {
    if let Some(hex) = &shown.key {
        let wrong = |_| {
            Failure::usage(
                format!("`{hex}` is no SHA-256 of a public key"),
                "64 hex digits; or name the file: --certificate FILE",
            )
        };
        return hex.parse::<Sha256>().map(|spki| Some(Credential::Key(spki))).map_err(wrong);
    }
    if let Some(file) = &shown.certificate {
        return certificate(file).map(|spki| Some(Credential::Key(spki)));
    }
    let Some(address) = &shown.address else { return Ok(None) };
    let wrong = |_| {
        Failure::usage(
            format!("`{address}` is no address"),
            "an IP address without port or prefix, such as --address 10.10.9.31",
        )
    };
    let ip: std::net::IpAddr = address.parse().map_err(wrong)?;
    let mac = match &shown.mac {
        Some(text) => Some(
            text.parse::<Mac>()
                .map_err(|error| Failure::usage(format!("`{text}`: {error}"), "write --mac 02:1f:5a:00:10:31"))?,
        ),
        None => None,
    };
    Ok(Some(Credential::Address { ip: ip.to_canonical(), mac }))
}

/// The digest of the public key of a certificate file, PEM or DER.
fn certificate(file: &Path) -> Result<Sha256, Failure> {
    let cannot = |why: &dyn std::fmt::Display| {
        Failure::usage(
            format!("the certificate {} cannot be read: {why}", file.display()),
            "name a certificate in PEM or DER",
        )
    };
    let mut bytes = Vec::new();
    let opened = fs::File::open(file).map_err(|error| cannot(&error))?;
    opened.take(CERTIFICATE_MAX + 1).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > CERTIFICATE_MAX {
        return Err(cannot(&format!("more than {CERTIFICATE_MAX} bytes")));
    }
    let der = if bytes.starts_with(b"-----") || bytes.windows(11).any(|some| some == b"-----BEGIN ") {
        CertificateDer::from_pem_slice(&bytes).map_err(|error| cannot(&error))?
    } else {
        CertificateDer::from(bytes)
    };
    Leaf::read(&der).map(|leaf| leaf.spki).map_err(|error| cannot(&error))
}

fn add(arguments: &DeviceAdd, context: &mut Context<'_>) -> Answer {
    let credentials = credential(&arguments.shown)?.into_iter().collect();
    let life = if arguments.registered { Life::Registered } else { Life::Active };
    change(Command::DeviceAdd { subject: arguments.device.as_str().into(), life, credentials }, context)
}

fn remove(arguments: &DeviceRemove, context: &mut Context<'_>) -> Answer {
    let Some(credential) = credential(&arguments.shown)? else {
        return Err(Failure::usage(
            "what is to be removed is missing",
            "name it: --key SPKI, --certificate FILE or --address IP",
        )
        .into());
    };
    change(Command::DeviceRemove { subject: arguments.device.as_str().into(), credential }, context)
}

fn change(order: Command, context: &mut Context<'_>) -> Answer {
    let answer = client::ask(context, order)?;
    context.out.value(&answer)?;
    let Said::Device(changed) = answer else { return Err(client::unexpected().into()) };
    tell(&changed, context)?;
    Ok(Exit::Ok)
}

fn tell(changed: &DeviceChanged, context: &mut Context<'_>) -> io::Result<()> {
    let DeviceChanged { device, changed, cut, seq } = changed;
    let life = device.life.word();
    if *changed {
        let cut = if *cut > 0 {
            format!("; {} cut", files::counted(usize::try_from(*cut).unwrap_or(usize::MAX), "connection"))
        } else {
            String::new()
        };
        context.out.line(format!("{} is {life}{cut}; record #{}", device.subject, seq.0))?;
    } else {
        context.out.line(format!("{} is {life} and has all of it already; nothing was changed", device.subject))?;
    }
    hints(device, context)
}

/// What a person would wonder about.
fn hints(device: &DeviceLine, context: &mut Context<'_>) -> io::Result<()> {
    let name = &device.subject;
    let about = match device.life {
        Life::Registered => Some(format!("it may do nothing yet: bulkhead device resume {name} lets it act")),
        Life::Suspended => Some(format!("it may do nothing: bulkhead device resume {name} lets it act again")),
        Life::Revoked => Some("it may do nothing, for good".to_owned()),
        Life::Active => None,
    };
    if let Some(about) = about {
        context.out.line(about)?;
    }
    if device.zone.is_none() {
        return context
            .out
            .line(format!("the policy in force does not name it: it may do nothing until [subjects.{name}] is there"));
    }
    if !device.addresses.is_empty() && !device.proof.contains("address") {
        context.out.line(format!("its address counts for nothing: the policy admits {} alone for it", device.proof))?;
    }
    if !device.keys.is_empty() && !device.proof.contains("certificate") {
        context.out.line(format!("its key counts for nothing: the policy admits {} alone for it", device.proof))?;
    }
    Ok(())
}

fn every(context: &Context<'_>) -> Result<Vec<DeviceLine>, Failure> {
    let mut all: Vec<DeviceLine> = Vec::new();
    loop {
        let after = all.last().map(|device| device.subject.clone());
        let Said::Devices { devices, more } = client::ask(context, Command::DeviceList { after })? else {
            return Err(client::unexpected());
        };
        all.extend(devices);
        if !more {
            return Ok(all);
        }
    }
}

fn list(context: &mut Context<'_>) -> Answer {
    let all = every(context)?;
    for device in &all {
        context.out.value(device)?;
    }
    if all.is_empty() {
        context.out.line("nobody is registered; who the policy knows: bulkhead subject list")?;
        return Ok(Exit::Ok);
    }
    let heading = ["DEVICE", "LIFE", "ROLE", "KEYS", "ADDRESSES", "CONNECTED"].map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(heading).chain(all.iter().map(row)).collect();
    for line in out::table(&rows) {
        context.out.line(line)?;
    }
    Ok(Exit::Ok)
}

fn row(device: &DeviceLine) -> Vec<String> {
    let life = match device.life {
        Life::Active | Life::Registered => device.life.word().to_owned(),
        Life::Suspended | Life::Revoked => device.life.word().to_uppercase(),
    };
    let role = match (&device.role, &device.zone) {
        (Some(role), _) => role.to_string(),
        (None, Some(_)) => "-".to_owned(),
        (None, None) => "not in the policy".to_owned(),
    };
    let addresses: Vec<String> = device.addresses.iter().map(|(ip, _)| ip.to_string()).collect();
    let addresses = if addresses.is_empty() { "-".to_owned() } else { addresses.join(" ") };
    vec![device.subject.to_string(), life, role, device.keys.len().to_string(), addresses, device.sessions.to_string()]
}

fn show(name: &str, context: &mut Context<'_>) -> Answer {
    let answer = client::ask(context, Command::DeviceShow { subject: name.into() })?;
    let Said::Devices { devices, .. } = answer else { return Err(client::unexpected().into()) };
    for device in devices {
        context.out.value(&device)?;
        context.out.line(format!("device     {}", device.subject))?;
        context.out.line(format!("life       {}", device.life.word()))?;
        if let Some(zone) = &device.zone {
            let role = device.role.as_ref().map_or_else(|| "no role of its own".to_owned(), ToString::to_string);
            context.out.line(format!("policy     {role} in {zone}, by {}", device.proof))?;
        }
        for key in &device.keys {
            context.out.line(format!("key        {key}"))?;
        }
        for (ip, mac) in &device.addresses {
            let mac = mac.map_or_else(String::new, |mac| format!(" with {mac}"));
            context.out.line(format!("address    {ip}{mac}"))?;
        }
        context.out.line(format!("connected  {}", device.sessions))?;
        hints(&device, context)?;
    }
    Ok(Exit::Ok)
}

fn export(file: Option<&Path>, context: &mut Context<'_>) -> Answer {
    let all = every(context)?;
    let rows: Vec<Row> = all
        .iter()
        .flat_map(|device| {
            let keys = device.keys.iter().copied().map(Credential::Key);
            let addresses = device.addresses.iter().map(|(ip, mac)| Credential::Address { ip: *ip, mac: *mac });
            subject_rows(&device.subject, device.life, keys.chain(addresses))
        })
        .collect();
    let text = Sheet(&rows).to_string();
    let Some(file) = file.filter(|file| *file != Path::new("-")) else {
        for device in &all {
            context.out.value(device)?;
        }
        context.out.line(text.trim_end())?;
        return Ok(Exit::Ok);
    };
    let kept =
        fs::File::create(file).and_then(|mut kept| kept.write_all(text.as_bytes()).and_then(|()| kept.sync_all()));
    kept.map_err(|error| {
        Failure::usage(format!("{} cannot be written: {error}", file.display()), "name a file in a folder of yours")
    })?;
    context.out.line(format!("{} in {}", files::counted(all.len(), "device"), file.display()))?;
    Ok(Exit::Ok)
}

fn import(arguments: &DeviceImport, context: &mut Context<'_>) -> Answer {
    let (file, dry_run) = (&arguments.file, arguments.dry_run);
    let cannot = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("{} cannot be read: {why}", file.display()), "name a sheet, or - for the standard input")
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    if file == Path::new("-") {
        io::stdin().lock().take(most + 1).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
    } else {
        let opened = fs::File::open(file).map_err(|error| cannot(&error))?;
        opened.take(most + 1).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
    }
    if bytes.len() > MAX_BYTES {
        return Err(
            cannot(&format!("it has more than {MAX_BYTES} bytes; import it in parts, each with the header")).into()
        );
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line =
            1 + error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|byte| **byte == b'\n').count();
        Failure::no(
            format!("{}:{line}: it is not UTF-8 text; nothing was changed", file.display()),
            "save it as \"CSV UTF-8\"",
        )
    })?;
    let answer = client::ask(context, Command::DeviceImport { text, dry_run })
        .map_err(|failure| super::orders::named(failure, file))?;
    context.out.value(&answer)?;
    let Said::Imported(done) = answer else { return Err(client::unexpected().into()) };
    for change in &done.changes {
        context.out.line(change)?;
    }
    let left = done.changed.saturating_sub(u64::try_from(done.changes.len()).unwrap_or(u64::MAX));
    if left > 0 {
        context.out.line(format!("and {left} more"))?;
    }
    let count = files::counted(usize::try_from(done.changed).unwrap_or(usize::MAX), "change");
    context.out.line(match (done.changed, done.dry_run) {
        (0, _) => "the registry holds all of it already; nothing was changed".to_owned(),
        (_, true) => format!("{count} would be made; nothing was changed"),
        (_, false) => format!("{count} made; record #{}", done.seq.0),
    })?;
    Ok(Exit::Ok)
}
