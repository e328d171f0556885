// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lists a daemon's IPv4 routes over GoBGP's API, as a client that takes each and keeps none; says how many
//! there were, and what processor time (ms) and memory (octets) it has used itself.
//!
//! ```text
//! api-list 3|4 unix:///PATH
//! ```

use anyhow::{Context as _, Result, bail};
use arena::Usage;
use bgpd_api::{
    v3::{self, gobgp_api_client::GobgpApiClient},
    v4::{self, go_bgp_service_client::GoBgpServiceClient},
};
use tonic::transport::{Channel, Endpoint};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let (Some(version), Some(target)) = (words.next(), words.next()) else {
        bail!("usage: api-list 3|4 unix:///PATH");
    };
    let channel = Endpoint::from_shared(target)?.connect().await?;
    let routes = match version.as_str() {
        "3" => version_3(channel).await,
        "4" => version_4(channel).await,
        _ => bail!("there is no version {version}"),
    };
    let routes = routes.context("the list ended too early")?;
    let used = Usage::of(&[std::process::id()])?;
    println!("{routes} {} {}", used.cpu.as_millis(), used.peak);
    Ok(())
}

async fn version_3(channel: Channel) -> Result<usize> {
    let request = v3::ListPathRequest {
        table_type: v3::TableType::Global.into(),
        family: Some(ipv4()),
        ..v3::ListPathRequest::default()
    };
    let mut client = GobgpApiClient::new(channel);
    let mut replies = client.list_path(request).await?.into_inner();
    let mut routes = 0;
    while let Some(reply) = replies.message().await? {
        routes += reply.destination.map_or(0, |found| found.paths.len());
    }
    Ok(routes)
}

async fn version_4(channel: Channel) -> Result<usize> {
    let request = v4::ListPathRequest {
        table_type: v4::TableType::Global.into(),
        family: Some(ipv4()),
        ..v4::ListPathRequest::default()
    };
    let mut client = GoBgpServiceClient::new(channel);
    let mut replies = client.list_path(request).await?.into_inner();
    let mut routes = 0;
    while let Some(reply) = replies.message().await? {
        routes += reply.destination.map_or(0, |found| found.paths.len());
    }
    Ok(routes)
}

fn ipv4() -> v4::Family {
    v4::Family {
        afi: v4::family::Afi::Ip.into(),
        safi: v4::family::Safi::Unicast.into(),
    }
}
