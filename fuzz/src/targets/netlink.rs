// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Datagrams of the kernel's routing socket, and what the reconciler makes of them.

use std::time::{Duration, Instant};

use fib_netlink::{
    Change, FibConfig, Hop, Interfaces, Learn, Notice, Reconciler, Route, Target, notices,
};

/// Whatever is said, the reconciler takes it in, comes to rest when the kernel agrees to all, and then desires nothing.
pub fn netlink(data: &[u8]) {
    let mut now = Instant::now();
    let all = Some(Interfaces::any());
    let learn = Learn {
        kernel: all.clone(),
        direct: all,
    };
    let mut reconciler = Reconciler::new(
        FibConfig {
            learn,
            ..FibConfig::default()
        },
        now,
    );
    reconciler.end_resync(now, now);
    let route = |prefix: &str, gateway: [u8; 4]| {
        let hop = Hop::via(gateway.into());
        let prefix = prefix.parse().expect("a prefix");
        Change::Install(Route::new(prefix, Target::Via(vec![hop])))
    };
    reconciler.apply(vec![
        route("0.0.0.0/0", [10, 0, 0, 2]),
        route("10.9.0.0/16", [10, 0, 0, 3]),
    ]);
    reconciler.track(vec![[10, 0, 0, 2].into(), [192, 0, 2, 1].into()]);
    for notice in notices(data) {
        feed(&mut reconciler, notice, now);
    }
    reconciler.settle(now);
    reconciler.converged();
    for turn in 0.. {
        now += Duration::from_secs(70);
        reconciler.tick(now);
        let operations = reconciler.batch(64, now);
        if operations.is_empty() && reconciler.is_idle() {
            break;
        }
        for operation in &operations {
            reconciler.answer(operation, Ok(()), now);
        }
        assert!(turn < 1000, "it never comes to rest");
    }
    while reconciler.event(now).is_some() {}
    drop(reconciler.states(now));
}

fn feed(reconciler: &mut Reconciler, notice: Notice, now: Instant) {
    match notice {
        Notice::Link(link) => reconciler.link(link, now),
        Notice::LinkGone(index) => reconciler.link_gone(index, now),
        Notice::Address(address) => reconciler.address(address),
        Notice::AddressGone(address) => reconciler.address_gone(&address, now),
        Notice::Route { route, replaces } => reconciler.route(route, replaces, now),
        Notice::RouteGone(route) => reconciler.route_gone(&route, now),
        Notice::NextHop(id, object) => reconciler.object(id, object, now),
        Notice::NextHopGone(id) => reconciler.object_gone(id, now),
        Notice::Overrun => reconciler.want_resync(now),
        Notice::Answer(_) | Notice::Done(_) | Notice::Other => {}
    }
}
