// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A client of version 4 and one of version 3 are told the same of neighbours and tables that are there.

use anyhow::{Context as _, Result, ensure};
use bgpd_api::{
    v3::{self, gobgp_api_client::GobgpApiClient},
    v4::{self, go_bgp_service_client::GoBgpServiceClient},
};
use tonic::{
    Response, Status, Streaming,
    transport::{Channel, Endpoint},
};

use crate::both::Both;

const FAMILIES: [v4::Family; 2] = [
    v4::Family { afi: 1, safi: 1 },
    v4::Family { afi: 2, safi: 1 },
];

struct Clients {
    old: GobgpApiClient<Channel>,
    new: GoBgpServiceClient<Channel>,
}

#[test]
#[ignore = "needs netns"]
fn a_client_of_version_4_is_told_what_one_of_version_3_is() -> Result<()> {
    let both = Both::start()?;
    both.tell("global rib add 10.1.0.0/24 community 64512:9 identifier 7")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let channel = Endpoint::from_shared(both.ours.target()?)?
            .connect()
            .await?;
        let mut clients = Clients {
            old: GobgpApiClient::new(channel.clone()),
            new: GoBgpServiceClient::new(channel),
        };
        peers(&mut clients).await?;
        // Tables have other numbers: global, local, adj-in, adj-out.
        let mut listed = 0;
        for (old, new, name) in [
            (0, v4::TableType::Global, ""),
            (2, v4::TableType::AdjIn, "10.0.0.2"),
            (2, v4::TableType::AdjIn, "10.0.0.3"),
            (2, v4::TableType::AdjIn, "fd00::2"),
            (3, v4::TableType::AdjOut, "10.0.0.3"),
        ] {
            for family in FAMILIES {
                let table = (old, new.into());
                let found = paths(&mut clients, table, name, family).await;
                listed += found.with_context(|| format!("{new:?} {name} {family:?}"))?;
                let found = sizes(&mut clients, table, name, family).await;
                found.with_context(|| format!("size of {new:?} {name} {family:?}"))?;
            }
        }
        ensure!(listed > 40, "{listed} paths");
        Ok(())
    })
}

async fn all<T>(reply: Result<Response<Streaming<T>>, Status>) -> Result<Vec<T>> {
    let mut stream = reply?.into_inner();
    let mut all = Vec::new();
    while let Some(message) = stream.message().await? {
        all.push(message);
    }
    Ok(all)
}

/// Neighbours, apart from what is counted meanwhile and from capabilities that version 3 has no word for.
async fn peers(clients: &mut Clients) -> Result<()> {
    let ask = v4::ListPeerRequest {
        enable_advertised: true,
        ..v4::ListPeerRequest::default()
    };
    let old = all(clients.old.list_peer(ask.clone()).await).await?;
    let new = all(clients.new.list_peer(ask).await).await?;
    ensure!(old.len() == 4 && new.len() == 4, "{old:?} {new:?}");
    for (old, new) in old.into_iter().zip(new) {
        let (old, new) = (old.peer.context("none")?, new.peer.context("none")?);
        let (told, tells) = (old.state.clone(), new.state.clone());
        let (told, tells) = (told.context("no state")?, tells.context("no state")?);
        ensure!(
            told.session_state() == tells.session_state(),
            "{told:?} {tells:?}"
        );
        ensure!(
            told.local_cap.len() == tells.local_cap.len()
                && told.remote_cap.len() == tells.remote_cap.len(),
            "{told:?} {tells:?}"
        );
        let old = steady(v4::Peer::from(old));
        let new = steady(new);
        ensure!(old == new, "{old:#?}\nis not\n{new:#?}");
    }
    Ok(())
}

fn steady(mut peer: v4::Peer) -> v4::Peer {
    // Version 3 has no BFD.
    peer.bfd = None;
    if let Some(state) = &mut peer.state {
        state.bfd_state = None;
        // GoBGP 3.10 leaves it out there.
        state.local_asn = 0;
        state.messages = None;
        state.local_cap.clear();
        state.remote_cap.clear();
    }
    // A second may have passed.
    if let Some(timers) = &mut peer.timers {
        timers.state = None;
    }
    peer
}

/// How many paths both have listed.
async fn paths(
    clients: &mut Clients,
    (old, new): (i32, i32),
    name: &str,
    family: v4::Family,
) -> Result<usize> {
    let old = v3::ListPathRequest {
        table_type: old,
        name: name.into(),
        family: Some(family),
        enable_attribute_binary: true,
        ..v3::ListPathRequest::default()
    };
    let new = v4::ListPathRequest {
        table_type: new,
        name: name.into(),
        family: Some(family),
        enable_attribute_binary: true,
        ..v4::ListPathRequest::default()
    };
    let old = all(clients.old.list_path(old).await).await?;
    let new = all(clients.new.list_path(new).await).await?;
    ensure!(old.len() == new.len(), "{} and {}", old.len(), new.len());
    let mut listed = 0;
    for (old, new) in old.into_iter().zip(new) {
        let old = old.destination.context("none")?;
        let new = new.destination.context("none")?;
        ensure!(old.prefix == new.prefix && old.paths.len() == new.paths.len());
        for (old, new) in old.paths.into_iter().zip(new.paths) {
            ensure!(old.pattrs.len() == new.pattrs.len());
            ensure!(old.pattrs_binary == new.pattrs_binary && !new.pattrs_binary.is_empty());
            let old = aged(v4::Path::try_from(old)?);
            let new = aged(new);
            ensure!(old == new, "{old:#?}\nis not\n{new:#?}");
            listed += 1;
        }
    }
    Ok(listed)
}

/// A second may have passed.
fn aged(mut path: v4::Path) -> v4::Path {
    path.age = None;
    path
}

async fn sizes(
    clients: &mut Clients,
    (old, new): (i32, i32),
    name: &str,
    family: v4::Family,
) -> Result<()> {
    let old = v3::GetTableRequest {
        table_type: old,
        family: Some(family),
        name: name.into(),
    };
    let new = v4::GetTableRequest {
        table_type: new,
        family: Some(family),
        name: name.into(),
    };
    let old = clients.old.get_table(old).await;
    let new = clients.new.get_table(new).await;
    match (old, new) {
        (Ok(old), Ok(new)) => {
            let (old, new) = (old.into_inner(), new.into_inner());
            ensure!(old == new, "{old:?} {new:?}");
        }
        (Err(old), Err(new)) => ensure!(
            old.code() == new.code() && old.message() == new.message(),
            "{old} {new}"
        ),
        (old, new) => ensure!(false, "{old:?} {new:?}"),
    }
    Ok(())
}
