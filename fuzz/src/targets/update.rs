// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The body of an UPDATE, on sessions of all kinds.

use bgp_proto::{
    Family, Negotiated, NegotiatedFamily, PeerKind, Update, UpdateWriter, Verdict,
    frame::{HEADER, MAX_EXTENDED, MAX_STANDARD},
};

/// What was understood is written and understood the same. The first octet chooses the session.
pub fn update(data: &[u8]) {
    let Some((&choice, body)) = data.split_first() else {
        return;
    };
    let session = session(choice);
    let update = match Update::decode(body, &session) {
        Ok(update) => update,
        Err(error) => {
            drop(error.notification().encode());
            drop(error.to_string());
            return;
        }
    };
    for fault in update.faults() {
        assert!(fault.verdict <= update.verdict());
        assert!(!fault.to_string().is_empty());
    }
    for block in update.withdrawn() {
        assert!(session.has_family(block.family));
        assert!(block.prefixes().count() <= body.len());
    }
    if let Some(family) = update.end_of_rib() {
        assert!(session.has_family(family));
        assert_eq!(update.withdrawn().count() + update.announced().count(), 0);
    }
    if update.verdict() == Verdict::Withdraw {
        assert_eq!(update.announced().count(), 0);
    }
    round(&update, &session);
}

/// Each group of routes, written and read again.
fn round(update: &Update<'_>, session: &Negotiated) {
    let writer = UpdateWriter::new(session);
    for (attributes, block) in update.announced() {
        let _ = attributes.as_path.to_string();
        let mut attributes = attributes.clone();
        for unknown in &mut attributes.unknown {
            unknown.flags |= 0x20;
        }
        let mut again = Vec::new();
        let written = writer.announce(&attributes, block.family, block.prefixes(), |message| {
            assert!(message.len() <= session.max_message);
            let read = Update::decode(&message[HEADER..], session).expect("what we write is right");
            assert_eq!(read.faults(), []);
            for (found, block) in read.announced() {
                assert_eq!(found, &attributes);
                again.extend(block.prefixes());
            }
        });
        if written.is_ok() {
            assert_eq!(again, block.prefixes().collect::<Vec<_>>());
        }
    }
}

fn session(choice: u8) -> Negotiated {
    let bit = |number: u8| choice & (1 << number) != 0;
    let family = |family| NegotiatedFamily {
        family,
        add_path_receive: bit(1),
        add_path_send: bit(1),
        extended_next_hop: bit(2),
    };
    let mut families = vec![family(Family::IPV4_UNICAST)];
    if !bit(3) {
        families.push(family(Family::IPV6_UNICAST));
    }
    Negotiated {
        four_octet_as: bit(0),
        families,
        kind: if bit(4) {
            PeerKind::Internal
        } else {
            PeerKind::External
        },
        // A body that came in a long message goes out in long ones.
        max_message: if bit(5) { MAX_STANDARD } else { MAX_EXTENDED },
        ..Negotiated::default()
    }
}
