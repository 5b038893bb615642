//! Test peers and plant scenarios, on tokio-modbus: never part of the daemon.
