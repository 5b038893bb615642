//! Who may give orders: root, the daemon's own user, and the members of one group.
//!
//! The group is looked up in `/etc/group` alone. Whoever is a member by another directory (LDAP) passes the socket's mode but
//! not this list: put local people into the local group.

use std::collections::BTreeSet;
use std::fs;

/// Who may give orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admit {
    own: u32,
    group: Option<(String, u32)>,
    members: BTreeSet<u32>,
}

impl Admit {
    /// Root, the user `own`, and the members of `group` as the machine's files say now. An unknown group admits nobody.
    pub fn read(own: u32, group: Option<&str>) -> Self {
        let file = |path| fs::read_to_string(path).unwrap_or_default();
        Self::of(own, group, &file("/etc/group"), &file("/etc/passwd"))
    }

    /// As [`Admit::read`], from the text of both files.
    pub fn of(own: u32, group: Option<&str>, groups: &str, users: &str) -> Self {
        let Some((name, gid, names)) = group.and_then(|name| find(name, groups)) else {
            return Self { own, ..Self::default() };
        };
        let members = users.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let (user, uid) = (fields.next()?, fields.nth(1)?);
            names.contains(&user).then(|| uid.parse().ok())?
        });
        Self { own, group: Some((name.to_owned(), gid)), members: members.collect() }
    }

    /// Whether a user with this primary group may give orders.
    pub fn admits(&self, uid: u32, gid: u32) -> bool {
        uid == 0
            || uid == self.own
            || self.members.contains(&uid)
            || self.group.as_ref().is_some_and(|(_, group)| *group == gid)
    }

    /// The group's name, where it exists.
    pub fn group(&self) -> Option<&str> {
        self.group.as_ref().map(|(name, _)| name.as_str())
    }

    /// The group's number, where it exists.
    pub fn gid(&self) -> Option<u32> {
        self.group.as_ref().map(|(_, gid)| *gid)
    }
}

/// A line of `/etc/group`: name, password, number, members.
fn find<'a>(name: &'a str, groups: &'a str) -> Option<(&'a str, u32, Vec<&'a str>)> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        let (gid, members) = (fields.nth(1)?, fields.next()?);
        found.then(|| Some((name, gid.parse().ok()?, members.split(',').filter(|m| !m.is_empty()).collect())))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &str = "root:x:0:\nbulkhead:x:990:anna,bert\nbulkheads:x:991:eve\n";
    const USERS: &str =
        "root:x:0:0::/:/bin/sh\nanna:x:1000:1000::/:/bin/sh\nbert:x:1001:1001::/:/bin/sh\neve:x:1002:1002::/:/bin/sh\n";

    #[test]
    fn root_the_daemon_and_the_group_may_give_orders_and_nobody_else() {
        let admit = Admit::of(995, Some("bulkhead"), GROUPS, USERS);
        for (uid, gid, may) in [
            (0, 0, true),
            (995, 995, true),
            (1000, 1000, true),
            (1001, 1001, true),
            (1002, 1002, false),
            (1003, 990, true),
            (1003, 991, false),
            (65534, 65534, false),
        ] {
            assert_eq!(admit.admits(uid, gid), may, "uid {uid} gid {gid}");
        }
    }

    #[test]
    fn a_group_that_does_not_exist_admits_nobody() {
        for admit in [Admit::of(995, Some("gone"), GROUPS, USERS), Admit::of(995, None, GROUPS, USERS)] {
            assert_eq!(admit.group(), None);
            assert!(!admit.admits(1000, 990));
            assert!(admit.admits(0, 0));
        }
        // A line without members or with a broken number is no group either.
        assert_eq!(Admit::of(1, Some("x"), "x:x:abc:anna", USERS).gid(), None);
    }
}
