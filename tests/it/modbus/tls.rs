//! Modbus/TCP Security: who somebody is says a certificate, and what reaches the device is what its role may do. The device
//! testifies in each case.

mod floods;
mod handshakes;
mod lifetime;
mod peers;
mod records;
mod resumption;
mod roles;
