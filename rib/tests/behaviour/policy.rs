// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Policies on the way in, out and into the kernel, and what happens when they change.

use std::sync::Arc;

use bgp_proto::{Asn, Community, NextHop, PathAttributes, Prefix};
use rib::{
    Disposition, Input, PeerId, Policy, PrefixFilter, Relation, RouteQuery, Table, Verdict,
    policy::{
        Action, AddressSet, AsPathEdit, AsSource, Comparison, Condition, Edit, MatchOption,
        NextHopAction, Number, PrefixSet, Protocol, RouteType, Statement, Tunnel,
    },
};

use crate::world::{World, address, attributes, from, local, peer};

const TAG: Community = Community(64512 << 16 | 7);

fn prefixes(entries: &[&str]) -> Condition {
    let entries = entries.iter().map(|text| text.parse().unwrap());
    Condition::Prefix(Arc::new(PrefixSet::exact(entries)))
}

fn neighbor(number: u32) -> Condition {
    let host = Prefix::truncating(address(number).into(), 32).unwrap();
    Condition::Neighbor(Arc::new(AddressSet::new([host])))
}

fn policy(body: Vec<Statement>, default: Verdict) -> Policy {
    Policy::new(body, default).unwrap()
}

fn local_pref(value: u32) -> Statement {
    Statement::Act(Action::LocalPref(Number::Constant(value)))
}

fn tag() -> Statement {
    Statement::Act(Action::Communities(Edit::Add([TAG].into())))
}

fn is_tagged() -> Condition {
    let pattern = rib::policy::CommunityPattern::exact(TAG);
    let set = rib::policy::CommunitySet::new([pattern]);
    Condition::Communities(MatchOption::Any, Arc::new(set))
}

fn prepend(asn: AsSource, times: u8) -> Statement {
    Statement::Act(Action::AsPath(AsPathEdit::Prepend(asn, times)))
}

/// Neighbour 1 (external) brings routes to 2 (internal) and 3 (external).
fn three(import: Policy, exports: [Policy; 2]) -> World {
    let mut world = World::plain();
    let mut first = peer(1, Relation::External);
    first.import = import;
    world.up(first);
    let relations = [Relation::Internal, Relation::External];
    for ((number, relation), export) in (2..).zip(relations).zip(exports) {
        let mut info = peer(number, relation);
        info.export = export;
        world.up(info);
    }
    world.settle();
    world
}

fn all() -> Policy {
    Policy::accept_all()
}

fn announce(world: &mut World, prefix: &str) {
    world.announce(from(1), prefix, attributes(1, &[65001]));
    world.settle();
}

fn adj_in(world: &World, prefix: &str) -> PathAttributes {
    let query = RouteQuery {
        table: Table::AdjIn(PeerId(1)),
        family: None,
        prefix: Some(PrefixFilter::Exact(prefix.parse().unwrap())),
        best_only: false,
        after: None,
        limit: 10,
    };
    let page = world.rib.routes(&query);
    page.routes[0].attributes.unpack()
}

#[test]
fn import_changes_what_it_matches_and_later_statements_see_it() {
    let import = policy(
        vec![
            Statement::named(
                "first",
                vec![Statement::when(
                    prefixes(&["10.1.0.0/16", "10.2.0.0/16"]),
                    vec![tag(), Statement::Next, Statement::Reject],
                )],
            ),
            Statement::when(
                Condition::All(vec![is_tagged(), prefixes(&["10.2.0.0/16"])]),
                vec![Statement::Reject],
            ),
            Statement::when(is_tagged(), vec![local_pref(300), Statement::Accept]),
        ],
        Verdict::Accept,
    );
    let mut world = three(import, [all(), all()]);
    for prefix in ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"] {
        announce(&mut world, prefix);
    }
    let first = world.heard_of(2, "10.1.0.0/16").unwrap();
    assert_eq!(
        (first.local_pref, &first.communities[..]),
        (Some(300), &[TAG][..])
    );
    assert_eq!(world.heard_of(2, "10.2.0.0/16"), None);
    let third = world.heard_of(2, "10.3.0.0/16").unwrap();
    assert_eq!((third.local_pref, third.communities.len()), (Some(100), 0));
    assert_eq!(
        adj_in(&world, "10.1.0.0/16"),
        attributes(1, &[65001]),
        "as it was received"
    );
    let counts = world.rib.counts(PeerId(1))[0].1;
    assert_eq!((counts.received, counts.accepted), (3, 2));
}

#[test]
fn an_import_policy_that_changes_is_applied_to_what_was_received() {
    let raise = |value| policy(vec![local_pref(value)], Verdict::Accept);
    let mut world = three(raise(300), [all(), all()]);
    announce(&mut world, "10.1.0.0/16");
    announce(&mut world, "10.2.0.0/16");
    let set = |world: &mut World, import| {
        world.step(Input::Policy(PeerId(1), import, all()));
        world.settle();
        let heard = world.heard_of(2, "10.1.0.0/16");
        heard.map(|attributes| attributes.local_pref.unwrap())
    };
    assert_eq!(set(&mut world, raise(50)), Some(50));
    assert_eq!(set(&mut world, Policy::reject_all()), None);
    assert_eq!(set(&mut world, all()), Some(100));
    // Only one prefix is different: one message for each that hears of it.
    let before = world.neighbours[&PeerId(2)].messages;
    let one = Statement::when(prefixes(&["10.1.0.0/16"]), vec![local_pref(70)]);
    assert_eq!(
        set(&mut world, policy(vec![one], Verdict::Accept)),
        Some(70)
    );
    assert_eq!(world.neighbours[&PeerId(2)].messages, before + 1);
    assert!(
        world
            .neighbours
            .values()
            .all(|neighbour| neighbour.needless == 0)
    );
}

#[test]
fn policies_that_change_in_both_directions_at_once_tell_the_difference_only() {
    let mut world = three(all(), [all(), all()]);
    for prefix in ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"] {
        announce(&mut world, prefix);
    }
    let lower = Statement::when(prefixes(&["10.1.0.0/16"]), vec![local_pref(70)]);
    let hide = Statement::when(prefixes(&["10.2.0.0/16"]), vec![Statement::Reject]);
    let import = policy(vec![lower], Verdict::Accept);
    let export = policy(vec![hide], Verdict::Accept);
    for [import, export] in [[import, export], [all(), all()]] {
        // What goes into the kernel changes too: every prefix is looked at again.
        world.step(Input::KernelPolicy(export.clone()));
        world.step(Input::Policy(PeerId(1), import, all()));
        world.step(Input::Policy(PeerId(2), all(), export));
        world.settle();
        let heard = world.heard_of(2, "10.1.0.0/16").unwrap();
        let hidden = world.heard_of(2, "10.2.0.0/16").is_none();
        assert_eq!(hidden, heard.local_pref == Some(70));
        assert_eq!(world.neighbours[&PeerId(2)].needless, 0);
    }
}

#[test]
fn a_next_hop_set_on_import_is_where_packets_go() {
    let elsewhere: std::net::IpAddr = [192, 0, 2, 77].into();
    let hop = Statement::Act(Action::NextHop(NextHopAction::Address(elsewhere)));
    let mut world = three(policy(vec![hop], Verdict::Accept), [all(), all()]);
    announce(&mut world, "10.1.0.0/16");
    let fib =
        |world: &World| world.forwarding[&"10.1.0.0/16".parse().unwrap()].paths[0].disposition;
    assert_eq!(fib(&world), Disposition::Via(elsewhere.into()));
    world.step(Input::Policy(PeerId(1), all(), all()));
    world.settle();
    assert_eq!(fib(&world), Disposition::Via(NextHop::V4(address(1))));
}

#[test]
fn preference_decides_before_everything_else() {
    let import = policy(
        vec![Statement::Act(Action::Preference(
            Number::Preference.minus(Number::Constant(1)),
        ))],
        Verdict::Accept,
    );
    let mut world = three(import, [all(), all()]);
    world.announce(
        from(2),
        "10.1.0.0/16",
        attributes(2, &[65009, 65010, 65011]),
    );
    announce(&mut world, "10.1.0.0/16");
    let best = &world.forwarding[&"10.1.0.0/16".parse().unwrap()];
    assert_eq!(best.source, from(2), "the longer path is preferred");
}

#[test]
fn export_sees_the_route_as_it_is_sent_and_has_the_last_word() {
    let body = vec![
        Statement::when(
            Condition::Compare(
                Number::AsPathLength,
                Comparison::AtLeast,
                Number::Constant(3),
            ),
            vec![Statement::Reject],
        ),
        prepend(AsSource::First, 2),
        Statement::Act(Action::Med(Some(Number::Med.plus(Number::LocalPref)))),
        Statement::Act(Action::NextHop(NextHopAction::Unchanged)),
    ];
    let mut world = three(all(), [all(), policy(body, Verdict::Accept)]);
    announce(&mut world, "10.1.0.0/16");
    world.announce(from(1), "10.2.0.0/16", attributes(1, &[65001, 65002]));
    world.settle();
    let heard = world.heard_of(3, "10.1.0.0/16").unwrap();
    assert_eq!(heard.as_path.to_string(), "64512 64512 64512 65001");
    assert_eq!((heard.med, heard.local_pref), (Some(100), None));
    assert_eq!(heard.next_hop, NextHop::V4(address(1)));
    assert_eq!(world.heard_of(3, "10.2.0.0/16"), None);
    assert!(world.heard_of(2, "10.2.0.0/16").is_some());
}

#[test]
fn prefixes_with_the_same_attributes_have_their_own_outcomes() {
    let odd = prefixes(&["10.1.0.0/16", "10.3.0.0/16"]);
    let low = Condition::Compare(
        Number::PrefixLength,
        Comparison::AtMost,
        Number::Constant(16),
    );
    let body = vec![
        Statement::when(odd.negated(), vec![tag()]),
        Statement::when(low.negated(), vec![Statement::Reject]),
        Statement::Act(Action::Med(Some(
            Number::PrefixLength.plus(Number::Constant(1000)),
        ))),
    ];
    let policy = policy(body, Verdict::Accept);
    let mut world = three(policy.clone(), [policy.clone(), policy]);
    let mut batch = rib::RouteBatch::new(from(1));
    let hop = attributes(1, &[65001]);
    let path = batch.push_path(hop.clone(), Disposition::Via(hop.next_hop));
    let table = [
        "10.0.0.0/15",
        "10.1.0.0/16",
        "10.2.0.0/16",
        "10.3.0.0/16",
        "10.4.0.0/24",
    ];
    for prefix in table {
        batch.announce(prefix.parse().unwrap(), 0, path);
    }
    world.step(Input::Routes(batch));
    world.settle();
    for number in [2, 3] {
        let heard = |prefix| {
            let heard = world.heard_of(number, prefix)?;
            Some((heard.communities.len(), heard.med.unwrap()))
        };
        let found = table.map(heard);
        let expected = [
            Some((1, 1015)),
            Some((0, 1016)),
            Some((1, 1016)),
            Some((0, 1016)),
            None,
        ];
        assert_eq!(found, expected, "neighbour {number}");
    }
}

#[test]
fn neighbours_that_a_policy_does_not_tell_apart_share_a_group() {
    let for_three = policy(
        vec![Statement::when(
            neighbor(3),
            vec![prepend(AsSource::Own, 1)],
        )],
        Verdict::Accept,
    );
    let mut world = World::plain();
    for number in 1..=6 {
        let mut info = peer(number, Relation::External);
        info.export = for_three.clone();
        world.up(info);
    }
    announce(&mut world, "10.1.0.0/16");
    assert_eq!(world.rib.group_count(), 2);
    let hops = |number| {
        world
            .heard_of(number, "10.1.0.0/16")
            .unwrap()
            .as_path
            .hop_count()
    };
    assert_eq!([2, 3, 4, 5, 6].map(hops), [2, 3, 2, 2, 2]);
    let shown = vec![Statement::Act(Action::NextHop(NextHopAction::Peer))];
    let shown = policy(shown, Verdict::Accept);
    for number in 2..=6 {
        world.step(Input::Policy(PeerId(number), all(), shown.clone()));
    }
    world.settle();
    assert_eq!(world.rib.group_count(), 6, "the address is in the routes");
    let heard = world.heard_of(5, "10.1.0.0/16").unwrap();
    assert_eq!(heard.next_hop, NextHop::V4(address(5)));
}

#[test]
fn conditions_tell_where_a_route_comes_from() {
    let rules = [
        (Condition::RouteType(RouteType::Internal), 1),
        (Condition::RouteType(RouteType::External), 2),
        (Condition::Protocol(Protocol::Static), 3),
        (Condition::Protocol(Protocol::Kernel), 4),
    ];
    let mark = |asn| Statement::Act(Action::Med(Some(Number::Constant(asn))));
    let body = rules.map(|(condition, number)| Statement::when(condition, vec![mark(number)]));
    let export = policy(body.into(), Verdict::Accept);
    let mut world = three(all(), [all(), export.clone().redistributing()]);
    announce(&mut world, "10.1.0.0/16");
    world.announce(from(2), "10.2.0.0/16", attributes(2, &[]));
    world.announce(rib::Source::Static, "10.3.0.0/16", local());
    world.announce(rib::Source::Kernel, "10.4.0.0/16", local());
    world.settle();
    let meds = |world: &World| {
        let heard = world.heard(3).values();
        heard
            .map(|heard| heard.med.unwrap_or(0))
            .collect::<Vec<_>>()
    };
    assert_eq!(meds(&world), [2, 1, 3, 4]);
    world.step(Input::Policy(PeerId(3), all(), export));
    world.settle();
    assert_eq!(
        meds(&world),
        [2, 1, 3],
        "the kernel's routes only if they are redistributed"
    );
}

#[test]
fn kernel_export_says_what_goes_into_the_kernel_and_how() {
    let import = policy(vec![Statement::Act(Action::Metric(50))], Verdict::Accept);
    let kernel = |device: &str| {
        let tunnel = Action::Tunnel(Tunnel::Device(device.into()));
        let body = vec![
            Statement::when(prefixes(&["10.2.0.0/16"]), vec![Statement::Reject]),
            Statement::Act(tunnel),
            Statement::Act(Action::PreferredSource([192, 0, 2, 9].into())),
        ];
        policy(body, Verdict::Accept)
    };
    let mut world = three(import, [all(), all()]);
    announce(&mut world, "10.1.0.0/16");
    announce(&mut world, "10.2.0.0/16");
    assert_eq!(world.forwarding.len(), 2);
    world.step(Input::KernelPolicy(kernel("tunl0")));
    world.settle();
    let found: Vec<Prefix> = world.forwarding.keys().copied().collect();
    assert_eq!(found, ["10.1.0.0/16".parse().unwrap()]);
    let attributes = world.forwarding[&found[0]].paths[0].kernel().clone();
    assert_eq!(attributes.metric, Some(50), "from import");
    assert_eq!(attributes.source, Some([192, 0, 2, 9].into()));
    assert_eq!(attributes.tunnel, Some(Tunnel::Device("tunl0".into())));
    world.step(Input::KernelPolicy(kernel("tunl1")));
    world.settle();
    let tunnel = world.forwarding[&found[0]].paths[0].kernel().tunnel.clone();
    assert_eq!(tunnel, Some(Tunnel::Device("tunl1".into())));
    world.step(Input::KernelPolicy(all()));
    world.settle();
    assert_eq!(world.forwarding.len(), 2);
    assert!(
        world.heard_of(2, "10.2.0.0/16").is_some(),
        "told all the time"
    );
}

#[test]
fn graceful_shutdown_has_the_last_word_on_import() {
    let mut leaving = attributes(1, &[65001]);
    leaving.communities = vec![Community::GRACEFUL_SHUTDOWN];
    let mut world = three(
        policy(vec![local_pref(300)], Verdict::Accept),
        [all(), all()],
    );
    world.announce(from(1), "10.1.0.0/16", leaving.clone());
    world.settle();
    assert_eq!(
        world.heard_of(2, "10.1.0.0/16").unwrap().local_pref,
        Some(0)
    );
    assert_eq!(adj_in(&world, "10.1.0.0/16"), leaving);
}

#[test]
fn as_paths_are_replaced_and_cut() {
    let range = "65100-65199".parse().unwrap();
    let body = vec![
        Statement::Act(Action::AsPath(AsPathEdit::Replace(
            range,
            AsSource::Asn(Asn(7)),
        ))),
        Statement::Act(Action::AsPath(AsPathEdit::Remove(Asn(65002).into()))),
    ];
    let mut world = three(policy(body, Verdict::Accept), [all(), all()]);
    world.announce(
        from(1),
        "10.1.0.0/16",
        attributes(1, &[65001, 65100, 65002, 65199, 65200]),
    );
    world.settle();
    let heard = world.heard_of(2, "10.1.0.0/16").unwrap();
    assert_eq!(heard.as_path.to_string(), "65001 7 7 65200");
}

#[test]
fn trees_that_are_too_deep_are_refused() {
    let mut condition = is_tagged();
    for _ in 0..100 {
        condition = condition.negated();
    }
    let body = vec![Statement::when(condition, Vec::new())];
    assert_eq!(
        Policy::new(body, Verdict::Accept),
        Err(rib::PolicyError::TooDeep)
    );
}

#[test]
fn every_rule_that_held_is_told_with_what_it_changed() {
    let import = Statement::named(
        "customers",
        vec![
            Statement::named(
                "other",
                vec![Statement::when(is_tagged(), vec![Statement::Reject])],
            ),
            Statement::named(
                "prefer",
                vec![Statement::when(
                    prefixes(&["10.1.0.0/16"]),
                    vec![local_pref(300), tag(), Statement::Accept],
                )],
            ),
        ],
    );
    let export = Statement::named("all", vec![prepend(AsSource::Own, 1)]);
    let deny = Statement::named(
        "deny",
        vec![Statement::when(is_tagged(), vec![Statement::Reject])],
    );
    let exports = [all(), policy(vec![export], Verdict::Accept)];
    let mut world = three(policy(vec![import], Verdict::Reject), exports);
    world.step(Input::KernelPolicy(policy(vec![deny], Verdict::Accept)));
    announce(&mut world, "10.1.0.0/16");
    announce(&mut world, "10.2.0.0/16");
    let told = |prefix: &str| -> Vec<String> {
        let explanation = world.rib.explain(prefix.parse().unwrap()).unwrap();
        let traces = explanation.policies.iter().map(|trace| {
            let hits = trace.hits.iter().map(|hit| {
                let changes: Vec<String> = (hit.changes.iter())
                    .map(|change| format!("{} {}>{}", change.what, change.from, change.to))
                    .collect();
                format!(
                    "{} [{}] {:?}",
                    hit.names.join("/"),
                    changes.join(", "),
                    hit.verdict
                )
            });
            let hits: Vec<String> = hits.collect();
            let peers: Vec<u32> = trace.peers.iter().map(|id| id.0).collect();
            let default = if trace.is_default { " by default" } else { "" };
            format!(
                "{:?} {peers:?}: {} -> {:?}{default}",
                trace.point,
                hits.join("; "),
                trace.verdict
            )
        });
        traces.collect()
    };
    assert_eq!(
        told("10.1.0.0/16"),
        [
            "Import [1]: customers/prefer [LOCAL_PREF >300, COMMUNITIES >64512:7] Some(Accept) -> Accept",
            "Kernel []: deny [] Some(Reject) -> Reject",
            "Export [3]: all [AS_PATH 64512 65001>64512 64512 65001] None -> Accept by default",
        ]
    );
    assert_eq!(told("10.2.0.0/16"), ["Import [1]:  -> Reject by default"]);
}

#[test]
fn a_client_of_a_route_server_is_explained_path_by_path() {
    let mut world = World::plain();
    for number in 1..=3 {
        let mut info = peer(number, Relation::External);
        info.terms.route_server_client = true;
        if number == 3 {
            let host = Prefix::truncating(address(1).into(), 32).unwrap();
            let from_first = Condition::From(Arc::new(AddressSet::new([host])));
            let body = vec![Statement::when(from_first, vec![Statement::Reject])];
            info.export = policy(body, Verdict::Accept);
        }
        world.up(info);
    }
    announce(&mut world, "10.1.0.0/16");
    world.announce(
        from(2),
        "10.1.0.0/16",
        attributes(2, &[65002, 65010, 65011]),
    );
    world.settle();
    let explanation = world.rib.explain("10.1.0.0/16".parse().unwrap()).unwrap();
    assert_eq!(explanation.routes[0].0.source, from(1));
    let verdicts = explanation.policies.iter().map(|trace| trace.verdict);
    let verdicts: Vec<_> = verdicts.collect();
    assert_eq!(verdicts, [Verdict::Reject, Verdict::Accept]);
    let heard = world.heard_of(3, "10.1.0.0/16").unwrap();
    assert_eq!(heard.as_path.to_string(), "65002 65010 65011");
}
