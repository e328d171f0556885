// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl neighbor`: the table, one neighbour in full, and orders to it.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use rib::PathsSent;

use super::{
    Client, Failure, Printer,
    arguments::{NeighborArgs, Order, Switch, Whom},
    columns::{Cell, Columns},
    json, policies, routes,
    status::elapsed,
    terminal::Paint,
};
use crate::{
    api::convert::capability_text,
    config::{NOT_KEPT, PeerName},
    control::{FamilyStatus, LastError, PeerOrder, PeerStatus, RouteQuery, SessionState, Table},
};

pub(super) async fn command(
    arguments: &NeighborArgs,
    client: &mut Client,
    print: &mut Printer<'_>,
) -> Result<(), Failure> {
    let address = match arguments.address {
        None | Some(Whom::All) => None,
        Some(Whom::Address(address)) => Some(address),
    };
    match arguments.order {
        None => show(address, client, print).await,
        Some(Order::Policy) => {
            let address = address.ok_or_else(|| {
                Failure::Usage("whose policies? Give the address of a neighbor".to_owned())
            })?;
            policies::of_neighbor(address, client, print).await
        }
        Some(Order::AdjIn | Order::AdjOut) => {
            let address = address.ok_or_else(|| {
                Failure::Usage("whose table? Give the address of a neighbor".to_owned())
            })?;
            let adj_in = arguments.order == Some(Order::AdjIn);
            let table = if adj_in {
                Table::AdjIn(address)
            } else {
                Table::AdjOut(address)
            };
            let family = arguments.family.family();
            if adj_in && !print.json {
                let peers = client.peers(Some(address)).await?;
                if peers
                    .iter()
                    .any(|peer| peer.terms.iter().any(|term| term == NOT_KEPT))
                {
                    let text = "Behind import policy: what this neighbor sent is not kept (keep-received).";
                    writeln!(print.out, "{text}")?;
                }
            }
            routes::show(
                &RouteQuery {
                    table,
                    family,
                    ..RouteQuery::default()
                },
                client,
                print,
            )
            .await
        }
        Some(order) => {
            let is_on = arguments.switch == Some(Switch::On);
            for order in orders(order, &arguments.reason, is_on) {
                client.order(address, &order).await?;
            }
            if print.json {
                return json::document(print.out, &json::Done {});
            }
            Ok(())
        }
    }
}

fn orders(order: Order, reason: &str, is_on: bool) -> Vec<PeerOrder> {
    match order {
        Order::Reset => vec![PeerOrder::Reset(reason.to_owned())],
        Order::Enable => vec![PeerOrder::Enable],
        Order::Disable => vec![PeerOrder::Disable(reason.to_owned())],
        Order::Softresetin => vec![PeerOrder::RefreshIn],
        Order::Softresetout => vec![PeerOrder::RefreshOut],
        Order::Softreset => vec![PeerOrder::RefreshIn, PeerOrder::RefreshOut],
        Order::GracefulShutdown => vec![PeerOrder::GracefulShutdown(is_on)],
        Order::AdjIn | Order::AdjOut | Order::Policy => Vec::new(),
    }
}

async fn show(
    address: Option<PeerName>,
    client: &mut Client,
    print: &mut Printer<'_>,
) -> Result<(), Failure> {
    let peers = client.peers(address).await?;
    if address.is_some() {
        let peer = peers
            .first()
            .ok_or_else(|| Failure::NotFound("no such neighbor".to_owned()))?;
        if print.json {
            return json::document(print.out, &json::NeighborView::from(peer));
        }
        return Ok(detail(peer, print.paint, print.out)?);
    }
    if print.json {
        let views: Vec<_> = peers.iter().map(json::NeighborView::from).collect();
        return json::document(print.out, &views);
    }
    let rows: Vec<_> = peers.iter().map(|peer| row(peer, print.paint)).collect();
    let headings = [
        "Peer",
        ">AS",
        ">Up/Down",
        "State",
        "|#Received",
        ">Accepted",
        ">Advertised",
        "Info",
    ];
    Ok(Columns::new(headings)
        .within(print.columns)
        .print(print.out, &rows)?)
}

fn row(peer: &PeerStatus, paint: Paint) -> [Cell; 8] {
    let (mut received, mut accepted, mut advertised) = (0, 0, 0);
    for family in &peer.families {
        received += family.received;
        accepted += family.accepted;
        advertised += family.advertised;
    }
    let state = state_word(peer);
    let painted = if peer.state == SessionState::Established {
        paint.good(&state)
    } else {
        paint.poor(&state)
    };
    let up_down = peer.since.map_or_else(|| "never".to_owned(), elapsed);
    [
        peer.address.into(),
        peer.peer_as.into(),
        up_down.into(),
        Cell::painted(state, painted),
        format!("|{received:>9}").into(),
        accepted.into(),
        advertised.into(),
        info(peer).into(),
    ]
}

fn state_word(peer: &PeerStatus) -> String {
    let state = json::state(peer.state);
    if peer.admin_down {
        format!("{state}(Admin)")
    } else {
        state.to_owned()
    }
}

/// What an operator has to know at a glance: why it is down, or why nothing passes.
fn info(peer: &PeerStatus) -> String {
    let mut notes = Vec::new();
    if peer.state != SessionState::Established && !peer.admin_down {
        let error = || peer.last_error.as_ref().map(|error| error.text.clone());
        notes.extend(peer.obstacle.clone().or_else(error));
    }
    match (rejects(&peer.import_policy), rejects(&peer.export_policy)) {
        (Some(import), Some(export)) if import == export => {
            notes.push(format!("import and export {import}"));
        }
        (import, export) => {
            notes.extend(import.map(|import| format!("import {import}")));
            notes.extend(export.map(|export| format!("export {export}")));
        }
    }
    notes.join("; ")
}

/// A policy that lets nothing pass, in its own words.
fn rejects(policy: &str) -> Option<&str> {
    policy.starts_with("reject").then_some(policy)
}

fn detail(peer: &PeerStatus, paint: Paint, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let dynamic = if peer.dynamic { ", dynamic" } else { "" };
    writeln!(
        out,
        "BGP neighbor is {}, remote AS {}, {}{dynamic}",
        peer.address, peer.peer_as, peer.relation
    )?;
    if !peer.description.is_empty() {
        writeln!(out, "  Description: {}", peer.description)?;
    }
    let router_id = peer
        .router_id
        .map_or_else(|| "unknown".to_owned(), |id| id.addr().to_string());
    writeln!(out, "  BGP version 4, remote router ID {router_id}")?;
    session(peer, paint, out)?;
    policies(peer, paint, out)?;
    capabilities(peer, out)?;
    messages(peer, out)?;
    statistics(peer, out)
}

fn session(peer: &PeerStatus, paint: Paint, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let state = state_word(peer);
    let (state, direction) = if peer.state == SessionState::Established {
        (paint.good(state), "up")
    } else {
        (paint.poor(state), "down")
    };
    match peer.since {
        Some(since) => writeln!(
            out,
            "  BGP state = {state}, {direction} for {}",
            elapsed(since)
        )?,
        None => writeln!(out, "  BGP state = {state}, never up")?,
    }
    writeln!(
        out,
        "  BGP OutQ = {} octets, Flops = {}",
        peer.queued,
        peer.established_count.saturating_sub(1)
    )?;
    match peer.local_address {
        Some(address) => writeln!(
            out,
            "  Local address is {address}, local AS {}",
            peer.local_as
        )?,
        None => writeln!(out, "  Local AS {}", peer.local_as)?,
    }
    let configured = if peer.state == SessionState::Established {
        ""
    } else {
        " (configured)"
    };
    writeln!(
        out,
        "  Hold time is {}, keepalive interval is {} seconds{configured}",
        peer.hold_time, peer.keepalive
    )?;
    if peer.md5 {
        writeln!(out, "  TCP MD5 signatures are on")?;
    }
    if !peer.terms.is_empty() {
        writeln!(out, "  Terms: {}", peer.terms.join(", "))?;
    }
    if peer.panics > 0 {
        let times = format!("{} internal errors: please report them", peer.panics);
        writeln!(out, "  {}", paint.bad(times))?;
    }
    if let Some(obstacle) = &peer.obstacle {
        writeln!(out, "  Not tried: {}", paint.bad(obstacle))?;
    }
    if let Some(LastError { text, age, .. }) = &peer.last_error {
        writeln!(
            out,
            "  Last error, {} ago: {}",
            elapsed(*age),
            paint.bad(text)
        )?;
    }
    Ok(())
}

fn policies(peer: &PeerStatus, paint: Paint, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let policies = [
        (
            "Import",
            &peer.import_policy,
            "No route of this neighbor is used",
            "default-import-policy",
        ),
        (
            "Export",
            &peer.export_policy,
            "No route is sent to this neighbor",
            "default-export-policy",
        ),
    ];
    for (name, policy, consequence, key) in policies {
        match rejects(policy) {
            None => writeln!(out, "  {name} policy: {policy}")?,
            Some(policy) => {
                writeln!(out, "  {name} policy: {}", paint.bad(policy))?;
                writeln!(
                    out,
                    "    {consequence}. To let routes pass, give it a policy, or set"
                )?;
                writeln!(
                    out,
                    "    {key} = \"accept-route\" in its [neighbors.apply-policy]."
                )?;
            }
        }
    }
    Ok(())
}

fn capabilities(peer: &PeerStatus, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let mut all: BTreeMap<(u8, String), [bool; 2]> = BTreeMap::new();
    for (side, capabilities) in [&peer.local_capabilities, &peer.remote_capabilities]
        .into_iter()
        .enumerate()
    {
        for capability in capabilities {
            let key = (capability.code(), capability_text(capability));
            all.entry(key).or_default()[side] = true;
        }
    }
    if all.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n  Neighbor capabilities:")?;
    for ((_, text), sides) in all {
        let sides = match sides {
            [true, true] => "advertised and received",
            [true, false] => "advertised",
            _ => "received",
        };
        writeln!(out, "    {text}: {sides}")?;
    }
    Ok(())
}

fn messages(peer: &PeerStatus, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let (sent, received) = (peer.sent, peer.received);
    let total = |counts: crate::control::MessageCounts| {
        counts.open + counts.update + counts.notification + counts.keepalive + counts.route_refresh
    };
    let lines = [
        ("Opens:", sent.open, received.open),
        ("Notifications:", sent.notification, received.notification),
        ("Updates:", sent.update, received.update),
        ("Keepalives:", sent.keepalive, received.keepalive),
        ("Route Refresh:", sent.route_refresh, received.route_refresh),
        ("Total:", total(sent), total(received)),
        ("Octets:", sent.bytes, received.bytes),
    ];
    writeln!(
        out,
        "\n  Message statistics:  {:>10} {:>10}",
        "Sent", "Rcvd"
    )?;
    for (name, sent, received) in lines {
        writeln!(out, "    {name:<18} {sent:>10} {received:>10}")?;
    }
    if peer.beyond_limit > 0 {
        writeln!(
            out,
            "    Routes beyond the limit of prefixes, not taken: {}",
            peer.beyond_limit
        )?;
    }
    if peer.treated_as_withdraw > 0 {
        writeln!(
            out,
            "    UPDATEs with a faulty attribute, their routes withdrawn (RFC 7606): {}",
            peer.treated_as_withdraw
        )?;
    }
    Ok(())
}

fn statistics(peer: &PeerStatus, out: &mut (dyn Write + Send)) -> io::Result<()> {
    writeln!(
        out,
        "\n  Route statistics:    {:>10} {:>10} {:>10}",
        "Advertised", "Received", "Accepted"
    )?;
    for family in &peer.families {
        let note = match (peer.state, family.negotiated, family.end_of_rib) {
            (SessionState::Established, false, _) => "  not negotiated",
            (SessionState::Established, true, false) => "  End-of-RIB outstanding",
            _ => "",
        };
        let kept = family.stale.map(|stale| {
            let how = if stale.long_lived {
                "long-lived stale"
            } else {
                "stale"
            };
            format!("  {how}, kept for {} s more", stale.seconds_left)
        });
        let kept = kept.unwrap_or_default();
        let name = format!("{}:", family.family);
        let (advertised, received, accepted) =
            (family.advertised, family.received, family.accepted);
        writeln!(
            out,
            "    {name:<18} {advertised:>10} {received:>10} {accepted:>10}{note}{kept}"
        )?;
    }
    several_paths(peer, out)
}

/// Families that more than one path of a prefix is exchanged in, or would be if the neighbour took part.
fn several_paths(peer: &PeerStatus, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let is_there =
        |family: &&FamilyStatus| family.add_path.receive || family.add_path.paths.is_some();
    let families: Vec<&FamilyStatus> = peer.families.iter().filter(is_there).collect();
    if families.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n  Several paths of a prefix:")?;
    for family in families {
        let received = if family.add_path.receive {
            "received"
        } else {
            "not received"
        };
        let paths = match family.add_path.paths {
            None => String::new(),
            Some(PathsSent::All) => " (all)".to_owned(),
            Some(PathsSent::Best(max)) => format!(" (the best {max})"),
            Some(PathsSent::Ecmp(max)) => format!(" (as good as the best, at most {max})"),
        };
        let not = if family.add_path.send { "" } else { "not " };
        let name = format!("{}:", family.family);
        writeln!(out, "    {name:<18} {received}, {not}sent{paths}")?;
    }
    Ok(())
}
