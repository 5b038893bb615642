//! The daemon: whether it runs, in which version, under which limits, and who may give it orders.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;

use bulkhead_core::policy::Policy;

use super::Finding;
use super::host::Host;
use crate::cli::Failure;
use crate::config::Settings;
use crate::doors::local::Admit;
use crate::service::commands::Status;
use crate::service::sessions::PER_LISTENER;

/// Where the unit may lie; the first that is there counts.
const UNITS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// Files that the daemon has open besides connections.
const OWN_FILES: u64 = 64;

/// The unit's text with the drop-ins behind it.
pub(super) fn unit(host: &Host) -> Option<String> {
    let folder = UNITS.iter().find(|folder| host.has(&format!("{folder}/bulkhead.service")))?;
    let mut text = host.text(&format!("{folder}/bulkhead.service"));
    for folder in UNITS {
        let drops = format!("{folder}/bulkhead.service.d");
        for name in host.names(&drops) {
            text.push('\n');
            text.push_str(&host.text(&format!("{drops}/{name}")));
        }
    }
    Some(text)
}

/// What is known without the daemon.
pub(super) fn machine(host: &Host, settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    match unit(host) {
        None => findings.push(
            Finding::note(
                "service-unit",
                "bulkhead.service",
                "nothing starts the gateway with the machine: there is no unit",
            )
            .mend("systemctl enable --now bulkhead, after the package has brought its unit"),
        ),
        Some(text) if !text.lines().any(|line| line.starts_with("WatchdogSec=")) => findings.push(
            Finding::weak(
                "service-watchdog",
                "bulkhead.service",
                "nobody notices a daemon that hangs: the unit has no watchdog",
            )
            .mend("systemctl edit bulkhead, with [Service] WatchdogSec=10"),
        ),
        Some(_) => {}
    }
    if let Some(group) = &settings.local.group {
        let groups = host.text("/etc/group");
        if Admit::of(0, Some(group), &groups, "").group().is_none() {
            let text = format!("there is no group `{group}`: root alone may give orders");
            findings.push(
                Finding::note("service-group", "/etc/group", text)
                    .mend(format!("groupadd --system {group}; usermod -aG {group} USER")),
            );
        }
    }
    findings.extend(socket(settings));
    findings
}

fn socket(settings: &Settings) -> Vec<Finding> {
    let path = &settings.socket;
    let shown = path.display();
    let mut findings = Vec::new();
    if fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o007 != 0) {
        let text = format!("everybody may reach {shown}");
        findings.push(Finding::bad("service-socket", &shown, text).mend(format!("chmod 660 {shown}")));
    }
    let folder = path.parent().filter(|folder| fs::metadata(folder).is_ok_and(|meta| meta.mode() & 0o002 != 0));
    if let Some(folder) = folder {
        let text = format!("everybody may put a socket of theirs into {}", folder.display());
        findings.push(
            Finding::bad("service-folder", folder.display(), text).mend(format!("chmod o-w {}", folder.display())),
        );
    }
    findings
}

/// What the daemon says, or why it says nothing.
pub(super) fn daemon(answer: &Result<Status, Failure>) -> Vec<Finding> {
    let status = match answer {
        Ok(status) => status,
        Err(failure) => {
            return vec![Finding::bad("daemon-silent", "socket", failure.cause.clone()).mend(failure.next.clone())];
        }
    };
    let ours = env!("CARGO_PKG_VERSION");
    let mut findings = vec![Finding::ok("daemon-runs", "daemon", format!("bulkhead {} runs", status.version))];
    if status.version != ours {
        let text = format!("the daemon is version {}, this command {ours}", status.version);
        findings.push(Finding::weak("daemon-version", "daemon", text).mend("systemctl restart bulkhead"));
    }
    if let Some(trouble) = &status.journal.trouble {
        findings.push(
            Finding::bad("journal-trouble", "journal", format!("its disk is {trouble}"))
                .mend("df -h; dmesg | tail; mount | grep ' ro,'"),
        );
    }
    if status.journal.lost > 0 {
        let text = format!("{} records could not be kept", status.journal.lost);
        findings.push(
            Finding::bad("journal-lost", "journal", text)
                .mend("bulkhead journal show --last 200; bulkhead journal verify"),
        );
    }
    if status.journal.late > 0 {
        let text = format!("{} writes went on before their record was on the disk", status.journal.late);
        findings.push(
            Finding::weak("journal-late", "journal", text)
                .mend("a faster disk; bulkhead journal show --refused --last 50"),
        );
    }
    if let Some(trouble) = &status.store.trouble {
        findings.push(
            Finding::weak("store-trouble", "state.db", trouble.clone())
                .mend("bulkhead subject list; bulkhead journal show --last 20"),
        );
    }
    findings
}

/// `/proc/PID/limits` against the connections that the policy's listeners may have: two files for each, one on either side.
pub(super) fn limits(host: &Host, policy: &Policy, pid: Option<u32>) -> Vec<Finding> {
    let Some(pid) = pid else { return Vec::new() };
    let text = host.text(&format!("/proc/{pid}/limits"));
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    let Some(soft) = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()) else {
        return Vec::new();
    };
    let each = u64::try_from(PER_LISTENER).unwrap_or(u64::MAX);
    let listeners = policy.listeners().map(|(_, _, asset)| each + each.min(u64::from(asset.connections)));
    let wanted = listeners.sum::<u64>() + OWN_FILES;
    if soft >= wanted {
        return vec![Finding::ok(
            "service-files-ok",
            "daemon",
            format!("{soft} files may be open, {wanted} at most are used"),
        )];
    }
    let text = format!("the daemon may open {soft} files; {wanted} are used when every listener is full");
    let mend = format!("systemctl edit bulkhead, with [Service] LimitNOFILE={wanted}");
    vec![Finding::weak("service-files", "daemon", text).mend(mend)]
}

/// The daemon's process, by the kernel's word about the other end of its socket.
pub(super) fn pid(settings: &Settings) -> Option<u32> {
    let stream = UnixStream::connect(&settings.socket).ok()?;
    let peer = rustix::net::sockopt::socket_peercred(&stream).ok()?;
    u32::try_from(peer.pid.as_raw_nonzero().get()).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::host::fixture::host;
    use super::super::tests::{lines, status};
    use super::*;
    use crate::cli::Exit;
    use crate::service::commands::{JournalLine, StoreLine};

    const UNIT: &str = "etc/systemd/system/bulkhead.service";

    #[test]
    fn a_gateway_that_nothing_starts_or_watches_is_told() {
        let mut settings = crate::config::defaults().unwrap();
        settings.socket = "/nowhere/c.sock".into();
        settings.local.group = None;
        let of = |files: &[(&str, &str)]| lines(&machine(&host(files).host, &settings));
        assert_eq!(of(&[]), ["note service-unit"]);
        assert_eq!(of(&[(UNIT, "[Service]\nExecStart=x\n")]), ["weak service-watchdog"]);
        assert_eq!(of(&[(UNIT, "[Service]\nWatchdogSec=10\n")]), [""; 0]);
        let drop_in = "etc/systemd/system/bulkhead.service.d/override.conf";
        assert_eq!(of(&[(UNIT, "[Service]\n"), (drop_in, "[Service]\nWatchdogSec=10\n")]), [""; 0]);
    }

    #[test]
    fn a_group_that_does_not_exist_is_told() {
        let mut settings = crate::config::defaults().unwrap();
        settings.socket = "/nowhere/c.sock".into();
        let of = |groups| lines(&machine(&host(&[(UNIT, "WatchdogSec=1\n"), ("etc/group", groups)]).host, &settings));
        assert_eq!(of("root:x:0:\n"), ["note service-group"]);
        assert_eq!(of("root:x:0:\nbulkhead:x:990:\n"), [""; 0]);
    }

    #[test]
    fn a_socket_or_its_folder_that_everybody_may_write_is_bad() {
        let host = host(&[("run/c.sock", "")]);
        let mut settings = crate::config::defaults().unwrap();
        settings.socket = host.path("run/c.sock");
        let set = |path: &str, mode| fs::set_permissions(host.path(path), fs::Permissions::from_mode(mode)).unwrap();
        let of = || lines(&socket(&settings));
        set("run", 0o750);
        set("run/c.sock", 0o660);
        assert_eq!(of(), [""; 0]);
        set("run/c.sock", 0o666);
        assert_eq!(of(), ["bad service-socket"]);
        set("run/c.sock", 0o660);
        set("run", 0o777);
        assert_eq!(of(), ["bad service-folder"]);
    }

    #[test]
    fn a_daemon_that_is_silent_old_or_in_trouble_is_told() {
        let sound = || {
            let journal = JournalLine { trouble: None, late: 0, lost: 0, ..status().journal };
            Status {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                journal,
                store: StoreLine { trouble: None },
                ..status()
            }
        };
        let of = |answer| lines(&daemon(&answer));
        assert_eq!(of(Ok(sound())), ["ok daemon-runs"]);
        let silent = Failure { exit: Exit::No, cause: "it does not run".to_owned(), next: "bulkhead run".to_owned() };
        assert_eq!(of(Err(silent)), ["bad daemon-silent"]);
        let of = |status| of(Ok(status)).split_off(1);
        assert_eq!(of(Status { version: "0.0.9".to_owned(), ..sound() }), ["weak daemon-version"]);
        let journal = sound().journal;
        assert_eq!(
            of(Status { journal: JournalLine { trouble: Some("full".to_owned()), ..journal.clone() }, ..sound() }),
            ["bad journal-trouble"]
        );
        assert_eq!(of(Status { journal: JournalLine { lost: 2, ..journal.clone() }, ..sound() }), ["bad journal-lost"]);
        assert_eq!(of(Status { journal: JournalLine { late: 2, ..journal }, ..sound() }), ["weak journal-late"]);
        assert_eq!(
            of(Status { store: StoreLine { trouble: Some("restored".to_owned()) }, ..sound() }),
            ["weak store-trouble"]
        );
    }

    #[test]
    fn a_limit_of_open_files_below_what_the_listeners_may_use_is_told() {
        let text = "[plant]\nname = \"p\"\ntimezone = \"UTC\"\n[zones.a]\nnetworks = [\"10.0.1.0/24\"]\n[assets.plc]\nzone = \"a\"\n\
            listen = [\"127.0.0.1:1502\"]\nconnect = \"modbus://10.0.1.2:502\"\nunits = [1]\nconnections = 16\n";
        let policy = bulkhead_core::policy::check(text).policy;
        let of = |soft: &str| {
            let table = format!(
                "Limit  Soft Limit  Hard Limit  Units\nMax open files            {soft}                 524288               files\n"
            );
            lines(&limits(&host(&[("proc/77/limits", &table)]).host, &policy, Some(77)))
        };
        assert_eq!(of("1024"), ["weak service-files"]);
        assert_eq!(of("1080"), ["ok service-files-ok"]);
        assert_eq!(lines(&limits(&host(&[]).host, &policy, Some(77))), [""; 0]);
    }
}
