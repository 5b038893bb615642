//! Certificates that end soon: whoever renews them must be told while there is time.

use std::collections::BTreeMap;

use bulkhead_core::moment::UnixMs;
use bulkhead_core::names::SubjectId;

use super::Finding;
use crate::service::commands::{AuthorityLine, CertificateLine};

const DAY_MS: i64 = 86_400_000;

/// Something with an end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ending {
    kind: Kind,
    starts: UnixMs,
    ends: UnixMs,
}

/// What ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// The certificate of the CA, or one above it: nothing that it issued outlives it.
    Authority,
    /// What this gateway shows on its TLS listeners.
    Own,
    /// The newest certificate of a station.
    Issued(SubjectId),
}

impl Kind {
    /// In words, and how many days before the end it matters.
    fn says(&self) -> (String, i64) {
        match self {
            Self::Authority => ("the certificate of the gateway's CA".to_owned(), 365),
            Self::Own => ("the gateway's own certificate".to_owned(), 10),
            Self::Issued(subject) => (format!("the newest certificate of {subject}"), 30),
        }
    }

    fn mend(&self) -> String {
        match self {
            Self::Authority => "have it signed anew, which takes time at every station: bulkhead ca csr -o ca.csr, then: bulkhead ca install chain.pem".to_owned(),
            Self::Own => "the gateway renews it by itself; see why not: bulkhead ca show".to_owned(),
            Self::Issued(subject) => {
                format!("make a request at the station, then: bulkhead ca sign --subject {subject} --csr {subject}.csr -o {subject}.pem")
            }
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Authority => "ca".to_owned(),
            Self::Own => "listeners".to_owned(),
            Self::Issued(subject) => subject.to_string(),
        }
    }
}

/// What has ended and what will soon. Under a doubtful clock nothing is said to have ended.
pub(super) fn findings(
    authority: Option<&AuthorityLine>,
    lines: &[CertificateLine],
    now: UnixMs,
    doubtful: bool,
) -> Vec<Finding> {
    let Some(authority) = authority else { return Vec::new() };
    let trouble = authority.trouble.iter().map(|trouble| {
        Finding::bad("certificate-trouble", "ca", format!("the CA: {trouble}"))
            .mend("bulkhead ca show; bulkhead doctor")
    });
    let trouble: Vec<Finding> = trouble.collect();
    let all = endings(authority, lines);
    if doubtful {
        let text = "nobody knows which certificates have ended: the clock is doubtful";
        let unknown =
            Finding::note("certificate-unknown", "clock", text).mend("timedatectl set-time 'YYYY-MM-DD HH:MM'");
        return trouble.into_iter().chain([unknown]).collect();
    }
    let told: Vec<Finding> = trouble.into_iter().chain(all.iter().filter_map(|ending| told(ending, now))).collect();
    if !told.is_empty() {
        return told;
    }
    let first = all.iter().map(|ending| (ending.ends.0 - now.0) / DAY_MS).min().unwrap_or(0);
    let text = format!("{} are looked at; the first ends in {first} days", all.len());
    vec![Finding::ok("certificate-ok", "ca", text)]
}

fn told(ending: &Ending, now: UnixMs) -> Option<Finding> {
    let ((what, days), place, mend) = (ending.kind.says(), ending.kind.place(), ending.kind.mend());
    let left = ending.ends.0 - now.0;
    if left <= 0 {
        let text = format!("{what} has ended {} days ago", -left / DAY_MS);
        return Some(Finding::bad("certificate-ended", place, text).mend(mend));
    }
    if left < days * DAY_MS {
        let text = format!("{what} ends in {} days", left / DAY_MS);
        return Some(Finding::weak("certificate-ends", place, text).mend(mend));
    }
    (now.0 < ending.starts.0).then(|| {
        let text = format!("{what} does not count yet: it begins after what the clock shows");
        Finding::weak("certificate-begins", place, text)
            .mend("timedatectl set-time 'YYYY-MM-DD HH:MM', if the clock is wrong")
    })
}

/// The CA's own, and of every holder the one that lasts longest: an older one may end beside it.
fn endings(authority: &AuthorityLine, lines: &[CertificateLine]) -> Vec<Ending> {
    let mut newest: BTreeMap<Option<&SubjectId>, &CertificateLine> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.revoked.is_none()) {
        let kept = newest.entry(line.subject.as_ref()).or_insert(line);
        if line.not_after > kept.not_after {
            *kept = line;
        }
    }
    let issued = newest.into_iter().map(|(subject, line)| Ending {
        kind: subject.map_or(Kind::Own, |subject| Kind::Issued(subject.clone())),
        starts: line.not_before,
        ends: line.not_after,
    });
    let own = Ending { kind: Kind::Authority, starts: authority.not_before, ends: authority.not_after };
    std::iter::once(own).chain(issued).collect()
}

#[cfg(test)]
mod tests {
    use bulkhead_core::digest::Sha256;

    use super::super::host::fixture::NOW;
    use super::super::tests::lines;
    use super::*;

    fn at(days: i64) -> UnixMs {
        UnixMs(NOW.0 + days * DAY_MS)
    }

    fn authority(ends: i64) -> AuthorityLine {
        AuthorityLine {
            name: "CA".to_owned(),
            root: None,
            not_before: at(-10),
            not_after: at(ends),
            pem: String::new(),
            certificates: 1,
            taken_back: 0,
            next_end: None,
            next: None,
            trouble: None,
        }
    }

    fn line(subject: Option<&str>, from: i64, to: i64, revoked: bool) -> CertificateLine {
        CertificateLine {
            serial: "01".to_owned(),
            subject: subject.map(Into::into),
            spki: Sha256::default(),
            role: None,
            not_before: at(from),
            not_after: at(to),
            revoked: revoked.then(|| at(-1)),
        }
    }

    fn of(ca: i64, certificates: &[CertificateLine]) -> Vec<String> {
        lines(&findings(Some(&authority(ca)), certificates, NOW, false))
    }

    #[test]
    fn what_ends_soon_is_weak_what_has_ended_bad_and_each_kind_has_its_own_warning_time() {
        assert_eq!(of(400, &[]), ["ok certificate-ok"]);
        assert_eq!(of(364, &[]), ["weak certificate-ends"]);
        assert_eq!(of(-1, &[]), ["bad certificate-ended"]);
        for (subject, late, early) in [(None, 9, 11), (Some("scada"), 29, 31)] {
            assert_eq!(of(400, &[line(subject, -10, early, false)]), ["ok certificate-ok"], "{subject:?}");
            assert_eq!(of(400, &[line(subject, -10, late, false)]), ["weak certificate-ends"], "{subject:?}");
            assert_eq!(of(400, &[line(subject, -10, -1, false)]), ["bad certificate-ended"], "{subject:?}");
        }
        assert_eq!(of(400, &[line(Some("scada"), 2, 90, false)]), ["weak certificate-begins"]);
        let found = findings(Some(&authority(400)), &[line(Some("scada"), -9, 12, false)], NOW, false);
        assert!(found[0].text.contains("scada ends in 12 days") && found[0].place == "scada", "{found:?}");
    }

    #[test]
    fn one_that_was_renewed_or_taken_back_may_end() {
        assert_eq!(
            of(400, &[line(Some("scada"), -90, 3, false), line(Some("scada"), -1, 90, false)]),
            ["ok certificate-ok"]
        );
        assert_eq!(of(400, &[line(Some("scada"), -90, 3, true)]), ["ok certificate-ok"]);
    }

    #[test]
    fn a_doubtful_clock_is_no_ground_to_say_that_something_has_ended_and_no_ca_is_no_finding() {
        let old = [line(Some("scada"), -90, -3, false)];
        assert_eq!(lines(&findings(Some(&authority(400)), &old, NOW, true)), ["note certificate-unknown"]);
        assert_eq!(lines(&findings(None, &old, NOW, false)), [""; 0]);
        let trouble = AuthorityLine { trouble: Some("its key is gone".to_owned()), ..authority(400) };
        assert_eq!(lines(&findings(Some(&trouble), &[], NOW, false)), ["bad certificate-trouble"]);
    }
}
