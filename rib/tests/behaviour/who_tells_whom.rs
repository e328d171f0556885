// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who tells whom, and what becomes of the attributes: every kind of source to every kind of neighbour, as text.
//! `BLESS=1` writes the golden again.

use std::{fmt::Write as _, fs, net::Ipv4Addr, path::Path};

use bgp_proto::{
    AsPath, Asn, ClusterId, Community, ExtendedCommunity, NextHop, PathAttributes, PeerKind,
    RouterId, SegmentKind, UnknownAttribute,
};
use bytes::Bytes;
use rib::{NextHopMode, PeerInfo, Relation, Source};

use crate::world::{LOCAL_V4, World, address, attributes, from, local, peer};

const PREFIX: &str = "10.1.0.0/16";

/// All that can happen to an attribute on the way.
fn rich(number: u32, relation: Relation) -> PathAttributes {
    let external = relation == Relation::External;
    let mut rich = attributes(number, if external { &[65001, 7018] } else { &[7018] });
    rich.med = Some(10);
    rich.communities = vec![Community(65_000 << 16 | 1)];
    rich.extended_communities = vec![
        ExtendedCommunity([0, 2, 0xfc, 0, 0, 0, 0, 1]),
        ExtendedCommunity([0x40, 4, 0xfc, 0, 0, 0, 0, 1]),
    ];
    rich.unknown = vec![UnknownAttribute {
        flags: 0xc0,
        code: 99,
        value: Bytes::from_static(b"x"),
    }];
    if !external {
        rich.local_pref = Some(200);
    }
    rich
}

fn reflected(number: u32) -> PathAttributes {
    let mut reflected = rich(number, Relation::Client);
    reflected.originator_id = RouterId::new([198, 51, 100, 1].into());
    reflected.cluster_list = vec![ClusterId(7)];
    reflected
}

#[test]
fn who_tells_whom_is_as_in_the_golden() {
    let relations = [
        Relation::External,
        Relation::Member,
        Relation::Internal,
        Relation::Client,
    ];
    let mut text = String::new();
    let mut sources: Vec<(String, Source, PathAttributes)> = relations
        .iter()
        .map(|relation| (format!("{relation:?}"), from(1), rich(1, *relation)))
        .collect();
    sources.push(("Client, reflected before".to_owned(), from(1), reflected(1)));
    for source in [Source::Static, Source::Direct, Source::Kernel, Source::Api] {
        let mut attributes = local();
        attributes.med = Some(20);
        sources.push((format!("{source:?}"), source, attributes));
    }
    for (name, source, sent) in sources {
        let relation = relations
            .iter()
            .find(|relation| name.starts_with(&format!("{relation:?}")));
        for to in relations {
            let mut world = World::plain();
            world.up(peer(1, relation.copied().unwrap_or(Relation::External)));
            world.up(peer(2, to));
            world.announce(source, PREFIX, sent.clone());
            world.settle();
            assert_eq!(
                world.heard_of(1, PREFIX).filter(|_| source == from(1)),
                None,
                "not back"
            );
            writeln!(text, "{name} -> {to:?}").unwrap();
            writeln!(text, "{}\n", render(world.heard_of(2, PREFIX))).unwrap();
        }
    }
    golden("who_tells_whom.txt", &text);
}

fn render(heard: Option<&PathAttributes>) -> String {
    let Some(heard) = heard else {
        return "    nothing".to_owned();
    };
    let mut text = format!(
        "    origin {}  as-path [{}]  next-hop {}",
        heard.origin, heard.as_path, heard.next_hop
    );
    let number = |value: Option<u32>| value.map_or("-".to_owned(), |value| value.to_string());
    write!(
        text,
        "\n    med {}  local-pref {}",
        number(heard.med),
        number(heard.local_pref)
    )
    .unwrap();
    let originator = heard
        .originator_id
        .map_or("-".to_owned(), |id| id.to_string());
    let clusters: Vec<String> = heard.cluster_list.iter().map(ToString::to_string).collect();
    write!(
        text,
        "  originator {originator}  clusters [{}]",
        clusters.join(" ")
    )
    .unwrap();
    let communities: Vec<String> = heard.communities.iter().map(ToString::to_string).collect();
    let extended = heard.extended_communities.len();
    write!(
        text,
        "\n    communities [{}]  extended {extended}",
        communities.join(" ")
    )
    .unwrap();
    for unknown in &heard.unknown {
        write!(
            text,
            "  unknown {} flags {:#x}",
            unknown.code, unknown.flags
        )
        .unwrap();
    }
    text
}

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        text,
        "BLESS=1 writes {}",
        path.display()
    );
}

/// What a neighbour hears of one announcement of neighbour 1.
fn tell(first: PeerInfo, second: PeerInfo, sent: PathAttributes) -> Option<PathAttributes> {
    let mut world = World::plain();
    world.up(first);
    world.up(second);
    world.announce(from(1), PREFIX, sent);
    world.settle();
    world.heard_of(2, PREFIX).cloned()
}

#[test]
fn what_we_have_originated_or_reflected_is_refused() {
    let client = || (peer(1, Relation::Client), peer(2, Relation::External));
    let mut own = attributes(1, &[]);
    own.originator_id = RouterId::new(LOCAL_V4);
    let (first, second) = client();
    assert_eq!(tell(first, second, own), None);
    let mut own = attributes(1, &[]);
    own.cluster_list = vec![ClusterId(3), ClusterId(LOCAL_V4.into())];
    let (first, second) = client();
    assert_eq!(tell(first, second, own), None);
}

#[test]
fn two_reflectors_do_not_tell_each_other_their_own_routes_again() {
    // What the other reflector makes of our client's route comes back with our cluster in it.
    let mut back = attributes(3, &[]);
    back.originator_id = RouterId::new(address(1));
    back.cluster_list = vec![ClusterId(99), ClusterId(LOCAL_V4.into())];
    let mut world = World::plain();
    world.up(peer(1, Relation::Client));
    world.up(peer(2, Relation::Client));
    world.up(peer(3, Relation::Internal));
    world.announce(from(1), PREFIX, attributes(1, &[]));
    world.settle();
    world.announce(from(3), PREFIX, back);
    world.withdraw(from(1), PREFIX);
    world.settle();
    assert_eq!(world.heard_of(2, PREFIX), None);
}

#[test]
fn our_as_in_the_path_is_refused_unless_allowed() {
    let looped = || attributes(1, &[65001, 64512, 65009]);
    let (first, second) = (peer(1, Relation::External), peer(2, Relation::Internal));
    assert_eq!(tell(first.clone(), second.clone(), looped()), None);
    let lenient = PeerInfo {
        allow_own_as: 1,
        ..first
    };
    assert!(tell(lenient, second, looped()).is_some());
}

#[test]
fn the_next_hop_mode_decides_what_next_hop_says() {
    let to = |relation, next_hop| PeerInfo {
        next_hop,
        ..peer(2, relation)
    };
    let hop = |to: PeerInfo| {
        tell(peer(1, Relation::External), to, attributes(1, &[65001]))
            .unwrap()
            .next_hop
    };
    let (ours, theirs) = (NextHop::V4(LOCAL_V4), NextHop::V4(address(1)));
    assert_eq!(hop(to(Relation::External, NextHopMode::Auto)), ours);
    assert_eq!(hop(to(Relation::External, NextHopMode::Unchanged)), theirs);
    assert_eq!(hop(to(Relation::Internal, NextHopMode::Auto)), theirs);
    assert_eq!(hop(to(Relation::Internal, NextHopMode::ToSelf)), ours);
    let shared = PeerInfo {
        shared_subnets: vec!["192.0.2.0/24".parse().unwrap()],
        ..to(Relation::External, NextHopMode::Auto)
    };
    assert_eq!(hop(shared), theirs, "third party (RFC 4271 §5.1.3)");
}

#[test]
fn ipv4_routes_take_an_ipv6_next_hop_only_if_that_was_agreed() {
    let without_v4 = PeerInfo {
        local_v4: None,
        ..peer(2, Relation::External)
    };
    let sent = || attributes(1, &[65001]);
    assert_eq!(
        tell(peer(1, Relation::External), without_v4.clone(), sent()),
        None
    );
    let mut agreed = without_v4;
    agreed.negotiated.families[0].extended_next_hop = true;
    let heard = tell(peer(1, Relation::External), agreed, sent()).unwrap();
    assert_eq!(heard.next_hop, NextHop::V6(crate::world::LOCAL_V6));
}

#[test]
fn a_link_local_next_hop_is_only_for_its_link() {
    let agreed = |number, relation| {
        let mut peer = peer(number, relation);
        peer.negotiated.families[0].extended_next_hop = true;
        peer
    };
    let hop = |next_hop, to| {
        let sent = PathAttributes {
            next_hop,
            ..attributes(1, &[65001])
        };
        tell(agreed(1, Relation::Client), to, sent)
            .unwrap()
            .next_hop
    };
    let (global, link_local) = ("2001:db8::1".parse().unwrap(), "fe80::1".parse().unwrap());
    let both = NextHop::V6LinkLocal { global, link_local };
    let elsewhere = agreed(2, Relation::Internal);
    assert_eq!(hop(both, elsewhere.clone()), NextHop::V6(global));
    let there = PeerInfo {
        shared_subnets: vec!["2001:db8::/64".parse().unwrap()],
        ..elsewhere.clone()
    };
    assert_eq!(hop(both, there), both);
    let ours = NextHop::V4(LOCAL_V4);
    assert_eq!(hop(NextHop::V6(link_local), elsewhere), ours);
}

#[test]
fn graceful_shutdown_of_another_as_makes_a_route_the_last_choice() {
    let mut leaving = attributes(1, &[65001]);
    leaving.communities = vec![Community::GRACEFUL_SHUTDOWN];
    let heard = tell(
        peer(1, Relation::External),
        peer(2, Relation::Internal),
        leaving.clone(),
    )
    .unwrap();
    assert_eq!(heard.local_pref, Some(0));
    leaving.local_pref = Some(300);
    let heard = tell(
        peer(1, Relation::Client),
        peer(2, Relation::Internal),
        leaving,
    )
    .unwrap();
    assert_eq!(
        heard.local_pref,
        Some(300),
        "RFC 8326 §4.1 is about external sessions"
    );
}

#[test]
fn two_octet_neighbours_get_the_whole_path() {
    let mut old = peer(2, Relation::External);
    old.negotiated.four_octet_as = false;
    old.negotiated.kind = PeerKind::External;
    let heard = tell(
        peer(1, Relation::External),
        old,
        attributes(1, &[65001, 4_200_000_000]),
    )
    .unwrap();
    assert_eq!(heard.as_path.to_string(), "64512 65001 4200000000");
}

#[test]
fn what_happened_in_a_confederation_is_not_told_to_another_as() {
    let mut inside = attributes(1, &[65001]);
    inside.as_path = AsPath::empty();
    inside
        .as_path
        .push_segment(SegmentKind::ConfedSequence, &[Asn(65100); 255]);
    inside
        .as_path
        .push_segment(SegmentKind::Sequence, &[Asn(65001)]);
    let to = |relation| {
        tell(peer(1, Relation::Client), peer(2, relation), inside.clone())
            .unwrap()
            .as_path
    };
    assert_eq!(to(Relation::External).to_string(), "64512 65001");
    assert_eq!(to(Relation::Internal), inside.as_path);
}

#[test]
fn a_route_by_way_of_ourselves_is_not_used() {
    let by_way_of = |next_hop| {
        let mut attributes = attributes(1, &[65001]);
        attributes.next_hop = next_hop;
        let mut info = peer(2, Relation::External);
        info.next_hop = NextHopMode::Unchanged;
        tell(peer(1, Relation::External), info, attributes).is_some()
    };
    assert!(!by_way_of(NextHop::V4(LOCAL_V4)));
    assert!(by_way_of(NextHop::V4(Ipv4Addr::new(192, 0, 2, 253))));
}
