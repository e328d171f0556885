// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemons that are measured, and how each is started.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, bail, ensure};
use bgp_proto::Family;
use lab::{Netns, Process, until};

use crate::{language, policy::Policy};

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
    /// No daemon, but a loop that writes the routes into the kernel: the limit of all.
    Netlink,
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
    /// Best paths become routes of the kernel.
    pub kernel: bool,
    /// What every route goes through, in and out.
    pub policy: Option<Policy>,
    /// Threads of our RIB, if not as many as by default.
    pub shards: Option<u32>,
}

/// A daemon that runs, and what it can not do without.
#[derive(Debug)]
pub struct Running {
    /// The daemon.
    pub daemon: Process,
    /// FRR's zebra. It counts where routes go into the kernel.
    pub helper: Option<Process>,
}

impl Setup {
    /// It reflects routes.
    pub fn is_reflector(&self) -> bool {
        let mut all = self.neighbors.iter();
        all.any(|neighbor| neighbor.relation == Relation::Client)
    }
}

impl Kind {
    /// All daemons.
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
            Self::Netlink => "bare netlink",
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
            Self::Netlink => std::env::current_exe()?,
        })
    }

    /// The configuration in its language.
    ///
    /// # Panics
    /// There is no memory for it.
    pub fn config(self, setup: &Setup, socket: &Path) -> String {
        language::write(self, setup, socket).expect("text is written into memory")
    }
}

impl Contestant {
    /// Starts it in a namespace.
    ///
    /// # Errors
    /// It can not be started.
    pub fn start(&self, netns: &Netns, setup: &Setup) -> Result<Running> {
        ensure!(
            self.program.exists(),
            "there is no {}",
            self.program.display()
        );
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
            Kind::GoBgp => {
                let api = format!("unix://{}", socket.display());
                command.args(["--pprof-disable", "--api-hosts", &api, "-f"]);
                command.arg(&file)
            }
            Kind::OpenBgpd => {
                lab::run(&format!("chmod 600 {}", file.display()))?;
                // Where its processes lock themselves in; Debian's service file makes it.
                std::fs::create_dir_all("/run/openbgpd")?;
                command.arg("-d").arg("-f").arg(&file)
            }
            Kind::Frr => return self.start_frr(netns, setup, &file),
            Kind::Netlink => bail!("it is no daemon"),
        };
        let daemon = netns.start(&mut command, self.kind.name())?;
        Ok(Running {
            daemon,
            helper: None,
        })
    }

    /// What lists all its routes: the tool that comes with it.
    pub fn listing(&self, netns: &Netns) -> Command {
        let (socket, folder) = (netns.file("control"), netns.file("frr"));
        let beside = |name: &str| self.program.with_file_name(name);
        let mut command;
        match self.kind {
            Kind::Bgpd => {
                command = netns.command(beside("bgpctl"));
                let target = format!("unix:{}", socket.display());
                command.args(["--target", &target, "route"]);
            }
            Kind::Bird => {
                command = netns.command(beside("birdc"));
                command.arg("-s").arg(socket).args(["show", "route"]);
            }
            Kind::Frr => {
                command = netns.command("/usr/bin/vtysh");
                command.arg("--vty_socket").arg(folder);
                command.args(["-c", "show bgp ipv4 unicast"]);
            }
            Kind::GoBgp => {
                command = netns.command(beside("gobgp"));
                let target = format!("unix://{}", socket.display());
                command.args(["--target", &target, "global", "rib"]);
            }
            Kind::OpenBgpd => {
                command = netns.command(beside("bgpctl"));
                command.arg("-s").arg(socket).args(["show", "rib"]);
            }
            Kind::Netlink => command = netns.command("true"),
        }
        command
    }

    /// What lists all its routes over a version of GoBGP's API, which is ours and the same for all.
    ///
    /// # Errors
    /// It was not built.
    pub fn listing_by_api(netns: &Netns, version: &str) -> Result<Command> {
        let mut command = netns.command(lab::binary("api-list")?);
        let target = format!("unix://{}", netns.file("control").display());
        command.args([version, &target]);
        Ok(command)
    }

    /// Without zebra FRR believes no next hop but those on the link, and there is no way into the kernel.
    fn start_frr(&self, netns: &Netns, setup: &Setup, file: &Path) -> Result<Running> {
        let folder = netns.file("frr");
        std::fs::create_dir_all(&folder)?;
        lab::run(&format!("chown frr:frr {}", folder.display()))?;
        lab::run(&format!("chmod 755 {}", folder.display()))?;
        let start = |program: &Path, file: &Path, how: &[&str]| {
            let name = program.file_name().unwrap_or_default().to_string_lossy();
            let mut command = netns.command(program);
            command.args(how).args(["-P", "0", "-f"]).arg(file);
            command.arg("-i").arg(folder.join(&*name));
            command.arg("--vty_socket").arg(&folder);
            command.arg("-z").arg(folder.join("zserv"));
            netns.start(&mut command, &name)
        };
        if !setup.kernel && !setup.is_reflector() {
            let daemon = start(&self.program, file, &["--no_zebra", "--no_kernel"])?;
            return Ok(Running {
                daemon,
                helper: None,
            });
        }
        let empty = netns.write("zebra.conf", "hostname arena\n")?;
        let zebra = self.program.with_file_name("zebra");
        let helper = start(&zebra, &empty, &[])?;
        until("zebra is there", Duration::from_secs(10), || {
            ensure!(folder.join("zserv").exists(), "it has no socket");
            Ok(())
        })?;
        let how: &[&str] = if setup.kernel { &[] } else { &["--no_kernel"] };
        Ok(Running {
            daemon: start(&self.program, file, how)?,
            helper: Some(helper),
        })
    }
}
