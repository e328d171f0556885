// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lists of routes, page by page from all shards in order of prefix, and the reasons for one route.

use std::{collections::HashMap, ffi::CStr, net::IpAddr, sync::Arc};

use bgp_proto::{Family, Instant, PathAttributes, Prefix};
use nix::net::if_::if_indextoname;
use rib::{Attributes, Disposition, PeerId, RouteView, TableSize};
use tokio::sync::mpsc;

use super::Door;
use crate::{
    api::Control as _,
    config::PeerName,
    control::{
        ControlError, Explanation, PolicyChange, PolicyHit, PolicyTrace, PrefixMatch,
        ROUTES_PER_PAGE, Route, RouteQuery, RouteSource, Table,
    },
    daemon::{fib_task::fib_route, shard::Shard},
    kernel::network,
};

/// Prefixes that a shard counts before it does something else.
const COUNTED_AT_ONCE: usize = 1 << 14;

/// Pages made ahead of the client's reading.
const PAGES: usize = 1;

/// Peers by number, for display.
type Names = Arc<HashMap<PeerId, PeerName>>;

impl Door {
    pub(super) fn list_routes(
        &self,
        query: &RouteQuery,
    ) -> Result<mpsc::Receiver<Vec<Route>>, ControlError> {
        let wanted = self.rib_query(query)?;
        let (pages, receiver) = mpsc::channel(PAGES);
        let names = self.names();
        let now = self.clock.now();
        let shards = self.shards.clone();
        let longest = matches!(query.prefix, Some((_, PrefixMatch::Longest)));
        tokio::spawn(async move {
            let mut merge = Merge::new(&shards, &wanted);
            if longest {
                let views = merge.longest().await;
                drop(pages.send(routes(&views, &names, now)).await);
                return;
            }
            while let Some(page) = merge.page().await {
                // A client that has left wants no more.
                if pages.send(routes(&page, &names, now)).await.is_err() {
                    break;
                }
            }
        });
        Ok(receiver)
    }

    /// Of what neighbours send and are sent, there are counters; the Loc-RIB is counted, a piece at a time.
    pub(super) async fn size_of(
        &self,
        table: Table,
        family: Family,
    ) -> Result<TableSize, ControlError> {
        let mut size = TableSize::default();
        let (Table::AdjIn(name) | Table::AdjOut(name)) = table else {
            for shard in &self.shards {
                let mut after = None;
                loop {
                    let (part, next) = shard
                        .ask(move |rib| rib.size(family, after, COUNTED_AT_ONCE))
                        .await?;
                    size += part;
                    after = next;
                    if after.is_none() {
                        break;
                    }
                }
            }
            return Ok(size);
        };
        let peer = self.peers(Some(name)).await?.into_iter().next();
        let families = peer.into_iter().flat_map(|peer| peer.families);
        let Some(counted) = families
            .into_iter()
            .find(|counted| counted.family == family)
        else {
            return Ok(size);
        };
        let (paths, accepted, has_several) = match table {
            Table::AdjIn(_) => (counted.received, counted.accepted, counted.add_path.receive),
            _ => (counted.advertised, 0, counted.add_path.send),
        };
        let prefixes = if has_several {
            self.prefixes_in(table, family).await?
        } else {
            paths
        };
        Ok(TableSize {
            prefixes,
            paths,
            accepted,
        })
    }

    /// Prefixes of a neighbour that sends or is sent several paths of one.
    async fn prefixes_in(&self, table: Table, family: Family) -> Result<u64, ControlError> {
        let query = self.rib_query(&RouteQuery {
            table,
            family: Some(family),
            ..RouteQuery::default()
        })?;
        let mut prefixes = 0;
        for shard in &self.shards {
            let mut query = query.clone();
            loop {
                let asked = query.clone();
                let (count, next) = shard
                    .ask(move |rib| {
                        let page = rib.routes(&asked);
                        let pairs = page.routes.windows(2);
                        let changes = pairs
                            .filter(|pair| pair[0].prefix != pair[1].prefix)
                            .count();
                        let count = changes + usize::from(!page.routes.is_empty());
                        (count as u64, page.next)
                    })
                    .await?;
                prefixes += count;
                query.after = next;
                if query.after.is_none() {
                    break;
                }
            }
        }
        Ok(prefixes)
    }

    pub(super) async fn explain_prefix(
        &self,
        prefix: Prefix,
        how: PrefixMatch,
    ) -> Result<Explanation, ControlError> {
        let mut found: Option<rib::Explanation> = None;
        for shard in &self.shards {
            let exact = how != PrefixMatch::Longest;
            let answer = shard
                .ask(move |rib| {
                    if exact {
                        rib.explain(prefix)
                    } else {
                        rib.explain_longest(prefix)
                    }
                })
                .await?;
            found = match (found, answer) {
                (Some(old), Some(new)) if new.prefix.length() <= old.prefix.length() => Some(old),
                (old, new) => new.or(old),
            };
        }
        let found =
            found.ok_or_else(|| ControlError::NotFound(format!("no route for {prefix}")))?;
        let names = self.names();
        let now = self.clock.now();
        let kernel = match &self.fib {
            Some(fib) => fib
                .route(network(found.prefix))
                .await
                .map(|state| fib_route(&state)),
            None => None,
        };
        let numbered = |step| format!("{}: {step}", found.profile.number(step));
        let routes: Vec<Route> = found
            .routes
            .iter()
            .map(|(view, step)| Route {
                lost_at: step.map(numbered),
                ..route(view, &names, now)
            })
            .collect();
        let mut rivals = found.routes.iter().skip(1);
        let usable = routes.iter().filter(|route| route.unusable.is_none());
        let decided_by = match usable.count() {
            0 => None,
            1 => Some("only path".to_owned()),
            // The step at which the last rival fell.
            _ => rivals.find_map(|(_, step)| *step).map(numbered),
        };
        let policies = found.policies.iter().map(|trace| policy(trace, &names));
        let no_kernel = (kernel.is_none()).then(|| self.no_kernel(&routes));
        let not_advertised_to = self.not_advertised_to(&found);
        Ok(Explanation {
            policies: policies.collect(),
            prefix: found.prefix,
            routes,
            decided_by,
            profile: found.profile.to_string(),
            kernel,
            not_advertised_to,
            no_kernel,
            advertised_to: found
                .advertised_to
                .iter()
                .filter_map(|id| names.get(id).copied())
                .collect(),
        })
    }

    /// Those that have not been told, and why: the shard knows it of neighbours with a session.
    fn not_advertised_to(&self, found: &rib::Explanation) -> Vec<(PeerName, String)> {
        let board = self.read();
        let silent = board.peers.iter().filter_map(|(name, running)| {
            if found.advertised_to.contains(&running.id) {
                return None;
            }
            let mut known = found.not_told.iter();
            let reason = known.find(|(id, _)| *id == running.id);
            let reason = reason.map_or_else(
                || "its session is not Established".to_owned(),
                |(_, reason)| reason.to_string(),
            );
            Some((*name, reason))
        });
        silent.collect()
    }

    /// Why the kernel is to have no route for a prefix with these paths.
    fn no_kernel(&self, routes: &[Route]) -> String {
        let best = routes.iter().find(|route| route.best);
        match best.map(|best| best.source) {
            _ if self.fib.is_none() => "the kernel is not managed (no [fib] in the configuration)",
            None => "no path can be used",
            Some(RouteSource::Direct | RouteSource::Kernel) => "the route is the kernel's own",
            Some(_) => "kept back by the policy for the kernel, or it has nowhere to send packets",
        }
        .to_owned()
    }

    fn names(&self) -> Names {
        Arc::new(self.read().names())
    }

    fn rib_query(&self, query: &RouteQuery) -> Result<rib::RouteQuery, ControlError> {
        let table = match query.table {
            Table::LocRib => rib::Table::LocRib,
            Table::AdjIn(address) => rib::Table::AdjIn(self.find(address)?.id),
            Table::AdjOut(address) => rib::Table::AdjOut(self.find(address)?.id),
        };
        let prefix = query.prefix.map(|(prefix, how)| match how {
            PrefixMatch::Exact => rib::PrefixFilter::Exact(prefix),
            PrefixMatch::Longer => rib::PrefixFilter::Longer(prefix),
            PrefixMatch::Longest | PrefixMatch::Shorter => rib::PrefixFilter::Shorter(prefix),
        });
        Ok(rib::RouteQuery {
            table,
            family: query.family,
            prefix,
            best_only: query.best_only,
            after: None,
            limit: ROUTES_PER_PAGE,
        })
    }
}

/// Merges the shards' sorted pages.
struct Merge<'a> {
    sources: Vec<SortedPages<'a>>,
}

struct SortedPages<'a> {
    shard: &'a Shard,
    query: rib::RouteQuery,
    page: std::collections::VecDeque<RouteView>,
    ended: bool,
}

impl<'a> Merge<'a> {
    fn new(shards: &'a [Shard], query: &rib::RouteQuery) -> Self {
        let source = |shard| SortedPages {
            shard,
            query: query.clone(),
            page: std::collections::VecDeque::new(),
            ended: false,
        };
        Self {
            sources: shards.iter().map(source).collect(),
        }
    }

    /// The routes of the longest prefix of all pages.
    async fn longest(&mut self) -> Vec<RouteView> {
        let mut found: Vec<RouteView> = Vec::new();
        while let Some(page) = self.page().await {
            for view in page {
                let length = found.first().map(|known| known.prefix.length());
                if length < Some(view.prefix.length()) {
                    found.clear();
                }
                if length <= Some(view.prefix.length()) {
                    found.push(view);
                }
            }
        }
        found
    }

    async fn page(&mut self) -> Option<Vec<RouteView>> {
        let mut out = Vec::new();
        while out.len() < ROUTES_PER_PAGE {
            for source in &mut self.sources {
                source.fill().await;
            }
            let first = self
                .sources
                .iter_mut()
                .filter(|source| !source.page.is_empty())
                .min_by_key(|source| source.page.front().map(|view| view.prefix));
            match first.and_then(|source| source.page.pop_front()) {
                Some(view) => out.push(view),
                None => break,
            }
        }
        (!out.is_empty()).then_some(out)
    }
}

impl SortedPages<'_> {
    async fn fill(&mut self) {
        if !self.page.is_empty() || self.ended {
            return;
        }
        let query = self.query.clone();
        let Ok(page) = self.shard.ask(move |rib| rib.routes(&query)).await else {
            self.ended = true;
            return;
        };
        self.ended = page.next.is_none();
        self.query.after = page.next;
        self.page = page.routes.into();
    }
}

/// Where packets go; an interface has its name, if it is still there.
fn target(disposition: Disposition) -> String {
    let (index, way) = match disposition {
        Disposition::Device(index) => (index, String::new()),
        Disposition::Link { gateway, interface } => (interface, format!("via {gateway} ")),
        _ => return disposition.to_string(),
    };
    match if_indextoname(index).as_deref().map(CStr::to_string_lossy) {
        Ok(name) => format!("{way}dev {name}"),
        Err(_) => disposition.to_string(),
    }
}

/// A source in the words of the API.
pub(in crate::daemon) fn route_source(
    source: rib::Source,
    names: &HashMap<PeerId, PeerName>,
) -> RouteSource {
    match source {
        rib::Source::Bgp(id) => RouteSource::Bgp(names.get(&id).copied().unwrap_or(
            PeerName::Address(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)),
        )),
        rib::Source::Static => RouteSource::Static,
        rib::Source::Direct => RouteSource::Direct,
        rib::Source::Kernel => RouteSource::Kernel,
        rib::Source::Api => RouteSource::Api,
    }
}

/// A page of them. Neighbouring ones with the same attributes share them.
fn routes(views: &[RouteView], names: &HashMap<PeerId, PeerName>, now: Instant) -> Vec<Route> {
    let mut shared: Option<(&Attributes, Arc<PathAttributes>)> = None;
    let each = views.iter().map(|view| {
        let attributes = match &shared {
            Some((known, unpacked)) if **known == view.attributes => Arc::clone(unpacked),
            _ => Arc::new(view.attributes.unpack()),
        };
        shared = Some((&view.attributes, Arc::clone(&attributes)));
        route_with(view, attributes, names, now)
    });
    each.collect()
}

/// A route in the words of the API.
pub(in crate::daemon) fn route(
    view: &RouteView,
    names: &HashMap<PeerId, PeerName>,
    now: Instant,
) -> Route {
    route_with(view, Arc::new(view.attributes.unpack()), names, now)
}

fn route_with(
    view: &RouteView,
    attributes: Arc<PathAttributes>,
    names: &HashMap<PeerId, PeerName>,
    now: Instant,
) -> Route {
    Route {
        prefix: view.prefix,
        path_id: view.path_id,
        source: route_source(view.source, names),
        attributes,
        target: target(view.disposition),
        best: view.best,
        multipath: view.multipath,
        unusable: view.unusable.as_ref().map(ToString::to_string),
        stale: view.stale,
        lost_at: None,
        age: now.saturating_since(view.since),
    }
}

fn policy(trace: &rib::PolicyTrace, names: &Names) -> PolicyTrace {
    let change = |change: &rib::PolicyChange| PolicyChange {
        what: change.what.to_owned(),
        from: change.from.clone(),
        to: change.to.clone(),
    };
    let hit = |hit: &rib::PolicyHit| PolicyHit {
        names: hit.names.iter().map(ToString::to_string).collect(),
        changes: hit.changes.iter().map(change).collect(),
        verdict: hit.verdict,
    };
    let peers = trace.peers.iter().filter_map(|id| names.get(id).copied());
    PolicyTrace {
        point: trace.point,
        peers: peers.collect(),
        verdict: trace.verdict,
        is_default: trace.is_default,
        hits: trace.hits.iter().map(hit).collect(),
    }
}
