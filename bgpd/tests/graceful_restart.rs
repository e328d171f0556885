// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A neighbour that restarts, and what the RIB is told of its routes (RFC 4724 §4.2).

use std::{net::Ipv4Addr, time::Duration};

use bgp_fsm::{ConnectionId, Direction, Mode, PeerAs, SessionConfig, StopReason};
use bgp_proto::{
    Asn, Capability, Code, Family, GracefulRestart, HoldTime, Instant, Message, Negotiated,
    Notification, Open, RestartFamily, RouterId, UpdateWriter,
};
use bgpd::peer::{Peer, PeerEvent, PeerOrder, PeerSettings};
use bytes::{Bytes, BytesMut};
use rib::{Input, PeerId};

const BOTH: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
const RESTART_TIME: u16 = 30;

/// What the RIB is told, by name.
#[derive(Debug, Eq, PartialEq)]
enum Told {
    Up,
    Down,
    Lost,
    Sweep(Family),
}

use Told::{Down, Lost, Sweep, Up};

#[test]
fn routes_of_a_neighbour_that_breaks_off_are_kept_until_it_has_sent_all_again() {
    let mut rig = Rig::new(true);
    assert_eq!(rig.come_up(&restarting(&BOTH, true)), [Up]);
    assert_eq!(rig.break_off(), [Lost]);
    assert_eq!(rig.come_up(&restarting(&BOTH, true)), [Up]);
    assert_eq!(
        rig.end_of_rib(Family::IPV4_UNICAST),
        [Sweep(Family::IPV4_UNICAST)]
    );
    assert_eq!(rig.end_of_rib(Family::IPV4_UNICAST), []);
    assert_eq!(
        rig.end_of_rib(Family::IPV6_UNICAST),
        [Sweep(Family::IPV6_UNICAST)]
    );
    assert_eq!(rig.pass(3600), []);
}

#[test]
fn one_that_does_not_come_back_loses_its_routes_after_its_own_restart_time() {
    let mut rig = Rig::new(true);
    rig.come_up(&restarting(&BOTH, true));
    assert_eq!(rig.break_off(), [Lost]);
    assert_eq!(rig.pass(u64::from(RESTART_TIME) - 1), []);
    assert_eq!(rig.pass(1), BOTH.map(Sweep));
    assert_eq!(rig.come_up(&restarting(&BOTH, true)), [Up]);
}

#[test]
fn one_that_never_ends_its_table_loses_what_it_did_not_say_again() {
    let mut rig = Rig::new(true);
    rig.come_up(&restarting(&BOTH, true));
    rig.break_off();
    rig.come_up(&restarting(&BOTH, true));
    assert_eq!(rig.pass(359), []);
    assert_eq!(rig.pass(1), BOTH.map(Sweep));
}

#[test]
fn a_second_restart_keeps_what_the_first_one_kept() {
    let mut rig = Rig::new(true);
    rig.come_up(&restarting(&BOTH, true));
    rig.break_off();
    rig.come_up(&restarting(&BOTH, true));
    assert_eq!(rig.break_off(), [Lost]);
    assert_eq!(rig.come_up(&restarting(&BOTH, true)), [Up]);
    assert_eq!(
        rig.end_of_rib(Family::IPV4_UNICAST),
        [Sweep(Family::IPV4_UNICAST)]
    );
}

#[test]
fn forwarding_state_that_was_lost_costs_the_routes_at_once() {
    let cases = [
        ("no state", restarting(&BOTH, false)),
        ("no such capability any more", Vec::new()),
        ("no family in it", restarting(&[], true)),
    ];
    for (name, second) in cases {
        let mut rig = Rig::new(true);
        rig.come_up(&restarting(&BOTH, true));
        rig.break_off();
        assert_eq!(
            rig.come_up(&second),
            [Up, Sweep(BOTH[0]), Sweep(BOTH[1])],
            "{name}"
        );
        assert_eq!(rig.pass(3600), [], "{name}");
    }
}

#[test]
fn a_family_that_is_not_exchanged_any_more_loses_its_routes() {
    let mut rig = Rig::new(true);
    rig.come_up(&restarting(&BOTH, true));
    rig.break_off();
    let mut open = restarting(&BOTH, true);
    open.push(Capability::Multiprotocol(Family::IPV4_UNICAST));
    assert_eq!(rig.come_up(&open), [Up, Sweep(Family::IPV6_UNICAST)]);
}

#[test]
fn only_families_that_were_offered_are_kept() {
    let mut rig = Rig::new(true);
    rig.come_up(&restarting(&[Family::IPV6_UNICAST], true));
    assert_eq!(rig.break_off(), [Lost, Sweep(Family::IPV4_UNICAST)]);
}

#[test]
fn a_notification_ends_it_for_good() {
    let mut rig = Rig::new(true);
    rig.come_up(&restarting(&BOTH, true));
    let farewell = Notification::new(Code::CEASE_ADMIN_RESET).encode();
    assert_eq!(rig.hear(&farewell), [Down]);
}

#[test]
fn without_an_offer_of_either_side_nothing_is_kept() {
    let mut rig = Rig::new(true);
    rig.come_up(&[]);
    assert_eq!(rig.break_off(), [Down]);
    let mut rig = Rig::new(false);
    rig.come_up(&restarting(&BOTH, true));
    assert_eq!(rig.break_off(), [Down]);
}

#[test]
fn nobody_waits_for_a_neighbour_that_is_stopped() {
    let mut rig = Rig::new(true);
    rig.come_up(&restarting(&BOTH, true));
    rig.break_off();
    assert_eq!(rig.step(PeerEvent::Stop(StopReason::Deconfigured)), [Down]);
    assert_eq!(rig.step(PeerEvent::Stop(StopReason::Deconfigured)), []);
    assert_eq!(rig.peer.deadline(), None);
}

/// A neighbour, and what it says on one connection after the other.
struct Rig {
    peer: Peer,
    now: Instant,
    connection: ConnectionId,
}

impl Rig {
    fn new(helper: bool) -> Self {
        let us = RouterId::new(Ipv4Addr::new(192, 0, 2, 1)).unwrap();
        let mut session = SessionConfig::new(Asn(64512), PeerAs::Any, us);
        session.hold_time = HoldTime::OFF;
        session.mode = Mode::Passive;
        session.capabilities = BOTH.map(Capability::Multiprotocol).to_vec();
        if helper {
            session.capabilities.extend(restarting(&BOTH, true));
        }
        let address = Ipv4Addr::new(192, 0, 2, 2).into();
        let mut rig = Self {
            peer: Peer::new(PeerSettings::new(PeerId(1), address, session)),
            now: Instant::ZERO,
            connection: ConnectionId(0),
        };
        rig.step(PeerEvent::Start);
        rig
    }

    /// `capabilities` without any family stand for both.
    fn come_up(&mut self, capabilities: &[Capability]) -> Vec<Told> {
        let mut capabilities = capabilities.to_vec();
        if !capabilities
            .iter()
            .any(|one| matches!(one, Capability::Multiprotocol(_)))
        {
            capabilities.extend(BOTH.map(Capability::Multiprotocol));
        }
        let open = Open {
            asn: Asn(64513),
            hold_time: HoldTime::OFF,
            router_id: RouterId::new(Ipv4Addr::new(192, 0, 2, 2)).unwrap(),
            capabilities,
        };
        // The rest after an error.
        self.pass(2);
        self.connection.0 += 1;
        let local = Ipv4Addr::new(192, 0, 2, 1).into();
        let mut told = self.step(PeerEvent::Connected {
            connection: self.connection,
            direction: Direction::Incoming,
            local,
        });
        told.extend(self.hear(&Message::Open(open).encode()));
        told.extend(self.hear(&Message::Keepalive.encode()));
        told
    }

    fn break_off(&mut self) -> Vec<Told> {
        self.step(PeerEvent::Closed(self.connection))
    }

    fn end_of_rib(&mut self, family: Family) -> Vec<Told> {
        self.hear(&UpdateWriter::new(&Negotiated::default()).end_of_rib(family))
    }

    fn hear(&mut self, message: &Bytes) -> Vec<Told> {
        let mut buffer = BytesMut::from(&message[..]);
        self.peer.read(self.connection, &mut buffer, self.now);
        self.told()
    }

    fn step(&mut self, event: PeerEvent) -> Vec<Told> {
        self.peer.step(event, self.now);
        self.told()
    }

    /// Lets seconds pass; the clock stops at every deadline.
    fn pass(&mut self, seconds: u64) -> Vec<Told> {
        let end = self.now + Duration::from_secs(seconds);
        let mut told = Vec::new();
        while let Some(deadline) = self.peer.deadline().filter(|deadline| *deadline <= end) {
            self.now = deadline;
            told.extend(self.step(PeerEvent::Tick));
        }
        self.now = end;
        told
    }

    fn told(&mut self) -> Vec<Told> {
        let told = |order| match order {
            PeerOrder::Rib(Input::PeerUp(_)) => Some(Up),
            PeerOrder::Rib(Input::PeerDown(_)) => Some(Down),
            PeerOrder::Rib(Input::PeerLost(_)) => Some(Lost),
            PeerOrder::Rib(Input::SweepStale(_, family)) => Some(Sweep(family)),
            _ => None,
        };
        self.peer.drain().filter_map(told).collect()
    }
}

fn restarting(families: &[Family], preserved: bool) -> Vec<Capability> {
    let entry = |family: &Family| RestartFamily {
        family: *family,
        forwarding_preserved: preserved,
    };
    vec![Capability::GracefulRestart(GracefulRestart {
        restart_time: RESTART_TIME,
        families: families.iter().map(entry).collect(),
        ..GracefulRestart::default()
    })]
}
