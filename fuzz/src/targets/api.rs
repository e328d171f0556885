// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a client of the management API sends.

use std::fmt::Debug;

use bgp_proto::{
    Negotiated, PathAttributes, PeerKind, Prefix, Update, UpdateWriter, frame::HEADER,
};
use bgpd::{
    api::convert::{
        BadMessage, Protobuf, explain_request, order, order_request, query, query_request,
    },
    control::{Explanation, FibRoute, NewRoute, PeerStatus, Route, Status, WatchEvent},
};
use bgpd_api::{Message, v1};

/// A message is refused in words that can be printed, or means the same when it is said again. What is accepted as a
/// route reaches neighbours of every kind well-formed. The first octet chooses the message.
pub fn api(data: &[u8]) {
    let Some((&choice, octets)) = data.split_first() else {
        return;
    };
    match choice % 10 {
        0 => read(octets, query, query_request),
        1 => read(octets, order, |(whom, what)| order_request(*whom, what)),
        2 => drop(said(octets, |message: v1::ExplainRequest| {
            explain_request(&message)
        })),
        3 => comes_back::<Route>(octets),
        4 => comes_back::<Explanation>(octets),
        5 => comes_back::<FibRoute>(octets),
        6 => comes_back::<PeerStatus>(octets),
        7 => comes_back::<Status>(octets),
        8 => comes_back::<WatchEvent>(octets),
        _ => {
            comes_back::<NewRoute>(octets);
            if let Some(route) = said(octets, NewRoute::from_protobuf) {
                told(route.prefix, &route.attributes);
            }
        }
    }
}

fn comes_back<T>(octets: &[u8])
where
    T: Protobuf<Message: Message + Default> + PartialEq + Debug,
{
    read(octets, T::from_protobuf, T::to_protobuf);
}

fn read<M: Message + Default, T: PartialEq + Debug>(
    octets: &[u8],
    from: impl Fn(M) -> Result<T, BadMessage>,
    to: impl Fn(&T) -> M,
) {
    if let Some(value) = said(octets, &from) {
        assert_eq!(from(to(&value)).as_ref(), Ok(&value));
    }
}

fn said<M: Message + Default, T>(
    octets: &[u8],
    from: impl Fn(M) -> Result<T, BadMessage>,
) -> Option<T> {
    match from(M::decode(octets).ok()?) {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(!error.field.is_empty() && !error.problem.is_empty());
            None
        }
    }
}

/// As a neighbour hears it: of our AS or another, with AS numbers of two octets or four.
fn told(prefix: Prefix, attributes: &PathAttributes) {
    let family = prefix.family();
    if attributes.next_hop.is_unspecified() {
        return;
    }
    for (kind, four_octet_as) in [
        (PeerKind::Internal, true),
        (PeerKind::Internal, false),
        (PeerKind::External, true),
        (PeerKind::External, false),
    ] {
        let mut session = Negotiated {
            four_octet_as,
            kind,
            aigp: kind == PeerKind::Internal,
            ..Negotiated::default()
        };
        session.families[0].family = family;
        session.families[0].extended_next_hop = true;
        let mut attributes = attributes.clone();
        if kind == PeerKind::External {
            // What the RIB does on the way out.
            attributes.as_path = attributes.as_path.without_confederation();
            attributes.local_pref = None;
            attributes.originator_id = None;
            attributes.cluster_list.clear();
        }
        // Too long for this session: the RIB withdraws it then.
        let _ =
            UpdateWriter::new(&session).announce(&attributes, family, [(0, prefix)], |message| {
                let update =
                    Update::decode(&message[HEADER..], &session).expect("what we write is right");
                assert_eq!(update.faults(), []);
                assert_eq!(update.announced().count(), 1);
            });
    }
}
