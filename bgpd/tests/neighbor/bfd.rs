// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What BFD does to a neighbour and its routes (RFC 5882 §4.3, RFC 9384).

use std::time::Duration;

use bgp_fsm::State;
use bgp_proto::{Code, Notification};
use bgpd::peer::{BfdNews, PeerEvent};

use crate::rig::{
    BOTH, Rig,
    Told::{Down, Lost, Said, Up},
    restarting,
};

const UP: BfdNews = BfdNews {
    up: true,
    failed: false,
    independent: false,
};
const FAILED: BfdNews = BfdNews {
    up: false,
    failed: true,
    independent: false,
};
const INDEPENDENT: BfdNews = BfdNews {
    independent: true,
    ..FAILED
};

fn cease() -> crate::rig::Told {
    Said(Notification::new(Code::CEASE_BFD_DOWN))
}

#[test]
fn a_failure_ends_the_session_and_nothing_is_kept() {
    for failure in [FAILED, INDEPENDENT] {
        let mut rig = Rig::new(true);
        rig.come_up(&restarting(&BOTH, true));
        assert_eq!(rig.step(PeerEvent::Bfd(UP)), []);
        assert_eq!(rig.step(PeerEvent::Bfd(failure)), [cease(), Down]);
        // It comes back without anybody's doing.
        assert_eq!(rig.come_up(&restarting(&BOTH, true)), [Up]);
    }
}

#[test]
fn a_failure_that_is_over_already_is_one() {
    let mut rig = Rig::new(true);
    rig.come_up(&[]);
    rig.step(PeerEvent::Bfd(UP));
    let flapped = BfdNews { up: true, ..FAILED };
    assert_eq!(rig.step(PeerEvent::Bfd(flapped)), [cease(), Down]);
}

#[test]
fn a_path_that_is_taken_down_by_an_operator_is_no_failure() {
    let mut rig = Rig::new(true);
    rig.come_up(&[]);
    rig.step(PeerEvent::Bfd(UP));
    let down = BfdNews {
        failed: false,
        ..FAILED
    };
    assert_eq!(rig.step(PeerEvent::Bfd(down)), []);
    assert_eq!(rig.peer.session().state(), State::Established);
}

#[test]
fn routes_kept_for_a_restart_survive_the_end_of_a_bfd_that_shares_its_fate() {
    let mut rig = Rig::new(true);
    rig.come_up(&restarting(&BOTH, true));
    rig.step(PeerEvent::Bfd(UP));
    assert_eq!(rig.break_off(), [Lost]);
    assert_eq!(rig.step(PeerEvent::Bfd(FAILED)), []);
    assert_eq!(rig.come_up(&restarting(&BOTH, true)), [Up]);
}

#[test]
fn routes_kept_for_a_restart_go_with_a_path_that_is_watched_by_itself() {
    let mut rig = Rig::new(true);
    rig.come_up(&restarting(&BOTH, true));
    rig.step(PeerEvent::Bfd(UP));
    assert_eq!(rig.break_off(), [Lost]);
    assert_eq!(rig.step(PeerEvent::Bfd(INDEPENDENT)), [Down]);
    assert_eq!(rig.step(PeerEvent::Bfd(INDEPENDENT)), []);
}

#[test]
fn strict_mode_waits_for_the_path_and_can_be_given_up() {
    let strict = PeerEvent::StrictBfd(Some(Duration::from_secs(30)));
    let mut rig = Rig::new(true);
    rig.step(strict);
    assert_eq!(rig.come_up(&[]), []);
    assert_eq!(rig.step(PeerEvent::Bfd(UP)), [Up]);
    // A failure is over before the next session begins.
    let flapped = BfdNews { up: true, ..FAILED };
    assert_eq!(rig.step(PeerEvent::Bfd(flapped)), [cease(), Down]);
    assert_eq!(rig.come_up(&[]), [Up]);
    rig.step(PeerEvent::Bfd(FAILED));
    assert_eq!(rig.come_up(&[]), []);
    assert_eq!(rig.step(PeerEvent::StrictBfd(None)), [Up]);
}
