//! Keys, disk, clock and forwarding of this machine.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use bulkhead_core::moment::UnixMs;

use super::Finding;
use crate::config::{self, Settings};
use crate::ports::keys::{Keys as _, SoftwareKey};

/// 2026-01-01: no gateway of this version was ever started before it.
const EARLIEST_MS: i64 = 1_767_225_600_000;
/// Room that the store, its good copy and the policy want beside the journal, in bytes.
const BESIDE: u64 = 64 << 20;

/// Whether the keys are there, and what they are worth.
pub(super) fn keys(settings: &Settings, config: &str) -> Vec<Finding> {
    let file = settings.checkpoint_key();
    match fs::metadata(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return vec![Finding::bad("keys", "this gateway has no keys", format!("bulkhead --config {config} init"))];
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return vec![Finding::weak("keys", "this user may not look at the keys", "sudo bulkhead doctor")];
        }
        Err(_) | Ok(_) => {}
    }
    match SoftwareKey::load(&file) {
        Ok(key) => vec![Finding::weak(
            "keys",
            format!("SOFTWARE KEYS: whoever copies this disk has them (key {})", key.id()),
            "lock the cabinet and encrypt the disk; keys in a TPM come with a later version",
        )],
        Err(error) => vec![Finding::bad("keys", error.to_string(), format!("chmod 600 {}", file.display()))],
    }
}

/// Whether the journal's budget fits, and whether somebody else owns the state.
pub(super) fn disk(settings: &Settings) -> Vec<Finding> {
    let state = &settings.state;
    let Ok(meta) = fs::metadata(state) else {
        let mend = format!("bulkhead --config {} init", settings.file.display());
        return vec![Finding::bad("disk", format!("the state folder {} is not there", state.display()), mend)];
    };
    let mut findings = Vec::new();
    if meta.mode() & 0o022 != 0 {
        let text = format!("the state folder {} is writable by others", state.display());
        findings.push(Finding::bad("disk", text, format!("chmod go-w {}", state.display())));
    }
    let taken = taken(&settings.journal_folder());
    match rustix::fs::statvfs(state) {
        Ok(stat) => findings.push(room(stat.f_bavail.saturating_mul(stat.f_frsize), taken, settings.journal.max)),
        Err(error) => findings.push(Finding::weak("disk", format!("its room is not known: {error}"), "df -h")),
    }
    findings
}

fn room(free: u64, taken: u64, max: u64) -> Finding {
    let wanted = max.saturating_sub(taken).saturating_add(BESIDE);
    let (free_text, max_text) = (config::size_text(free), config::size_text(max));
    if free >= wanted {
        return Finding::ok(
            "disk",
            format!("{free_text} free; the journal has {} of {max_text}", config::size_text(taken)),
        );
    }
    let fits = free.saturating_add(taken).saturating_sub(BESIDE) >> 20;
    Finding::bad(
        "disk",
        format!("{free_text} free, but the journal may still take {}", config::size_text(max.saturating_sub(taken))),
        format!("set [journal] max = \"{} MiB\", or make room", fits.max(64)),
    )
}

fn taken(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum()
}

/// Whether the time of day can be meant.
pub(super) fn clock(now: UnixMs) -> Finding {
    let rtc = Path::new("/sys/class/rtc/rtc0").exists();
    clock_of(now, rtc)
}

fn clock_of(now: UnixMs, rtc: bool) -> Finding {
    let year = 1970 + now.0 / 31_556_952_000;
    if now.0 < EARLIEST_MS {
        return Finding::bad(
            "clock",
            format!("it shows the year {year}: shifts and hours cannot be judged"),
            "timedatectl set-time 'YYYY-MM-DD HH:MM', then check the battery",
        );
    }
    if rtc {
        Finding::ok("clock", "it is set; a clock chip keeps it over a restart")
    } else {
        Finding::weak(
            "clock",
            "it is set, but no clock chip keeps it over a restart",
            "give the plant an NTP server, or fit a clock with a battery",
        )
    }
}

/// A kernel that forwards makes a way past the gateway.
pub(super) fn forwarding() -> Finding {
    let on = |path: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() != "0");
    forwarding_of(on("/proc/sys/net/ipv4/ip_forward"), on("/proc/sys/net/ipv6/conf/all/forwarding"))
}

fn forwarding_of(v4: bool, v6: bool) -> Finding {
    let what = match (v4, v6) {
        (false, false) => return Finding::ok("bypass", "this machine forwards no packets by itself"),
        (true, false) => "IPv4",
        (false, true) => "IPv6",
        (true, true) => "IPv4 and IPv6",
    };
    Finding::bad(
        "bypass",
        format!("the kernel forwards {what}: packets may pass between the zones without the gateway"),
        "sysctl -w net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0, and keep it in /etc/sysctl.d/",
    )
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn a_clock_in_1970_is_bad_and_one_without_a_chip_is_weak() {
        assert_eq!(clock_of(UnixMs(3_600_000), true).grade, Grade::Bad);
        assert!(clock_of(UnixMs(3_600_000), true).text.contains("1970"));
        assert_eq!(clock_of(UnixMs(1_795_486_198_000), false).grade, Grade::Weak);
        assert_eq!(clock_of(UnixMs(1_795_486_198_000), true).grade, Grade::Ok);
    }

    #[test]
    fn a_journal_that_cannot_reach_its_budget_is_bad_and_the_budget_that_fits_is_named() {
        assert_eq!(room(2 << 30, 0, 1 << 30).grade, Grade::Ok);
        let small = room(500 << 20, 16 << 20, 1 << 30);
        assert_eq!(small.grade, Grade::Bad);
        assert_eq!(small.mend.as_deref(), Some("set [journal] max = \"452 MiB\", or make room"));
        assert_eq!(room(100 << 20, (1 << 30) - (16 << 20), 1 << 30).grade, Grade::Ok);
    }

    #[test]
    fn a_kernel_that_forwards_is_a_way_past_the_gateway() {
        assert_eq!(forwarding_of(false, false).grade, Grade::Ok);
        for (v4, v6) in [(true, false), (false, true), (true, true)] {
            assert_eq!(forwarding_of(v4, v6).grade, Grade::Bad);
        }
    }
}
