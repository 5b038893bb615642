//! X.509 as this gateway reads it: what a peer's certificate says about its key and its role. Whether it is to be believed is
//! judged elsewhere; nothing here looks at a signature.

pub mod leaf;
pub mod list;
