//! The codecs that are ours: total, strict, and without trailing bytes.

pub mod modbus;
