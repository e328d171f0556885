// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which families are exchanged.

use bgp_proto::Family;

use super::{
    super::{
        defaults::Defaults,
        neighbor::{FamilyConfig, LimitAction},
    },
    Node, Notes, Scope,
    add_paths::AddPaths,
};

/// The families of the neighbour, or of its group; `None` if neither says.
pub(super) fn families<'t>(
    notes: &mut Notes<'t>,
    scope: &Scope<'_, 't>,
) -> Option<Vec<FamilyConfig>> {
    let tables = scope.list("afi-safis");
    if tables.is_empty() {
        return None;
    }
    let general = General::read(notes, scope);
    let mut families: Vec<FamilyConfig> = Vec::new();
    for table in tables {
        let Some(config) = family(notes, table, general) else {
            continue;
        };
        if families.iter().any(|other| other.family == config.family) {
            notes.error(
                table.span.clone(),
                format!("{} is there twice", config.family),
            );
        }
        families.push(config);
    }
    if families.is_empty() {
        notes.error(tables[0].span.clone(), "no family is enabled");
    }
    Some(families)
}

/// What a neighbour says for all of its families.
#[derive(Clone, Copy)]
struct General<'t> {
    add_paths: AddPaths<'t>,
    /// Its families have a graceful restart unless they say otherwise.
    restart: bool,
    /// It has none whatever they say.
    helper_only: bool,
    /// They may have a long-lived one.
    long_lived: bool,
}

impl<'t> General<'t> {
    fn read(notes: &mut Notes<'t>, scope: &Scope<'_, 't>) -> Self {
        let ours = notes.defaults == Defaults::Bgpd;
        let mut flag = |key| notes.boolean(scope.get(key));
        let helper_only = flag("graceful-restart.helper-only").unwrap_or(false);
        let long_lived = flag("graceful-restart.long-lived-enabled").unwrap_or(ours);
        Self {
            add_paths: AddPaths::read(notes, |key| scope.get(key)),
            restart: ours,
            helper_only,
            long_lived,
        }
    }
}

/// The family of the neighbour's address, if it names none.
pub(super) fn only<'t>(
    notes: &mut Notes<'t>,
    scope: &Scope<'_, 't>,
    families: &mut [FamilyConfig],
) {
    let general = General::read(notes, scope);
    let send = general.add_paths.send(notes);
    for family in families {
        family.add_path_receive = general.add_paths.receive();
        family.add_path_send = send;
        family.graceful_restart = general.restart && !general.helper_only;
    }
}

/// Seconds of a long-lived graceful restart, if there is to be one: a day if nothing is said.
fn long_lived<'t>(notes: &mut Notes<'t>, table: &Node<'t>) -> Option<u32> {
    let time = table.get("long-lived-graceful-restart.restart-time");
    let time = notes.number(time, 1..=(1 << 24) - 1);
    let enabled = notes.boolean(table.get("long-lived-graceful-restart.enabled"));
    enabled.unwrap_or(false).then(|| time.unwrap_or(86_400))
}

fn family<'t>(
    notes: &mut Notes<'t>,
    table: &Node<'t>,
    general: General<'t>,
) -> Option<FamilyConfig> {
    let enabled = notes.boolean(table.get("enabled")).unwrap_or(true);
    let name = notes.text(table.get("afi-safi-name"));
    if table.get("afi-safi-name").is_none() {
        notes.error(
            table.span.clone(),
            "`neighbors.afi-safis.afi-safi-name` is missing",
        );
    }
    let limit: Option<u32> =
        notes.number(table.get("prefix-limit.max-prefixes"), 0..=u32::MAX.into());
    let threshold = notes.number(table.get("prefix-limit.shutdown-threshold-pct"), 0..=100);
    let restart: Option<u32> =
        notes.number(table.get("prefix-limit.restart-timer"), 0..=u32::MAX.into());
    let add_paths = AddPaths::read(notes, |key| table.get(key)).or(general.add_paths);
    let restart_here = notes.boolean(table.get("mp-graceful-restart.enabled"));
    let actions = [
        ("restart", LimitAction::Restart),
        ("warn", LimitAction::Warn),
        ("drop", LimitAction::Drop),
    ];
    let action = table.get("prefix-limit.action");
    let limit_action = notes.choice(action, &actions).unwrap_or_default();
    let extended_next_hop = notes.boolean(table.get("extended-nexthop"));
    let long_lived = long_lived(notes, table);
    if !enabled {
        return None;
    }
    let Ok(family) = name?.parse::<Family>() else {
        let message = format!(
            "\"{}\" is not implemented in this version",
            name?.escape_debug()
        );
        let help = "it is one of \"ipv4-unicast\", \"ipv6-unicast\"; `enabled = false` leaves a family out";
        notes.error_with(table.get("afi-safi-name")?.span(), message, help);
        return None;
    };
    if extended_next_hop == Some(true) && family != Family::IPV4_UNICAST {
        let message = format!("{family} always has IPv6 next hops");
        notes.error(table.get("extended-nexthop")?.span(), message);
    }
    Some(FamilyConfig {
        family,
        extended_next_hop,
        graceful_restart: !general.helper_only && restart_here.unwrap_or(general.restart),
        long_lived: long_lived.filter(|_| general.long_lived),
        add_path_receive: add_paths.receive(),
        add_path_send: add_paths.send(notes),
        max_prefixes: limit.filter(|limit| *limit > 0),
        limit_action,
        threshold: threshold.filter(|percent| *percent > 0),
        restart: restart.filter(|seconds| *seconds > 0),
    })
}
