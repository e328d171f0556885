// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `bgpctl top` knows and what keys do to it: no terminal, no clock.

use std::{cmp::Ordering, time::Duration};

use crate::{
    config::PeerName,
    control::{PeerStatus, SessionState, Status},
};

/// The daemon at one time.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// By the client's clock.
    pub at: Duration,
    /// The daemon as a whole.
    pub status: Status,
    /// Its neighbours.
    pub peers: Vec<PeerStatus>,
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct Row {
    pub name: PeerName,
    pub asn: u32,
    pub state: SessionState,
    pub admin_down: bool,
    pub since: Option<Duration>,
    pub description: String,
    /// Messages a second.
    pub received_rate: f64,
    pub sent_rate: f64,
    pub routes: u64,
    /// Routes a second, those that come less those that go.
    pub route_rate: f64,
    pub advertised: u64,
    /// Octets that wait to be sent.
    pub queued: u64,
}

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::cli) enum Column {
    #[default]
    Name,
    Asn,
    State,
    Since,
    Received,
    Sent,
    Routes,
    RouteRate,
    Advertised,
}

/// Each column with its key and its heading, in the order of the screen.
pub(super) const COLUMNS: [(Column, char, &str); 9] = [
    (Column::Name, 'n', "Neighbor"),
    (Column::Asn, 'a', "AS"),
    (Column::State, 's', "State"),
    (Column::Since, 'u', "Since"),
    (Column::Received, 'i', "In/s"),
    (Column::Sent, 'o', "Out/s"),
    (Column::Routes, 'r', "Routes"),
    (Column::RouteRate, 't', "Rt/s"),
    (Column::Advertised, 'x', "Sent"),
];

/// A key that means something here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "as they are written on the keys")]
pub enum Press {
    Letter(char),
    Erase,
    Enter,
    Escape,
    Up,
    Down,
    PageUp,
    PageDown,
}

/// All that `bgpctl top` shows.
#[derive(Debug, Default)]
pub struct Top {
    before: Option<Snapshot>,
    now: Option<Snapshot>,
    pub(super) sort: Column,
    pub(super) is_reversed: bool,
    pub(super) filter: String,
    /// The filter is being typed.
    pub(super) is_typing: bool,
    /// Lines of the table that are above the screen.
    pub(super) skipped: usize,
    /// The last question was not answered.
    pub(super) problem: Option<String>,
    pub(super) is_over: bool,
}

impl Top {
    /// Takes in how it is now; with what was before, there are rates.
    pub fn update(&mut self, snapshot: Snapshot) {
        self.problem = None;
        self.before = self.now.replace(snapshot);
    }

    pub(in crate::cli) fn status(&self) -> Option<&Status> {
        self.now.as_ref().map(|now| &now.status)
    }

    /// Neighbours that the filter lets through, sorted.
    pub(in crate::cli) fn rows(&self) -> Vec<Row> {
        let Some(now) = &self.now else {
            return Vec::new();
        };
        let mut rows: Vec<Row> = now.peers.iter().map(|peer| self.row(peer)).collect();
        let wanted = self.filter.to_lowercase();
        rows.retain(|row| wanted.is_empty() || row.matches(&wanted));
        rows.sort_by(|one, other| {
            let order = row_order(self.sort, one, other);
            let order = if self.is_reversed {
                order.reverse()
            } else {
                order
            };
            order.then(one.name.cmp(&other.name))
        });
        rows
    }

    fn row(&self, peer: &PeerStatus) -> Row {
        let before = self.before.as_ref();
        let before = before.and_then(|before| {
            before
                .peers
                .iter()
                .find(|known| known.address == peer.address)
        });
        let routes = |peer: &PeerStatus| peer.families.iter().map(|family| family.received).sum();
        let now: u64 = routes(peer);
        let was = before.map_or(now, routes);
        // What has been counted from zero again since has no rate.
        let rate = |now: u64, was: Option<u64>| {
            self.per_second(was.map_or(0, |was| now.saturating_sub(was)))
        };
        let route_rate = self.per_second(now.abs_diff(was));
        Row {
            name: peer.address,
            asn: peer.peer_as.0,
            state: peer.state,
            admin_down: peer.admin_down,
            since: peer.since,
            description: peer.description.clone(),
            received_rate: rate(
                messages(&peer.received),
                before.map(|peer| messages(&peer.received)),
            ),
            sent_rate: rate(
                messages(&peer.sent),
                before.map(|peer| messages(&peer.sent)),
            ),
            routes: now,
            route_rate: if now < was { -route_rate } else { route_rate },
            advertised: peer.families.iter().map(|family| family.advertised).sum(),
            queued: peer.queued,
        }
    }

    /// Paths a second in the whole table, and routes a second in the kernel.
    pub(in crate::cli) fn totals(&self) -> (f64, f64) {
        let (Some(before), Some(now)) = (&self.before, &self.now) else {
            return (0.0, 0.0);
        };
        let difference = |now: u64, was: u64| {
            let rate = self.per_second(now.abs_diff(was));
            if now < was { -rate } else { rate }
        };
        let installed = |snapshot: &Snapshot| snapshot.status.fib.map_or(0, |fib| fib.installed);
        (
            difference(now.status.paths, before.status.paths),
            difference(installed(now), installed(before)),
        )
    }

    #[expect(clippy::cast_precision_loss, reason = "rates are for people")]
    fn per_second(&self, count: u64) -> f64 {
        let (Some(before), Some(now)) = (&self.before, &self.now) else {
            return 0.0;
        };
        let time = now.at.saturating_sub(before.at).as_secs_f64();
        if time > 0.0 { count as f64 / time } else { 0.0 }
    }

    /// What a key does, on a screen with so many lines for the table.
    pub fn press(&mut self, key: Press, page: usize) {
        if self.is_typing {
            match key {
                Press::Letter(letter) => self.filter.push(letter),
                Press::Erase => drop(self.filter.pop()),
                Press::Enter => self.is_typing = false,
                Press::Escape => {
                    self.filter.clear();
                    self.is_typing = false;
                }
                Press::Up | Press::Down | Press::PageUp | Press::PageDown => {}
            }
            self.skipped = 0;
            return;
        }
        let last = self.rows().len().saturating_sub(page);
        match key {
            Press::Letter('q') => self.is_over = true,
            Press::Letter('/') => self.is_typing = true,
            Press::Letter(letter) => {
                if let Some((column, ..)) = COLUMNS.iter().find(|(_, key, _)| *key == letter) {
                    // What is most is first, names are in order; the same key turns that round.
                    let usual = !matches!(column, Column::Name | Column::Asn | Column::State);
                    self.is_reversed = if self.sort == *column {
                        !self.is_reversed
                    } else {
                        usual
                    };
                    self.sort = *column;
                }
            }
            Press::Escape => self.filter.clear(),
            Press::Up => self.skipped = self.skipped.saturating_sub(1),
            Press::Down => self.skipped = (self.skipped + 1).min(last),
            Press::PageUp => self.skipped = self.skipped.saturating_sub(page),
            Press::PageDown => self.skipped = (self.skipped + page).min(last),
            Press::Enter | Press::Erase => {}
        }
    }
}

impl Row {
    fn matches(&self, wanted: &str) -> bool {
        let texts = [
            self.name.to_string(),
            self.asn.to_string(),
            super::super::json::state(self.state).to_owned(),
            self.description.clone(),
        ];
        texts
            .iter()
            .any(|text| text.to_lowercase().contains(wanted))
    }
}

fn messages(counts: &crate::control::MessageCounts) -> u64 {
    counts.open + counts.update + counts.notification + counts.keepalive + counts.route_refresh
}

fn row_order(column: Column, one: &Row, other: &Row) -> Ordering {
    match column {
        Column::Name => one.name.cmp(&other.name),
        Column::Asn => one.asn.cmp(&other.asn),
        Column::State => (one.state as u8).cmp(&(other.state as u8)),
        Column::Since => one.since.cmp(&other.since),
        Column::Received => one.received_rate.total_cmp(&other.received_rate),
        Column::Sent => one.sent_rate.total_cmp(&other.sent_rate),
        Column::Routes => one.routes.cmp(&other.routes),
        Column::RouteRate => one.route_rate.abs().total_cmp(&other.route_rate.abs()),
        Column::Advertised => one.advertised.cmp(&other.advertised),
    }
}
