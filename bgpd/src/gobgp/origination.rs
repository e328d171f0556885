// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Paths of our own: `AddPath`, `DeletePath`, `AddPathStream`.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
};

use bgp_proto::{Family, PathAttributes, Prefix};
use bgpd_api::v4;
use futures_util::{Stream, StreamExt as _};
use tonic::Status;

use super::{Gobgp, attributes::Draft, binary, family, not_supported, wrong};
use crate::{
    api::Control,
    control::{NewRoute, RouteQuery, RouteSource},
};

/// The names (UUIDs) of paths that were added one by one.
#[derive(Default)]
pub(super) struct Names {
    by_name: HashMap<[u8; 16], (Prefix, u32)>,
    by_route: HashMap<(Prefix, u32), [u8; 16]>,
}

impl Names {
    pub(super) fn by_route(&self) -> HashMap<(Prefix, u32), [u8; 16]> {
        self.by_route.clone()
    }

    /// The names of some paths.
    pub(super) fn of(
        &self,
        routes: impl Iterator<Item = (Prefix, u32)>,
    ) -> HashMap<(Prefix, u32), [u8; 16]> {
        let named = routes.filter_map(|route| Some((route, *self.by_route.get(&route)?)));
        named.collect()
    }

    /// Names a path anew; its former name is forgotten.
    fn give(&mut self, route: (Prefix, u32)) -> [u8; 16] {
        let name = random_name();
        self.forget(route);
        self.by_name.insert(name, route);
        self.by_route.insert(route, name);
        name
    }

    fn forget(&mut self, route: (Prefix, u32)) {
        if let Some(name) = self.by_route.remove(&route) {
            self.by_name.remove(&name);
        }
    }
}

/// RFC 9562 §5.4. The keys of the standard library's hashers are the randomness: a name is no secret.
fn random_name() -> [u8; 16] {
    let halves = [0, 1].map(|half: u64| RandomState::new().hash_one(half).to_be_bytes());
    let mut name = [0; 16];
    name[..8].copy_from_slice(&halves[0]);
    name[8..].copy_from_slice(&halves[1]);
    name[6] = name[6] & 0x0f | 0x40;
    name[8] = name[8] & 0x3f | 0x80;
    name
}

impl<C: Control> Gobgp<C> {
    pub(super) async fn add_path(
        &self,
        request: v4::AddPathRequest,
    ) -> Result<v4::AddPathResponse, Status> {
        self.started()?;
        only_global(request.table_type, &request.vrf_id)?;
        let path = request.path.ok_or_else(|| wrong("path is required"))?;
        let route = match read(path)? {
            Change::Withdraw(key) => {
                self.withdraw(vec![key]).await?;
                return Ok(v4::AddPathResponse::default());
            }
            Change::Announce(route) => *route,
        };
        let key = (route.prefix, route.path_id);
        self.control.add_routes(vec![route]).await?;
        let uuid = self.names().give(key).to_vec();
        Ok(v4::AddPathResponse { uuid })
    }

    /// The first that is set: a name, a path, a family; nothing at all means all.
    pub(super) async fn delete_path(&self, request: v4::DeletePathRequest) -> Result<(), Status> {
        self.started()?;
        if request.table_type != 0 {
            only_global(request.table_type, &request.vrf_id)?;
        }
        if !request.uuid.is_empty() {
            let name = <[u8; 16]>::try_from(request.uuid.as_slice()).ok();
            let found = name.and_then(|name| self.names().by_name.get(&name).copied());
            let key = found.ok_or_else(|| Status::not_found("can't find a specified path"))?;
            return self.withdraw(vec![key]).await;
        }
        if let Some(path) = request.path {
            let is_withdraw = true;
            let key = match read(v4::Path {
                is_withdraw,
                ..path
            })? {
                Change::Withdraw(key) => key,
                Change::Announce(route) => (route.prefix, route.path_id),
            };
            return self.withdraw(vec![key]).await;
        }
        let family = request
            .family
            .map(|message| family(Some(message)))
            .transpose()?;
        let query = RouteQuery {
            family,
            ..RouteQuery::default()
        };
        let mut pages = self.control.routes(query).await?;
        while let Some(page) = pages.recv().await {
            let own = page.iter().filter(|route| route.source == RouteSource::Api);
            let keys: Vec<_> = own.map(|route| (route.prefix, route.path_id)).collect();
            if !keys.is_empty() {
                self.withdraw(keys).await?;
            }
        }
        Ok(())
    }

    /// Applies each message as it comes: GoBGP's own client leaves without waiting for a reply.
    pub(super) async fn add_path_stream(
        &self,
        mut requests: impl Stream<Item = Result<v4::AddPathStreamRequest, Status>> + Unpin + Send,
    ) -> Result<(), Status> {
        self.started()?;
        while let Some(request) = requests.next().await {
            let request = request?;
            only_global(request.table_type, &request.vrf_id)?;
            let (mut announced, mut withdrawn) = (Vec::new(), Vec::new());
            let mut bad = None;
            for path in request.paths {
                match read(path) {
                    Ok(Change::Announce(route)) => announced.push(*route),
                    Ok(Change::Withdraw(key)) => withdrawn.push(key),
                    Err(status) => {
                        bad = Some(status);
                        break;
                    }
                }
            }
            if !announced.is_empty() {
                self.control.add_routes(announced).await?;
            }
            if !withdrawn.is_empty() {
                self.withdraw(withdrawn).await?;
            }
            if let Some(status) = bad {
                return Err(status);
            }
        }
        Ok(())
    }

    async fn withdraw(&self, keys: Vec<(Prefix, u32)>) -> Result<(), Status> {
        {
            let mut names = self.names();
            for key in &keys {
                names.forget(*key);
            }
        }
        self.control.delete_routes(keys).await?;
        Ok(())
    }
}

/// Version 3 sends 0 for the global table, which is 1 in version 4.
fn only_global(number: i32, vrf: &str) -> Result<(), Status> {
    match v4::TableType::try_from(number) {
        Ok(v4::TableType::Global) => Ok(()),
        Ok(v4::TableType::Vrf) => Err(Status::not_found(format!("vrf {vrf} not found"))),
        Ok(other) => Err(wrong(format!(
            "unsupported resource: {}",
            other.as_str_name()
        ))),
        Err(_) => Err(wrong(format!("unsupported resource: {number}"))),
    }
}

/// What a path asks for.
enum Change {
    Announce(Box<NewRoute>),
    Withdraw((Prefix, u32)),
}

fn read(path: v4::Path) -> Result<Change, Status> {
    let family = family(path.family)?;
    if !family.is_supported() {
        return Err(not_supported(family));
    }
    // Octets go before what is decoded, for each of the two.
    let draft = if path.pattrs_binary.is_empty() {
        Draft::read(path.pattrs).map_err(wrong)?
    } else {
        Draft::default()
    };
    let prefix = if path.nlri_binary.is_empty() {
        let nlri = path.nlri.as_ref().or(draft.prefixes.first());
        prefix(nlri.ok_or_else(|| wrong("nlri not found"))?, family)?
    } else {
        binary::prefix(family, &path.nlri_binary).map_err(wrong)?
    };
    if path.is_withdraw {
        return Ok(Change::Withdraw((prefix, path.identifier)));
    }
    let attributes = if path.pattrs_binary.is_empty() {
        draft.finish()
    } else {
        binary::read(prefix, &path.pattrs_binary)
    };
    let attributes = attributes.map_err(wrong)?;
    fits(family, &attributes)?;
    Ok(Change::Announce(Box::new(NewRoute {
        prefix,
        path_id: path.identifier,
        attributes,
        blackhole: false,
    })))
}

/// IPv6 routes have IPv6 next hops; IPv4 routes may (RFC 8950).
fn fits(family: Family, attributes: &PathAttributes) -> Result<(), Status> {
    match attributes.next_hop.addr() {
        IpAddr::V4(address) if family == Family::IPV6_UNICAST => Err(wrong(format!(
            "next hop {address} of an IPv6 route is no IPv6 address"
        ))),
        _ => Ok(()),
    }
}

fn prefix(nlri: &v4::Nlri, family: Family) -> Result<Prefix, Status> {
    let Some(v4::nlri::Nlri::Prefix(v4::IpAddressPrefix { prefix_len, prefix })) = &nlri.nlri
    else {
        return Err(wrong(format!("the NLRI is none of {family}")));
    };
    let bad = || wrong(format!("`{prefix}/{prefix_len}` is no prefix of {family}"));
    let address: IpAddr = prefix.parse().map_err(|_| bad())?;
    let length = u8::try_from(*prefix_len).map_err(|_| bad())?;
    let prefix = Prefix::truncating(address, length).ok_or_else(bad)?;
    if prefix.family() == family {
        Ok(prefix)
    } else {
        Err(bad())
    }
}
