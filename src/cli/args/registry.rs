//! `subject`, `device` and `ca`: what may be typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Subject {
    /// Everybody that the policy names, how they show it, and who is connected
    #[command(after_help = "Example:\n  bulkhead subject list")]
    List,
    /// Take all rights from a subject, now and for good
    #[command(
        after_help = "It answers when the record is on the disk and every connection of the subject is cut: nothing of it reaches\n\
        a PLC after that.\n\nExample:\n  bulkhead subject revoke scada"
    )]
    Revoke(SubjectName),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SubjectName {
    /// The subject's name
    #[arg(value_name = "SUBJECT")]
    pub(in crate::cli) subject: String,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Device {
    /// Register a device, or give a registered one another key or address
    #[command(
        after_help = "A device is a name; what it may do stands in the policy. A key or address shows one device alone.\n\n\
        Examples:\n  bulkhead device add scada --certificate scada.pem\n  \
        bulkhead device add old-panel --address 10.10.9.31 --mac 02:1f:5a:00:10:31\n  \
        bulkhead device add spare --registered        known, and may do nothing yet"
    )]
    Add(DeviceAdd),
    /// Everybody who is registered
    #[command(after_help = "Example:\n  bulkhead device list")]
    List,
    /// One device: life, keys, addresses, what the policy says
    #[command(after_help = "Example:\n  bulkhead device show scada")]
    Show(DeviceName),
    /// Take all rights from a device until it is resumed, and cut its connections
    #[command(after_help = "Example:\n  bulkhead device suspend scada")]
    Suspend(DeviceName),
    /// Let a suspended or registered device act
    #[command(after_help = "Example:\n  bulkhead device resume scada")]
    Resume(DeviceName),
    /// Take all rights from a device, now and for good; as `subject revoke`
    #[command(
        after_help = "Its keys never come back, and its name rests for the time that `registry.hold` of the configuration says.\n\n\
        Example:\n  bulkhead device revoke scada"
    )]
    Revoke(DeviceName),
    /// Take one key or address from a device; a key never comes back
    #[command(after_help = "Example:\n  bulkhead device remove scada --certificate old.pem")]
    Remove(DeviceRemove),
    /// Write the registry as a sheet, comma-separated
    #[command(after_help = "Example:\n  bulkhead device export devices.csv")]
    Export(DeviceFile),
    /// Register what a sheet says, all of it or nothing
    #[command(
        after_help = "The first line is subject,life,credential,value,mac; a row is one key or address. A sheet adds, and moves lives\n\
        between registered, active and suspended; nothing is revoked by it. Mistakes are told as FILE:LINE: what; what to write.\n\n\
        Examples:\n  bulkhead device import devices.csv --dry-run\n  bulkhead device import devices.csv"
    )]
    Import(DeviceImport),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeviceName {
    /// The device's name
    #[arg(value_name = "DEVICE")]
    pub(in crate::cli) device: String,
}

/// One key or address.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("shown").args(["key", "certificate", "address"]))]
pub(in crate::cli) struct Shown {
    /// The SHA-256 of its public key (its subject public key info), 64 hex digits
    #[arg(long, value_name = "SPKI")]
    pub(in crate::cli) key: Option<String>,
    /// A certificate with its public key, PEM or DER
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) certificate: Option<PathBuf>,
    /// Its address: the weakest proof there is
    #[arg(long, value_name = "IP")]
    pub(in crate::cli) address: Option<String>,
    /// The hardware address that must match
    #[arg(long, value_name = "MAC", requires = "address")]
    pub(in crate::cli) mac: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeviceAdd {
    /// The device's name: the one that the policy uses
    #[arg(value_name = "DEVICE")]
    pub(in crate::cli) device: String,
    #[command(flatten)]
    pub(in crate::cli) shown: Shown,
    /// A new name may do nothing until it is resumed
    #[arg(long)]
    pub(in crate::cli) registered: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeviceRemove {
    /// The device's name
    #[arg(value_name = "DEVICE")]
    pub(in crate::cli) device: String,
    #[command(flatten)]
    pub(in crate::cli) shown: Shown,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeviceFile {
    /// The sheet; the standard output unless set
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeviceImport {
    /// The sheet, or - for the standard input
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Ca {
    /// Make the CA: a key, and a certificate that it signs for itself
    #[command(after_help = "Examples:\n  bulkhead ca init\n  bulkhead ca init --name \"Riverside Bulkhead CA\"")]
    Init(CaInit),
    /// Write the request by which a plant CA signs this one
    #[command(after_help = "Example:\n  bulkhead ca csr -o bulkhead-ca.csr")]
    Csr(CaRequest),
    /// Take in what a plant CA has made of the request
    #[command(
        after_help = "One PEM file: our certificate first, then each issuer up to the root. What was issued before stays good and leads to\n\
        the plant CA from now on.\n\nExample:\n  bulkhead ca install chain.pem"
    )]
    Install(CaInstall),
    /// What the CA is, and its certificate
    #[command(after_help = "Example:\n  bulkhead ca show")]
    Show,
    /// Issue a certificate to a subject of the policy, from the request of its own key
    #[command(
        after_help = "The role comes from the policy, never from the request. The key is registered for the subject. A renewal is the same,\n\
        before the end or behind it, with the old key or a new one.\n\nExamples:\n  \
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout scada.key -subj /CN=scada -out scada.csr\n  \
        bulkhead ca sign --subject scada --csr scada.csr -o scada.pem"
    )]
    Sign(CaSign),
    /// Write the newest list of what was taken back (CRL)
    #[command(
        after_help = "The same list lies in the state folder as ca/crl.pem.\n\nExample:\n  bulkhead ca crl -o crl.pem"
    )]
    Crl(CaCrl),
    /// The certificates that were issued, the newest first
    #[command(after_help = "Examples:\n  bulkhead ca list\n  bulkhead ca list --subject scada")]
    List(CaList),
    /// Take one certificate back; its subject and key stay
    #[command(after_help = "Example:\n  bulkhead ca retire 5A11C0DE5A11C0DE5A11C0DE5A11C0DE")]
    Retire(CaRetire),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CaInit {
    /// Its name; made of the plant's unless set
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CaRequest {
    /// Where to; the standard output unless set
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CaInstall {
    /// The chain, PEM
    #[arg(value_name = "CHAIN")]
    pub(in crate::cli) file: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CaSign {
    /// To whom, as the policy names it
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) subject: String,
    /// Its request, PEM or DER; the standard input unless set
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(in crate::cli) csr: PathBuf,
    /// For how many days; 730 unless set, and never longer than the CA
    #[arg(long, value_name = "N")]
    pub(in crate::cli) days: Option<u32>,
    /// Where to; the standard output unless set
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CaCrl {
    /// Where to; the standard output unless set
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CaList {
    /// To whom; to anybody unless set
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) subject: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CaRetire {
    /// Its serial number, hex
    #[arg(value_name = "SERIAL")]
    pub(in crate::cli) serial: String,
}
