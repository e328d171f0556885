// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is said: OPENs and what they come to, and why a session is refused or ended.

#[path = "rig/rig.rs"]
mod rig;

use bgp_fsm::{
    Action, Direction, DownReason, Event, Mode, PeerAs, SessionConfig, State, StopReason,
};
use bgp_proto::{Asn, Capability, Code, Family, HoldTime, Notification, Open, PeerKind, Role};
use rig::{
    FIRST, LOCAL, Rig, SECOND, closes, codes, config, down, id, notifications, open, sent_open, up,
};

/// What the machine answers to an OPEN.
fn answer(config: SessionConfig, remote: Open) -> (Rig, Vec<Action>) {
    let mut rig = Rig::new(config);
    rig.reach_open_sent();
    let actions = rig.open(FIRST, remote);
    (rig, actions)
}

#[test]
fn our_open_says_what_is_configured_and_always_the_four_octet_as() {
    let capabilities = vec![Capability::RouteRefresh, Capability::FourOctetAs(Asn(7))];
    let mut rig = Rig::new(SessionConfig {
        capabilities,
        local_as: Asn(4_200_000_000),
        ..config()
    });
    rig.step(Event::Start);
    let ours = sent_open(&rig.connected(FIRST, Direction::Outgoing)).unwrap();
    let expected = Open {
        asn: Asn(4_200_000_000),
        hold_time: HoldTime::from_wire(90).unwrap(),
        router_id: id(2),
        capabilities: vec![
            Capability::RouteRefresh,
            Capability::FourOctetAs(Asn(4_200_000_000)),
        ],
    };
    assert_eq!(ours, expected);
}

#[test]
fn a_wrong_as_is_refused_with_2_2() {
    let (rig, actions) = answer(
        config(),
        Open {
            asn: Asn(65002),
            ..open(1)
        },
    );
    assert_eq!(codes(&actions), [(FIRST, Code::OPEN_BAD_PEER_AS)]);
    assert_eq!(closes(&actions), [FIRST]);
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn of_two_ases_of_ours_the_one_that_is_not_refused_is_used() {
    let other = Asn(64999);
    let mut rig = Rig::new(SessionConfig {
        other_as: Some(other),
        ..config()
    });
    let said = |rig: &mut Rig| {
        rig.tick();
        let actions = rig.connected(FIRST, Direction::Outgoing);
        sent_open(&actions).map(|open| (open.asn, open.capabilities))
    };
    let with = |asn| Some((asn, vec![Capability::FourOctetAs(asn)]));
    let refuse = |rig: &mut Rig, code| {
        rig.step(Event::Notification {
            connection: FIRST,
            notification: Notification::new(code),
        });
    };
    rig.reach_open_sent();
    refuse(&mut rig, Code::OPEN_BAD_PEER_AS);
    assert_eq!(rig.session.config().local_as, other);
    assert_eq!(said(&mut rig), with(other));
    // Another refusal says nothing of the AS.
    refuse(&mut rig, Code::OPEN_HOLD_TIME);
    assert_eq!(said(&mut rig), with(other));
    refuse(&mut rig, Code::OPEN_BAD_PEER_AS);
    assert_eq!(said(&mut rig), with(LOCAL));
    rig.open(FIRST, open(1));
    rig.keepalive(FIRST);
    assert_eq!(rig.state(), State::Established);
    // What worked is said first.
    refuse(&mut rig, Code::OPEN_BAD_PEER_AS);
    assert_eq!(said(&mut rig), with(LOCAL));
}

#[test]
fn two_connections_that_are_refused_for_our_as_change_it_once() {
    let other = Asn(64999);
    let mut rig = Rig::new(SessionConfig {
        other_as: Some(other),
        ..config()
    });
    rig.reach_open_sent();
    rig.connected(SECOND, Direction::Incoming);
    for connection in [FIRST, SECOND] {
        rig.step(Event::Notification {
            connection,
            notification: Notification::new(Code::OPEN_BAD_PEER_AS),
        });
    }
    assert_eq!(rig.session.config().local_as, other);
    let mut alone = Rig::new(config());
    alone.reach_open_sent();
    alone.step(Event::Notification {
        connection: FIRST,
        notification: Notification::new(Code::OPEN_BAD_PEER_AS),
    });
    assert_eq!(alone.session.config().local_as, LOCAL);
}

#[test]
fn any_as_but_our_own_is_external() {
    let external = || SessionConfig {
        peer_as: PeerAs::External,
        ..config()
    };
    let with = |asn| Open { asn, ..open(1) };
    let (_, actions) = answer(external(), with(config().local_as));
    assert_eq!(codes(&actions), [(FIRST, Code::OPEN_BAD_PEER_AS)]);
    let (rig, actions) = answer(external(), with(Asn(65002)));
    assert_eq!(codes(&actions), []);
    assert_eq!(rig.state(), State::OpenConfirm);
}

#[test]
fn a_dynamic_neighbour_brings_its_as() {
    for (asn, kind) in [
        (Asn(4_200_000_000), PeerKind::External),
        (LOCAL, PeerKind::Internal),
    ] {
        let any = SessionConfig {
            peer_as: PeerAs::Any,
            mode: Mode::Passive,
            ..config()
        };
        let mut rig = Rig::new(any);
        rig.step(Event::Start);
        rig.connected(FIRST, Direction::Incoming);
        rig.open(FIRST, Open { asn, ..open(1) });
        let actions = rig.keepalive(FIRST);
        let remote = actions.iter().find_map(|action| match action {
            Action::Up { remote, .. } => Some(remote.asn),
            _ => None,
        });
        assert_eq!(remote, Some(asn));
        assert_eq!(up(&actions).unwrap().1.kind, kind);
    }
}

#[test]
fn our_own_identifier_is_refused_inside_the_as_and_fine_outside() {
    let internal = SessionConfig {
        peer_as: PeerAs::Exact(LOCAL),
        ..config()
    };
    let (_, actions) = answer(
        internal,
        Open {
            asn: LOCAL,
            ..open(2)
        },
    );
    assert_eq!(codes(&actions), [(FIRST, Code::OPEN_BAD_IDENTIFIER)]);
    let (rig, _) = answer(config(), open(2));
    assert_eq!(rig.state(), State::OpenConfirm);
}

#[test]
fn roles_are_a_pair_or_the_peer_is_told_2_11() {
    let pairs = [
        (Role::PROVIDER, Role::CUSTOMER),
        (Role::CUSTOMER, Role::PROVIDER),
        (Role::ROUTE_SERVER, Role::ROUTE_SERVER_CLIENT),
        (Role::ROUTE_SERVER_CLIENT, Role::ROUTE_SERVER),
        (Role::PEER, Role::PEER),
    ];
    let is_refused = |ours: Role, theirs: &[Role], strict_role| {
        let ours = SessionConfig {
            capabilities: vec![Capability::Role(ours)],
            strict_role,
            ..config()
        };
        let mut remote = open(1);
        let theirs = theirs.iter().map(|role| Capability::Role(*role));
        remote.capabilities.extend(theirs);
        let (rig, actions) = answer(ours, remote);
        let refused = codes(&actions) == [(FIRST, Code::OPEN_ROLE_MISMATCH)];
        assert_eq!(refused, rig.state() == State::Idle, "{actions:?}");
        refused
    };
    for ours in (0..5).map(Role) {
        for theirs in (0..6).map(Role) {
            let fits = pairs.contains(&(ours, theirs));
            assert_eq!(
                !is_refused(ours, &[theirs], false),
                fits,
                "{ours:?} {theirs:?}"
            );
        }
        assert!(!is_refused(ours, &[], false));
        assert!(is_refused(ours, &[], true), "strict");
    }
    let customer = Role::CUSTOMER;
    assert!(!is_refused(Role::PROVIDER, &[customer, customer], true));
    assert!(is_refused(Role::PROVIDER, &[customer, Role::PEER], true));
    // Without a role of our own, the peer's is of no concern.
    let mut remote = open(1);
    remote.capabilities.push(Capability::Role(Role::PEER));
    assert_eq!(answer(config(), remote).0.state(), State::OpenConfirm);
}

#[test]
fn no_family_in_common_is_refused_with_those_that_we_want() {
    let ours = SessionConfig {
        capabilities: vec![Capability::Multiprotocol(Family::IPV6_UNICAST)],
        ..config()
    };
    let (_, actions) = answer(ours, open(1));
    let expected = Notification::with_data(Code::OPEN_UNSUPPORTED_CAPABILITY, &[1, 4, 0, 2, 0, 1]);
    assert_eq!(notifications(&actions), [(FIRST, expected)]);
}

#[test]
fn a_two_octet_peer_is_taken_and_unknown_capabilities_do_no_harm() {
    let unknown = Capability::Unknown {
        code: 222,
        value: bytes::Bytes::from_static(b"x"),
    };
    let (mut rig, _) = answer(
        config(),
        Open {
            capabilities: vec![unknown],
            ..open(1)
        },
    );
    let (_, negotiated) = up(&rig.keepalive(FIRST)).unwrap();
    assert!(!negotiated.four_octet_as);
    assert!(negotiated.has_family(Family::IPV4_UNICAST));
}

#[test]
fn a_message_out_of_place_is_answered_with_its_type() {
    let at = |state: State| match state {
        State::OpenSent => {
            let mut rig = Rig::new(config());
            rig.reach_open_sent();
            rig
        }
        State::OpenConfirm => answer(config(), open(1)).0,
        _ => Rig::established(config(), open(1)),
    };
    let connection = FIRST;
    let keepalive = Event::Keepalive { connection };
    let update = Event::Update { connection };
    let refresh = Event::RouteRefresh { connection };
    let second = Event::Open {
        connection,
        open: open(1),
    };
    let cases = [
        (State::OpenSent, Code::FSM_OPEN_SENT, &keepalive, 4),
        (State::OpenSent, Code::FSM_OPEN_SENT, &update, 2),
        (State::OpenSent, Code::FSM_OPEN_SENT, &refresh, 5),
        (State::OpenConfirm, Code::FSM_OPEN_CONFIRM, &update, 2),
        (State::OpenConfirm, Code::FSM_OPEN_CONFIRM, &refresh, 5),
        (State::OpenConfirm, Code::FSM_OPEN_CONFIRM, &second, 1),
        (State::Established, Code::FSM_ESTABLISHED, &second, 1),
    ];
    for (state, code, event, kind) in cases {
        let actions = at(state).step(event.clone());
        assert_eq!(
            notifications(&actions),
            [(FIRST, Notification::with_data(code, &[kind]))],
            "{state}"
        );
    }
}

#[test]
fn a_notification_is_never_answered() {
    for code in [
        Code::CEASE_ADMIN_SHUTDOWN,
        Code::OPEN_VERSION,
        Code(0, 0),
        Code(255, 255),
    ] {
        for mut rig in [
            answer(config(), open(1)).0,
            Rig::established(config(), open(1)),
        ] {
            let notification = Notification::new(code);
            let actions = rig.step(Event::Notification {
                connection: FIRST,
                notification: notification.clone(),
            });
            assert_eq!(notifications(&actions), []);
            assert_eq!(closes(&actions), [FIRST]);
            assert_eq!(
                rig.session.last_error().unwrap().reason(),
                &DownReason::Received(notification)
            );
        }
    }
}

#[test]
fn each_reason_to_stop_has_its_subcode() {
    let limit = StopReason::MaximumPrefixes(Family::IPV6_UNICAST, 5000);
    let cases = [
        (limit, Code(6, 1), &[0, 2, 1, 0, 0, 0x13, 0x88][..]),
        (
            StopReason::AdministrativeShutdown(String::new()),
            Code(6, 2),
            &[],
        ),
        (
            StopReason::AdministrativeShutdown("bye".to_owned()),
            Code(6, 2),
            b"\x03bye",
        ),
        (StopReason::Deconfigured, Code(6, 3), &[]),
        (
            StopReason::AdministrativeReset("new cable".to_owned()),
            Code(6, 4),
            b"\x09new cable",
        ),
        (StopReason::Rejected, Code(6, 5), &[]),
        (StopReason::ConfigurationChange, Code(6, 6), &[]),
        (StopReason::OutOfResources, Code(6, 8), &[]),
    ];
    for (reason, code, data) in cases {
        let mut rig = Rig::established(config(), open(1));
        let actions = rig.step(Event::Stop(reason));
        let sent = Notification::with_data(code, data);
        assert_eq!(notifications(&actions), [(FIRST, sent.clone())]);
        assert_eq!(down(&actions), Some(DownReason::Sent(sent)));
        assert!(rig.session.is_stopped());
    }
}

#[test]
fn a_long_shutdown_text_is_cut_between_characters() {
    let mut rig = Rig::established(config(), open(1));
    let actions = rig.step(Event::Stop(StopReason::AdministrativeShutdown(
        "ä".repeat(200),
    )));
    let (_, sent) = notifications(&actions).remove(0);
    assert_eq!(sent.data.len(), 255);
    assert_eq!(sent.shutdown_text(), Some("ä".repeat(127)));
}

#[test]
fn the_peers_shutdown_text_is_kept_and_escaped() {
    let mut rig = Rig::established(config(), open(1));
    let notification = Notification::with_data(
        Code::CEASE_ADMIN_SHUTDOWN,
        b"\x08\x1b[2Jgone\n".get(..9).unwrap(),
    );
    rig.step(Event::Notification {
        connection: FIRST,
        notification,
    });
    let shown = rig.session.last_error().unwrap().to_string();
    assert!(
        shown.contains("Administrative Shutdown (6/2)") && shown.contains("[2Jgone"),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn the_last_notification_is_not_hidden_by_attempts_that_fail_later() {
    let mut rig = Rig::established(config(), open(1));
    let notification = Notification::with_shutdown_text(Code::CEASE_ADMIN_SHUTDOWN, "until noon");
    rig.step(Event::Notification {
        connection: FIRST,
        notification: notification.clone(),
    });
    rig.tick();
    rig.step(Event::ConnectFailed);
    assert_eq!(
        rig.session.last_error().unwrap().reason(),
        &DownReason::ConnectFailed
    );
    let last = rig.session.last_notification().unwrap();
    assert_eq!(last.reason(), &DownReason::Received(notification));
    assert_eq!(last.code(), Some((6, 2)));
}

#[test]
fn a_session_counts_and_knows_since_when() {
    let mut rig = Rig::established(config(), open(1));
    assert_eq!(rig.session.established_since(), Some(rig.now));
    rig.closed(FIRST);
    assert_eq!(rig.session.established_since(), None);
    rig.tick();
    rig.connected(SECOND, Direction::Incoming);
    rig.open(SECOND, open(1));
    rig.keepalive(SECOND);
    assert_eq!(rig.session.established_count(), 2);
}

#[test]
fn nothing_is_sent_or_counted_for_a_connection_that_is_gone() {
    let mut rig = Rig::established(config(), open(1));
    rig.closed(FIRST);
    let state = rig.state();
    let late = [
        Event::Update { connection: FIRST },
        Event::Keepalive { connection: FIRST },
        Event::Progress { connection: FIRST },
        Event::Closed { connection: FIRST },
        Event::Fault {
            connection: FIRST,
            notification: Notification::new(Code::UPDATE_ORIGIN),
        },
        Event::Open {
            connection: FIRST,
            open: open(1),
        },
    ];
    for event in late {
        assert_eq!(rig.step(event), []);
    }
    rig.tick();
    assert_eq!(state, State::Idle);
    assert_eq!(rig.step(Event::Keepalive { connection: FIRST }), []);
}

#[test]
fn capabilities_changed_are_said_in_the_next_open_and_count_from_there() {
    let remote = || Open {
        capabilities: vec![Capability::RouteRefresh],
        ..open(1)
    };
    let mut rig = Rig::new(config());
    rig.reach_open_sent();
    rig.session.set_capabilities(vec![Capability::RouteRefresh]);
    rig.open(FIRST, remote());
    let (_, negotiated) = up(&rig.keepalive(FIRST)).unwrap();
    assert!(!negotiated.route_refresh, "our OPEN did not say so");
    rig.closed(FIRST);
    rig.tick();
    let ours = sent_open(&rig.connected(SECOND, Direction::Incoming)).unwrap();
    assert!(ours.capabilities.contains(&Capability::RouteRefresh));
    rig.open(SECOND, remote());
    assert!(up(&rig.keepalive(SECOND)).unwrap().1.route_refresh);
}
