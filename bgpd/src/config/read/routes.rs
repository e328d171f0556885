// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `[fib]`, `[[static-routes]]`, `[api]` and `[log]`.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use super::{
    super::model::{
        Api, ApiTls, Fib, Log, LogFormat, LogLevel, Sources, StaticRoute, StaticTarget,
    },
    Maybe, Node, Notes,
    policies::{self, Library},
};

pub(super) fn fib<'t>(
    notes: &mut Notes<'t>,
    root: &Node<'t>,
    library: &Library<'t>,
) -> Option<Fib> {
    root.table("fib")?;
    let usual = Fib::default();
    let tables = notes.items(root.get("fib.tables")).unwrap_or_default();
    let tables = tables
        .into_iter()
        .map(|item| kernel_table(notes, Some(item)));
    let tables = tables.collect::<Vec<_>>().into_iter().flatten().collect();
    Some(Fib {
        table: kernel_table(notes, root.get("fib.table")).unwrap_or(usual.table),
        tables,
        sources: Sources {
            v4: source(notes, root.get("fib.source-v4"), "an IPv4 address"),
            v6: source(notes, root.get("fib.source-v6"), "an IPv6 address"),
        },
        // 0 to 4 are the kernel's and the administrator's.
        protocol: notes
            .number(root.get("fib.protocol"), 5..=255)
            .unwrap_or(usual.protocol),
        metric: notes
            .number(root.get("fib.metric"), 0..=u32::MAX.into())
            .unwrap_or(usual.metric),
        learn_kernel: notes.names(root.get("fib.learn-kernel")),
        learn_direct: notes.names(root.get("fib.learn-direct")),
        persist: notes
            .boolean(root.get("fib.persist"))
            .unwrap_or(usual.persist),
        nexthop_objects: notes
            .boolean(root.get("fib.nexthop-objects"))
            .unwrap_or(usual.nexthop_objects),
        resolve_via_default: notes
            .boolean(root.get("fib.resolve-via-default"))
            .unwrap_or(usual.resolve_via_default),
        deferral: notes
            .number(root.get("fib.deferral"), 0..=3600)
            .map_or(usual.deferral, Duration::from_secs),
        export: policies::kernel(notes, root, library),
    })
}

/// Number of a kernel table that can be written to.
pub(super) fn kernel_table<'t>(notes: &mut Notes<'t>, value: Maybe<'t>) -> Option<u32> {
    let table = notes.number(value, 1..=u32::MAX.into());
    if let (Some(255), Some(value)) = (table, value) {
        notes.error_with(
            value.span(),
            "table 255 (local) is the kernel's own",
            "254 is the main table",
        );
    }
    table
}

/// An address that packets can come from.
pub(super) fn source<'t, A>(notes: &mut Notes<'t>, value: Maybe<'t>, what: &str) -> Option<A>
where
    A: FromStr + Copy + Into<IpAddr>,
{
    let address: A = notes.parsed(value, what)?;
    let general: IpAddr = address.into();
    if let (true, Some(value)) = (general.is_unspecified() || general.is_multicast(), value) {
        notes.error(value.span(), format!("packets can not come from {general}"));
    }
    Some(address)
}

pub(super) fn statics<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> Vec<StaticRoute> {
    let mut routes: Vec<StaticRoute> = Vec::new();
    for node in root.list("static-routes") {
        let prefix = notes.prefix(node.get("prefix"));
        if node.get("prefix").is_none() {
            notes.error(node.span.clone(), "`static-routes.prefix` is missing");
        }
        let target = target(notes, node);
        let (Some(prefix), Some(target)) = (prefix, target) else {
            continue;
        };
        if let (StaticTarget::Via(router), Some(value)) = (target, node.get("via"))
            && router.is_ipv4() != prefix.is_ipv4()
        {
            notes.error(
                value.span(),
                format!("{prefix} and {router} are of different families"),
            );
        }
        if routes.iter().any(|route| route.prefix == prefix) {
            notes.error(
                node.span.clone(),
                format!("there is another static route to {prefix}"),
            );
        }
        routes.push(StaticRoute { prefix, target });
    }
    routes
}

fn target<'t>(notes: &mut Notes<'t>, node: &Node<'t>) -> Option<StaticTarget> {
    const HELP: &str = "one of `blackhole = true`, `unreachable = true`, `prohibit = true`, `throw = true`, `via = \"ADDRESS\"`";
    let mut targets = Vec::new();
    for (key, target) in [
        ("blackhole", StaticTarget::Blackhole),
        ("unreachable", StaticTarget::Unreachable),
        ("prohibit", StaticTarget::Prohibit),
        ("throw", StaticTarget::Throw),
    ] {
        if notes.boolean(node.get(key)) == Some(true) {
            targets.push(target);
        }
    }
    if let Some(value) = node.get("via") {
        let router = notes.address(Some(value))?;
        if router.is_unspecified() || router.is_multicast() {
            notes.error(
                value.span(),
                format!("{router} is not the address of a router"),
            );
        }
        targets.push(StaticTarget::Via(router));
    }
    match targets[..] {
        [target] => Some(target),
        [] => {
            notes.error_with(node.span.clone(), "this route has no target", HELP);
            None
        }
        _ => {
            notes.error_with(node.span.clone(), "this route has several targets", HELP);
            None
        }
    }
}

pub(super) fn api<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> Api {
    let usual = Api::default();
    Api {
        listen: sockets(notes, root.get("api.listen"), usual.listen),
        unix: unix(notes, root.get("api.unix"), usual.unix),
        read_only_listen: sockets(notes, root.get("api.read-only-listen"), Vec::new()),
        read_only_unix: unix(notes, root.get("api.read-only-unix"), None),
        tls: tls(notes, root),
    }
}

fn sockets<'t>(notes: &mut Notes<'t>, value: Maybe<'t>, usual: Vec<SocketAddr>) -> Vec<SocketAddr> {
    const WHAT: &str = "an address and a port, as in \"127.0.0.1:50051\"";
    match value {
        None => usual,
        Some(value) if value.get_ref().as_str().is_some() => {
            notes.parsed(Some(value), WHAT).into_iter().collect()
        }
        value => {
            let items = notes.items(value).unwrap_or_default();
            let read = |item| notes.parsed::<SocketAddr>(Some(item), WHAT);
            items.into_iter().filter_map(read).collect()
        }
    }
}

/// A path, or `""` for none.
fn unix<'t>(notes: &mut Notes<'t>, value: Maybe<'t>, usual: Option<PathBuf>) -> Option<PathBuf> {
    match value {
        None => usual,
        value => notes
            .text(value)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from),
    }
}

fn tls<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> Option<ApiTls> {
    let keys = ["cert", "key", "client-ca"].map(|key| format!("api.tls-{key}-file"));
    let values = keys.each_ref().map(|key| root.get(key));
    let [certificate, key, client_ca] = values.map(|value| unix(notes, value, None));
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(ApiTls {
            certificate,
            key,
            client_ca,
        }),
        (None, None) if client_ca.is_none() => None,
        (certificate, _) => {
            let missing = if certificate.is_none() {
                &keys[0]
            } else {
                &keys[1]
            };
            let there = values.into_iter().flatten().next();
            let span = there.map_or_else(|| root.span.clone(), super::Value::span);
            notes.error(span, format!("TLS needs {missing} too"));
            None
        }
    }
}

pub(super) fn log<'t>(notes: &mut Notes<'t>, root: &Node<'t>) -> Log {
    let levels = [
        LogLevel::Error,
        LogLevel::Warn,
        LogLevel::Info,
        LogLevel::Debug,
        LogLevel::Trace,
    ];
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    Log {
        level: notes
            .choice(
                root.get("log.level"),
                &levels.map(|level| (level.as_str(), level)),
            )
            .unwrap_or_default(),
        format: notes
            .choice(root.get("log.format"), &formats)
            .unwrap_or_default(),
    }
}
