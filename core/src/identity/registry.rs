//! Which credential is which subject, and the life of each name. Pure: an edit is checked and made here; the orders that
//! record and keep it are `service::registry`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Mac;
use crate::digest::Sha256;
use crate::moment::{ClockTrust, Moment, RanMs, UnixMs};
use crate::names::SubjectId;

/// Names that can be registered, revoked ones included.
pub const MAX_SUBJECTS: usize = 16_384;
/// Keys that were ever registered: those that are spent count, because they never come back.
pub const MAX_KEYS: usize = 65_536;
/// Keys that one subject may have at a time: the old and the new one at a renewal, and some to spare.
pub const KEYS_EACH: usize = 8;
/// Addresses that one subject may have.
pub const ADDRESSES_EACH: usize = 8;

/// The life of a subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// Known, and may do nothing yet.
    Registered,
    /// May act.
    #[default]
    Active,
    /// May not act until resumed.
    Suspended,
    /// May never act again under this name, until the name's hold has passed and it is registered anew.
    Revoked,
}

impl Life {
    /// Every life.
    pub const ALL: [Self; 4] = [Self::Registered, Self::Active, Self::Suspended, Self::Revoked];

    /// Its word: `registered`, `active`, `suspended`, `revoked`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
        }
    }

    /// The life that a word means.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|life| life.word() == word)
    }

    /// Somebody took the rights away: connections are cut and let in no more.
    pub const fn is_barred(self) -> bool {
        match self {
            Self::Suspended | Self::Revoked => true,
            Self::Registered | Self::Active => false,
        }
    }
}

/// What shows who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Credential {
    /// SHA-256 of the DER `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7) of its public key.
    Key(Sha256),
    /// Where it comes from.
    Address {
        /// The source address, never an IPv4 one in IPv6 clothes.
        ip: IpAddr,
        /// The hardware address, where it must match.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mac: Option<Mac>,
    },
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(spki) => write!(f, "key {spki}"),
            Self::Address { ip, mac: None } => write!(f, "address {ip}"),
            Self::Address { ip, mac: Some(mac) } => write!(f, "address {ip} with {mac}"),
        }
    }
}

/// One change of the registry, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Edit {
    /// A name is registered, or a registered one gets more credentials.
    Added {
        /// Who.
        subject: SubjectId,
        /// Its life with that.
        life: Life,
        /// The name was revoked, and its hold has passed: its old keys are spent, its life begins anew.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        again: bool,
        /// What it shows itself by, besides what it has.
        credentials: Vec<Credential>,
    },
    /// A life changes.
    Life {
        /// Whose.
        subject: SubjectId,
        /// What it is now.
        life: Life,
    },
    /// A credential shows nobody any more; a key never will again.
    Removed {
        /// Whose.
        subject: SubjectId,
        /// Which.
        credential: Credential,
    },
}

impl Edit {
    /// Whether it takes rights away: it is in force before the disk has agreed, and after a crash although nobody was told.
    pub fn takes_away(&self) -> bool {
        match self {
            Self::Added { .. } | Self::Removed { credential: Credential::Address { .. }, .. } => false,
            Self::Life { life, .. } => life.is_barred(),
            Self::Removed { credential: Credential::Key(_), .. } => true,
        }
    }

    /// Whom it is about.
    pub fn subject(&self) -> &SubjectId {
        match self {
            Self::Added { subject, .. } | Self::Life { subject, .. } | Self::Removed { subject, .. } => subject,
        }
    }
}

/// Why the registry does not take an edit. Nobody else's name is told: whoever tries keys learns nothing about their owners.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// No name of the language.
    #[error("`{0}` is no name: use letters, digits, `-` and `_`, at most 64, the first no `-`")]
    Name(String),
    /// Nobody has registered it.
    #[error("`{0}` is not registered")]
    Unknown(SubjectId),
    /// It was revoked, and its name is held.
    #[error("`{name}` was revoked, and its name is held for {days} more day(s) of running and of the calendar")]
    Held {
        /// Whose name.
        name: SubjectId,
        /// What is left, rounded up.
        days: u64,
    },
    /// It is revoked for good.
    #[error("`{0}` is revoked for good")]
    Revoked(SubjectId),
    /// The key shows another subject already.
    #[error("this key is registered under another name: `{0}`")]
    KeyTaken(Sha256),
    /// The key was revoked or removed.
    #[error("this key was revoked and never comes back: `{0}`")]
    KeySpent(Sha256),
    /// The address shows another subject already.
    #[error("address `{ip}` is registered under another name, and `mac` does not tell them apart")]
    AddressTaken {
        /// Which.
        ip: IpAddr,
    },
    /// The address is none of a machine.
    #[error("`{0}` is no address of a machine")]
    Address(IpAddr),
    /// It does not have this credential.
    #[error("`{subject}` has no {credential}")]
    NotIts {
        /// Who.
        subject: SubjectId,
        /// What.
        credential: Credential,
    },
    /// One subject has too many.
    #[error("`{subject}` would have more than {most} {what}")]
    TooMany {
        /// Who.
        subject: SubjectId,
        /// `keys` or `addresses`.
        what: &'static str,
        /// The most.
        most: usize,
    },
    /// All have too many.
    #[error("the registry is full: {most} {what}")]
    Full {
        /// `names` or `keys`.
        what: &'static str,
        /// The most.
        most: usize,
    },
}

/// Which credential is which subject, and its life. The policy's own addresses stand in the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// The life of every name that was registered or whose life was ever changed. A name of the policy that nobody has touched
    /// is active.
    pub lives: BTreeMap<SubjectId, Life>,
    /// Public keys of all lives, by their [`Credential::Key`] digest.
    pub keys: BTreeMap<Sha256, SubjectId>,
    /// Addresses, with the hardware address that they need.
    pub addresses: BTreeMap<(IpAddr, Option<Mac>), SubjectId>,
    /// Keys that show nobody any more, for ever.
    pub spent: BTreeSet<Sha256>,
    /// When a name was revoked: its hold begins.
    pub revoked: BTreeMap<SubjectId, (UnixMs, RanMs)>,
}

impl Registry {
    /// The life of a subject; one that nobody has touched is active.
    pub fn life(&self, subject: &SubjectId) -> Life {
        self.lives.get(subject).copied().unwrap_or_default()
    }

    /// Sets a life. The hold of a name begins when it is revoked, and not anew when that is said again.
    pub fn set_life(&mut self, subject: &SubjectId, life: Life, at: Moment) {
        self.lives.insert(subject.clone(), life);
        match life {
            Life::Revoked => drop(self.revoked.entry(subject.clone()).or_insert((at.wall, at.ran))),
            Life::Registered | Life::Active | Life::Suspended => drop(self.revoked.remove(subject)),
        }
    }

    /// A key shows nobody any more, for ever.
    pub fn spend(&mut self, spki: Sha256) {
        self.keys.remove(&spki);
        self.spent.insert(spki);
    }

    /// The keys of a subject.
    pub fn keys_of(&self, subject: &SubjectId) -> impl Iterator<Item = Sha256> {
        self.keys.iter().filter(move |(_, owner)| *owner == subject).map(|(spki, _)| *spki)
    }

    /// The addresses of a subject.
    pub fn addresses_of(&self, subject: &SubjectId) -> impl Iterator<Item = (IpAddr, Option<Mac>)> {
        self.addresses.iter().filter(move |(_, owner)| *owner == subject).map(|(place, _)| *place)
    }

    /// The subjects that an address shows, the one that needs no hardware address first.
    pub fn at(&self, ip: IpAddr, mac: Option<Mac>) -> impl Iterator<Item = &SubjectId> {
        let any = self.addresses.get(&(ip, None));
        any.into_iter().chain(mac.and_then(|mac| self.addresses.get(&(ip, Some(mac)))))
    }

    /// Whether the subject has this credential.
    pub fn has(&self, subject: &SubjectId, credential: &Credential) -> bool {
        let owner = match credential {
            Credential::Key(spki) => self.keys.get(spki),
            Credential::Address { ip, mac } => self.addresses.get(&(*ip, *mac)),
        };
        owner == Some(subject)
    }

    /// Whether the name was revoked and its hold has passed, by time run and by the wall clock. A doubtful clock proves nothing.
    pub fn is_free(&self, subject: &SubjectId, hold: Duration, now: Moment) -> bool {
        self.held_for(subject, hold, now) == 0 && now.trust != ClockTrust::Doubtful
    }

    /// Milliseconds that a revoked name is still held.
    fn held_for(&self, subject: &SubjectId, hold: Duration, now: Moment) -> u64 {
        let hold = u64::try_from(hold.as_millis()).unwrap_or(u64::MAX);
        let Some((wall, ran)) = self.revoked.get(subject) else { return hold };
        let by_wall = u64::try_from(now.wall.0.saturating_sub(wall.0)).unwrap_or(0);
        let by_run = now.ran.0.saturating_sub(ran.0);
        hold.saturating_sub(by_wall.min(by_run))
    }

    /// The edit that registers a name or gives it more: a name that is registered keeps its life, and one that was revoked begins
    /// anew if its hold has passed, which [`Self::check`] asks.
    pub fn registration(&self, subject: SubjectId, life: Life, credentials: Vec<Credential>) -> Edit {
        let again = self.life(&subject) == Life::Revoked;
        let life = if again { life } else { self.lives.get(&subject).copied().unwrap_or(life) };
        Edit::Added { subject, life, again, credentials }
    }

    /// Checks an edit without making it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, edit: &Edit, hold: Duration, now: Moment) -> Result<(), RegistryError> {
        match edit {
            Edit::Added { subject, again, credentials, .. } => {
                // A sheet of a spreadsheet would take a cell that begins with `-` for a formula.
                if !crate::policy::is_name(subject.as_str()) || subject.as_str().starts_with('-') {
                    return Err(RegistryError::Name(subject.to_string()));
                }
                self.check_name(subject, *again, hold, now)?;
                credentials.iter().try_for_each(|credential| self.check_credential(subject, credential, *again))?;
                self.check_room(subject, credentials)
            }
            Edit::Life { subject, life } => match (self.life(subject), life) {
                (Life::Revoked, Life::Registered | Life::Active | Life::Suspended) => {
                    Err(RegistryError::Revoked(subject.clone()))
                }
                (Life::Revoked, Life::Revoked) | (Life::Registered | Life::Active | Life::Suspended, _) => Ok(()),
            },
            Edit::Removed { subject, credential } => {
                let not_its = || RegistryError::NotIts { subject: subject.clone(), credential: *credential };
                self.has(subject, credential).then_some(()).ok_or_else(not_its)
            }
        }
    }

    fn check_name(&self, subject: &SubjectId, again: bool, hold: Duration, now: Moment) -> Result<(), RegistryError> {
        let revoked = self.life(subject) == Life::Revoked;
        if revoked && !(again && self.is_free(subject, hold, now)) {
            let days = self.held_for(subject, hold, now).div_ceil(86_400_000).max(1);
            return Err(RegistryError::Held { name: subject.clone(), days });
        }
        if !self.lives.contains_key(subject) && self.lives.len() >= MAX_SUBJECTS {
            return Err(RegistryError::Full { what: "names", most: MAX_SUBJECTS });
        }
        Ok(())
    }

    fn check_credential(&self, subject: &SubjectId, credential: &Credential, again: bool) -> Result<(), RegistryError> {
        match credential {
            Credential::Key(spki) if self.spent.contains(spki) => Err(RegistryError::KeySpent(*spki)),
            Credential::Key(spki) => match self.keys.get(spki) {
                Some(owner) if self.life(owner) == Life::Revoked => Err(RegistryError::KeySpent(*spki)),
                Some(owner) if owner == subject && !again => Ok(()),
                Some(_) => Err(RegistryError::KeyTaken(*spki)),
                None => Ok(()),
            },
            Credential::Address { ip, mac } => {
                if ip.is_unspecified() || ip.is_multicast() || ip.to_canonical() != *ip {
                    return Err(RegistryError::Address(*ip));
                }
                let there = self.addresses.range((*ip, None)..).take_while(|((other, _), _)| other == ip);
                let mut others = there.filter(|((_, other), owner)| {
                    let same = other == mac || other.is_none() || mac.is_none();
                    // Nobody is at the address of a revoked subject any more: a new device may have it.
                    same && *owner != subject && self.life(owner) != Life::Revoked
                });
                others.next().map_or(Ok(()), |_| Err(RegistryError::AddressTaken { ip: *ip }))
            }
        }
    }

    fn check_room(&self, subject: &SubjectId, credentials: &[Credential]) -> Result<(), RegistryError> {
        let keys = |credential: &Credential| match credential {
            Credential::Key(spki) => Some(*spki),
            Credential::Address { .. } => None,
        };
        let new: BTreeSet<Credential> =
            credentials.iter().filter(|credential| !self.has(subject, credential)).copied().collect();
        let new_keys = new.iter().filter_map(keys).count();
        let too_many = |what, most| Err(RegistryError::TooMany { subject: subject.clone(), what, most });
        // Counting takes its time: a name that is new, or begins anew, has nothing.
        let has_none = !self.lives.contains_key(subject) || self.life(subject) == Life::Revoked;
        let (old_keys, old_addresses) =
            if has_none { (0, 0) } else { (self.keys_of(subject).count(), self.addresses_of(subject).count()) };
        if old_keys + new_keys > KEYS_EACH {
            return too_many("keys", KEYS_EACH);
        }
        if old_addresses + new.len() - new_keys > ADDRESSES_EACH {
            return too_many("addresses", ADDRESSES_EACH);
        }
        if self.keys.len() + self.spent.len() + new_keys > MAX_KEYS {
            return Err(RegistryError::Full { what: "keys", most: MAX_KEYS });
        }
        Ok(())
    }

    /// Makes an edit that was checked. A subject that was revoked since then stays revoked, whatever the edit says.
    pub fn apply(&mut self, edit: &Edit, at: Moment) {
        match edit {
            Edit::Added { subject, life, again, credentials } => {
                if *again {
                    self.bury(subject);
                }
                // More credentials change no life: whoever was suspended while this waited for the disk stays suspended.
                if *again || !self.lives.contains_key(subject) {
                    self.set_life(subject, *life, at);
                }
                for credential in credentials {
                    match *credential {
                        Credential::Key(spki) if self.spent.contains(&spki) => {}
                        Credential::Key(spki) => drop(self.keys.insert(spki, subject.clone())),
                        Credential::Address { ip, mac } => {
                            self.leave(ip, mac);
                            self.addresses.insert((ip, mac), subject.clone());
                        }
                    }
                }
            }
            Edit::Life { subject, life } => {
                if self.life(subject) != Life::Revoked || *life == Life::Revoked {
                    self.set_life(subject, *life, at);
                }
            }
            Edit::Removed { subject, credential } => {
                match credential {
                    Credential::Key(spki) => self.spend(*spki),
                    Credential::Address { ip, mac } => drop(self.addresses.remove(&(*ip, *mac))),
                }
                let life = self.life(subject);
                self.lives.entry(subject.clone()).or_insert(life);
            }
        }
    }

    /// What a revoked subject leaves at an address that somebody new gets.
    fn leave(&mut self, ip: IpAddr, mac: Option<Mac>) {
        let gone: Vec<_> = self
            .addresses
            .range((ip, None)..)
            .take_while(|((other, _), _)| *other == ip)
            .filter(|((_, other), owner)| {
                (*other == mac || other.is_none() || mac.is_none()) && self.life(owner) == Life::Revoked
            })
            .map(|(place, _)| *place)
            .collect();
        for place in gone {
            self.addresses.remove(&place);
        }
    }

    /// A name begins anew: the keys of its last life are spent, its addresses free.
    fn bury(&mut self, subject: &SubjectId) {
        let keys: Vec<Sha256> = self.keys_of(subject).collect();
        for spki in keys {
            self.spend(spki);
        }
        self.addresses.retain(|_, owner| owner != subject);
    }
}

#[cfg(test)]
mod tests;
