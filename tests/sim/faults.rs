//! Planted bugs. Each must be caught by an invariant, or the invariants prove nothing.

use bulkhead::telemetry::Fault;

/// One bug, in the product or in what it stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// The gateway and its disk as they should be.
    Nothing,
    /// A bug of the product.
    Product(Fault),
    /// The disk says that it synced, and did not.
    DiskLies,
    /// No gateway at all: a plain proxy.
    Bypass,
}

/// Every planted bug, and the promises of which one must catch it.
pub(crate) const ALL: &[(Planted, &[&str])] = &[
    (Planted::Product(Fault::ForwardBeforeCommit), &["I6", "I6b"]),
    (Planted::Product(Fault::StaleTable), &["I1", "I4", "I4b"]),
    (Planted::Product(Fault::RevokeLeavesSessions), &["I1", "I2"]),
    (Planted::Product(Fault::RevokeNotDurable), &["I2", "I9"]),
    (Planted::Product(Fault::SafeNotWaived), &["I4"]),
    (Planted::DiskLies, &["I6", "I6b"]),
    (Planted::Bypass, &["I1b"]),
];

/// The bug of this name, as `FAULT=` says it.
pub(crate) fn named(name: &str) -> Option<Planted> {
    let called = |planted: &Planted| match planted {
        Planted::Product(fault) => format!("{fault:?}"),
        other => format!("{other:?}"),
    };
    ALL.iter().map(|(planted, _)| *planted).find(|planted| called(planted) == name)
}
