// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whoever has not been told of a prefix, and why.

use std::collections::BTreeMap;

use bgp_proto::{Community, Family};
use rib::{Input, PeerId, Policy, Relation, Silence};

use crate::world::{World, attributes, from, peer};

/// What each neighbour is not told for, as `explain` says it.
fn silences(world: &World) -> BTreeMap<u32, Silence> {
    let explained = world.rib.explain("10.0.0.0/8".parse().unwrap()).unwrap();
    let told = explained.advertised_to.iter().map(|id| id.0);
    let told: Vec<u32> = told.collect();
    let silent: BTreeMap<u32, Silence> = explained
        .not_told
        .into_iter()
        .map(|(PeerId(id), reason)| (id, reason))
        .collect();
    let both = told.iter().filter(|id| silent.contains_key(id));
    assert_eq!(both.count(), 0, "told and not told");
    let all = told.len() + silent.len();
    assert_eq!(all, world.neighbours.len(), "nobody is forgotten");
    silent
}

#[test]
fn everybody_is_told_or_there_is_a_reason() {
    use Silence as S;
    let mut world = World::plain();
    world.up(peer(1, Relation::Internal));
    world.up(peer(2, Relation::Internal));
    world.up(peer(3, Relation::External));
    let mut closed = peer(4, Relation::External);
    closed.export = Policy::reject_all();
    world.up(closed);
    let mut other = peer(5, Relation::External);
    let only_v6 = |family: &bgp_proto::NegotiatedFamily| family.family == Family::IPV6_UNICAST;
    other.negotiated.families.retain(only_v6);
    world.up(other);
    world.up(peer(6, Relation::Client));

    world.announce(from(1), "10.0.0.0/8", attributes(1, &[65001]));
    world.settle();
    let closed = [(4, S::Policy), (5, S::Family)];
    let expected = [(1, S::ItsOwn), (2, S::NotReflected)];
    let expected = expected.into_iter().chain(closed).collect();
    assert_eq!(silences(&world), expected);

    let mut kept = attributes(1, &[65001]);
    kept.communities = vec![Community::NO_EXPORT];
    world.announce(from(1), "10.0.0.0/8", kept);
    world.settle();
    let no_export = S::Community(Community::NO_EXPORT);
    assert_eq!(silences(&world)[&3], no_export);
    assert_eq!(no_export.to_string(), "the path has no-export");

    world.step(Input::Policy(
        PeerId(1),
        Policy::reject_all(),
        Policy::accept_all(),
    ));
    world.settle();
    let silent = silences(&world);
    assert_eq!(silent[&3], S::NoPath);
    assert_eq!(silent[&5], S::Family);
}
