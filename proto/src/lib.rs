// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The management API of bgpd: protobuf, and the code generated from it.
//!
//! `proto/bgpd/v1/bgpd.proto` is the contract and the documentation. Clients in other languages generate their code
//! from that file, or ask a running daemon by server reflection.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use bgpd_api::v1::{GetStatusRequest, bgpd_client::BgpdClient};
//!
//! let mut bgpd = BgpdClient::connect("http://127.0.0.1:50051").await?;
//! let status = bgpd.get_status(GetStatusRequest {}).await?.into_inner().status.unwrap_or_default();
//! println!("AS {}, {} of {} neighbours are up", status.local_as, status.established, status.peers);
//! # Ok(())
//! # }
//! ```

/// What every message can do: measure, encode and decode itself.
pub use prost::{Message, encode_length_delimiter};

/// Package `bgpd.v1`.
pub mod v1 {
    #![allow(
        clippy::all,
        clippy::pedantic,
        missing_docs,
        unreachable_pub,
        reason = "generated code"
    )]
    tonic::include_proto!("bgpd.v1");
}

/// Package `apipb`: GoBGP's API as its versions 2.x to 3.37 speak it.
///
/// Only what is not the same on the wire in [`v4`]: the rest are the types of that module.
pub mod v3 {
    #![allow(
        clippy::all,
        clippy::pedantic,
        missing_docs,
        unreachable_pub,
        reason = "generated code"
    )]
    tonic::include_proto!("apipb");
}

/// Package `api`: GoBGP's API as its version 4 speaks it.
pub mod v4 {
    #![allow(
        clippy::all,
        clippy::pedantic,
        missing_docs,
        unreachable_pub,
        reason = "generated code"
    )]
    tonic::include_proto!("api");
}

pub mod versions;

/// The compiled description of all packages, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
