// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keeps routes in the kernel's table, whatever happens there, and says what happens:
//!
//! ```text
//! keep_routes 10.9.0.0/16=10.0.0.2 10.8.0.0/16=10.0.0.2@e0,10.0.1.2@e1 10.7.0.0/16=blackhole track:10.0.0.2
//! ```
//!
//! Ends, and takes its routes away, at Ctrl-C.

use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use fib_netlink::{Change, Fib, FibConfig, FibEvent, Hop, Interfaces, Learn, Route, Target};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("warn").init();
    let mut changes = Vec::new();
    let mut watched: Vec<IpAddr> = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.strip_prefix("track:") {
            Some(address) => watched.push(address.parse().context(argument.clone())?),
            None => changes.push(Change::Install(route(&argument).context(argument.clone())?)),
        }
    }
    if changes.is_empty() && watched.is_empty() {
        bail!("usage: keep_routes PREFIX=GATEWAY[@DEVICE][,…] PREFIX=blackhole track:ADDRESS …");
    }
    let all = Some(Interfaces::any());
    let config = FibConfig {
        persist: false,
        learn: Learn {
            kernel: all.clone(),
            direct: all,
        },
        ..FibConfig::default()
    };
    let (fib, mut events) = Fib::start(config)?;
    fib.apply(changes).await;
    fib.track(watched).await;
    fib.converged().await;
    fib.settled().await;
    for state in fib.routes().await {
        println!("{state}");
    }
    loop {
        tokio::select! {
            event = events.recv() => event.iter().for_each(print),
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    fib.shutdown().await;
    Ok(())
}

fn route(text: &str) -> Result<Route> {
    let (prefix, target) = text.split_once('=').context("no “=”")?;
    let target = match target {
        "blackhole" => Target::Blackhole,
        "unreachable" => Target::Unreachable,
        "prohibit" => Target::Prohibit,
        "throw" => Target::Throw,
        hops => Target::Via(hops.split(',').map(hop).collect::<Result<_>>()?),
    };
    Ok(Route::new(prefix.parse()?, target))
}

fn hop(text: &str) -> Result<Hop> {
    Ok(match text.split_once('@') {
        None => Hop::via(text.parse()?),
        Some(("", device)) => Hop::device(device),
        Some((gateway, device)) => Hop::via(gateway.parse()?).over(device),
    })
}

fn print(event: &FibEvent) {
    match event {
        FibEvent::Learned(changes) => changes.iter().for_each(|change| println!("{change}")),
        FibEvent::NextHops(news) => news.iter().for_each(|(to, way)| println!("{to}: {way}")),
        FibEvent::Status(states) => states.iter().for_each(|state| println!("{state}")),
        FibEvent::Links(links) => {
            let up = links.iter().filter(|link| link.up);
            let names: Vec<_> = up.map(|link| link.name.as_str()).collect();
            println!("links up: {}", names.join(" "));
        }
        FibEvent::Resynced => println!("read everything from the kernel"),
    }
}
