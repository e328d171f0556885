// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The namespaces, addresses and cables, and the daemons in them.

use std::fmt::Write as _;

use anyhow::Result;

use super::{Encap, Foreign, Mode, Options, config};
use crate::{Bgpd, Bird, Frr, GoBgp, Lab, Netns};

/// A node as it is planned.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: &'static str,
    pub(super) number: u8,
    pub(super) address: &'static str,
    pub(super) gateway: &'static str,
    pub(super) address6: &'static str,
    pub(super) gateway6: &'static str,
    /// It is in the rack of the switch.
    pub(super) has_tor: bool,
}

pub(super) const NODES: [Node; 3] = [
    Node {
        name: "node1",
        number: 1,
        address: "172.18.1.11",
        gateway: "172.18.1.254",
        address6: "fd00:172:18:1::11",
        gateway6: "fd00:172:18:1::254",
        has_tor: true,
    },
    Node {
        name: "node2",
        number: 2,
        address: "172.18.1.12",
        gateway: "172.18.1.254",
        address6: "fd00:172:18:1::12",
        gateway6: "fd00:172:18:1::254",
        has_tor: true,
    },
    Node {
        name: "node3",
        number: 3,
        address: "172.18.2.13",
        gateway: "172.18.2.254",
        address6: "fd00:172:18:2::13",
        gateway6: "fd00:172:18:2::254",
        has_tor: false,
    },
];

pub(super) const REFLECTOR: &str = "172.18.3.10";
pub(super) const TOR: &str = "172.18.1.1";
pub(super) const REFLECTOR6: &str = "fd00:172:18:3::10";
pub(super) const TOR6: &str = "fd00:172:18:1::1";
/// A host behind the switch.
pub(super) const SERVICE_HOST: &str = "192.0.2.10";
pub(super) const SERVICE_HOST6: &str = "2001:db8:10::10";

/// Pods of each node.
pub(super) const PODS: [u8; 2] = [2, 3];

impl Node {
    /// Its block of pod addresses.
    pub(super) fn block(&self) -> String {
        format!("10.244.{}.0/26", self.number)
    }

    /// The address of one of its pods.
    pub(super) fn pod(&self, last: u8) -> String {
        format!("10.244.{}.{last}", self.number)
    }

    /// The same of IPv6.
    pub(super) fn block6(&self) -> String {
        format!("fd00:10:244:{}::/122", self.number)
    }

    /// The same of IPv6.
    pub(super) fn pod6(&self, last: u8) -> String {
        format!("fd00:10:244:{}::{last}", self.number)
    }

    /// Its end of the cable to a pod.
    pub(super) fn cali(&self, last: u8) -> String {
        format!("cali{:011x}", u32::from(self.number) << 8 | u32::from(last))
    }

    fn tunnel_mac(&self) -> String {
        format!("66:00:00:00:00:{:02x}", self.number)
    }
}

/// What runs on a node.
#[derive(Debug)]
pub(super) enum Daemon {
    Ours(Box<Bgpd>),
    Bird(Bird),
    Frr(Frr),
}

/// What runs as the reflector.
#[derive(Debug)]
pub(super) enum Reflector {
    Ours(Box<Bgpd>),
    GoBgp(GoBgp),
}

/// The cluster. Daemons end before their namespaces go.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) options: Options,
    pub(super) daemons: Vec<Daemon>,
    pub(super) reflector: Option<Reflector>,
    pub(super) tor_bird: Option<Bird>,
    pub(super) nodes: Vec<Netns>,
    /// By node, then by pod.
    pub(super) pods: Vec<Vec<Netns>>,
    pub(super) router: Netns,
    pub(super) rr: Netns,
    pub(super) tor: Netns,
    pub(super) lab: Lab,
}

impl Cluster {
    /// Makes namespaces and cables; nothing runs yet.
    pub(super) fn build(options: Options) -> Result<Self> {
        let lab = Lab::new("cluster")?;
        lab.remove_on_interrupt()?;
        let router = lab.netns("router")?;
        for subnet in 1..=3 {
            router.ip(&format!("link add br{subnet} type bridge"))?;
            router.ip(&format!("link set br{subnet} up"))?;
            router.ip(&format!("addr add 172.18.{subnet}.254/24 dev br{subnet}"))?;
        }
        let host = |name: &str, address: &str, gateway: &str| -> Result<Netns> {
            let netns = lab.netns(name)?;
            let subnet = address.split('.').nth(2).unwrap_or_default();
            lab.cable((&netns, "eth0"), (&router, name))?;
            router.ip(&format!("link set {name} master br{subnet}"))?;
            netns.ip(&format!("addr add {address}/24 dev eth0"))?;
            netns.ip(&format!("route add default via {gateway} dev eth0"))?;
            Ok(netns)
        };
        let rr = host("rr", REFLECTOR, "172.18.3.254")?;
        let tor = host("tor", TOR, "172.18.1.254")?;
        tor.ip(&format!("addr add {SERVICE_HOST}/32 dev lo"))?;
        router.ip(&format!("route add {} via {TOR}", config::SERVICE))?;
        if options.is_dual() {
            add_ipv6(&router, &rr, &tor)?;
        }
        let (mut nodes, mut pods) = (Vec::new(), Vec::new());
        for node in &NODES {
            let netns = host(node.name, node.address, node.gateway)?;
            pods.push(make_pods(&lab, node, &netns)?);
            if options.is_dual() {
                add_ipv6_of(node, &netns, &router, pods.last().into_iter().flatten())?;
            }
            match options.encap {
                Encap::Never => {
                    router.ip(&format!("route add {} via {}", node.block(), node.address))?;
                }
                Encap::Vxlan => make_tunnel(node, &netns, "vxlan.calico", "id 4096 dstport 4789")?,
                // The module makes the device in every namespace.
                Encap::Ipip | Encap::CrossSubnet if options.has_ipip => {
                    netns.ip("link set tunl0 up")?;
                }
                Encap::Ipip | Encap::CrossSubnet => {
                    make_tunnel(node, &netns, "tunl0", "id 4097 dstport 4790")?;
                }
            }
            nodes.push(netns);
        }
        Ok(Self {
            options,
            daemons: Vec::new(),
            reflector: None,
            tor_bird: None,
            nodes,
            pods,
            router,
            rr,
            tor,
            lab,
        })
    }

    /// Starts all daemons.
    pub(super) fn start(&mut self) -> Result<()> {
        self.tor_bird = Some(Bird::start(&self.tor, &config::tor(self.options))?);
        if self.options.mode == Mode::RouteReflector {
            self.reflector = Some(match self.options.foreign {
                Some(Foreign::GoBgp) => {
                    Reflector::GoBgp(GoBgp::start(&self.rr, &config::gobgp_reflector())?)
                }
                _ => Reflector::Ours(Box::new(Bgpd::start(
                    &self.rr,
                    &config::cluster(self.options),
                )?)),
            });
        }
        for (node, netns) in NODES.iter().zip(&self.nodes) {
            let foreign = self.options.foreign.filter(|_| node.number == 2);
            self.daemons.push(match foreign {
                Some(Foreign::Bird) => {
                    Daemon::Bird(Bird::start(netns, &config::bird_node(self.options, node))?)
                }
                Some(Foreign::Frr) => Daemon::Frr(Frr::start_with_zebra(
                    netns,
                    &config::frr_node(self.options, node),
                )?),
                _ => Daemon::Ours(Box::new(Bgpd::start(
                    netns,
                    &config::node(self.options, node),
                )?)),
            });
        }
        Ok(())
    }

    /// How to look around in a cluster that stays.
    pub(super) fn how_to_enter(&self) -> String {
        let mut text = String::from("\nThe cluster stays. To look around:\n");
        for netns in self
            .nodes
            .iter()
            .chain([&self.rr, &self.tor])
            .chain(self.pods.iter().flatten())
        {
            // Writing to a String can not fail.
            let _ = writeln!(text, "  ip netns exec {} bash", netns.name());
        }
        for daemon in &self.daemons {
            if let Daemon::Ours(bgpd) = daemon {
                let _ = writeln!(text, "  {} neighbor", bgpd.ctl_command());
            }
        }
        if let Some(Reflector::Ours(bgpd)) = &self.reflector {
            let _ = writeln!(text, "  {} route", bgpd.ctl_command());
        }
        let _ = writeln!(text, "To remove it:\n  {}", self.lab.how_to_remove());
        text
    }

    /// Forgets the processes: they go on.
    pub(super) fn leave_running(self) {
        std::mem::forget(self);
    }
}

/// Pods as Felix makes them: a veth named `cali…`, a route for the pod's address, and every pod's gateway is 169.254.1.1.
fn make_pods(lab: &Lab, node: &Node, netns: &Netns) -> Result<Vec<Netns>> {
    let mut pods = Vec::new();
    for last in PODS {
        let pod = lab.netns(&format!("pod{}-{last}", node.number))?;
        let cali = node.cali(last);
        lab.cable((&pod, "eth0"), (netns, &cali))?;
        netns.ip(&format!("link set {cali} address ee:ee:ee:ee:ee:ee"))?;
        netns.ip(&format!(
            "route add {} dev {cali} scope link",
            node.pod(last)
        ))?;
        pod.ip(&format!("addr add {}/32 dev eth0", node.pod(last)))?;
        pod.ip("route add 169.254.1.1 dev eth0 scope link")?;
        pod.ip("neigh add 169.254.1.1 lladdr ee:ee:ee:ee:ee:ee dev eth0 nud permanent")?;
        pod.ip("route add default via 169.254.1.1 dev eth0")?;
        pods.push(pod);
    }
    Ok(pods)
}

/// The link-local address of a node's end of each cable to a pod, which is the pods' gateway.
const CALI6: &str = "fe80::ecee:eeff:feee:eeee";

/// IPv6 of the router, the reflector and the switch.
fn add_ipv6(router: &Netns, rr: &Netns, tor: &Netns) -> Result<()> {
    for subnet in 1..=3 {
        router.ip(&format!(
            "-6 addr add fd00:172:18:{subnet}::254/64 dev br{subnet} nodad"
        ))?;
    }
    for (netns, address, gateway) in [
        (rr, REFLECTOR6, "fd00:172:18:3::254"),
        (tor, TOR6, "fd00:172:18:1::254"),
    ] {
        netns.ip(&format!("-6 addr add {address}/64 dev eth0 nodad"))?;
        netns.ip(&format!("-6 route add default via {gateway} dev eth0"))?;
    }
    tor.ip(&format!("-6 addr add {SERVICE_HOST6}/128 dev lo"))?;
    router.ip(&format!("-6 route add {} via {TOR6}", config::SERVICE6))
}

/// IPv6 of a node and its pods; the router knows the block, since packets travel as they are.
fn add_ipv6_of<'a>(
    node: &Node,
    netns: &Netns,
    router: &Netns,
    pods: impl Iterator<Item = &'a Netns>,
) -> Result<()> {
    netns.ip(&format!("-6 addr add {}/64 dev eth0 nodad", node.address6))?;
    netns.ip(&format!(
        "-6 route add default via {} dev eth0",
        node.gateway6
    ))?;
    router.ip(&format!(
        "-6 route add {} via {}",
        node.block6(),
        node.address6
    ))?;
    for (last, pod) in PODS.into_iter().zip(pods) {
        let (address, cali) = (node.pod6(last), node.cali(last));
        netns.ip(&format!("-6 addr add {CALI6}/64 dev {cali} nodad"))?;
        netns.ip(&format!("-6 route add {address}/128 dev {cali}"))?;
        pod.ip(&format!("-6 addr add {address}/128 dev eth0 nodad"))?;
        pod.ip(&format!("-6 route add default via {CALI6} dev eth0"))?;
    }
    Ok(())
}

/// A VXLAN device with the other nodes' ends written in, as Felix does.
fn make_tunnel(node: &Node, netns: &Netns, device: &str, kind: &str) -> Result<()> {
    netns.ip(&format!(
        "link add {device} address {} type vxlan {kind} local {} dev eth0 nolearning",
        node.tunnel_mac(),
        node.address
    ))?;
    netns.ip(&format!("link set {device} up"))?;
    for other in NODES.iter().filter(|other| other.name != node.name) {
        let (mac, address) = (other.tunnel_mac(), other.address);
        netns.ip(&format!(
            "neigh add {address} lladdr {mac} dev {device} nud permanent"
        ))?;
        netns.exec(&[
            "bridge", "fdb", "append", &mac, "dev", device, "dst", address,
        ])?;
    }
    Ok(())
}
