// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Debian's `gobgp` changes neighbours of ours and of a real gobgpd's with the same words, and is told the same.

use std::{process::Command, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use lab::{Bgpd, GoBgp, Lab, Netns, config, until};
use serde_json::{Value, json};

/// gobgpd rests for half a minute after a reset.
const SOON: Duration = Duration::from_secs(60);

/// One of the two that are compared.
struct Daemon {
    netns: Netns,
    _process: Box<dyn std::any::Any>,
}

impl Daemon {
    /// Ours waits to be started, as gobgpd without a file does.
    fn ours(netns: &Netns) -> Result<Self> {
        let bgpd = Bgpd::start_with_api(netns, "", "127.0.0.1:50051")?;
        Ok(Self::of(netns, bgpd))
    }

    fn theirs(netns: &Netns) -> Result<Self> {
        let gobgpd = GoBgp::start_bare(netns)?;
        Ok(Self::of(netns, gobgpd))
    }

    fn of(netns: &Netns, process: impl std::any::Any) -> Self {
        Self {
            netns: netns.clone(),
            _process: Box::new(process),
        }
    }

    /// What `gobgp` prints, even if it fails.
    fn says(&self, words: &str) -> Result<String> {
        let output = self.command(words).output()?;
        let both = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8(both)?)
    }

    /// What `gobgp` prints; it has to succeed.
    fn tell(&self, words: &str) -> Result<String> {
        let output = self.command(words).output()?;
        let text = String::from_utf8(output.stdout)?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{words}: {text}{error}");
        Ok(text)
    }

    fn command(&self, words: &str) -> Command {
        let mut command = self.netns.command("gobgp");
        command.args(words.split(' '));
        command
    }

    /// The neighbour as it is listed.
    fn neighbor(&self) -> Result<Value> {
        let text = self.tell("-j neighbor 10.0.0.2")?;
        serde_json::from_str(&text).with_context(|| text.clone())
    }

    /// The last column but the counts in the list of neighbours: `Establ`, `Idle(Admin)`, …
    fn wait_state(&self, wanted: &str) -> Result<()> {
        until(wanted, SOON, || {
            let list = self.tell("neighbor")?;
            ensure!(list.contains(wanted), "{list}");
            Ok(())
        })
    }

    fn uptime(&self) -> Result<Value> {
        Ok(self.neighbor()?["timers"]["state"]["uptime"].clone())
    }
}

/// What does not depend on who answers: not what is counted, when it was, nor what each can do in an OPEN.
fn comparable(mut neighbor: Value) -> Value {
    let state = &mut neighbor["state"];
    for key in ["messages", "remote_cap", "local_cap", "flops", "out_q"] {
        state[key] = Value::Null;
    }
    neighbor["timers"]["state"] = Value::Null;
    // We rest for a shorter time.
    neighbor["timers"]["config"]["idle_hold_time_after_reset"] = Value::Null;
    neighbor
}

/// All that is said and answered, in order.
fn session(daemon: &Daemon) -> Result<Vec<(String, Value)>> {
    let mut said: Vec<(String, Value)> = Vec::new();
    let mut note = |what: &str, answer: Value| said.push((what.to_owned(), answer));
    note("-j global, before", daemon.tell("-j global")?.into());
    note(
        "neighbor add, before",
        daemon.says("neighbor add 10.0.0.2 as 64513")?.into(),
    );
    daemon.tell("global as 64512 router-id 10.0.0.1")?;
    note("global", daemon.tell("global")?.into());
    note("-j global", daemon.tell("-j global")?.into());
    note("neighbor, none", daemon.tell("neighbor")?.into());
    daemon.tell("neighbor add 10.0.0.2 as 64513")?;
    for wrong in [
        "neighbor add 10.0.0.2 as 64513",
        "neighbor del 10.0.0.99",
        "neighbor 10.0.0.99",
        "neighbor 10.0.0.99 reset",
    ] {
        note(wrong, daemon.says(wrong)?.into());
    }
    daemon.wait_state("Establ")?;
    note("-j neighbor", comparable(daemon.neighbor()?));

    // The session stays.
    let uptime = daemon.uptime()?;
    for soft in ["softreset", "softresetin", "softresetout"] {
        note(
            soft,
            daemon.tell(&format!("neighbor 10.0.0.2 {soft}"))?.into(),
        );
        note(soft, daemon.tell(&format!("neighbor all {soft}"))?.into());
    }
    ensure!(daemon.uptime()? == uptime, "a soft reset ends no session");

    daemon.tell("neighbor 10.0.0.2 disable")?;
    daemon.wait_state("Idle(Admin)")?;
    note(
        "disabled",
        daemon.neighbor()?["state"]["admin_state"].clone(),
    );
    daemon.tell("neighbor 10.0.0.2 enable")?;
    daemon.wait_state("Establ")?;
    note(
        "enabled",
        daemon.neighbor()?["state"]["admin_state"].clone(),
    );

    daemon.tell("neighbor del 10.0.0.2")?;
    note("neighbor, none", daemon.tell("neighbor")?.into());
    daemon.tell("global del all")?;
    note("-j global, after", daemon.tell("-j global")?.into());
    daemon.tell("global as 64520 router-id 10.0.0.7 listen-port 1179")?;
    note("-j global, again", daemon.tell("-j global")?.into());
    Ok(said)
}

/// A passive neighbour for the daemon, and the daemon.
fn scene(lab: &Lab, start: fn(&Netns) -> Result<Daemon>) -> Result<(Daemon, GoBgp)> {
    let (a, b) = lab.pair()?;
    let theirs = config::gobgp(64513, "10.0.0.2") + &config::gobgp_neighbor("10.0.0.1", 64512);
    let speaker = GoBgp::start(&b, &theirs)?;
    Ok((start(&a)?, speaker))
}

#[test]
#[ignore = "needs netns"]
fn gobgp_is_told_the_same_of_neighbors_by_both() -> Result<()> {
    let answers = [Daemon::ours, Daemon::theirs].map(|start| {
        let lab = Lab::new("gobgp_neighbor")?;
        let (daemon, _speaker) = scene(&lab, start)?;
        session(&daemon)
    });
    let [ours, theirs] = answers;
    let (ours, theirs) = (ours.context("ours")?, theirs.context("theirs")?);
    ensure!(ours.len() == theirs.len());
    let mut wrong = String::new();
    for ((what, ours), (_, theirs)) in ours.iter().zip(&theirs) {
        compare(what, ours, theirs, &mut wrong);
    }
    ensure!(wrong.is_empty(), "ours and theirs:\n{wrong}");
    Ok(())
}

/// Writes down where two answers differ.
fn compare(path: &str, ours: &Value, theirs: &Value, wrong: &mut String) {
    use std::fmt::Write as _;
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                compare(&format!("{path}.{key}"), &ours[key], &theirs[key], wrong);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (number, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}[{number}]"), a, b, wrong);
            }
        }
        _ if words(ours) == words(theirs) => {}
        _ => drop(writeln!(wrong, "{path}: {ours} instead of {theirs}")),
    }
}

/// A proper status instead of UNKNOWN is no difference.
fn words(value: &Value) -> Value {
    match value.as_str().and_then(|text| text.split_once("desc = ")) {
        Some((_, text)) => text.into(),
        None => value.clone(),
    }
}

/// Before `global as …`. Sets and changes of policies are refused otherwise: gobgpd does not even list sets then.
const EARLY: &[&str] = &[
    "global rib",
    "global rib summary",
    "global rib add 10.0.0.0/24",
    "global rib del 10.0.0.0/24",
    "global rib del all",
    "global policy",
    "global policy import",
    "global policy import add x",
    "policy",
    "policy x",
    "policy add p s",
    "policy statement",
    "policy statement x",
    "neighbor",
    "neighbor 10.0.0.2",
    "neighbor add 10.0.0.2 as 1",
    "neighbor del 10.0.0.2",
    "neighbor update 10.0.0.2 as 2",
    "neighbor all softreset",
    "neighbor 10.0.0.2 reset",
    "neighbor 10.0.0.2 adj-in",
    "neighbor 10.0.0.2 adj-in summary",
    "log-level info",
];

#[test]
#[ignore = "needs netns"]
fn gobgp_is_told_the_same_before_the_start() -> Result<()> {
    let answers = [Daemon::ours, Daemon::theirs].map(|start| -> Result<Vec<String>> {
        let lab = Lab::new("gobgp_early")?;
        let (a, _) = lab.pair()?;
        let daemon = start(&a)?;
        let answers = EARLY.iter().map(|words| daemon.says(words));
        answers.collect()
    });
    let [ours, theirs] = answers;
    let (ours, theirs) = (ours.context("ours")?, theirs.context("theirs")?);
    let mut wrong = String::new();
    for ((words, ours), theirs) in EARLY.iter().zip(ours).zip(theirs) {
        compare(words, &ours.into(), &theirs.into(), &mut wrong);
    }
    ensure!(wrong.is_empty(), "ours and theirs:\n{wrong}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_neighbor_hears_why_it_is_left() -> Result<()> {
    let lab = Lab::new("gobgp_leave")?;
    let (daemon, speaker) = scene(&lab, Daemon::ours)?;
    let mut monitor = daemon
        .netns
        .start(&mut daemon.command("monitor neighbor 10.0.0.2"), "monitor")?;
    daemon.tell("global as 64512 router-id 10.0.0.1")?;
    daemon.tell("neighbor add 10.0.0.2 as 64513")?;
    daemon.wait_state("Establ")?;
    for (order, reason) in [
        ("reset --reason maintenance", "Administrative Reset"),
        ("shutdown --reason later", "Administrative Shutdown"),
    ] {
        let before = daemon.uptime()?;
        daemon.says(&format!("neighbor 10.0.0.2 {order}"))?;
        until(reason, SOON, || {
            let state = daemon.neighbor()?;
            ensure!(state["timers"]["state"]["uptime"] != before, "{state}");
            Ok(())
        })?;
        daemon.wait_state("Establ")?;
        let text = order.rsplit(' ').next().unwrap_or_default();
        let log = speaker.log().to_lowercase();
        ensure!(log.contains(text), "{log}");
    }
    daemon.tell("neighbor del 10.0.0.2")?;
    until("the monitor has seen it", SOON, || {
        let log = monitor.log();
        ensure!(
            log.contains("[NEIGH] 10.0.0.2 fsm: ESTABLISHED admin: UP"),
            "{log}"
        );
        Ok(())
    })?;
    ensure!(monitor.is_running(), "{}", monitor.log());
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn an_update_keeps_the_session_where_it_can() -> Result<()> {
    let lab = Lab::new("gobgp_update")?;
    let (daemon, _speaker) = scene(&lab, Daemon::ours)?;
    daemon.tell("global as 64512 router-id 10.0.0.1")?;
    daemon.tell("neighbor add 10.0.0.2 as 64513")?;
    daemon.wait_state("Establ")?;
    let before = daemon.neighbor()?;
    daemon.tell("neighbor update 10.0.0.2 as 64513 replace-peer-as")?;
    let after = daemon.neighbor()?;
    ensure!(after["conf"]["replace_peer_asn"] == json!(true), "{after}");
    let uptime = |neighbor: &Value| neighbor["timers"]["state"]["uptime"].clone();
    ensure!(uptime(&before) == uptime(&after), "{before}\n{after}");
    ensure!(before["afi_safis"][0]["config"] == after["afi_safis"][0]["config"]);
    // Another AS is another session, which this neighbour does not agree to.
    daemon.tell("neighbor update 10.0.0.2 as 64599")?;
    ensure!(daemon.neighbor()?["conf"]["peer_asn"] == json!(64599));
    if daemon.tell("neighbor")?.contains("Establ") {
        bail!("the session is still the old one");
    }
    Ok(())
}
