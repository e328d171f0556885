// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a configuration file comes to, apart from its neighbours.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use bgp_proto::{Asn, ClusterId, RouterId};
use fib_netlink::{FibConfig, Interfaces, Learn};
use ipnetwork::IpNetwork;

use super::{
    defaults::Defaults,
    error::Warning,
    neighbor::{Bfd, DynamicNeighbor, Neighbor, Secret},
    policy::{PeerPolicy, Policies},
};

/// A configuration without errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The speaker as a whole.
    pub global: Global,
    /// Neighbours by their addresses.
    pub neighbors: Vec<Neighbor>,
    /// Neighbours by prefix: they connect to us.
    pub dynamic_neighbors: Vec<DynamicNeighbor>,
    /// Best paths go to the kernel. `None`: they do not.
    pub fib: Option<Fib>,
    /// Routes that we originate.
    pub static_routes: Vec<StaticRoute>,
    /// Sets and policies.
    pub policies: Policies,
    /// Address pools and how packets into them travel.
    pub pools: Vec<Pool>,
    /// Nodes that know each other from one list.
    pub mesh: Option<Mesh>,
    /// Where the API listens.
    pub api: Api,
    /// What is logged.
    pub log: Log,
    /// What was accepted but has no effect.
    pub warnings: Vec<Warning>,
}

/// The speaker as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    /// Our AS.
    pub asn: Asn,
    /// Where the router id comes from.
    pub router_id: RouterIdSource,
    /// The cluster we reflect for; our router id if not given.
    pub cluster_id: Option<ClusterId>,
    /// TCP port we listen on. `None`: we only connect.
    pub listen_port: Option<u16>,
    /// Addresses we listen on.
    pub listen_addresses: Vec<IpAddr>,
    /// Device or VRF the listening sockets are bound to.
    pub bind_device: Option<String>,
    /// Threads that share the routes; as many as cores if not given.
    pub shards: Option<usize>,
    /// How the best path is chosen, and those that are used beside it.
    pub selection: rib::Selection,
    /// The confederation that we are in (RFC 5065).
    pub confederation: Option<Confederation>,
    /// RFC 8212: without a policy, eBGP neither takes nor gives routes.
    pub ebgp_requires_policy: bool,
    /// What neighbours are told at the end.
    pub on_stop: OnStop,
    /// What holds where the file says nothing.
    pub defaults: Defaults,
}

/// What neighbours are told when the daemon is stopped.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnStop {
    /// Cease/Administrative Shutdown (RFC 4486): they drop our routes at once.
    #[default]
    Notify,
    /// Nothing: those that speak graceful restart keep our routes for a while (RFC 4724 §4.2).
    Silent,
}

/// Where the router id comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RouterIdSource {
    /// Given.
    Address(RouterId),
    /// The lowest IPv4 address of an interface.
    Interface(String),
    /// The lowest IPv4 address of this host that is not a loopback or link-local one.
    Automatic,
}

/// A confederation: several ASes that are one to all others (RFC 5065).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Confederation {
    /// The AS that all of them are to others.
    pub identifier: Asn,
    /// The other members.
    pub members: Vec<Asn>,
}

impl Global {
    /// Whether this is another member AS of our confederation.
    pub fn is_member(&self, asn: Asn) -> bool {
        let confederation = self.confederation.as_ref();
        confederation.is_some_and(|confederation| confederation.members.contains(&asn))
    }

    /// The AS that we are to a neighbour in this AS, unless it has a `local-as`.
    pub fn as_towards(&self, asn: Asn) -> Asn {
        match &self.confederation {
            Some(confederation) if asn != self.asn && !self.is_member(asn) => {
                confederation.identifier
            }
            _ => self.asn,
        }
    }

    /// Whether it is said who we are. If not, the API is waited for to say so.
    pub fn is_given(&self) -> bool {
        self.asn != Asn(0)
    }

    /// Our router id.
    ///
    /// # Panics
    /// On a configuration that has not been through [`Config::for_host`] and leaves the choice to the host.
    pub fn router_id(&self) -> RouterId {
        match self.router_id {
            RouterIdSource::Address(id) => id,
            _ => panic!("Config::for_host resolves the router id"),
        }
    }

    /// The cluster we reflect for.
    ///
    /// # Panics
    /// As [`router_id`](Self::router_id), if no cluster id is given.
    pub fn cluster_id(&self) -> ClusterId {
        self.cluster_id
            .unwrap_or_else(|| ClusterId(self.router_id().as_u32()))
    }

    /// Every address of this host.
    pub(super) fn any_address() -> Vec<IpAddr> {
        vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
    }
}

/// How best paths go to the kernel, and what is learned from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fib {
    /// Kernel table.
    pub table: u32,
    /// Further tables that are ours from the start.
    pub tables: BTreeSet<u32>,
    /// Source address of this host's packets along our routes, where neither policy nor pool names one.
    pub sources: Sources,
    /// Protocol number that marks our routes.
    pub protocol: u8,
    /// Metric of our routes; 0 for none.
    pub metric: u32,
    /// Routes of other programs are announced if they leave by an interface that matches.
    pub learn_kernel: Option<Vec<String>>,
    /// Connected prefixes of matching interfaces are announced.
    pub learn_direct: Option<Vec<String>>,
    /// Our routes stay when we stop.
    pub persist: bool,
    /// Hops that many routes share are written as next-hop objects.
    pub nexthop_objects: bool,
    /// Next hops may be reached by a default route.
    pub resolve_via_default: bool,
    /// How long a start waits for neighbours before what a previous run has left is removed.
    pub deferral: Duration,
    /// Which best paths go to the kernel, and how.
    pub export: PeerPolicy,
}

impl Default for Fib {
    fn default() -> Self {
        Self {
            table: 254,
            tables: BTreeSet::new(),
            sources: Sources::default(),
            protocol: 12,
            metric: 0,
            learn_kernel: None,
            learn_direct: None,
            persist: true,
            nexthop_objects: false,
            resolve_via_default: true,
            deferral: Duration::from_secs(120),
            export: PeerPolicy::standard(true),
        }
    }
}

/// Hops that fewer routes share are not worth an object.
const SHARED: usize = 32;

/// Preferred source addresses.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sources {
    /// Of IPv4 routes.
    pub v4: Option<Ipv4Addr>,
    /// Of IPv6 routes.
    pub v6: Option<Ipv6Addr>,
}

impl Fib {
    /// In the terms of `fib_netlink`; tables and metrics of pools are ours as well. The sweep is left to the caller: it knows
    /// when we have converged.
    pub fn to_fib_config(&self, pools: &[Pool]) -> FibConfig {
        let tables = pools.iter().filter_map(|pool| pool.table);
        FibConfig {
            table: self.table,
            tables: tables.chain(self.tables.iter().copied()).collect(),
            protocol: self.protocol,
            metric: self.metric,
            metrics: pools.iter().filter_map(|pool| pool.metric).collect(),
            learn: Learn {
                kernel: self.learn_kernel.as_ref().map(Interfaces::new),
                direct: self.learn_direct.as_ref().map(Interfaces::new),
            },
            persist: self.persist,
            nexthop_objects: self.nexthop_objects.then_some(SHARED),
            resolve_via_default: self.resolve_via_default,
            sweep_after: None,
            ..FibConfig::default()
        }
    }
}

/// A route we originate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StaticRoute {
    /// Where to.
    pub prefix: IpNetwork,
    /// What becomes of packets.
    pub target: StaticTarget,
}

/// What becomes of packets of a static route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StaticTarget {
    /// Dropped.
    Blackhole,
    /// Refused with "host unreachable".
    Unreachable,
    /// Refused with "administratively prohibited".
    Prohibit,
    /// Looked up in the next table.
    Throw,
    /// Sent to a router.
    Via(IpAddr),
}

/// An address pool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pool {
    /// Its addresses.
    pub cidr: IpNetwork,
    /// How packets into it travel.
    pub encapsulation: Encapsulation,
    /// When they do.
    pub mode: EncapsulationMode,
    /// The tunnel's interface.
    pub tunnel_device: String,
    /// Prefix length of the blocks that nodes have of it.
    pub block_size: u8,
    /// Table of its routes; none: that of all.
    pub table: Option<u32>,
    /// Their metric.
    pub metric: Option<u32>,
    /// Source address of this host's packets along them.
    pub source: Option<IpAddr>,
}

/// A tunnel's kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encapsulation {
    /// No tunnel.
    None,
    /// IP in IP.
    Ipip,
    /// VXLAN.
    Vxlan,
}

impl Encapsulation {
    /// The interface its tunnels usually are.
    pub fn usual_device(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Ipip => "tunl0",
            Self::Vxlan => "vxlan.calico",
        }
    }
}

/// When packets take the tunnel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EncapsulationMode {
    /// Always.
    Always,
    /// Never.
    Never,
    /// When the next hop is not in a subnet of ours.
    CrossSubnet,
}

/// Nodes that know each other from one list.
#[derive(Clone, Debug, PartialEq)]
pub struct Mesh {
    /// Their AS; ours if not given.
    pub asn: Option<Asn>,
    /// Who peers with whom.
    pub mode: MeshMode,
    /// The nodes, one of them ourselves.
    pub nodes: Vec<MeshNode>,
    /// Seconds, of all their sessions.
    pub hold_time: Option<u16>,
    /// Seconds that routes of a node are kept while its daemon restarts.
    pub restart_time: Option<u16>,
    /// BFD between all of them.
    pub bfd: Bfd,
    /// TCP MD5 key of all their sessions.
    pub auth_password: Option<Secret>,
    /// Which routes of the others are taken: what `global.apply-policy` says.
    pub import: PeerPolicy,
    /// Which routes they are given.
    pub export: PeerPolicy,
}

/// Who peers with whom in a mesh.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MeshMode {
    /// Everyone with everyone.
    FullMesh,
    /// Everyone with the reflectors.
    RouteReflector,
}

/// A node of the mesh.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MeshNode {
    /// Its host name.
    pub name: String,
    /// Address of its sessions.
    pub address: IpAddr,
    /// Address of its sessions for IPv6, if there are any besides those of `address`.
    pub address6: Option<IpAddr>,
    /// Prefixes it originates.
    pub blocks: Vec<IpNetwork>,
    /// It reflects routes.
    pub route_reflector: bool,
}

/// Where the API listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Api {
    /// TCP.
    pub listen: Vec<SocketAddr>,
    /// A Unix socket.
    pub unix: Option<PathBuf>,
    /// TCP, for looking only.
    pub read_only_listen: Vec<SocketAddr>,
    /// A Unix socket for looking only.
    pub read_only_unix: Option<PathBuf>,
    /// TLS over TCP; without it, none.
    pub tls: Option<ApiTls>,
}

/// Certificates of the API.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiTls {
    /// Ours, and those between it and one that clients know (PEM).
    pub certificate: PathBuf,
    /// The key that belongs to it (PEM).
    pub key: PathBuf,
    /// Only clients are served whose certificates come from there (PEM).
    pub client_ca: Option<PathBuf>,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 50051))],
            unix: Some(PathBuf::from("/run/bgpd/bgpd.sock")),
            read_only_listen: Vec::new(),
            read_only_unix: None,
            tls: None,
        }
    }
}

/// What is logged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Log {
    /// From which level on.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// From which level on is logged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogLevel {
    /// What keeps us from working.
    Error,
    /// What should be looked at.
    Warn,
    /// What happens.
    #[default]
    Info,
    /// Why it happens.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// There is no such level.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it is one of error, warn, info, debug, trace")]
pub struct UnknownLevel;

impl std::str::FromStr for LogLevel {
    type Err = UnknownLevel;

    fn from_str(word: &str) -> Result<Self, UnknownLevel> {
        let levels = [
            Self::Error,
            Self::Warn,
            Self::Info,
            Self::Debug,
            Self::Trace,
        ];
        let found = levels.into_iter().find(|level| level.as_str() == word);
        found.ok_or(UnknownLevel)
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}
