// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A neighbour that announces more than it may (RFC 4486 §4).

use std::net::Ipv4Addr;

use bgp_fsm::{Mode, PeerAs, SessionConfig, State, StopReason};
use bgp_proto::{Asn, Code, Family, HoldTime, RouterId};
use bgpd::config::LimitAction;
use bgpd::peer::{PeerEvent, PeerSettings, PrefixLimit};
use rib::PeerId;

use crate::rig::{
    Rig,
    Told::{self, Down, Near, Said, Up},
};

const FAMILY: Family = Family::IPV4_UNICAST;
const MAX: u32 = 1 << 24;

#[test]
fn the_warning_comes_once_and_the_end_at_one_more_than_the_limit() {
    let mut rig = rig(None);
    rig.come_up(&[]);
    let near = u64::from(MAX) * 9 / 10 + 1;
    assert_eq!(count(&mut rig, near - 1), []);
    assert_eq!(count(&mut rig, near), [Near(FAMILY, near, MAX)]);
    assert_eq!(count(&mut rig, u64::from(MAX)), []);
    let told = count(&mut rig, u64::from(MAX) + 1);
    let [Said(notification), Down] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(notification.code, Code::CEASE_MAXIMUM_PREFIXES);
    assert_eq!(notification.data[..], [0, 1, 1, 1, 0, 0, 0]);
}

#[test]
fn without_a_restart_time_it_stays_down_until_an_operator_starts_it() {
    let mut rig = rig(None);
    rig.come_up(&[]);
    count(&mut rig, u64::from(MAX) + 1);
    assert_eq!(rig.peer.deadline(), None);
    assert_eq!(rig.come_up(&[]), []);
    rig.step(PeerEvent::Start);
    assert_eq!(rig.come_up(&[]), [Up]);
}

#[test]
fn with_a_restart_time_it_is_tried_again_after_it() {
    let mut rig = rig(Some(60));
    rig.come_up(&[]);
    count(&mut rig, u64::from(MAX) + 1);
    rig.pass(59);
    assert_eq!(rig.peer.session().state(), State::Idle);
    rig.pass(1);
    assert_ne!(rig.peer.session().state(), State::Idle);
    assert_eq!(rig.come_up(&[]), [Up]);
}

#[test]
fn an_operator_who_stops_it_is_stronger_than_the_restart_time() {
    let mut rig = rig(Some(60));
    rig.come_up(&[]);
    count(&mut rig, u64::from(MAX) + 1);
    let text = "no more".to_owned();
    rig.step(PeerEvent::Stop(StopReason::AdministrativeShutdown(text)));
    assert_eq!(rig.peer.deadline(), None);
}

fn count(rig: &mut Rig, count: u64) -> Vec<Told> {
    rig.step(PeerEvent::Prefixes {
        shard: 0,
        family: FAMILY,
        count,
    })
}

fn rig(restart: Option<u64>) -> Rig {
    let us = RouterId::new(Ipv4Addr::new(192, 0, 2, 1)).unwrap();
    let mut session = SessionConfig::new(Asn(64512), PeerAs::Any, us);
    session.hold_time = HoldTime::OFF;
    session.mode = Mode::Passive;
    let address = Ipv4Addr::new(192, 0, 2, 2).into();
    let mut settings = PeerSettings::new(PeerId(1), address, session);
    settings.limits.push(PrefixLimit {
        family: FAMILY,
        max: MAX,
        action: LimitAction::Restart,
        warn_percent: Some(90),
        restart: restart.map(std::time::Duration::from_secs),
    });
    Rig::with(settings)
}
