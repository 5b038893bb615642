//! Names that the plant gave to its things. They are shared strings, never indices into one policy, so that a name means
//! the same before and after a policy swap.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<Arc<str>>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}

names! {
    /// A PLC, sensor or server being protected.
    AssetId;
    /// A way between two zones.
    ConduitId;
    /// One authorization record.
    GrantId;
    /// A named range of an asset.
    PointName;
    /// An asset profile.
    ProfileName;
    /// A far end outside the plant, as in `from = "remote:NAME"`.
    RemoteName;
    /// A role: Operator, Supervisor, Engineer, Vendor, Sensor, Controller, Auditor, or the plant's own.
    Role;
    /// The rule that decided: `conduits.X.allow[n]` or `never[n]`, n from 1.
    RuleId;
    /// A shift of the plant's calendar.
    ShiftName;
    /// Who acts: a person, device or service.
    SubjectId;
    /// An IEC 62443 zone.
    ZoneId;
}
