// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A neighbour that restarts, and what the RIB is told of its routes (RFC 4724 §4.2).

use bgp_fsm::{Mode, PeerAs, SessionConfig, StopReason};
use bgp_proto::{Asn, Capability, Code, Family, Notification, RouterId};
use bgpd::peer::{PeerEvent, PeerSettings};
use rib::PeerId;

use crate::rig::{
    BOTH, RESTART_TIME, Rig,
    Told::{Down, Lost, Sweep, Up},
    restarting,
};

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

#[test]
fn only_the_first_session_after_a_restart_of_ours_says_that_we_have_restarted() {
    let us = RouterId::new([192, 0, 2, 1].into()).unwrap();
    let mut session = SessionConfig::new(Asn(64512), PeerAs::Any, us);
    session.mode = Mode::Passive;
    session.capabilities = BOTH.map(Capability::Multiprotocol).to_vec();
    session.capabilities.extend(restarting(&BOTH, true));
    for capability in &mut session.capabilities {
        if let Capability::GracefulRestart(restart) = capability {
            restart.restarting = true;
        }
    }
    let address = std::net::Ipv4Addr::new(192, 0, 2, 2).into();
    let mut rig = Rig::with(PeerSettings::new(PeerId(1), address, session));
    let says = |rig: &Rig| {
        let open = rig.peer.session().local_open();
        let restarts = |one: &Capability| matches!(one, Capability::GracefulRestart(restart) if restart.restarting);
        open.capabilities.iter().any(restarts)
    };
    assert!(says(&rig));
    rig.come_up(&restarting(&BOTH, true));
    rig.break_off();
    assert!(!says(&rig), "the next OPEN");
}
