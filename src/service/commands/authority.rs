//! Orders to the gateway's own CA, and their answers.

use bulkhead_core::identity::Life;
use bulkhead_core::names::SubjectId;

use super::answer::CERTIFICATES;
use super::run::{Desk, refused};
use super::{Answer, AuthorityLine, By, CertificateAnswer, CertificateLine, Refusal, RefusalKind};
use crate::service::ca::{self, CaError, DAYS, View, Wanted};

impl Desk {
    pub(super) async fn ca_init(&self, name: Option<String>, by: By) -> Result<Answer, Refusal> {
        let plant = self.house.world.current().policy.plant.name.to_string();
        let of_plant = if plant.is_empty() { "Bulkhead CA".to_owned() } else { format!("{plant} Bulkhead CA") };
        let view = self.house.ca.init(&name.unwrap_or(of_plant), &by.to_string()).await.map_err(not_done)?;
        tracing::info!(name = %view.name, %by, "the CA was made");
        Ok(Answer::Authority(Some(Box::new(line(view)))))
    }

    pub(super) async fn ca_install(&self, pem: &str, by: By) -> Result<Answer, Refusal> {
        let view = self.house.ca.install(pem, &by.to_string()).await.map_err(not_done)?;
        tracing::info!(root = ?view.root, %by, "the CA is chained");
        Ok(Answer::Authority(Some(Box::new(line(view)))))
    }

    pub(super) async fn ca_request(&self) -> Result<Answer, Refusal> {
        self.house.ca.request().await.map(Answer::Request).map_err(not_done)
    }

    pub(super) fn ca_show(&self) -> Answer {
        Answer::Authority(self.house.ca.view().map(line).map(Box::new))
    }

    pub(super) async fn ca_sign(
        &self,
        subject: SubjectId,
        request: String,
        days: Option<u32>,
        by: By,
    ) -> Result<Answer, Refusal> {
        let wanted = Wanted { subject: subject.clone(), request: request.into_bytes(), days: days.unwrap_or(DAYS) };
        let issued = self.house.ca.sign(wanted, &by.to_string()).await.map_err(not_done)?;
        tracing::info!(%subject, serial = issued.row.serial, %by, "certificate issued");
        let row = issued.row;
        Ok(Answer::Certificate(Box::new(CertificateAnswer {
            line: CertificateLine {
                serial: row.serial,
                subject: row.subject,
                spki: row.spki,
                role: row.role,
                not_before: row.not_before,
                not_after: row.not_after,
                revoked: row.revoked,
            },
            kind: issued.kind,
            registered: issued.registered,
            life: issued.life,
            pem: issued.pem,
        })))
    }

    pub(super) async fn ca_list(&self) -> Result<Answer, Refusal> {
        let (number, count, pem) = self.house.ca.list().await.map_err(not_done)?;
        Ok(Answer::List { number, count, pem })
    }

    pub(super) async fn ca_retire(&self, serial: &str, by: By) -> Result<Answer, Refusal> {
        let (number, count) = self.house.ca.retire(serial, &by.to_string()).await.map_err(not_done)?;
        tracing::info!(serial, %by, "certificate taken back");
        Ok(Answer::List { number, count, pem: String::new() })
    }

    pub(super) fn ca_certificates(&self, subject: Option<&SubjectId>) -> Answer {
        let mut all = self.house.ca.certificates();
        all.retain(|line| subject.is_none_or(|subject| line.subject.as_ref() == Some(subject)));
        all.sort_by(|a, b| (b.not_before, &b.serial).cmp(&(a.not_before, &a.serial)));
        let more = u64::try_from(all.len().saturating_sub(CERTIFICATES)).unwrap_or(u64::MAX);
        let of = |line: ca::CertificateLine| CertificateLine {
            serial: line.serial,
            subject: line.subject,
            spki: line.spki,
            role: line.role,
            not_before: line.not_before,
            not_after: line.not_after,
            revoked: line.revoked,
        };
        Answer::Certificates { lines: all.into_iter().take(CERTIFICATES).map(of).collect(), more }
    }

    /// The CA's line of `status`.
    pub(super) fn authority(&self) -> Option<Box<AuthorityLine>> {
        self.house.ca.view().map(|view| Box::new(AuthorityLine { pem: String::new(), ..line(view) }))
    }
}

fn line(view: View) -> AuthorityLine {
    let (next_end, next) = view.next.map_or((None, None), |(end, subject)| (Some(end), subject));
    AuthorityLine {
        name: view.name,
        root: view.root,
        not_before: view.not_before,
        not_after: view.not_after,
        pem: view.pem,
        certificates: view.certificates,
        taken_back: view.taken_back,
        next_end,
        next,
        trouble: view.trouble,
    }
}

/// Why the CA did not do it, for a person.
fn not_done(error: CaError) -> Refusal {
    let cause = error.to_string();
    let next = match error {
        CaError::Order(error) => return refused(error),
        CaError::Machine(_) => return Refusal::new(RefusalKind::Internal, cause, "order again; see the daemon's log"),
        CaError::None => "make one: bulkhead ca init",
        CaError::Exists(_) => "see it: bulkhead ca show",
        CaError::Key(_) => {
            "see that the key files in the state folder are there with mode 0600, or restore a backup of them"
        }
        CaError::Name(_) => "choose another name: bulkhead ca init --name NAME",
        CaError::Request(_) => {
            "make it anew on the device: openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
                                -keyout device.key -subj /CN=device -out device.csr"
        }
        CaError::Chain(_) => "give one PEM file: our certificate first, then each issuer up to the root",
        CaError::NoSubject(_) => {
            "name it in the policy with a role and `proof = \"certificate\"`, activate, and sign again"
        }
        CaError::NotAdmitted { .. } => "write `proof = [\"certificate\", ..]` at the subject, activate, and sign again",
        CaError::Barred { life: Life::Suspended, .. } => "resume it first: bulkhead device resume NAME",
        CaError::Barred { .. } => "register the device under another name, with a new key",
        CaError::Days(_) => "--days 730 is the usual",
        CaError::Ended => "let the plant CA sign it again: bulkhead ca csr, then bulkhead ca install",
        CaError::Full => {
            "revoke and retire less, or use another gateway; certificates are forgotten a year behind their end"
        }
        CaError::NoCertificate(_) => "see what there is: bulkhead ca list",
    };
    Refusal::new(RefusalKind::Refused, cause, next)
}
