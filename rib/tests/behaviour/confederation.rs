// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Members of a confederation (RFC 5065): one AS to others, several ASes among each other.

use bgp_proto::{AsPath, Asn, Community, PathAttributes, SegmentKind};
use rib::{
    DecisionStep, PeerInfo, Policy, Relation, RibConfig, Source, Terms, Verdict,
    policy::{Action, AsPathEdit, AsSource, Statement},
};

use crate::world::{LOCAL_AS, World, attributes, config, from, local, peer};

const PREFIX: &str = "10.1.0.0/16";

/// What all members are to others.
const IDENTIFIER: Asn = Asn(100);

fn world() -> World {
    let config = RibConfig {
        confederation: Some(IDENTIFIER),
        ..config()
    };
    World::new(config, 1)
}

fn member(number: u32) -> PeerInfo {
    PeerInfo {
        terms: Terms {
            enforce_first_as: true,
            ..Terms::default()
        },
        ..peer(number, Relation::Member)
    }
}

fn external(number: u32) -> PeerInfo {
    PeerInfo {
        local_as: IDENTIFIER,
        ..peer(number, Relation::External)
    }
}

/// A path through members, then through other ASes.
fn path(members: &[u32], outside: &[u32]) -> AsPath {
    let asns = |numbers: &[u32]| -> Vec<Asn> { numbers.iter().copied().map(Asn).collect() };
    let mut path = AsPath::empty();
    path.push_segment(SegmentKind::ConfedSequence, &asns(members));
    path.push_segment(SegmentKind::Sequence, &asns(outside));
    path
}

fn through(number: u32, members: &[u32], outside: &[u32]) -> PathAttributes {
    PathAttributes {
        as_path: path(members, outside),
        local_pref: Some(150),
        med: Some(7),
        ..attributes(number, &[])
    }
}

/// What neighbour 2 hears of a route of neighbour 1.
fn told(first: PeerInfo, second: PeerInfo, sent: PathAttributes) -> Option<PathAttributes> {
    let mut world = world();
    world.up(first);
    world.up(second);
    world.announce(from(1), PREFIX, sent);
    world.settle();
    world.heard_of(2, PREFIX).cloned()
}

#[test]
fn among_members_everything_is_kept_but_the_path_which_grows_by_a_member() {
    let sent = through(1, &[65001, 65009], &[7018]);
    let heard = told(member(1), member(2), sent.clone()).unwrap();
    assert_eq!(heard.as_path.to_string(), "(64512 65001 65009) 7018");
    assert_eq!((heard.local_pref, heard.med), (Some(150), Some(7)));
    assert_eq!(heard.next_hop, sent.next_hop);
    let heard = told(member(1), peer(2, Relation::Internal), sent.clone()).unwrap();
    assert_eq!(heard.as_path, sent.as_path);
    // What others have told us begins a segment; what is ours has only that.
    let heard = told(external(1), member(2), attributes(1, &[65001])).unwrap();
    assert_eq!(heard.as_path.to_string(), "(64512) 65001");
    assert_eq!(heard.next_hop, attributes(1, &[]).next_hop);
    let mut world = world();
    world.up(member(2));
    world.announce(Source::Static, PREFIX, local());
    world.settle();
    let heard = world.heard_of(2, PREFIX).unwrap();
    assert_eq!(heard.as_path.to_string(), "(64512)");
}

#[test]
fn others_see_one_as() {
    let heard = told(member(1), external(2), through(1, &[65001, 65009], &[7018])).unwrap();
    assert_eq!(heard.as_path.to_string(), "100 7018");
    assert_eq!((heard.local_pref, heard.med), (None, None));
}

#[test]
fn the_identifier_and_the_own_member_in_a_path_are_loops() {
    let is_taken = |first, sent| told(first, peer(2, Relation::Internal), sent).is_some();
    assert!(is_taken(member(1), through(1, &[65001, 65009], &[7018])));
    assert!(!is_taken(
        member(1),
        through(1, &[65001, LOCAL_AS.0], &[7018])
    ));
    assert!(!is_taken(
        member(1),
        through(1, &[65001], &[7018, IDENTIFIER.0])
    ));
    assert!(!is_taken(
        external(1),
        attributes(1, &[65001, IDENTIFIER.0])
    ));
}

#[test]
fn a_members_path_begins_with_the_member() {
    let is_taken = |members: &[u32], outside: &[u32]| {
        let sent = through(1, members, outside);
        told(member(1), peer(2, Relation::Internal), sent).is_some()
    };
    assert!(is_taken(&[65001], &[]));
    assert!(!is_taken(&[65009, 65001], &[]));
    assert!(!is_taken(&[], &[65001]));
    assert!(!is_taken(&[], &[]));
}

#[test]
fn policy_puts_a_member_among_members_and_other_ases_behind_them() {
    let twice = |asn| {
        let edit = Action::AsPath(AsPathEdit::Prepend(asn, 2));
        Policy::new(vec![Statement::Act(edit)], Verdict::Accept).unwrap()
    };
    let sent = through(1, &[65001, 65009], &[7018]);
    let exported = |second: PeerInfo, asn| {
        let second = PeerInfo {
            export: twice(asn),
            ..second
        };
        let heard = told(member(1), second, sent.clone()).unwrap();
        heard.as_path.to_string()
    };
    let other = AsSource::Asn(Asn(7));
    assert_eq!(
        exported(member(2), AsSource::Own),
        "(64512 64512 64512 65001 65009) 7018"
    );
    assert_eq!(
        exported(member(2), AsSource::Asn(LOCAL_AS)),
        "(64512 64512 64512 65001 65009) 7018"
    );
    assert_eq!(exported(member(2), other), "(64512 65001 65009) 7 7 7018");
    assert_eq!(
        exported(member(2), AsSource::First),
        "(64512 65001 65009) 7018 7018 7018"
    );
    let inside = peer(2, Relation::Internal);
    assert_eq!(
        exported(inside.clone(), AsSource::Own),
        "(64512 64512 65001 65009) 7018"
    );
    assert_eq!(exported(external(2), AsSource::Own), "100 100 100 7018");
    let imported = PeerInfo {
        import: twice(other),
        ..member(1)
    };
    let heard = told(imported, inside, sent.clone()).unwrap();
    assert_eq!(heard.as_path.to_string(), "(65001 65009) 7 7 7018");
}

#[test]
fn communities_say_how_far_it_goes() {
    let hears = |community, second| {
        let mut sent = through(1, &[65001], &[]);
        sent.communities = vec![community];
        told(member(1), second, sent).is_some()
    };
    for (community, expected) in [
        (Community::NO_EXPORT, [false, true, true]),
        (Community::NO_EXPORT_SUBCONFED, [false, false, true]),
        (Community::NO_ADVERTISE, [false, false, false]),
    ] {
        let inside = peer(2, Relation::Internal);
        let found = [external(2), member(2), inside].map(|second| hears(community, second));
        assert_eq!(found, expected, "{community}");
    }
}

#[test]
fn members_count_nothing_in_the_length_and_are_inside_when_others_are_preferred() {
    let mut world = world();
    world.up(member(1));
    world.up(external(3));
    world.up(peer(2, Relation::Internal));
    let mut far = through(1, &[65001, 65008, 65009], &[7018]);
    far.local_pref = None;
    world.announce(from(1), PREFIX, far);
    world.announce(from(3), PREFIX, attributes(3, &[65003, 7018]));
    world.settle();
    let heard = world.heard_of(2, PREFIX).unwrap();
    assert_eq!(heard.as_path.to_string(), "(65001 65008 65009) 7018");
    world.announce(from(3), PREFIX, attributes(3, &[65003]));
    world.settle();
    let heard = world.heard_of(2, PREFIX).unwrap();
    assert_eq!(heard.as_path.to_string(), "65003");
    let explained = world.rib.explain(PREFIX.parse().unwrap()).unwrap();
    let steps: Vec<Option<DecisionStep>> = explained.routes.iter().map(|(_, step)| *step).collect();
    assert!(steps.contains(&Some(DecisionStep::External)), "{steps:?}");
}
