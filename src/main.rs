//! The one binary: arguments, exit codes, one call.

fn main() {}
