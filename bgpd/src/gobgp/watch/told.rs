// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Changes as octets: encoded once in each version, and shared by all who watch.

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use bgp_proto::Family;
use bgpd_api::{Message as _, encode_length_delimiter, v3, v4};
use bytes::{BufMut as _, Bytes, BytesMut};
use prost_types::Timestamp;

use super::{
    super::{attributes, family_message, paths::Sight},
    Version,
    wanted::Wanted,
};
use crate::control::{Change, Changes, RouteSource, Sender};

/// Tag of `WatchEventResponse.table`.
const TABLE: u8 = 3 << 3 | 2;

/// Tag of `TableEvent.paths`.
const PATH: u8 = 2 << 3 | 2;

/// Octets in front of the paths of a message: a tag and a length.
const HEAD: usize = 1 + 10;

/// Paths as the fields of a table event, one after the other, with room for the head of a message in front.
pub(super) struct Paths {
    octets: Vec<u8>,
    ends: Vec<usize>,
}

/// Changes in one version.
pub(super) struct Told {
    /// One message with all paths.
    whole: Bytes,
    /// Where in it the paths end, and the first one begins.
    ends: Vec<usize>,
    start: usize,
}

/// In both, as far as anybody wanted it.
#[derive(Default)]
struct Made {
    three: OnceLock<Arc<Told>>,
    four: OnceLock<Arc<Told>>,
}

/// Changes as octets: what somebody else has made of them, or what is made now.
pub(super) fn of(changes: &Changes, version: Version, sight: impl FnOnce() -> Sight) -> Arc<Told> {
    let made = changes.made.get_or_init(|| Box::<Made>::default());
    let encode = || {
        let sight = sight();
        let mut paths = Paths::default();
        for change in &changes.changes {
            paths.push(path(change, &sight, changes.at), version);
        }
        Arc::new(paths.told())
    };
    // Nothing else is ever put there.
    let Some(made) = made.downcast_ref::<Made>() else {
        return encode();
    };
    let place = match version {
        Version::Three => &made.three,
        Version::Four => &made.four,
    };
    Arc::clone(place.get_or_init(encode))
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            octets: vec![0; HEAD],
            ends: Vec::new(),
        }
    }
}

impl Paths {
    pub(super) fn push(&mut self, path: v4::Path, version: Version) {
        self.octets.push(PATH);
        // A vector takes whatever is put into it.
        let _ = match version {
            Version::Three => v3::Path::from(path).encode_length_delimited(&mut self.octets),
            Version::Four => path.encode_length_delimited(&mut self.octets),
        };
        self.ends.push(self.octets.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn octets(&self) -> usize {
        self.octets.len().saturating_sub(HEAD)
    }

    /// A reply with a table event of all of them.
    pub(super) fn message(self) -> Bytes {
        self.told().whole
    }

    fn told(self) -> Told {
        let head = head(self.octets());
        let unused = HEAD.saturating_sub(head.len());
        let mut whole = self.octets;
        if let Some(room) = whole.get_mut(unused..HEAD) {
            room.copy_from_slice(&head);
        }
        let ends = self.ends.iter().map(|end| end.saturating_sub(unused));
        Told {
            ends: ends.collect(),
            start: head.len(),
            whole: Bytes::from(whole).slice(unused..),
        }
    }
}

impl Told {
    fn get(&self, number: usize) -> &[u8] {
        let before = number.checked_sub(1);
        let start = before.map_or(Some(&self.start), |before| self.ends.get(before));
        let range = start.zip(self.ends.get(number));
        range
            .and_then(|(start, end)| self.whole.get(*start..*end))
            .unwrap_or_default()
    }
}

impl Wanted {
    /// The messages for this client.
    pub(super) fn changes(&self, told: &Told, changes: &Changes) -> Vec<Bytes> {
        let numbered = changes.changes.iter().enumerate();
        let wanted = numbered.filter(|(_, change)| self.has(change, &changes.senders));
        let parts: Vec<&[u8]> = wanted.map(|(number, _)| told.get(number)).collect();
        if parts.len() == told.ends.len() && parts.len() <= self.batch {
            return vec![told.whole.clone()];
        }
        parts.chunks(self.batch).map(message).collect()
    }
}

/// A reply with a table event of these paths.
fn message(paths: &[&[u8]]) -> Bytes {
    let length = paths.iter().map(|path| path.len()).sum();
    let head = head(length);
    let mut out = BytesMut::with_capacity(head.len() + length);
    out.put_slice(&head);
    for path in paths {
        out.put_slice(path);
    }
    out.freeze()
}

/// What is in front of the paths of a table event that are so long.
fn head(length: usize) -> Vec<u8> {
    let mut head = vec![TABLE];
    // It grows as it must.
    let _ = encode_length_delimiter(length, &mut head);
    head
}

fn path(change: &Change, sight: &Sight, at: SystemTime) -> v4::Path {
    if let Some(route) = change.route() {
        return v4::Path {
            best: false,
            ..sight.path(&route, at)
        };
    }
    let gone = v4::Path {
        nlri: Some(attributes::nlri(change.prefix)),
        age: Some(Timestamp::from(at)),
        family: Some(family_message(change.prefix.family())),
        is_withdraw: true,
        identifier: change.path_id,
        ..v4::Path::default()
    };
    match change.source {
        Some(source) => sight.from(source, gone),
        None => gone,
    }
}

/// What tells that a neighbour has sent all: a path of nowhere.
pub(super) fn end_of_rib(sender: &Sender, family: Family) -> v4::Path {
    let path = v4::Path {
        age: Some(Timestamp::from(SystemTime::now())),
        family: Some(family_message(family)),
        ..v4::Path::default()
    };
    let source = RouteSource::Bgp(sender.name);
    Sight::of_senders(std::slice::from_ref(sender)).from(source, path)
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use bgp_proto::{AsPath, Asn, NextHop, Origin, PathAttributes};

    use super::*;
    use crate::control::Watched;

    #[test]
    fn however_many_watch_changes_are_encoded_once_in_each_version() {
        let path = AsPath::from_sequence([Asn(64513)]);
        let next_hop = NextHop::V4([192, 0, 2, 1].into());
        let attributes = Arc::new(PathAttributes::new(Origin::Igp, path, next_hop));
        let change = |number: u8| Change {
            table: Watched::Best,
            prefix: format!("10.{number}.0.0/16").parse().unwrap(),
            path_id: 0,
            source: Some(RouteSource::Static),
            path: Some((Arc::clone(&attributes), Duration::ZERO)),
            is_unreachable: false,
        };
        let changes = Changes::new((0..100).map(change).collect(), SystemTime::now());
        let encoded = Cell::new(0);
        let sight = || {
            encoded.set(encoded.get() + 1);
            Sight::of_senders(&[])
        };
        let first = of(&changes, Version::Four, sight);
        for _ in 0..99 {
            let told = of(&changes, Version::Four, sight);
            assert!(Arc::ptr_eq(&first, &told));
        }
        let older = of(&changes, Version::Three, sight);
        assert!(Arc::ptr_eq(&older, &of(&changes, Version::Three, sight)));
        assert_eq!(encoded.get(), 2);

        let reply = v4::WatchEventResponse::decode(first.whole.clone()).unwrap();
        let Some(v4::watch_event_response::Event::Table(table)) = reply.event else {
            panic!("a table event");
        };
        assert_eq!(table.paths.len(), 100);
        let single: Vec<_> = (0..100)
            .map(|number| message(&[first.get(number)]))
            .collect();
        for (path, octets) in table.paths.into_iter().zip(single) {
            let reply = v4::WatchEventResponse::decode(octets).unwrap();
            let expected = v4::watch_event_response::TableEvent { paths: vec![path] };
            let expected = v4::watch_event_response::Event::Table(expected);
            assert_eq!(reply.event, Some(expected));
        }
    }
}
