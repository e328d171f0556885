// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The body of an OPEN.

use bgp_proto::{Capability, Negotiated, Open, frame::HEADER};

/// What was understood is written and understood the same, and two speakers can negotiate on it.
pub fn open(data: &[u8]) {
    let open = match Open::decode(data) {
        Ok(open) => open,
        Err(error) => {
            drop(error.notification().encode());
            drop(error.to_string());
            return;
        }
    };
    let sent = open.encode();
    let again = Open::decode(&sent[HEADER..]).expect("what we write is right");
    assert_eq!(
        (open.hold_time, open.router_id),
        (again.hold_time, again.router_id)
    );
    // Only what the message has no room for is left out, from the end; texts are cut.
    if sent.len() < 4000 {
        assert_eq!(open.asn, again.asn);
        assert_eq!(open.capabilities.len(), again.capabilities.len());
    }
    for (was, is) in open.capabilities.iter().zip(&again.capabilities) {
        assert_eq!(was.code(), is.code());
        if !matches!(
            was,
            Capability::Fqdn { .. } | Capability::SoftwareVersion(_)
        ) {
            assert_eq!(was, is);
        }
    }
    let (one, other) = (
        Negotiated::from_opens(&open, &again),
        Negotiated::from_opens(&again, &open),
    );
    assert_eq!(one.hold_time, other.hold_time);
    assert_eq!(one.max_message, other.max_message);
}
