//! X.509 as this gateway reads it: what a peer's certificate says about its key and its role. Whether it is to be believed is
//! judged elsewhere: only a request and the chain to a plant CA have their signatures looked at here. What the plant's own CA
//! writes is put together here and signed elsewhere.

pub mod chain;
mod der;
mod key;
pub mod leaf;
pub mod list;
pub mod request;
pub mod write;
