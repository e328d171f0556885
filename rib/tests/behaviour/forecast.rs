// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A forecast is what happens: it is made, the change is carried out, and both are compared.

use std::collections::BTreeMap;

use bgp_proto::Prefix;
use proptest::{collection::vec, prelude::*};
use rib::{
    Difference, Disposition, FibRoute, Input, PathsSent, PeerId, PeerInfo, Policy, Profile,
    Proposal, ProposedPeer, Relation, RouteBatch, Selection, Source, Unusable,
};

use crate::{
    interpreter::{Body, PREFIXES, compiled, prefix, received},
    policy_model::bodies,
    world::{Heard, World, attributes, config, from, local, peer, several},
};

/// 1 and 5 announce, the others are told; the last of them takes several paths.
const EVERYBODY: [u32; 5] = [1, 2, 3, 4, 5];

fn neighbour(number: u32) -> PeerInfo {
    match number {
        2 => peer(2, Relation::Client),
        4 => several(4, Relation::External, PathsSent::All),
        number => peer(number, Relation::External),
    }
}

fn proposed(info: &PeerInfo) -> ProposedPeer {
    let info = info.clone();
    ProposedPeer {
        import: info.import,
        export: info.export,
        relation: None,
        next_hop: info.next_hop,
        allow_own_as: info.allow_own_as,
        weight: info.weight,
        terms: info.terms,
        paths_sent: info.paths_sent,
    }
}

/// What somebody does to the configuration.
#[derive(Clone, Debug)]
enum Edit {
    Import(u32, Body),
    Export(u32, Body),
    Weight(u32, u16),
    Kernel(Body),
    Select(Profile),
    Static(usize, bool),
    Gone,
}

fn edits() -> impl Strategy<Value = Edit> {
    let announcing = prop::sample::select(vec![1, 5]);
    let told = prop::sample::select(vec![2, 3, 4]);
    prop_oneof![
        3 => (announcing.clone(), bodies()).prop_map(|(peer, body)| Edit::Import(peer, body)),
        3 => (told, bodies()).prop_map(|(peer, body)| Edit::Export(peer, body)),
        1 => (announcing, 0_u16..3).prop_map(|(peer, weight)| Edit::Weight(peer, weight)),
        1 => bodies().prop_map(Edit::Kernel),
        1 => prop::sample::select(vec![Profile::Rfc, Profile::Frr]).prop_map(Edit::Select),
        2 => (0..PREFIXES.len(), any::<bool>()).prop_map(|(at, is_there)| Edit::Static(at, is_there)),
        1 => Just(Edit::Gone),
    ]
}

/// What can be seen from outside.
#[derive(Debug, PartialEq)]
struct Seen {
    heard: BTreeMap<u32, Heard>,
    forwarding: BTreeMap<Prefix, FibRoute>,
}

fn seen(world: &World) -> Seen {
    let there = EVERYBODY
        .into_iter()
        .filter(|peer| world.neighbours.contains_key(&PeerId(*peer)));
    Seen {
        heard: there
            .map(|peer| (peer, world.heard(peer).clone()))
            .collect(),
        forwarding: world.forwarding.clone(),
    }
}

impl Seen {
    /// As it would be with these differences.
    fn with(mut self, differences: &[Difference]) -> Self {
        for difference in differences {
            match difference {
                Difference::Sent {
                    peers,
                    prefix,
                    path_id,
                    before,
                    after,
                } => {
                    assert_ne!(before, after, "no difference");
                    for PeerId(peer) in peers.iter() {
                        let heard = self.heard.get_mut(peer).unwrap();
                        let after = after.as_ref().filter(|(source, _)| *source != from(*peer));
                        match after {
                            Some((_, sent)) => heard.insert((*prefix, *path_id), sent.clone()),
                            None => heard.remove(&(*prefix, *path_id)),
                        };
                    }
                }
                Difference::Forwarding {
                    prefix,
                    before,
                    after,
                } => {
                    assert_eq!(self.forwarding.get(prefix), before.as_ref(), "{prefix}");
                    match after {
                        Some(route) => self.forwarding.insert(*prefix, route.clone()),
                        None => self.forwarding.remove(prefix),
                    };
                }
                Difference::Imported { .. } | Difference::Best { .. } => {}
            }
        }
        self
    }
}

fn compare(before: Vec<Edit>, announced: &[(u32, usize, usize)], edits: &[Edit], shards: usize) {
    let mut world = World::new(config(), shards);
    let mut infos: BTreeMap<u32, PeerInfo> = EVERYBODY
        .into_iter()
        .map(|number| (number, neighbour(number)))
        .collect();
    for info in infos.values() {
        world.up(info.clone());
    }
    for (peer, set, at) in announced {
        let mut attributes = if *peer == 1 {
            received(*set)
        } else {
            attributes(5, &[65005, 65008])
        };
        attributes.med = (*set % 2 == 0).then_some(7);
        world.announce(from(*peer), PREFIXES[*at], attributes);
    }
    for edit in before {
        if !matches!(edit, Edit::Gone) {
            carry_out(&mut world, &mut infos, &edit);
        }
    }
    world.settle();
    let (was, old) = (seen(&world), infos.clone());

    let mut proposal = Proposal::default();
    let mut statics = RouteBatch::new(Source::Static);
    for edit in edits {
        match edit {
            Edit::Kernel(body) => proposal.kernel_export = Some(compiled(body)),
            Edit::Select(profile) => proposal.selection = Some(selection(*profile)),
            Edit::Static(at, is_there) => put(&mut statics, *at, *is_there),
            Edit::Gone => drop(proposal.peers.insert(PeerId(5), None)),
            Edit::Import(..) | Edit::Export(..) | Edit::Weight(..) => {
                apply(&mut infos, edit);
            }
        }
    }
    for (number, info) in &infos {
        let is_gone = proposal.peers.contains_key(&PeerId(*number));
        if old[number] != *info && !is_gone {
            proposal
                .peers
                .insert(PeerId(*number), Some(Box::new(proposed(info))));
        }
    }
    proposal.statics = Some(statics);
    let mut differences = Vec::new();
    world
        .rib
        .forecast(&proposal, 3, |difference| differences.push(difference));
    let mut expected = was.with(&differences);

    for edit in edits {
        carry_out(&mut world, &mut infos, edit);
    }
    world.settle();
    if edits.iter().any(|edit| matches!(edit, Edit::Gone)) {
        expected.heard.remove(&5);
    }
    assert_eq!(seen(&world), expected, "{edits:?}\n{differences:#?}");
}

fn selection(profile: Profile) -> Selection {
    Selection {
        profile,
        ..Selection::default()
    }
}

fn put(batch: &mut RouteBatch, at: usize, is_there: bool) {
    if is_there {
        let path = batch.push_path(local(), Disposition::Blackhole);
        batch.announce(prefix(at), 0, path);
    } else {
        batch.withdraw(prefix(at), 0);
    }
}

fn apply(infos: &mut BTreeMap<u32, PeerInfo>, edit: &Edit) -> Option<PeerId> {
    let (Edit::Import(number, _) | Edit::Export(number, _) | Edit::Weight(number, _)) = edit else {
        return None;
    };
    let info = infos.get_mut(number).unwrap();
    match edit {
        Edit::Import(_, body) => info.import = compiled(body),
        Edit::Export(_, body) => info.export = compiled(body),
        Edit::Weight(_, weight) => info.weight = *weight,
        _ => {}
    }
    Some(info.id)
}

fn carry_out(world: &mut World, infos: &mut BTreeMap<u32, PeerInfo>, edit: &Edit) {
    if let Some(PeerId(number)) = apply(infos, edit) {
        let info = &infos[&number];
        let (import, export) = (info.import.clone(), info.export.clone());
        world.step(Input::Policy(info.id, import, export));
        world.step(Input::Weight(info.id, info.weight));
        return;
    }
    world.step(match edit {
        Edit::Kernel(body) => Input::KernelPolicy(compiled(body)),
        Edit::Select(profile) => Input::Selection(selection(*profile)),
        Edit::Static(at, is_there) => {
            let mut batch = RouteBatch::new(Source::Static);
            put(&mut batch, *at, *is_there);
            Input::Routes(batch)
        }
        _ => Input::PeerDown(PeerId(5)),
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_forecast_is_what_happens(
        before in vec(edits(), 0..4),
        announced in vec((prop::sample::select(vec![1, 5]), 0_usize..6, 0..PREFIXES.len()), 1..16),
        edits in vec(edits(), 1..5),
        shards in 1_usize..3,
    ) {
        compare(before, &announced, &edits, shards);
    }
}

/// What it says of one route, in full, and that nothing of it has been done.
#[test]
fn a_stricter_import_is_told_with_reasons_and_changes_nothing() {
    let mut world = World::plain();
    for number in [1, 3] {
        world.up(neighbour(number));
    }
    world.announce(from(1), "10.0.0.0/8", attributes(1, &[65001]));
    world.settle();
    let was = seen(&world);
    let mut info = neighbour(1);
    info.import = Policy::reject_all();
    let mut proposal = Proposal::default();
    proposal
        .peers
        .insert(PeerId(1), Some(Box::new(proposed(&info))));
    let mut found = Vec::new();
    let looked_at = world
        .rib
        .forecast(&proposal, 100, |difference| found.push(difference));
    assert_eq!((looked_at, found.len()), (1, 4));
    let Difference::Imported { before, after, .. } = &found[0] else {
        panic!("{found:?}")
    };
    assert!(before.is_ok());
    assert_eq!(*after, Some(Err(Unusable::Policy)));
    assert!(matches!(&found[1], Difference::Best { after: None, .. }));
    assert!(matches!(
        &found[2],
        Difference::Forwarding { after: None, .. }
    ));
    let Difference::Sent { peers, after, .. } = &found[3] else {
        panic!("{found:?}")
    };
    assert_eq!((&peers[..], after), (&[PeerId(1), PeerId(3)][..], &None));
    world.settle();
    assert_eq!(seen(&world), was);
}
