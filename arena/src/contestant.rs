// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemons, and the same configuration in the language of each.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use bgp_proto::Family;
use lab::{Netns, Process};

/// The daemon's AS.
pub(crate) const ASN: u32 = 65_000;

/// Its address and identifier.
pub(crate) const DAEMON: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// Address of the other namespace; it is the way to neighbours that are not on the link.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// A daemon that can be measured.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Ours.
    Bgpd,
    /// BIRD, 2 or 3.
    Bird,
    /// FRR's bgpd.
    Frr,
    /// GoBGP.
    GoBgp,
    /// OpenBGPD.
    OpenBgpd,
}

/// A daemon and where its program is.
#[derive(Clone, Debug)]
pub struct Contestant {
    /// Which.
    pub kind: Kind,
    /// The program.
    pub program: PathBuf,
}

/// What a neighbour is to the daemon.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Relation {
    /// Of another AS, on the link.
    External,
    /// A reflector's client, behind the gateway.
    Client,
}

/// A neighbour, which connects to the daemon.
#[derive(Clone, Copy, Debug)]
pub struct Neighbor {
    /// Its address.
    pub address: IpAddr,
    /// Its AS.
    pub asn: u32,
    /// What it is.
    pub relation: Relation,
}

/// What a daemon is configured for.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The family of all sessions.
    pub family: Family,
    /// All neighbours.
    pub neighbors: Vec<Neighbor>,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 5] = [
        Self::Bgpd,
        Self::Bird,
        Self::Frr,
        Self::GoBgp,
        Self::OpenBgpd,
    ];

    /// As it is written on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bgpd => "bgpd",
            Self::Bird => "bird",
            Self::Frr => "frr",
            Self::GoBgp => "gobgp",
            Self::OpenBgpd => "openbgpd",
        }
    }

    /// Where Debian's package has it; ours is where it was built.
    ///
    /// # Errors
    /// Ours was not built.
    pub fn program(self) -> Result<PathBuf> {
        Ok(match self {
            Self::Bgpd => lab::binary("bgpd")?,
            Self::Bird => "/usr/sbin/bird".into(),
            Self::Frr => "/usr/lib/frr/bgpd".into(),
            Self::GoBgp => "/usr/bin/gobgpd".into(),
            Self::OpenBgpd => "/usr/sbin/bgpd".into(),
        })
    }

    /// The configuration in its language.
    ///
    /// # Panics
    /// There is no memory for it.
    pub fn config(self, setup: &Setup, socket: &Path) -> String {
        let written = match self {
            Self::Bgpd => bgpd(setup, socket),
            Self::Bird => bird(setup),
            Self::Frr => frr(setup),
            Self::GoBgp => gobgp(setup),
            Self::OpenBgpd => openbgpd(setup, socket),
        };
        written.expect("text is written into memory")
    }
}

impl Contestant {
    /// Starts it in a namespace.
    ///
    /// # Errors
    /// It can not be started.
    pub fn start(&self, netns: &Netns, setup: &Setup) -> Result<Process> {
        if !self.program.exists() {
            bail!("there is no {}", self.program.display());
        }
        let socket = netns.file("control");
        let text = self.kind.config(setup, &socket);
        let file = netns.write("daemon.conf", &text)?;
        let mut command = netns.command(&self.program);
        match self.kind {
            Kind::Bgpd => command.arg("--config").arg(&file),
            Kind::Bird => command
                .arg("-f")
                .arg("-c")
                .arg(&file)
                .arg("-s")
                .arg(&socket),
            Kind::GoBgp => command.arg("--pprof-disable").arg("-f").arg(&file),
            Kind::OpenBgpd => {
                lab::run(&format!("chmod 600 {}", file.display()))?;
                // Where its processes lock themselves in; Debian's service file makes it.
                std::fs::create_dir_all("/run/openbgpd")?;
                command.arg("-d").arg("-f").arg(&file)
            }
            Kind::Frr => {
                let folder = netns.file("frr");
                std::fs::create_dir_all(&folder)?;
                lab::run(&format!("chown frr:frr {}", folder.display()))?;
                lab::run(&format!("chmod 755 {}", folder.display()))?;
                command
                    .args(["--no_zebra", "--no_kernel", "-P", "0", "-f"])
                    .arg(&file)
                    .arg("-i")
                    .arg(folder.join("pid"))
                    .arg("--vty_socket")
                    .arg(&folder)
                    .arg("-z")
                    .arg(folder.join("zserv"))
            }
        };
        netns.start(&mut command, self.kind.name())
    }
}

fn is_reflector(setup: &Setup) -> bool {
    let mut all = setup.neighbors.iter();
    all.any(|neighbor| neighbor.relation == Relation::Client)
}

fn family_name(setup: &Setup) -> &'static str {
    if setup.family == Family::IPV4_UNICAST {
        "ipv4"
    } else {
        "ipv6"
    }
}

fn bgpd(setup: &Setup, socket: &Path) -> Result<String, std::fmt::Error> {
    let mut text = format!(
        "[global]\nas = {ASN}\nrouter-id = \"{DAEMON}\"\n\
         apply-policy = {{ default-import-policy = \"accept-route\", default-export-policy = \"accept-route\" }}\n\
         [api]\nlisten = []\nunix = \"{}\"\n\
         [[peer-groups]]\npeer-group-name = \"all\"\ntransport = {{ passive-mode = true }}\n",
        socket.display()
    );
    if is_reflector(setup) {
        writeln!(
            text,
            "route-reflector = {{ route-reflector-client = true }}"
        )?;
    }
    let family = family_name(setup);
    writeln!(
        text,
        "[[peer-groups.afi-safis]]\nafi-safi-name = \"{family}-unicast\""
    )?;
    for Neighbor { address, asn, .. } in &setup.neighbors {
        writeln!(
            text,
            "[[neighbors]]\nneighbor-address = \"{address}\"\npeer-as = {asn}\npeer-group = \"all\""
        )?;
    }
    Ok(text)
}

fn bird(setup: &Setup) -> Result<String, std::fmt::Error> {
    let family = family_name(setup);
    let mut text = format!("router id {DAEMON};\nprotocol device {{}}\n");
    let mut igp = "";
    if is_reflector(setup) {
        // The way to the clients, which is in the kernel's table for the others.
        igp = "igp table way;";
        writeln!(
            text,
            "ipv4 table way;\nprotocol static {{ ipv4 {{ table way; }}; route 10.0.0.0/8 via {GATEWAY}; }}"
        )?;
    }
    writeln!(
        text,
        "template bgp neighbor_of_all {{ local as {ASN}; passive on; {family} {{ import all; export all; {igp} }}; }}"
    )?;
    for (number, neighbor) in setup.neighbors.iter().enumerate() {
        let Neighbor {
            address,
            asn,
            relation,
        } = neighbor;
        let client = match relation {
            Relation::Client => "rr client;",
            Relation::External => "",
        };
        writeln!(
            text,
            "protocol bgp p{number} from neighbor_of_all {{ neighbor {address} as {asn}; {client} }}"
        )?;
    }
    Ok(text)
}

fn frr(setup: &Setup) -> Result<String, std::fmt::Error> {
    let family = family_name(setup);
    let mut text = format!(
        "hostname arena\nlog stdout\nrouter bgp {ASN}\n bgp router-id {DAEMON}\n no bgp ebgp-requires-policy\n \
         no bgp default ipv4-unicast\n no bgp network import-check\n neighbor all peer-group\n neighbor all passive\n \
         neighbor all advertisement-interval 0\n"
    );
    for Neighbor { address, asn, .. } in &setup.neighbors {
        writeln!(
            text,
            " neighbor {address} remote-as {asn}\n neighbor {address} peer-group all"
        )?;
    }
    writeln!(
        text,
        " address-family {family} unicast\n  neighbor all activate"
    )?;
    if is_reflector(setup) {
        writeln!(text, "  neighbor all route-reflector-client")?;
    }
    writeln!(text, " exit-address-family")?;
    Ok(text)
}

fn gobgp(setup: &Setup) -> Result<String, std::fmt::Error> {
    let family = family_name(setup);
    let mut text = format!("[global.config]\nas = {ASN}\nrouter-id = \"{DAEMON}\"\n");
    for Neighbor {
        address,
        asn,
        relation,
    } in &setup.neighbors
    {
        writeln!(
            text,
            "[[neighbors]]\nconfig = {{ neighbor-address = \"{address}\", peer-as = {asn} }}\n\
             transport = {{ config = {{ passive-mode = true }} }}"
        )?;
        if *relation == Relation::Client {
            writeln!(
                text,
                "route-reflector = {{ config = {{ route-reflector-client = true, route-reflector-cluster-id = \"{DAEMON}\" }} }}"
            )?;
        }
        writeln!(
            text,
            "[[neighbors.afi-safis]]\nconfig = {{ afi-safi-name = \"{family}-unicast\" }}"
        )?;
    }
    Ok(text)
}

fn openbgpd(setup: &Setup, socket: &Path) -> Result<String, std::fmt::Error> {
    let other = if setup.family == Family::IPV4_UNICAST {
        "announce IPv6 none"
    } else {
        "announce IPv4 none\n announce IPv6 unicast"
    };
    let mut text = format!(
        "AS {ASN}\nrouter-id {DAEMON}\nfib-update no\nsocket \"{}\"\ngroup \"all\" {{\n passive\n {other}\n",
        socket.display()
    );
    for Neighbor {
        address,
        asn,
        relation,
    } in &setup.neighbors
    {
        let client = match relation {
            Relation::Client => "route-reflector\n",
            Relation::External => "",
        };
        writeln!(
            text,
            " neighbor {address} {{\n  remote-as {asn}\n  {client} }}"
        )?;
    }
    writeln!(text, "}}\nallow from any\nallow to any")?;
    Ok(text)
}
