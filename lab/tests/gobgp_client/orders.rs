// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What neighbours are told to do, and how they are after that.

use anyhow::{Result, ensure};
use lab::until;
use serde_json::Value;

use crate::both::{Both, SOON, without};

#[test]
#[ignore = "needs netns"]
fn orders_for_neighbors_are_answered_and_obeyed_alike() -> Result<()> {
    let mut both = Both::start()?;
    mistakes(&mut both)?;
    soft(&mut both)?;
    hard(&mut both)?;
    updated(&mut both)?;
    both.finish()
}

fn mistakes(both: &mut Both) -> Result<()> {
    for words in [
        "neighbor all shutdown",
        "neighbor all enable",
        "neighbor all disable",
        "neighbor 10.0.0.99 reset",
        "neighbor 10.0.0.99 shutdown",
        "neighbor 10.0.0.99 enable",
        "neighbor 10.0.0.99 disable",
        "neighbor 10.0.0.99 softresetin",
        "neighbor 10.0.0.99 softresetout",
        "neighbor 10.0.0.2 dance",
        "neighbor nobody reset",
        "neighbor update 10.0.0.99 as 1",
        "neighbor update",
        "neighbor update 10.0.0.2 as nobody",
        "neighbor add nobody as 1",
        "neighbor del nobody",
    ] {
        both.same(words)?;
    }
    Ok(())
}

/// The session stays.
fn soft(both: &mut Both) -> Result<()> {
    let before = since(both, "10.0.0.2")?;
    for words in [
        "neighbor 10.0.0.2 softreset",
        "neighbor 10.0.0.2 softresetin",
        "neighbor 10.0.0.2 softresetout",
        "neighbor 10.0.0.2 softresetout -a ipv4",
        "neighbor 10.0.0.9 softreset",
        "neighbor all softreset",
        "neighbor all softresetin",
        "neighbor all softresetout",
        "neighbor 10.0.0.2 enable",
    ] {
        both.same(words)?;
    }
    ensure!(
        before == since(both, "10.0.0.2")?,
        "a soft reset ends no session"
    );
    Ok(())
}

/// When the session came up, at both.
fn since(both: &Both, neighbor: &str) -> Result<Vec<Value>> {
    let sides = both.sides().into_iter();
    let since = sides.map(|side| {
        let neighbor = side.json(&format!("neighbor {neighbor}"))?;
        Ok(neighbor["timers"]["state"]["uptime"].clone())
    });
    since.collect()
}

/// The session ends, and comes back by itself or when it may.
fn hard(both: &mut Both) -> Result<()> {
    let before = [since(both, "10.0.0.2")?, since(both, "10.0.0.3")?];
    both.same_text(
        "neighbor 10.0.0.2 reset --reason maintenance",
        str::to_owned,
    )?;
    both.same_text("neighbor 10.0.0.3 shutdown --reason later", str::to_owned)?;
    both.same("neighbor fd00::2 disable --reason done")?;
    after(both, "fd00::2", "Idle(Admin)")?;
    both.same("neighbor fd00::2 softreset")?;
    both.same("neighbor fd00::2 adj-in")?;
    both.same("neighbor fd00::2 enable")?;
    both.same("neighbor 10.0.0.9 disable")?;
    after(both, "10.0.0.9", "Idle(Admin)")?;
    both.same("neighbor 10.0.0.9 reset")?;
    after(both, "10.0.0.9", "Idle(Admin)")?;
    both.same("neighbor 10.0.0.9 enable")?;
    after(both, "10.0.0.9", "Active")?;
    for (neighbor, before) in ["10.0.0.2", "10.0.0.3"].into_iter().zip(before) {
        until(&format!("{neighbor} was down"), SOON, || {
            let now = since(both, neighbor)?;
            let is_new = now.iter().zip(&before).all(|(now, before)| now != before);
            ensure!(is_new, "{now:?}");
            Ok(())
        })?;
        is_back(both, neighbor)?;
    }
    is_back(both, "fd00::2")
}

/// The session is up, and all has been said in it.
fn is_back(both: &mut Both, neighbor: &str) -> Result<()> {
    for side in both.sides() {
        side.wait_routes()?;
    }
    after(both, neighbor, "Establ")
}

/// The neighbour is as wanted, and in everything else as it is there.
fn after(both: &mut Both, neighbor: &str, wanted: &str) -> Result<()> {
    for side in both.sides() {
        until(
            &format!("{neighbor} is {wanted} in {}", side.name),
            SOON,
            || {
                let list = side.tell("neighbor")?;
                let mut lines = list.lines();
                let line = lines.find(|line| line.starts_with(neighbor));
                ensure!(line.is_some_and(|line| line.contains(wanted)), "{list}");
                Ok(())
            },
        )?;
    }
    both.same_json(&format!("neighbor {neighbor}"), masked)
}

/// Without what depends on who answers: what was counted, what each offers, and what gobgpd makes of a neighbour that
/// was disabled or updated.
fn masked(neighbor: &mut Value) {
    without(
        &[
            "messages",
            "local_cap",
            "remote_cap",
            "apply_policy",
            "idle_hold_time_after_reset",
            "advertised",
            "accepted",
            "flops",
            "end_of_rib_received",
            "type",
            "local_address",
            "route_server",
            "ebgp_multihop",
        ],
        neighbor,
    );
}

fn updated(both: &mut Both) -> Result<()> {
    for words in [
        "neighbor update 10.0.0.9",
        "neighbor update 10.0.0.9 as 64518",
        "neighbor update 10.0.0.9 as 64519 allow-own-as 3 remove-private-as replace",
        "neighbor update 10.0.0.9 as 64519 route-server-client",
        "neighbor update 10.0.0.9 as 64519 family ipv6-unicast",
        "neighbor update 10.0.0.9 as 64519 ebgp-multihop-ttl 7",
        "neighbor update 10.0.0.9 local-as 64600",
        "neighbor update 10.0.0.9 replace-peer-as",
    ] {
        both.same(words)?;
        both.same_json("neighbor 10.0.0.9", masked)?;
    }
    both.same("neighbor update 10.0.0.2 as 64513 allow-own-as 2")?;
    is_back(both, "10.0.0.2")
}
