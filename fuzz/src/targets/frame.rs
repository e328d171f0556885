// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Framing, and every message but UPDATE behind it.

use bgp_proto::{
    Frame, Framer, HeaderError, MessageKind, Negotiated, Notification, Open, RouteRefresh, Update,
    frame::{HEADER, MAX_EXTENDED, MAX_STANDARD},
};
use bytes::BytesMut;

/// A stream gives the same messages whether it arrives at once or in pieces. The first octet says how long the pieces
/// are and whether messages are extended.
pub fn frame(data: &[u8]) {
    let Some((&choice, stream)) = data.split_first() else {
        return;
    };
    let extended = choice & 0x80 != 0;
    let whole = messages(stream, stream.len().max(1), extended);
    let pieces = messages(stream, usize::from(choice & 0x7f) + 1, extended);
    assert_eq!(whole, pieces);
    for frame in &whole.0 {
        read(frame);
    }
    if let Some(error) = whole.1 {
        assert_eq!(sent(&error.notification()), error.notification());
    }
}

fn messages(stream: &[u8], piece: usize, extended: bool) -> (Vec<Frame>, Option<HeaderError>) {
    let mut framer = Framer::default();
    if extended {
        framer.set_max_message(MAX_EXTENDED);
    }
    let mut buffer = BytesMut::new();
    let mut found = Vec::new();
    for part in stream.chunks(piece) {
        buffer.extend_from_slice(part);
        loop {
            match framer.next(&mut buffer) {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

fn read(frame: &Frame) {
    let body = frame.body();
    match frame.kind {
        MessageKind::Open => drop(Open::decode(body)),
        MessageKind::Update => drop(Update::decode(body, &Negotiated::default())),
        MessageKind::Notification => {
            let notification = Notification::decode(body);
            let shown = notification.to_string();
            assert!(!shown.contains(char::is_control), "{shown:?}");
            if body.len() <= MAX_STANDARD - HEADER && body.len() >= 2 {
                assert_eq!(sent(&notification), notification);
            }
        }
        MessageKind::Keepalive => assert!(body.is_empty()),
        MessageKind::RouteRefresh => {
            if let Ok(refresh) = RouteRefresh::decode(body) {
                assert_eq!(
                    RouteRefresh::decode(&refresh.encode()[HEADER..]),
                    Ok(refresh)
                );
            }
        }
    }
}

/// The notification as it arrives at the peer.
fn sent(notification: &Notification) -> Notification {
    Notification::decode(&notification.encode()[HEADER..])
}
