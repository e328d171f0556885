// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tables that are sent again (RFC 2918), and the marks around them (RFC 7313).

use bgp_proto::{Capability, Code, Family, Message, RefreshSubtype, RouteRefresh};
use bgpd::peer::PeerEvent;
use rib::{Policy, Terms, Verdict};

use crate::rig::{
    BOTH, Rig,
    Told::{self, Again, Asks, Begins, Ended, Ends, Mark, Odd, Said, Sweep},
    restarting,
};

const V4: Family = Family::IPV4_UNICAST;

#[test]
fn what_is_not_repeated_between_the_marks_goes() {
    let mut rig = enhanced(&[]);
    assert_eq!(hear(&mut rig, RefreshSubtype::BEGIN), [Mark(V4)]);
    assert_eq!(hear(&mut rig, RefreshSubtype::END), [Sweep(V4)]);
    assert_eq!(rig.pass(3600), []);
}

#[test]
fn a_table_that_never_ends_is_not_waited_for_for_ever() {
    let mut rig = enhanced(&[]);
    hear(&mut rig, RefreshSubtype::BEGIN);
    rig.pass(300);
    // It begins anew, and so does the time.
    assert_eq!(hear(&mut rig, RefreshSubtype::BEGIN), [Mark(V4)]);
    assert_eq!(rig.pass(359), []);
    assert_eq!(rig.pass(1), [Sweep(V4)]);
    assert!(matches!(hear(&mut rig, RefreshSubtype::END)[..], [Odd(_)]));
}

#[test]
fn marks_that_make_no_sense_are_told_and_passed_over() {
    let mut rig = enhanced(&restarting(&BOTH, true));
    assert!(matches!(
        hear(&mut rig, RefreshSubtype::BEGIN)[..],
        [Odd(_)]
    ));
    rig.end_of_rib(V4);
    assert_eq!(hear(&mut rig, RefreshSubtype::BEGIN), [Mark(V4)]);
    assert_eq!(hear(&mut rig, RefreshSubtype(9)), []);
}

#[test]
fn without_the_capability_marks_mean_nothing() {
    let mut rig = Rig::new(false);
    rig.come_up(&[Capability::RouteRefresh]);
    assert_eq!(hear(&mut rig, RefreshSubtype::BEGIN), []);
    assert_eq!(hear(&mut rig, RefreshSubtype::END), []);
    fed(&mut rig);
    assert_eq!(hear(&mut rig, RefreshSubtype::REQUEST), [Again(V4)]);
    assert_eq!(rig.step(PeerEvent::Fed(V4)), [Ended(V4)]);
}

#[test]
fn a_table_that_is_asked_for_again_has_marks_around_it() {
    let mut rig = enhanced(&[]);
    fed(&mut rig);
    assert_eq!(
        hear(&mut rig, RefreshSubtype::REQUEST),
        [Begins(V4), Again(V4)]
    );
    // A second request waits for the answer to the first.
    assert_eq!(hear(&mut rig, RefreshSubtype::REQUEST), []);
    let told = rig.step(PeerEvent::Fed(V4));
    assert_eq!(told, [Ends(V4), Begins(V4), Again(V4)]);
    assert_eq!(rig.step(PeerEvent::Fed(V4)), [Ends(V4)]);
    let told = rig.step(PeerEvent::RefreshOut);
    assert_eq!(told[..2], [Begins(V4), Again(V4)]);
    assert_eq!(rig.step(PeerEvent::RefreshIn), BOTH.map(Asks));
}

#[test]
fn no_mark_comes_before_the_first_end_of_rib() {
    let mut rig = enhanced(&[]);
    assert_eq!(hear(&mut rig, RefreshSubtype::REQUEST), []);
    let told = rig.step(PeerEvent::Fed(V4));
    assert_eq!(told, [Ended(V4), Begins(V4), Again(V4)]);
}

/// What is not kept is asked for when import changes.
#[test]
fn a_new_import_policy_asks_for_what_is_not_kept() {
    let mut rig = enhanced(&[]);
    assert_eq!(rig.step(policy(Verdict::Reject)), []);
    assert_eq!(rig.step(terms(true, false)), []);
    assert_eq!(rig.step(policy(Verdict::Reject)), [], "the same");
    assert_eq!(rig.step(policy(Verdict::Accept)), BOTH.map(Asks));
    assert_eq!(rig.step(terms(true, true)), BOTH.map(Asks));
    assert_eq!(rig.step(terms(false, true)), BOTH.map(Asks), "to be kept");
    assert_eq!(rig.step(policy(Verdict::Reject)), []);
    // The answer has marks around it: what is not in it goes.
    assert_eq!(hear(&mut rig, RefreshSubtype::BEGIN), [Mark(V4)]);
    assert_eq!(hear(&mut rig, RefreshSubtype::END), [Sweep(V4)]);
}

#[test]
fn who_can_not_be_asked_says_it_in_a_new_session() {
    let mut rig = Rig::new(false);
    rig.come_up(&[]);
    rig.step(terms(true, false));
    let told = rig.step(policy(Verdict::Reject));
    let [Said(notification), Told::Down] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(notification.code, Code::CEASE_CONFIGURATION_CHANGE);
    assert_eq!(rig.come_up(&[])[0], Told::Up);
    // Without a session there is nobody to ask, and nothing to ask for.
    rig.break_off();
    assert_eq!(rig.step(policy(Verdict::Accept)), []);
}

fn policy(verdict: Verdict) -> PeerEvent {
    PeerEvent::Policy {
        import: Policy::new(Vec::new(), verdict).unwrap(),
        export: Policy::accept_all(),
    }
}

fn terms(imported_only: bool, prepend_received: bool) -> PeerEvent {
    PeerEvent::Terms(Box::new(Terms {
        imported_only,
        prepend_received,
        ..Terms::default()
    }))
}

#[test]
fn a_mark_of_the_wrong_length_ends_the_session() {
    let mut rig = enhanced(&[]);
    let mut message = mark(RefreshSubtype::BEGIN).to_vec();
    message.push(0);
    message[17] += 1;
    let told = rig.hear(&message.clone().into());
    let Some(Said(notification)) = told.first() else {
        panic!("{told:?}")
    };
    assert_eq!(notification.code, Code::REFRESH_LENGTH);
    assert_eq!(notification.data[..], message);
}

fn enhanced(more: &[Capability]) -> Rig {
    let mut rig = Rig::new(false);
    let refresh = [Capability::RouteRefresh, Capability::EnhancedRouteRefresh];
    rig.come_up(&[more, &refresh[..]].concat());
    rig
}

/// Our first tables are out.
fn fed(rig: &mut Rig) {
    for family in BOTH {
        assert_eq!(rig.step(PeerEvent::Fed(family)), [Ended(family)]);
    }
}

fn mark(subtype: RefreshSubtype) -> bytes::Bytes {
    let family = V4;
    Message::RouteRefresh(RouteRefresh { family, subtype }).encode()
}

fn hear(rig: &mut Rig, subtype: RefreshSubtype) -> Vec<Told> {
    rig.hear(&mark(subtype))
}
