// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Two namespaces, a daemon in one and its neighbours in the other, and what is measured meanwhile.

use std::{
    fmt::Write as _,
    fs,
    net::IpAddr,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use bgp_proto::Family;
use lab::{Lab, Netns, Process, until};

use crate::{
    case::{Case, Size},
    contestant::{Contestant, DAEMON, GATEWAY, Kind, Setup},
    drive,
    listing::Listing,
    load::{Load, Voice},
    meter::{self, Usage},
    netlink::Routing,
    report::{Figure, Outcome},
};

/// A daemon has come to rest when it has used less than this in [`PAUSE`].
const REST: Duration = Duration::from_millis(4);
const PAUSE: Duration = Duration::from_millis(200);

/// Who can take all neighbours at once has done so by then.
const UP: Duration = Duration::from_secs(30);

/// Else so many connect at the same time: BIRD's queue of connections has eight places.
const PORTION: usize = 4;

/// It does not have to come to rest for ever.
const RESTLESS: Duration = Duration::from_secs(10);

/// The place of one run.
#[derive(Debug)]
pub struct Stage {
    /// The neighbours.
    pub load: Load,
    /// How much.
    pub size: Size,
    /// What the daemon was configured for.
    pub setup: Setup,
    /// Octets that it had before it had any neighbours; 0 if not asked.
    pub(crate) bare: u64,
    pids: Vec<u32>,
    /// The routing of the daemon's namespace, if it writes routes there.
    routing: Option<Routing>,
    /// What lists all routes.
    listing: Command,
    /// Where the daemon is.
    host: Netns,
    limit: Duration,
    end: Instant,
    mark: (Duration, Duration),
    outcome: Outcome,
}

/// Runs a case with a daemon, once; whoever is not done by the limit has not finished.
///
/// # Errors
/// There are no namespaces, or the daemon does not start. That it does not finish is no error but an [`Outcome`].
pub fn run(case: &Case, size: Size, limit: Duration, contestant: &Contestant) -> Result<Outcome> {
    let lab = Lab::new("arena")?;
    lab.remove_on_interrupt()?;
    let (host, others) = (lab.netns("d")?, lab.netns("n")?);
    cable(&lab, &host, &others)?;
    if contestant.kind == Kind::Netlink {
        return drive::fib::bare(size, &host);
    }
    let mut setup = (case.setup)(case, size);
    let neighbors = std::mem::take(&mut setup.neighbors);
    let bare = bare(&host, contestant, &setup)?;
    setup.neighbors = neighbors;
    setup.shards = size.shards;
    for neighbor in &setup.neighbors {
        // IPv4 addresses are local by a route; IPv6 ones have to be there to be answered for.
        if let IpAddr::V6(address) = neighbor.address {
            others.ip(&format!("-6 addr add {address}/64 dev eth0 nodad"))?;
        }
    }
    let mut running = contestant.start(&host, &setup)?;
    let mut pids = listening(&mut running.daemon)?;
    if setup.kernel {
        pids.extend(running.helper.as_ref().map(Process::pid));
    }
    let routing = if setup.kernel {
        let opened = host.enter(Routing::open)?.join();
        Some(opened.map_err(|_| anyhow!("the kernel can not be asked"))??)
    } else {
        None
    };
    let listing = contestant.listing(&host);
    let (drive, family) = (case.drive, case.family);
    let joined = others.enter(move || -> Result<Outcome> {
        let daemon = if family == Family::IPV4_UNICAST {
            (DAEMON, 179).into()
        } else {
            ("fd00::1".parse::<IpAddr>()?, 179).into()
        };
        let mut stage = Stage {
            load: Load::new(daemon, family)?,
            size,
            setup,
            bare,
            pids,
            routing,
            listing,
            host,
            limit,
            end: Instant::now() + limit,
            mark: Default::default(),
            outcome: Outcome::default(),
        };
        stage.settle()?;
        if let Err(error) = drive(&mut stage) {
            stage.outcome.fault = Some(format!("{error:#}"));
        }
        Ok(stage.outcome)
    })?;
    let mut outcome = joined
        .join()
        .map_err(|_| anyhow!("the neighbours panicked"))??;
    if !running.daemon.is_running() {
        let log = running.daemon.log();
        let end: String = log
            .chars()
            .skip(log.chars().count().saturating_sub(300))
            .collect();
        outcome.fault = Some(format!("it has ended: {end}"));
    }
    if outcome.fault.is_some() {
        // It may be too busy to be asked, or gone.
        let _ = running.daemon.kill();
    }
    Ok(outcome)
}

/// `eth0` at both ends; neighbours on the link are in 10.0.1.0/24, those behind the gateway in 10.1.0.0/16.
fn cable(lab: &Lab, host: &Netns, others: &Netns) -> Result<()> {
    lab.cable((host, "eth0"), (others, "eth0"))?;
    host.ip(&format!("addr add {DAEMON}/16 dev eth0"))?;
    host.ip(&format!("route add 10.1.0.0/16 via {GATEWAY}"))?;
    host.ip("-6 addr add fd00::1/64 dev eth0 nodad")?;
    others.ip(&format!("addr add {GATEWAY}/16 dev eth0"))?;
    others.ip("route add local 10.0.1.0/24 dev lo")?;
    others.ip("route add local 10.1.0.0/16 dev lo")
}

/// What the daemon needs without neighbours.
fn bare(host: &Netns, contestant: &Contestant, setup: &Setup) -> Result<u64> {
    let mut running = contestant.start(host, setup)?;
    // BIRD does not listen before it has a neighbour.
    std::thread::sleep(PAUSE);
    let bare = Usage::of(&meter::family(running.daemon.pid()))?.resident;
    // FRR may be too busy with its configuration to end when it is asked, and is killed then.
    let _ = running.daemon.terminate();
    Ok(bare)
}

/// Waits until it listens, and says which processes it has by then.
fn listening(daemon: &mut Process) -> Result<Vec<u32>> {
    until("the daemon listens", Duration::from_secs(60), || {
        if !daemon.is_running() {
            return Err(lab::Ended(format!("it has ended:\n{}", daemon.log())).into());
        }
        let sockets = ["tcp", "tcp6"].map(|name| {
            let file = format!("/proc/{}/net/{name}", daemon.pid());
            fs::read_to_string(file).unwrap_or_default()
        });
        // Port 179, in the state LISTEN.
        let listens = |text: &String| {
            let mut lines = text
                .lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>());
            lines.any(
                |words| matches!(words[..], [_, local, _, "0A", ..] if local.ends_with(":00B3")),
            )
        };
        ensure!(sockets.iter().any(listens), "nobody listens on port 179");
        Ok(())
    })?;
    Ok(meter::family(daemon.pid()))
}

impl Stage {
    /// How a neighbour of the configuration speaks.
    pub fn voice(&self, number: usize) -> Voice {
        let neighbor = self.setup.neighbors[number];
        Voice {
            address: neighbor.address,
            asn: neighbor.asn,
            internal: neighbor.asn == crate::contestant::ASN,
        }
    }

    /// Processor time counts from now on; the time limit does, too.
    ///
    /// # Errors
    /// The daemon has ended.
    pub fn mark(&mut self) -> Result<Instant> {
        self.mark = (Usage::of(&self.pids)?.cpu, meter::own());
        let now = Instant::now();
        self.end = now + self.limit;
        Ok(now)
    }

    /// Notes a figure.
    pub fn note(&mut self, figure: Figure, value: f64) {
        self.outcome.figures.insert(figure, value);
    }

    /// Notes a time since `begun`, in seconds.
    pub fn note_time(&mut self, figure: Figure, begun: Instant) {
        self.note(figure, begun.elapsed().as_secs_f64());
    }

    /// Waits until so many sessions are Established.
    ///
    /// # Errors
    /// They are not in time.
    pub fn established(&mut self, sessions: usize) -> Result<()> {
        let end = self.end;
        if !self
            .load
            .until(end, |load| load.established() >= sessions)?
        {
            let words = self.load.last_words.as_deref().unwrap_or("no word");
            bail!(
                "> {} s: {} of {sessions} sessions are Established ({words})",
                self.limit.as_secs(),
                self.load.established()
            );
        }
        Ok(())
    }

    /// The same, but who can not take all at once for `UP` gets the rest in small portions, and it is said.
    ///
    /// # Errors
    /// It does not help.
    pub fn all_established(&mut self, sessions: usize, begun: Instant) -> Result<()> {
        let soon = self.end.min(Instant::now() + UP);
        if self
            .load
            .until(soon, |load| load.established() >= sessions)?
        {
            self.note_time(Figure::Established, begun);
            return Ok(());
        }
        self.outcome.remark = Some(format!(
            "{} of {sessions} sessions were Established after {} s; from then on {PORTION} connected at a time",
            self.load.established(),
            UP.as_secs()
        ));
        self.load.in_portions(PORTION);
        self.established(sessions)
    }

    /// Waits until so many receivers have exactly what they are to have.
    ///
    /// # Errors
    /// They do not in time.
    pub fn complete(&mut self, receivers: usize) -> Result<()> {
        let end = self.end;
        if self.load.until(end, |load| load.complete() >= receivers)? {
            return Ok(());
        }
        let mut words = format!(
            "> {} s: {} of {receivers} receivers are complete",
            self.limit.as_secs(),
            self.load.complete()
        );
        let ledgers = (0..self.setup.neighbors.len()).filter_map(|who| self.load.ledger(who));
        if let Some(ledger) = ledgers.into_iter().find(|ledger| !ledger.is_complete()) {
            let _ = write!(
                words,
                "; the first has {} of {} prefixes, {} strange ones and {} broken messages",
                ledger.count(),
                ledger.expected.count,
                ledger.strange,
                ledger.broken
            );
        }
        if self.load.lost > 0 {
            let last = self.load.last_words.as_deref().unwrap_or("no word");
            let _ = write!(words, "; {} connections lost ({last})", self.load.lost);
        }
        bail!(words)
    }

    /// The routing of the daemon's namespace.
    /// Waits until all that a neighbour has to say is written.
    ///
    /// # Errors
    /// It is not in time.
    pub(crate) fn sent(&mut self, who: usize) -> Result<()> {
        let end = self.end;
        let is_sent = self.load.until(end, |load| load.has_sent(who))?;
        ensure!(is_sent, "> {} s: not all is sent", self.limit.as_secs());
        Ok(())
    }

    /// From now on the daemon's peak of memory is a new one. Says how much it has now.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn forget_peak(&self) -> Result<u64> {
        for pid in &self.pids {
            fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
        }
        Ok(Usage::of(&self.pids)?.peak)
    }

    /// All routes are listed from now on.
    pub(crate) fn list(&mut self) -> Result<Listing> {
        Listing::start(&mut self.listing)
    }

    /// The same, over a version of GoBGP's API.
    pub(crate) fn list_by_api(&mut self, version: &str) -> Result<Listing> {
        Listing::start(&mut Contestant::listing_by_api(&self.host, version)?)
    }

    /// Our daemon is asked what would change if every neighbour had this policy on what it sends.
    pub(crate) fn plan(&mut self, policy: &str) -> Result<Listing> {
        let socket = self.host.file("control");
        let text = Kind::Bgpd.config(&self.setup, &socket) + policy;
        let (old, new) = (
            "apply-policy = {",
            "apply-policy = { import-policy-list = [\"all\"],",
        );
        let file = self.host.write("new.conf", &text.replacen(old, new, 1))?;
        let mut command = self.host.command(lab::binary("bgpctl")?);
        let target = format!("unix:{}", socket.display());
        command.args(["--target", &target, "plan", "--time-limit", "25"]);
        // Who plans says by the exit status that something would change.
        Listing::start_for(command.arg(file), 2)
    }

    /// How many prefixes the kernel has routes for, where the daemon is.
    ///
    /// # Errors
    /// The daemon is not to write there.
    pub(crate) fn routing(&mut self) -> Result<&mut Routing> {
        self.routing.as_mut().context("the kernel is left alone")
    }

    /// There is time left.
    ///
    /// # Errors
    /// There is none.
    pub fn in_time(&self, state: impl FnOnce() -> String) -> Result<()> {
        ensure!(
            Instant::now() < self.end,
            "> {} s: {}",
            self.limit.as_secs(),
            state()
        );
        Ok(())
    }

    /// Waits until the daemon does nothing any more.
    ///
    /// # Errors
    /// It has ended.
    pub fn settle(&mut self) -> Result<()> {
        let end = Instant::now() + RESTLESS;
        let mut before = Usage::of(&self.pids)?.cpu;
        loop {
            self.load.rest(PAUSE)?;
            let now = Usage::of(&self.pids)?.cpu;
            if now.saturating_sub(before) < REST || Instant::now() > end {
                return Ok(());
            }
            before = now;
        }
    }

    /// The most memory that the daemon had so far.
    ///
    /// # Errors
    /// It has ended.
    pub fn note_peak(&mut self) -> Result<()> {
        let usage = Usage::of(&self.pids).context("the daemon is there")?;
        self.note(Figure::Peak, usage.peak as f64 / f64::from(1 << 20));
        Ok(())
    }

    /// What the daemon has used since the mark, and what we have.
    ///
    /// # Errors
    /// It has ended.
    pub fn measure(&mut self) -> Result<Usage> {
        let own = meter::own().saturating_sub(self.mark.1);
        self.settle()?;
        let usage = Usage::of(&self.pids).context("the daemon is there")?;
        let cpu = usage.cpu.saturating_sub(self.mark.0);
        self.note(Figure::Cpu, cpu.as_secs_f64());
        self.note(Figure::Resident, usage.resident as f64 / f64::from(1 << 20));
        self.note(Figure::Peak, usage.peak as f64 / f64::from(1 << 20));
        self.note(Figure::Messages, self.load.messages as f64 / 1000.0);
        self.note(Figure::Octets, self.load.octets as f64 / f64::from(1 << 20));
        self.note(
            Figure::Own,
            100.0 * own.as_secs_f64() / cpu.as_secs_f64().max(1e-3),
        );
        Ok(usage)
    }
}
