//! Planted bugs. Each promise must catch one by itself, with all the others looking away, or it proves nothing.

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
    /// Every forward is told twice, as by a gateway that sends twice.
    ToldTwice,
    /// The gateway's neighbour table never changes.
    Blind,
    /// The policy that the gateway finds at its first start does not load.
    NoPolicy,
}

/// Planted bugs, and the promise that must catch it.
pub(crate) const ALL: &[(Planted, &str)] = &[
    (Planted::Product(Fault::StaleTable), "I1"),
    (Planted::Bypass, "I1b"),
    (Planted::ToldTwice, "I1c"),
    (Planted::Product(Fault::RevokeLeavesSessions), "I2"),
    (Planted::Product(Fault::RevokeNotDurable), "I2"),
    (Planted::Product(Fault::SafeNotWaived), "I4"),
    (Planted::Product(Fault::StaleTable), "I4b"),
    (Planted::Product(Fault::StallRefuses), "I4c"),
    (Planted::Product(Fault::StallRefuses), "I5"),
    (Planted::Product(Fault::ForwardBeforeCommit), "I6"),
    (Planted::DiskLies, "I6b"),
    (Planted::Product(Fault::WrittenIgnoresDisk), "I6c"),
    (Planted::Bypass, "I7"),
    (Planted::Product(Fault::RevokeNotDurable), "I9"),
    (Planted::Bypass, "I10"),
    (Planted::Product(Fault::SharedReplyToNext), "I10"),
    (Planted::Product(Fault::LimitIgnored), "I11"),
    (Planted::Blind, "I12"),
    (Planted::NoPolicy, "L1"),
];

/// The bug of this name, as `FAULT=` says it.
pub(crate) fn named(name: &str) -> Option<Planted> {
    let called = |planted: &Planted| match planted {
        Planted::Product(fault) => format!("{fault:?}"),
        other => format!("{other:?}"),
    };
    ALL.iter().map(|(planted, _)| *planted).find(|planted| called(planted) == name)
}
