// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A daemon with fixed data behind a real server.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bgp_proto::{Asn, Family, PathAttributes, Prefix};
use bgpd::{
    api::{Control, Followers, Listeners, Subscription, Watchers, serve_on},
    config::{Book, Config, Edit, LogLevel, Neighbor, PeerName, Settings},
    control::{
        BfdStatus, ControlError, Explanation, FibRoute, FibSummary, Interest, NewRoute,
        NextHopStatus, PeerOrder, PeerStatus, Plan, PlanRequest, PolicyChange, PolicyHit,
        PolicyPoint, PolicyTrace, PrefixMatch, ROUTES_PER_PAGE, Route, RouteQuery, RouteSource,
        Status, Table, Verdict, WatchEvent, WatchFilter,
    },
};
use rib::TableSize;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::data::{bfd, fib, id, ip, numbered, peers, prefix, routes};

/// The fake daemon.
#[derive(Clone, Default)]
pub(crate) struct Fake {
    /// Everything it was ordered to do, in words.
    pub orders: Arc<Mutex<Vec<String>>>,
    pub watchers: Arc<Mutex<Watchers>>,
    pub followers: Arc<Mutex<Followers>>,
    /// Told when somebody watches.
    pub watched: Arc<Notify>,
    /// Told when a list of routes was given up by its reader.
    pub abandoned: Arc<Notify>,
    /// How many routes the Loc-RIB has instead of the fixed ones; `usize::MAX` never ends.
    pub many: Option<usize>,
    /// Pages of routes that were taken.
    pub pages: Arc<AtomicUsize>,
    /// All routes are the API's own.
    pub own: bool,
    /// Nothing is configured.
    pub empty: bool,
    /// The level that was ordered.
    pub log: Arc<Mutex<Option<LogLevel>>>,
}

/// A server with a fake behind it; both go when it is dropped.
pub(crate) struct Served {
    pub fake: Fake,
    pub socket: PathBuf,
    pub address: SocketAddr,
    pub shutdown: CancellationToken,
    directory: PathBuf,
    _stop: DropGuard,
}

impl Fake {
    pub(crate) async fn serve(self) -> Served {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("bgpd-management-{}-{number}", std::process::id()));
        let socket = directory.join("bgpd.sock");
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = Listeners::bind(&[any_port], Some(&socket))
            .await
            .expect("bound");
        let address = listeners.addresses()[0];
        let shutdown = CancellationToken::new();
        tokio::spawn(serve_on(self.clone(), listeners, shutdown.clone()));
        Served {
            fake: self,
            socket,
            address,
            _stop: shutdown.clone().drop_guard(),
            shutdown,
            directory,
        }
    }

    pub(crate) fn log(&self) -> LogLevel {
        self.log.lock().expect("unpoisoned").unwrap_or_default()
    }

    fn note(&self, order: String) {
        self.orders.lock().expect("unpoisoned").push(order);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Control for Fake {
    async fn status(&self) -> Result<Status, ControlError> {
        let fib = FibSummary {
            installed: 5,
            pending: 1,
            failed: 1,
        };
        let warning = "bgpd.toml:12:1: neighbor 192.0.2.3 has no policy: nothing passes (RFC 8212)"
            .to_owned();
        Ok(Status {
            version: "0.1.0".to_owned(),
            local_as: Asn(64512),
            router_id: id("10.0.0.1"),
            cluster_id: Ipv4Addr::new(10, 0, 0, 1),
            uptime: Duration::from_secs(93_784),
            listening: vec![
                "0.0.0.0:179".parse().expect("an address"),
                "[::]:179".parse().expect("an address"),
            ],
            shards: 2,
            converging: true,
            peers: 3,
            established: 1,
            prefixes: 5,
            paths: 7,
            fib: (!self.empty).then_some(fib),
            memory: (!self.empty).then_some(45 << 20),
            warnings: if self.empty {
                Vec::new()
            } else {
                vec![warning]
            },
            log: self.log().as_str().to_owned(),
        })
    }

    async fn peers(&self, address: Option<PeerName>) -> Result<Vec<PeerStatus>, ControlError> {
        let mut peers = if self.empty { Vec::new() } else { peers() };
        if let Some(address) = address {
            peers.retain(|peer| peer.address == address);
            if peers.is_empty() {
                return Err(unknown(address));
            }
        }
        Ok(peers)
    }

    async fn order(&self, peer: Option<PeerName>, order: PeerOrder) -> Result<(), ControlError> {
        if let Some(peer) = peer {
            if !peers().iter().any(|known| known.address == peer) {
                return Err(unknown(peer));
            }
            if order == PeerOrder::RefreshIn && peer == ip("192.0.2.3") {
                return Err(ControlError::NotPossible(format!(
                    "{peer} is not Established"
                )));
            }
        }
        self.note(format!(
            "{order:?} {}",
            peer.map_or_else(|| "all".to_owned(), |peer| peer.to_string())
        ));
        Ok(())
    }

    async fn routes(&self, query: RouteQuery) -> Result<mpsc::Receiver<Vec<Route>>, ControlError> {
        let neighbor = match query.table {
            Table::LocRib => None,
            Table::AdjIn(neighbor) | Table::AdjOut(neighbor) => Some(neighbor),
        };
        if let Some(unknown_one) =
            neighbor.filter(|neighbor| !peers().iter().any(|peer| peer.address == *neighbor))
        {
            return Err(unknown(unknown_one));
        }
        let (sender, receiver) = mpsc::channel(1);
        let (many, empty, abandoned) = (self.many, self.empty, self.abandoned.clone());
        let (pages, own) = (Arc::clone(&self.pages), self.own);
        tokio::spawn(async move {
            let all: Box<dyn Iterator<Item = Route> + Send> = match (many, empty) {
                (Some(count), _) => Box::new((0..count).map(numbered)),
                (None, true) => Box::new(std::iter::empty()),
                (None, false) => Box::new(
                    routes()
                        .into_iter()
                        .filter(move |route| selected(route, &query)),
                ),
            };
            let mut all = all.map(|mut route| {
                if own {
                    route.source = RouteSource::Api;
                }
                route
            });
            loop {
                let page: Vec<_> = all.by_ref().take(ROUTES_PER_PAGE).collect();
                if page.is_empty() {
                    return;
                }
                if sender.send(page).await.is_err() {
                    return abandoned.notify_one();
                }
                pages.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(receiver)
    }

    async fn table_size(&self, table: Table, family: Family) -> Result<TableSize, ControlError> {
        let query = RouteQuery {
            table,
            family: Some(family),
            ..RouteQuery::default()
        };
        let is_refused = |route: &Route| {
            let why = route.unusable.as_deref();
            why.is_some_and(|why| why != "next hop unreachable")
        };
        let mut found = routes();
        found.retain(|route| selected(route, &query));
        if table == Table::LocRib {
            found.retain(|route| !is_refused(route));
        }
        let prefixes: std::collections::BTreeSet<_> =
            found.iter().map(|route| route.prefix).collect();
        Ok(TableSize {
            prefixes: prefixes.len() as u64,
            paths: found.len() as u64,
            accepted: found.iter().filter(|route| !is_refused(route)).count() as u64,
        })
    }

    async fn explain(
        &self,
        wanted: Prefix,
        matching: PrefixMatch,
    ) -> Result<Explanation, ControlError> {
        let found = match matching {
            PrefixMatch::Longest => prefix("10.244.1.0/26"),
            _ => wanted,
        };
        let mut routes = routes();
        routes.retain(|route| route.prefix == found);
        if routes.is_empty() {
            return Err(ControlError::NotFound(format!(
                "{wanted} is not in the table"
            )));
        }
        let kernel = fib().into_iter().find(|route| route.prefix == found);
        Ok(Explanation {
            prefix: found,
            profile: "rfc".to_owned(),
            decided_by: Some("4: shortest AS path, against 192.0.2.2".to_owned()),
            routes,
            kernel,
            advertised_to: vec![ip("192.0.2.2"), ip("2001:db8::2")],
            policies: policies(),
            not_advertised_to: vec![
                (ip("192.0.2.1"), "the best path comes from it".to_owned()),
                (ip("192.0.2.3"), "its session is not Established".to_owned()),
            ],
            no_kernel: None,
        })
    }

    async fn bfd(&self, address: Option<IpAddr>) -> Result<Vec<BfdStatus>, ControlError> {
        let mut sessions = if self.empty { Vec::new() } else { bfd() };
        if let Some(address) = address {
            sessions.retain(|session| session.remote == address);
            if sessions.is_empty() {
                return Err(ControlError::NotFound(format!(
                    "no BFD session with {address}; `bgpctl bfd` lists them"
                )));
            }
        }
        Ok(sessions)
    }

    async fn fib(&self) -> Result<Vec<FibRoute>, ControlError> {
        Ok(if self.empty { Vec::new() } else { fib() })
    }

    async fn policies(&self) -> Result<bgpd::config::Policies, ControlError> {
        Ok(if self.empty {
            bgpd::config::Policies::default()
        } else {
            crate::data::policies()
        })
    }

    async fn next_hops(&self) -> Result<Vec<NextHopStatus>, ControlError> {
        Ok(if self.empty {
            Vec::new()
        } else {
            crate::data::next_hops()
        })
    }

    async fn watch(&self, filter: WatchFilter) -> Result<mpsc::Receiver<WatchEvent>, ControlError> {
        let receiver = self.watchers.lock().expect("unpoisoned").add(filter);
        self.watched.notify_one();
        Ok(receiver)
    }

    async fn follow(&self, interest: Interest) -> Result<Subscription, ControlError> {
        let subscription = self.followers.lock().expect("unpoisoned").add(interest);
        self.watched.notify_one();
        Ok(subscription)
    }

    async fn add_routes(&self, routes: Vec<NewRoute>) -> Result<(), ControlError> {
        for NewRoute {
            prefix,
            path_id,
            attributes,
            blackhole,
        } in routes
        {
            if attributes.as_path.to_string().contains("64512") {
                return Err(ControlError::Invalid(format!(
                    "{prefix}: our own AS 64512 is in the AS path"
                )));
            }
            let PathAttributes {
                origin,
                as_path,
                next_hop,
                med,
                local_pref,
                ..
            } = &attributes;
            let communities: Vec<_> = attributes
                .communities
                .iter()
                .map(ToString::to_string)
                .collect();
            let large: Vec<_> = attributes
                .large_communities
                .iter()
                .map(ToString::to_string)
                .collect();
            self.note(format!(
                "add {prefix} id {path_id} blackhole {blackhole} {origin} [{as_path}] via {next_hop} \
                 med {med:?} local-pref {local_pref:?} {communities:?} {large:?}"
            ));
        }
        Ok(())
    }

    async fn delete_routes(&self, routes: Vec<(Prefix, u32)>) -> Result<u64, ControlError> {
        for (prefix, path_id) in &routes {
            self.note(format!("delete {prefix} id {path_id}"));
        }
        Ok(routes
            .iter()
            .filter(|(found, _)| *found == prefix("10.244.7.0/26"))
            .count() as u64)
    }

    async fn set_log_level(&self, level: LogLevel) -> Result<(), ControlError> {
        *self.log.lock().expect("unpoisoned") = Some(level);
        Ok(())
    }

    async fn plan(&self, request: PlanRequest) -> Result<Plan, ControlError> {
        if request.text.contains("asn =") {
            let text = format!(
                "{}:2:1: there is no key `asn` here; is `as` meant?",
                request.file
            );
            return Err(ControlError::Invalid(text));
        }
        Ok(if request.text.is_empty() {
            Plan::default()
        } else {
            crate::data::plan()
        })
    }

    async fn edit(&self, edit: Edit) -> Result<Vec<String>, ControlError> {
        self.note(format!("{edit:?}"));
        Ok(vec!["neighbour 192.0.2.9 added (AS 64512)".to_owned()])
    }

    async fn neighbors(
        &self,
        name: Option<PeerName>,
    ) -> Result<Vec<(PeerStatus, Arc<Neighbor>)>, ControlError> {
        let peers = self.peers(name).await?;
        let with_config = |peer: PeerStatus| {
            let address = peer.address.address().expect("the fake's have one");
            let neighbor = Neighbor::new(address, peer.peer_as, peer.local_as);
            (peer, Arc::new(neighbor))
        };
        Ok(peers.into_iter().map(with_config).collect())
    }

    async fn peer_groups(&self) -> Result<Vec<Settings>, ControlError> {
        Ok(Vec::new())
    }

    async fn book(&self, _: Option<PeerName>) -> Result<Book, ControlError> {
        Ok(Book::default())
    }

    fn config(&self) -> Arc<Config> {
        let text = "[global]\nas = 64512\nrouter-id = \"10.0.0.1\"\n";
        Arc::new(bgpd::config::parse(text, "fake.toml").expect("right"))
    }

    async fn reload(&self) -> Result<Vec<String>, ControlError> {
        if self.empty {
            return Err(ControlError::Invalid(
                "bgpd.toml:3:8: `as` is 0, which is reserved (RFC 7607)".to_owned(),
            ));
        }
        Ok(vec![
            "neighbor 192.0.2.9 added".to_owned(),
            "neighbor 192.0.2.2: session restarted (hold-time)".to_owned(),
        ])
    }
}

fn unknown(address: PeerName) -> ControlError {
    ControlError::NotFound(format!("there is no neighbor {address}"))
}

fn selected(route: &Route, query: &RouteQuery) -> bool {
    let table = match query.table {
        Table::LocRib => true,
        Table::AdjIn(neighbor) => route.source == RouteSource::Bgp(neighbor),
        Table::AdjOut(neighbor) => route.best && route.source != RouteSource::Bgp(neighbor),
    };
    let family = query
        .family
        .is_none_or(|family| family == route.prefix.family());
    let within = query
        .prefix
        .is_none_or(|(wanted, matching)| match matching {
            PrefixMatch::Exact => route.prefix == wanted,
            PrefixMatch::Longer => {
                route.prefix.to_string().starts_with("10.244")
                    && wanted.to_string().starts_with("10.244")
            }
            PrefixMatch::Shorter => route.prefix.covers(wanted),
            PrefixMatch::Longest => {
                route.prefix == prefix("10.244.1.0/26")
                    && wanted.to_string().starts_with("10.244.1.")
            }
        });
    table && family && within && (route.best || !query.best_only)
}

/// An import that changes and accepts, and an export where nothing held.
fn policies() -> Vec<PolicyTrace> {
    let change = |what: &str, from: &str, to: &str| PolicyChange {
        what: what.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
    };
    let hit = PolicyHit {
        names: vec!["customers".to_owned(), "prefer".to_owned()],
        changes: vec![
            change("LOCAL_PREF", "100", "300"),
            change("COMMUNITIES", "", "65000:1"),
        ],
        verdict: Some(Verdict::Accept),
    };
    let import = PolicyTrace {
        point: PolicyPoint::Import,
        peers: vec![ip("192.0.2.1")],
        verdict: Verdict::Accept,
        is_default: false,
        hits: vec![hit],
    };
    let export = PolicyTrace {
        point: PolicyPoint::Export,
        peers: vec![ip("192.0.2.2"), ip("2001:db8::2")],
        verdict: Verdict::Reject,
        is_default: true,
        hits: Vec::new(),
    };
    vec![import, export]
}
