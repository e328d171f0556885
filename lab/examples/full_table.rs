// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A table of a given size from one neighbour (BIRD), taken in by bgpd and by BIRD, without and with the kernel: time
//! from the first routes to nearly all, processor time, peak memory. Needs root, and `cargo build --release -p bgpd`.
//!
//! ```text
//! cargo run --release -p lab --example full_table -- 200000
//! ```

use std::{
    fmt::Write as _,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lab::{Lab, Netns, Process, binary, output, until};

/// Routes that share their attributes.
const TOGETHER: u32 = 4;

fn main() -> Result<()> {
    let count: u32 = match std::env::args().nth(1) {
        Some(number) => number.parse()?,
        None => 200_000,
    };
    println!("{count} prefixes, {TOGETHER} with the same attributes");
    println!("| receiver | kernel | time | processor time | peak memory |\n|---|---|---|---|---|");
    for kernel in [false, true] {
        for receiver in [Receiver::Bgpd, Receiver::Bird] {
            let found = measure(receiver, kernel, count)?;
            println!(
                "| {receiver:?} | {} | {:.2} s | {:.2} s | {} MiB |",
                if kernel { "yes" } else { "no" },
                found.time.as_secs_f64(),
                found.processor.as_secs_f64(),
                found.peak_kib / 1024
            );
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Receiver {
    Bgpd,
    Bird,
}

struct Found {
    time: Duration,
    processor: Duration,
    peak_kib: u64,
}

fn measure(receiver: Receiver, kernel: bool, count: u32) -> Result<Found> {
    let lab = Lab::new("table")?;
    let (here, there) = lab.pair()?;
    let _sender = sender(&there, count)?;
    let process = receiver.start(&here, kernel)?;
    // There is one route of the receiver's own at most.
    let patience = Duration::from_secs(120);
    until("the first routes", patience, || {
        ensure!(receiver.routes(&here)? > 0);
        Ok(())
    })?;
    let begun = Instant::now();
    until("all routes", patience, || {
        let routes = receiver.routes(&here)?;
        // The sender keeps its last message back for some seconds.
        ensure!(routes >= count / 100 * 99, "{routes} routes");
        Ok(())
    })?;
    if kernel {
        until("all kernel routes", patience, || {
            let routes = output(&format!("ip -n {} route show proto bird", here.name()))?;
            ensure!(routes.lines().count() >= count as usize / 100 * 99);
            Ok(())
        })?;
    }
    let time = begun.elapsed();
    let (processor, peak_kib) = usage(process.pid())?;
    Ok(Found {
        time,
        processor,
        peak_kib,
    })
}

fn sender(netns: &Netns, count: u32) -> Result<Process> {
    let mut config = String::from(
        "router id 10.0.0.2;\nprotocol device {}\n\
         protocol bgp { local 10.0.0.2 as 64513; neighbor 10.0.0.1 as 64512; passive;\n\
         ipv4 { import none; export all; }; }\nprotocol static { ipv4;\n",
    );
    for number in 0..count {
        let [_, high, middle, low] = number.to_be_bytes();
        let (group_high, group_low) = (number / TOGETHER / 60_000, number / TOGETHER % 60_000);
        writeln!(
            config,
            "route {}.{middle}.{low}.0/24 blackhole {{ bgp_path.prepend({}); bgp_community.add((64513, {group_low})); }};",
            20 + high,
            65_000 + group_high,
        )?;
    }
    config.push_str("}\n");
    bird(netns, &config)
}

fn bird(netns: &Netns, config: &str) -> Result<Process> {
    let file = netns.write("bird.conf", config)?;
    let mut command = netns.command("bird");
    command
        .arg("-f")
        .arg("-c")
        .arg(file)
        .arg("-s")
        .arg(netns.file("bird.ctl"));
    let process = netns.start(command.arg("-P").arg(netns.file("bird.pid")), "bird")?;
    until("BIRD answers", Duration::from_secs(60), || {
        birdc(netns, "show status").map(drop)
    })?;
    Ok(process)
}

fn birdc(netns: &Netns, command: &str) -> Result<String> {
    output(&format!(
        "birdc -s {} {command}",
        netns.file("bird.ctl").display()
    ))
}

impl Receiver {
    fn start(self, netns: &Netns, kernel: bool) -> Result<Process> {
        match self {
            Self::Bird => {
                let mut config = String::from(
                    "router id 10.0.0.1;\nprotocol device {}\n\
                     protocol bgp { local 10.0.0.1 as 64512; neighbor 10.0.0.2 as 64513; connect delay time 1;\n\
                     ipv4 { import all; export none; }; }\n",
                );
                if kernel {
                    config.push_str("protocol kernel { ipv4 { import none; export all; }; }\n");
                }
                bird(netns, &config)
            }
            Self::Bgpd => {
                let socket = netns.file("bgpd.sock");
                let config = format!(
                    "[global]\nas = 64512\nrouter-id = \"10.0.0.1\"\n[api]\nlisten = []\nunix = \"{}\"\n\
                     [[neighbors]]\nneighbor-address = \"10.0.0.2\"\npeer-as = 64513\n\
                     [neighbors.apply-policy]\ndefault-import-policy = \"accept-route\"\n{}",
                    socket.display(),
                    if kernel { "[fib]\n" } else { "" },
                );
                let file = netns.write("bgpd.toml", &config)?;
                let mut command = netns.command(binary("bgpd")?);
                netns.start(command.arg("--config").arg(file), "bgpd")
            }
        }
    }

    /// Routes in its table.
    fn routes(self, netns: &Netns) -> Result<u32> {
        let text = match self {
            Self::Bird => birdc(netns, "show route count")?,
            Self::Bgpd => {
                let (program, socket) = (binary("bgpctl")?, netns.file("bgpd.sock"));
                let line = format!(
                    "{} --target unix:{} status",
                    program.display(),
                    socket.display()
                );
                output(&line)?
            }
        };
        // "200000 of 200000 routes for …", and "Routes:     200000 prefixes, …".
        let after = match self {
            Self::Bird => text.split_once("ready.\n"),
            Self::Bgpd => text.split_once("Routes:"),
        };
        let number = after.and_then(|(_, rest)| rest.split_whitespace().next());
        number.context("a number of routes")?.parse().context(text)
    }
}

/// Processor time and peak of resident memory of a process.
fn usage(pid: u32) -> Result<(Duration, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("a name in parentheses")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().unwrap_or(0)).sum();
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next())
        .context("VmHWM")?;
    // Ticks are hundredths of a second on every Linux.
    Ok((Duration::from_millis(ticks * 10), peak.parse()?))
}
