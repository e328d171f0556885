// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon as a program: without privileges, bound to a device, its log for programs, its events for watchers.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lab::{
    Bgpd, Bird, Lab, Netns, Process, binary,
    config::{self, EBGP},
    output, until,
};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(5);

fn ours(global: &str, neighbor: &str) -> String {
    config::ours("10.0.0.1") + global + "\n" + &config::neighbor("10.0.0.2", 64513, neighbor)
}

fn theirs(extra: &str) -> String {
    let lines = format!("{extra} {}", config::bird_channel("ipv4", ""));
    config::bird("10.0.0.2", &["10.2.0.0/16"]) + &config::bird_session(EBGP, &lines)
}

/// A command of somebody without any privilege.
fn as_nobody(netns: &Netns, program: &Path) -> Command {
    let mut command = netns.command("setpriv");
    command.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--bounding-set=-all",
    ]);
    command.arg(program);
    command
}

#[test]
#[ignore = "needs netns"]
fn what_only_the_start_needs_is_given_back_and_the_allocator_takes_its_options() -> Result<()> {
    let lab = Lab::new("dmn")?;
    let (a, _) = lab.pair()?;
    let bgpd = Bgpd::start_with(
        &a,
        &ours("", ""),
        "listen = []\n",
        &["--log-level", "debug"],
    )?;
    until("pages are given back", SOON, || {
        let log = bgpd.log();
        let said = "only the start needed are given back octets=";
        let octets = log.split(said).nth(1).context(log.clone())?;
        let octets = octets.split_whitespace().next().context("a number")?;
        ensure!(octets.parse::<usize>()? > 1 << 20, "{octets} octets");
        Ok(())
    })?;
    // What jemalloc does not understand it says, and goes on.
    ensure!(!bgpd.log().contains("jemalloc"), "{}", bgpd.log());
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn without_kernel_and_port_179_it_needs_no_privilege() -> Result<()> {
    let lab = Lab::new("dmn")?;
    let (a, b) = lab.pair()?;
    // Whoever it runs as may write the socket here, and nothing else.
    let folder = lab.folder().join("run");
    std::fs::create_dir(&folder)?;
    output(&format!("chown 65534:65534 {}", folder.display()))?;
    let program = folder.join("bgpd");
    std::fs::copy(binary("bgpd")?, &program)?;
    let file = folder.join("bgpd.toml");
    let socket = folder.join("bgpd.sock");
    let config = ours("port = 1790", "transport = { remote-port = 1790 }");
    let api = format!("[api]\nlisten = []\nunix = \"{}\"\n", socket.display());
    std::fs::write(&file, format!("{config}\n{api}"))?;
    let mut command = as_nobody(&a, &program);
    command.arg("--config").arg(&file);
    let mut process: Process = a.start(&mut command, "nobody")?;
    let _bird = Bird::start(
        &b,
        &theirs("")
            .replace("10.0.0.2 as", "10.0.0.2 port 1790 as")
            .replace("10.0.0.1 as", "10.0.0.1 port 1790 as"),
    )?;
    until("the route is here", Duration::from_secs(15), || {
        ensure!(process.is_running(), "{}", process.log());
        let target = format!("unix:{}", socket.display());
        let said = Command::new(binary("bgpctl")?)
            .args(["--target", &target, "route"])
            .output()?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        ensure!(said.contains("*> 10.2.0.0/16"), "{said}\n{}", process.log());
        Ok(())
    })?;
    process.terminate()
}

#[test]
#[ignore = "needs netns"]
fn a_kernel_that_it_may_not_write_keeps_it_from_starting_and_is_named() -> Result<()> {
    let lab = Lab::new("dmn")?;
    let (a, _b) = lab.pair()?;
    let file = a.write(
        "bgpd.toml",
        &(ours("port = 1790", "") + "[fib]\n[api]\nlisten = []\nunix = \"\"\n"),
    )?;
    output(&format!("chmod 755 {}", lab.folder().display()))?;
    let program = lab.folder().join("bgpd");
    std::fs::copy(binary("bgpd")?, &program)?;
    let mut command = as_nobody(&a, &program);
    let ended = command.arg("--config").arg(&file).output()?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(!ended.status.success(), "{said}");
    ensure!(
        said.contains("[fib]") && said.contains("CAP_NET_ADMIN"),
        "{said}"
    );
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_listener_that_is_bound_to_a_device_hears_nothing_else() -> Result<()> {
    let lab = Lab::new("dmn")?;
    let (a, b) = lab.pair()?;
    lab.cable((&a, "eth1"), (&b, "eth1"))?;
    a.ip("addr add 10.0.1.1/24 dev eth1")?;
    b.ip("addr add 10.0.1.2/24 dev eth1")?;
    let us = Bgpd::start(
        &a,
        &ours(
            "bind-to-device = \"eth0\"",
            "transport = { passive-mode = true }",
        ),
    )?;
    let _bird = Bird::start(&b, &theirs(""))?;
    us.wait_route("10.2.0.0/16")?;
    let knock = |address: &str| {
        b.exec(&[
            "timeout",
            "1",
            "bash",
            "-c",
            &format!("exec 3<>/dev/tcp/{address}/179"),
        ])
    };
    ensure!(knock("10.0.1.1").is_err(), "eth1 leads to the listener too");
    ensure!(
        knock("10.0.0.1").is_ok(),
        "eth0 does not lead to the listener"
    );
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn the_local_address_of_a_session_is_the_one_configured() -> Result<()> {
    let lab = Lab::new("dmn")?;
    let (a, b) = lab.pair()?;
    a.ip("addr add 10.0.0.9/24 dev eth0")?;
    let us = Bgpd::start(
        &a,
        &ours("", "transport = { local-address = \"10.0.0.9\" }"),
    )?;
    let _bird = Bird::start(
        &b,
        &theirs("passive;").replace("neighbor 10.0.0.1", "neighbor 10.0.0.9"),
    )?;
    us.wait_route("10.2.0.0/16")?;
    ensure!(us.json(&["neighbor", "10.0.0.2"])?["local_address"] == "10.0.0.9");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn the_log_is_json_if_it_is_wanted() -> Result<()> {
    let lab = Lab::new("dmn")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &(ours("", "") + "[log]\nformat = \"json\"\n"))?;
    let _bird = Bird::start(&b, &theirs(""))?;
    us.wait_route("10.2.0.0/16")?;
    let log = us.log();
    let lines: Vec<Value> = log
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .with_context(|| log.clone())?;
    let established = lines
        .iter()
        .find(|line| line["message"] == "session established");
    let established = established.with_context(|| log.clone())?;
    ensure!(
        established["level"] == "INFO" && established["to"] == "Established",
        "{established}"
    );
    ensure!(established["span"]["addr"] == "10.0.0.2", "{established}");
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn a_watcher_sees_sessions_and_routes_change() -> Result<()> {
    let lab = Lab::new("dmn")?;
    let (a, b) = lab.pair()?;
    let us = Bgpd::start(&a, &ours("", "graceful-restart = { enabled = false }"))?;
    let words: Vec<String> = us.ctl_command().split(' ').map(str::to_owned).collect();
    let mut watcher = Command::new(&words[0])
        .args(&words[1..])
        .args(["--json", "watch"])
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(watcher.stdout.take().context("a pipe")?).lines();
    let (sender, events) = mpsc::channel();
    std::thread::spawn(move || {
        lines
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    let wait = |what: &str, wanted: &dyn Fn(&Value) -> bool| -> Result<()> {
        let mut seen = Vec::new();
        while let Ok(line) = events.recv_timeout(2 * SOON) {
            if wanted(&serde_json::from_str(&line)?) {
                return Ok(());
            }
            seen.push(line);
        }
        anyhow::bail!("{what} has not been seen, but {seen:?}")
    };
    let result = (|| {
        // It has subscribed when it sees something.
        until("the watcher sees something", SOON, || {
            us.add_route("192.0.2.0/24 --blackhole")?;
            us.ctl(&["route", "del", "192.0.2.0/24"])?;
            Ok(events.recv_timeout(Duration::from_millis(100)).map(drop)?)
        })?;
        let bird = Bird::start(&b, &theirs(""))?;
        wait("the session", &|event| {
            event["event"] == "neighbor" && event["to"] == "Established"
        })?;
        wait("the route", &|event| {
            event["event"] == "best"
                && event["prefix"] == "10.2.0.0/16"
                && !event["route"].is_null()
        })?;
        drop(bird);
        wait("the end of the route", &|event| {
            event["event"] == "best" && event["route"].is_null()
        })
    })();
    watcher.kill()?;
    watcher.wait()?;
    result
}
