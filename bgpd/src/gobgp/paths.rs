// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tables: `ListPath` and `GetTable`.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use bgp_proto::{Asn, Family, Prefix, RouterId};
use bgpd_api::{v3, v4};
use bytes::Bytes;
use prost_types::Timestamp;
use tokio::sync::mpsc::Receiver;
use tonic::Status;

use super::{
    Gobgp, Version, attributes, binary, family, family_message,
    stream::{Outlet, Page, Replies, Unwanted, list, outlet},
    wrong,
};
use crate::{
    api::Control,
    config::{PeerName, family_name},
    control::{
        Change, Changes, ControlError, PrefixMatch, Route, RouteQuery, RouteSource, Sender, Table,
    },
};

impl<C: Control> Gobgp<C> {
    pub(super) async fn list_path(
        &self,
        request: v4::ListPathRequest,
        version: Version,
    ) -> Result<Replies<Bytes>, Status> {
        self.started()?;
        let family = family(request.family)?;
        let (table, client) = self.table(request.table_type, &request.name).await?;
        if !family.is_supported() {
            return Ok(list(&self.shutdown, Vec::new()));
        }
        let lookups = request.prefixes.iter().map(|prefix| lookup(prefix, family));
        let mut prefixes: Vec<_> = lookups
            .map(|found| found.map(Some))
            .collect::<Result<_, _>>()?;
        if prefixes.is_empty() {
            prefixes.push(None);
        }
        let queries = prefixes.into_iter().map(move |prefix| RouteQuery {
            table,
            family: Some(family),
            prefix,
            best_only: false,
        });
        let sight = Sight {
            filtered: request.enable_filtered,
            form: Form::of(&request),
            client,
            ..self.sight(table).await?
        };
        let (outlet, replies) = outlet(&self.shutdown);
        let listing = Listing::new(sight, version);
        // Who has left wants nothing.
        let control = self.control.clone();
        tokio::spawn(async move { drop(listing.feed(control, queries.collect(), outlet).await) });
        Ok(replies)
    }

    pub(super) async fn get_table(
        &self,
        request: v4::GetTableRequest,
    ) -> Result<v4::GetTableResponse, Status> {
        self.started()?;
        let family = family(request.family)?;
        let (table, client) = self.table(request.table_type, &request.name).await?;
        if let Table::AdjIn(name) | Table::AdjOut(name) = table {
            self.has_family(name, family).await?;
        }
        if !family.is_supported() {
            return Ok(v4::GetTableResponse::default());
        }
        let Some(client) = client else {
            let size = self.control.table_size(table, family).await?;
            return Ok(v4::GetTableResponse {
                num_destination: size.prefixes,
                num_path: size.paths,
                num_accepted: if matches!(table, Table::AdjIn(_)) {
                    size.accepted
                } else {
                    0
                },
            });
        };
        let query = RouteQuery {
            table,
            family: Some(family),
            ..RouteQuery::default()
        };
        let sight = Sight {
            client: Some(client),
            ..self.sight(table).await?
        };
        let mut pages = self.control.routes(query).await?;
        let (mut size, mut last) = (v4::GetTableResponse::default(), None);
        while let Some(page) = pages.recv().await {
            for route in page.iter().filter(|route| sight.shows(route)) {
                size.num_path += 1;
                size.num_destination += u64::from(last != Some(route.prefix));
                last = Some(route.prefix);
            }
        }
        Ok(size)
    }

    /// Which table is meant, and the client of the route server that it is shown to.
    async fn table(&self, number: i32, name: &str) -> Result<(Table, Option<Client>), Status> {
        use v4::TableType;
        match TableType::try_from(number) {
            Ok(TableType::Global) => Ok((Table::LocRib, None)),
            Ok(TableType::AdjIn) => Ok((Table::AdjIn(self.neighbor(name).await?), None)),
            Ok(TableType::AdjOut) => Ok((Table::AdjOut(self.neighbor(name).await?), None)),
            Ok(TableType::Local) => {
                let client = self.client(self.neighbor(name).await?).await?;
                Ok((Table::LocRib, Some(client)))
            }
            Ok(TableType::Vrf) => Err(Status::not_found(format!("vrf {name} not found"))),
            Ok(TableType::Unspecified) => Err(wrong("unspecified table type")),
            Err(_) => Err(wrong(format!("unknown table type {number}"))),
        }
    }

    /// The neighbour of that name. Where it has no such family, it has no routes of it either.
    async fn neighbor(&self, name: &str) -> Result<PeerName, Status> {
        let unknown = || Status::not_found(format!("neighbor that has {name} doesn't exist"));
        let peer: PeerName = name.parse().map_err(|_| unknown())?;
        match self.control.peers(Some(peer)).await {
            Err(ControlError::NotFound(_)) => Err(unknown()),
            answer => {
                answer?;
                Ok(peer)
            }
        }
    }

    /// GoBGP counts only what a neighbour is configured for, though it lists nothing of other families.
    async fn has_family(&self, name: PeerName, family: Family) -> Result<(), Status> {
        let known = self.control.neighbors(Some(name)).await?;
        let mut families = known.iter().flat_map(|(_, neighbor)| &neighbor.families);
        if families.any(|it| it.family == family) {
            return Ok(());
        }
        let text = format!("{} unsupported", family_name(family));
        Err(Status::failed_precondition(text))
    }

    /// How changes are shown.
    pub(super) fn sight_of(&self, changes: &Changes) -> Sight {
        let is_own = |change: &&Change| change.source == Some(RouteSource::Api);
        let own = changes.changes.iter().filter(is_own);
        let names = self
            .names()
            .of(own.map(|change| (change.prefix, change.path_id)));
        let mut sight = Sight {
            names,
            ..Sight::of_senders(&changes.senders)
        };
        sight.own.asn = self.control.config().global.asn;
        sight
    }

    /// A neighbour that has a table of its own in GoBGP.
    async fn client(&self, name: PeerName) -> Result<Client, Status> {
        let known = self.control.neighbors(Some(name)).await?;
        let mut known = known.iter();
        let found = known.find(|(_, neighbor)| neighbor.terms.route_server_client);
        let (status, _) = found.ok_or_else(|| {
            let text = format!("neighbor {name} doesn't have local rib");
            Status::failed_precondition(text)
        })?;
        Ok(Client {
            name,
            asn: status.peer_as,
        })
    }

    /// How routes of a table are shown.
    pub(super) async fn sight(&self, table: Table) -> Result<Sight, Status> {
        let status = self.control.status().await?;
        let peers = self.control.peers(None).await?;
        let source = |peer: &crate::control::PeerStatus| Source {
            asn: peer.peer_as,
            router_id: peer.router_id,
            address: peer.address.address(),
            is_external: matches!(peer.relation, "external" | "member"),
        };
        Ok(Sight {
            table,
            filtered: false,
            form: Form::default(),
            client: None,
            own: Source {
                asn: status.local_as,
                // As GoBGP has it: only what a neighbour has sent has a sender.
                router_id: None,
                address: None,
                is_external: false,
            },
            sources: peers
                .iter()
                .map(|peer| (peer.address, source(peer)))
                .collect(),
            names: self.names().by_route(),
        })
    }
}

/// What is known of where routes come from, and what of them is shown.
pub(super) struct Sight {
    table: Table,
    /// Say which routes policy rejects.
    filtered: bool,
    form: Form,
    client: Option<Client>,
    own: Source,
    sources: HashMap<PeerName, Source>,
    names: HashMap<(Prefix, u32), [u8; 16]>,
}

/// A client of the route server: what it could be told is what others have said, without its own AS.
#[derive(Clone, Copy)]
struct Client {
    name: PeerName,
    asn: Asn,
}

impl Client {
    fn hears(&self, route: &Route) -> bool {
        let mut asns = route.attributes.as_path.segments().flat_map(|(_, all)| all);
        route.source != RouteSource::Bgp(self.name) && !asns.any(|asn| *asn == self.asn)
    }
}

/// Decoded, as octets, or both.
#[derive(Clone, Copy, Default)]
struct Form {
    nlri_octets: bool,
    attribute_octets: bool,
    only_octets: bool,
}

impl Form {
    fn of(request: &v4::ListPathRequest) -> Self {
        Self {
            nlri_octets: request.enable_nlri_binary || request.enable_only_binary,
            attribute_octets: request.enable_attribute_binary || request.enable_only_binary,
            only_octets: request.enable_only_binary,
        }
    }
}

#[derive(Clone, Copy)]
struct Source {
    asn: Asn,
    router_id: Option<RouterId>,
    address: Option<IpAddr>,
    is_external: bool,
}

impl Sight {
    /// GoBGP's global table has what import policy accepts.
    pub(super) fn shows(&self, route: &Route) -> bool {
        let is_heard = self.client.is_none_or(|client| client.hears(route));
        is_heard && (self.table != Table::LocRib || !is_refused(route))
    }

    /// Of neighbours that are known.
    pub(super) fn of_senders(senders: &[Sender]) -> Self {
        let source = |sender: &Sender| Source {
            asn: sender.asn,
            router_id: sender.router_id,
            address: sender.name.address(),
            is_external: sender.is_external,
        };
        let sources = senders.iter().map(|sender| (sender.name, source(sender)));
        Self {
            table: Table::LocRib,
            filtered: false,
            form: Form::default(),
            client: None,
            own: Source {
                asn: Asn(0),
                router_id: None,
                address: None,
                is_external: false,
            },
            sources: sources.collect(),
            names: HashMap::new(),
        }
    }

    fn source(&self, source: RouteSource) -> Source {
        match source {
            RouteSource::Bgp(peer) => self.sources.get(&peer).copied().unwrap_or(Source {
                asn: Asn(0),
                router_id: None,
                address: peer.address(),
                is_external: false,
            }),
            _ => self.own,
        }
    }

    /// A path, and where it comes from.
    pub(super) fn from(&self, source: RouteSource, path: v4::Path) -> v4::Path {
        let source = self.source(source);
        let router_id = source.router_id.map(|id| id.to_string());
        let address = source.address.map(|address| address.to_string());
        v4::Path {
            source_asn: source.asn.0,
            source_id: router_id.unwrap_or_default(),
            is_from_external: source.is_external,
            neighbor_ip: address.unwrap_or_else(|| NO_ADDRESS.to_owned()),
            ..path
        }
    }

    /// A route as a path.
    pub(super) fn path(&self, route: &Route, now: SystemTime) -> v4::Path {
        let is_own = !matches!(route.source, RouteSource::Bgp(_));
        let in_loc_rib = self.table == Table::LocRib;
        let (identifier, local_identifier) = match self.table {
            Table::AdjOut(_) => (0, route.path_id.max(1)),
            Table::LocRib | Table::AdjIn(_) => (route.path_id, 0),
        };
        let name = (route.source == RouteSource::Api)
            .then(|| self.names.get(&(route.prefix, route.path_id)))
            .flatten();
        let is_own = is_own && !matches!(self.table, Table::AdjOut(_));
        let decoded = || attributes::to_messages(&route.attributes, route.prefix, is_own);
        let octets = || binary::attributes(&route.attributes, route.prefix);
        let form = self.form;
        let path = v4::Path {
            nlri: (!form.only_octets).then(|| attributes::nlri(route.prefix)),
            pattrs: if form.only_octets {
                Vec::new()
            } else {
                decoded()
            },
            nlri_binary: if form.nlri_octets {
                binary::nlri(route.prefix)
            } else {
                Vec::new()
            },
            pattrs_binary: if form.attribute_octets {
                octets()
            } else {
                Vec::new()
            },
            age: Some(timestamp(now, route.age)),
            // A client's best is the first that it hears.
            best: in_loc_rib && self.client.is_none() && (route.best || route.multipath),
            family: Some(family_message(route.prefix.family())),
            filtered: self.filtered && is_refused(route),
            stale: route.stale,
            uuid: name.map(|name| name.to_vec()).unwrap_or_default(),
            is_nexthop_invalid: is_unreachable(route),
            identifier,
            local_identifier,
            ..v4::Path::default()
        };
        self.from(route.source, path)
    }
}

/// What GoBGP says instead of a neighbour's address when a path is its own, and what its clients look for.
const NO_ADDRESS: &str = "<nil>";

fn is_unreachable(route: &Route) -> bool {
    let why = route.unusable.as_deref();
    why.is_some_and(|why| why == rib::Unusable::NextHopUnreachable.to_string())
}

/// By policy, or because it has been here before.
fn is_refused(route: &Route) -> bool {
    route.unusable.is_some() && !is_unreachable(route)
}

/// Routes in order become destinations with all their paths.
struct Listing {
    sight: Sight,
    now: SystemTime,
    version: Version,
    /// It may go on in the next page of routes.
    open: Option<(Prefix, v4::Destination)>,
    page: Page,
}

impl Listing {
    fn new(sight: Sight, version: Version) -> Self {
        Self {
            sight,
            now: SystemTime::now(),
            version,
            open: None,
            page: Page::default(),
        }
    }

    async fn feed<C: Control>(
        mut self,
        control: C,
        queries: Vec<RouteQuery>,
        mut outlet: Outlet<Bytes>,
    ) -> Result<(), Unwanted> {
        for query in queries {
            let mut pages = match control.routes(query).await {
                Ok(pages) => pages,
                Err(error) => {
                    outlet.fail(error.into());
                    return Ok(());
                }
            };
            outlet = self.table(&mut pages, outlet).await?;
        }
        Ok(())
    }

    async fn table(
        &mut self,
        pages: &mut Receiver<Vec<Route>>,
        mut outlet: Outlet<Bytes>,
    ) -> Result<Outlet<Bytes>, Unwanted> {
        while let Some(page) = pages.recv().await {
            for route in &page {
                self.push(route);
                if self.page.is_full() {
                    outlet = outlet.send(self.page.take()).await?;
                }
            }
            // Nothing is also said: whoever does not read is found out.
            outlet = outlet.send(self.page.take()).await?;
        }
        self.close();
        outlet.send(self.page.take()).await
    }

    fn push(&mut self, route: &Route) {
        if !self.sight.shows(route) {
            return;
        }
        let path = self.sight.path(route, self.now);
        match &mut self.open {
            Some((prefix, destination)) if *prefix == route.prefix => destination.paths.push(path),
            _ => {
                self.close();
                let is_first = self.sight.client.is_some() && route.unusable.is_none();
                let destination = v4::Destination {
                    prefix: route.prefix.to_string(),
                    paths: vec![v4::Path {
                        best: path.best || is_first,
                        ..path
                    }],
                };
                self.open = Some((route.prefix, destination));
            }
        }
    }

    /// The destination has no more paths.
    fn close(&mut self) {
        let Some((_, destination)) = self.open.take() else {
            return;
        };
        let reply = v4::ListPathResponse {
            destination: Some(destination),
        };
        match self.version {
            Version::Three => self.page.push(&v3::ListPathResponse::from(reply)),
            Version::Four => self.page.push(&reply),
        }
    }
}

/// Which prefixes a lookup means. A bare address is looked up as a router would.
fn lookup(
    message: &v4::TableLookupPrefix,
    family: Family,
) -> Result<(Prefix, PrefixMatch), Status> {
    use v4::table_lookup_prefix::Type;
    let text = &message.prefix;
    let bad = || wrong(format!("`{text}` is no prefix of {family}"));
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse().map_err(|_| bad())?)),
        None => (text.as_str(), None),
    };
    let address: IpAddr = address.parse().map_err(|_| bad())?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = Prefix::truncating(address, length.unwrap_or(longest)).ok_or_else(bad)?;
    if prefix.family() != family {
        return Err(bad());
    }
    let how = match Type::try_from(message.r#type) {
        Ok(Type::Unspecified | Type::Exact) if length.is_none() => PrefixMatch::Longest,
        Ok(Type::Unspecified | Type::Exact) => PrefixMatch::Exact,
        Ok(Type::Longer) => PrefixMatch::Longer,
        Ok(Type::Shorter) => PrefixMatch::Shorter,
        Err(_) => return Err(wrong(format!("{} is no kind of lookup", message.r#type))),
    };
    Ok((prefix, how))
}

/// A time so long ago.
pub(super) fn timestamp(now: SystemTime, age: Duration) -> Timestamp {
    let since = now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
    Timestamp::from(since)
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, sync::Arc};

    use bgp_proto::{AsPath, Ipv4Prefix, Origin, PathAttributes};
    use futures_util::StreamExt as _;
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::{super::stream::PAGE, *};
    use crate::control::ROUTES_PER_PAGE;

    #[tokio::test]
    async fn one_who_reads_nothing_of_a_list_has_a_page_of_octets_waiting_and_another_made() {
        for version in [Version::Three, Version::Four] {
            let (routes, mut pages) = mpsc::channel(1);
            let table = tokio::spawn(async move {
                let mut taken = 0;
                while routes.send(page(taken)).await.is_ok() {
                    taken += 1;
                }
                taken
            });
            let (outlet, replies) = outlet(&CancellationToken::new());
            let outlet = outlet.with_patience(Duration::from_millis(50));
            let mut listing = Listing::new(Sight::of_senders(&[]), version);
            let ended = listing.table(&mut pages, outlet).await;
            assert!(ended.is_err(), "nobody reads");
            drop(pages);
            let taken = table.await.expect("a number");
            assert!(taken <= 3, "{taken} pages of routes are taken for nobody");
            let replies: Vec<_> = replies.collect().await;
            let (end, waiting) = replies.split_last().expect("the reason at least");
            assert_eq!(
                end.as_ref().map_err(Status::code),
                Err(tonic::Code::Aborted)
            );
            let lengths = waiting
                .iter()
                .map(|reply| reply.as_ref().map_or(0, Bytes::len));
            let largest = lengths.clone().max().expect("one");
            let octets: usize = lengths.sum();
            assert!((1000..PAGE / 8).contains(&largest), "{largest} octets");
            assert!(
                (PAGE..PAGE + largest).contains(&octets),
                "{octets} octets wait for nobody"
            );
        }
    }

    /// Routes whose attributes take some room.
    fn page(number: usize) -> Vec<Route> {
        let as_path = AsPath::from_sequence((0..500).map(|number| Asn(64512 + number)));
        let next_hop = IpAddr::from([192, 0, 2, 1]).into();
        let attributes = Arc::new(PathAttributes::new(Origin::Igp, as_path, next_hop));
        let route = |place| {
            let number = u32::try_from(number * ROUTES_PER_PAGE + place).expect("small");
            let prefix = Ipv4Prefix::truncating(Ipv4Addr::from(number << 8), 24);
            Route {
                prefix: prefix.expect("a prefix").into(),
                path_id: 0,
                source: RouteSource::Api,
                attributes: Arc::clone(&attributes),
                target: String::new(),
                best: true,
                multipath: false,
                unusable: None,
                stale: false,
                lost_at: None,
                age: Duration::from_secs(1),
            }
        };
        (0..ROUTES_PER_PAGE).map(route).collect()
    }
}
