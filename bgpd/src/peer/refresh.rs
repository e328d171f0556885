// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tables that are sent again while the session is up: asked for (RFC 2918), and with marks around them (RFC 7313).

use std::{collections::BTreeMap, time::Duration};

use bgp_fsm::{ConnectionId, Event, StopReason};
use bgp_proto::{
    Capability, Family, Instant, Message, MessageKind, RefreshSubtype, RouteRefresh, UpdateWriter,
};
use rib::Input;

use super::{Peer, PeerOrder};

/// A neighbour that has begun to send its table again and does not end loses after this time what it has not repeated
/// (RFC 7313 §4 leaves it to us).
const PATIENCE: Duration = Duration::from_secs(360);

/// Our tables on their way to the neighbour. There is one at a time for each family, so that every shard's part counts once.
#[derive(Debug, Default)]
pub(super) struct Feeds(BTreeMap<Family, Feed>);

#[derive(Debug, Default)]
struct Feed {
    parts: usize,
    /// `None`: nothing is on its way.
    underway: Option<Kind>,
    /// It was asked for meanwhile.
    again: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// The one that every session begins with.
    First,
    Repeated,
}

impl Feeds {
    /// Every session begins with all families.
    pub(super) fn first(families: &[Family]) -> Self {
        let feed = |family: &Family| {
            let feed = Feed {
                underway: Some(Kind::First),
                ..Feed::default()
            };
            (*family, feed)
        };
        Self(families.iter().map(feed).collect())
    }

    /// Whether it is to be sent again now; if not, it will be.
    fn begin(&mut self, family: Family) -> bool {
        let feed = self.0.entry(family).or_default();
        feed.again = feed.underway.is_some();
        if !feed.again {
            feed.underway = Some(Kind::Repeated);
        }
        !feed.again
    }

    /// A shard has sent its part; which feed ends with it, and whether the next one is due.
    fn part(&mut self, family: Family, shards: usize) -> Option<(Kind, bool)> {
        let feed = self.0.get_mut(&family)?;
        feed.parts += 1;
        if feed.parts < shards {
            return None;
        }
        feed.parts = 0;
        let ended = feed.underway.take()?;
        Some((ended, std::mem::take(&mut feed.again)))
    }
}

/// The families that the neighbour is sending again, and when we stop waiting for the end.
#[derive(Debug, Default)]
pub(super) struct Repeats(BTreeMap<Family, Instant>);

impl Repeats {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.values().min().copied()
    }

    /// The families whose time is over.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Family> {
        let late = self.0.iter().filter(|(_, until)| **until <= now);
        let late: Vec<Family> = late.map(|(family, _)| *family).collect();
        self.0.retain(|_, until| *until > now);
        late
    }
}

impl Peer {
    pub(super) fn route_refresh(&mut self, connection: ConnectionId, body: &[u8], now: Instant) {
        let established = self.up.as_ref().filter(|up| up.connection == connection);
        let event = match (established, RouteRefresh::decode(body)) {
            (Some(up), Ok(refresh)) => {
                if up.negotiated.has_family(refresh.family) {
                    self.refresh(refresh, now);
                }
                Event::RouteRefresh { connection }
            }
            (Some(up), Err(error)) => Event::Fault {
                connection,
                notification: error.notification(up.negotiated.enhanced_route_refresh),
            },
            (None, _) => Event::RouteRefresh { connection },
        };
        self.session.step(event, now);
    }

    fn refresh(&mut self, refresh: RouteRefresh, now: Instant) {
        let family = refresh.family;
        let enhanced = self.is_enhanced();
        match refresh.subtype {
            RefreshSubtype::REQUEST => self.send_again(family),
            RefreshSubtype::BEGIN if enhanced => self.repeat_begins(family, now),
            RefreshSubtype::END if enhanced => self.repeat_ends(family, now),
            // RFC 7313 §5: to be ignored.
            _ => {}
        }
    }

    fn is_enhanced(&self) -> bool {
        let up = self.up.as_ref();
        up.is_some_and(|up| up.negotiated.enhanced_route_refresh)
    }

    /// What the neighbour has announced is stale until it is announced again.
    fn repeat_begins(&mut self, family: Family, now: Instant) {
        let Some(up) = &mut self.up else { return };
        let restarts = |capability: &Capability| match capability {
            Capability::GracefulRestart(restart) => {
                restart.families.iter().any(|f| f.family == family)
            }
            _ => false,
        };
        // RFC 7313 §4: what is stale then is so since the restart.
        if up.remote.capabilities.iter().any(restarts) && !up.end_of_rib.contains(&family) {
            return self.out_of_turn("BoRR before End-of-RIB", family, now);
        }
        up.repeats.0.insert(family, now + PATIENCE);
        self.flush();
        let mark = Input::MarkStale(self.settings.id, family);
        self.orders.push(PeerOrder::Rib(mark));
    }

    fn repeat_ends(&mut self, family: Family, now: Instant) {
        let Some(up) = &mut self.up else { return };
        if up.repeats.0.remove(&family).is_none() {
            return self.out_of_turn("EoRR without BoRR", family, now);
        }
        self.flush();
        let sweep = Input::SweepStale(self.settings.id, family);
        self.orders.push(PeerOrder::Rib(sweep));
    }

    fn out_of_turn(&mut self, what: &str, family: Family, now: Instant) {
        let words = self
            .complaints
            .about(format_args!("{what} of {family}"), now);
        self.orders.extend(words.map(PeerOrder::OutOfTurn));
    }

    /// A shard has sent its part of a table.
    pub(super) fn fed(&mut self, family: Family) {
        let shards = self.settings.shards;
        let Some(up) = &mut self.up else { return };
        let Some((ended, again)) = up.feeds.part(family, shards) else {
            return;
        };
        if ended == Kind::Repeated && up.negotiated.enhanced_route_refresh {
            self.say(family, RefreshSubtype::END);
        } else {
            // After a refresh it does no harm and says that all is there.
            let message = UpdateWriter::new(&up.negotiated).end_of_rib(family);
            let connection = up.connection;
            self.send(connection, MessageKind::Update, message);
        }
        if again {
            self.send_again(family);
        }
    }

    /// Sends our routes again, or does so as soon as what is being sent is out (never before our first End-of-RIB:
    /// RFC 7313 §4).
    fn send_again(&mut self, family: Family) {
        let Some(up) = &mut self.up else { return };
        if !up.feeds.begin(family) {
            return;
        }
        if self.is_enhanced() {
            self.say(family, RefreshSubtype::BEGIN);
        }
        let refresh = Input::Refresh(self.settings.id, family);
        self.orders.push(PeerOrder::Rib(refresh));
    }

    /// What it has told us was not kept, and import would make something else of it now. If it can't be asked, it tells us all
    /// in a new session.
    pub(super) fn hear_again(&mut self, now: Instant) {
        if self.up.is_none() {
            return;
        }
        if self.can_be_asked() {
            self.refresh_in();
        } else {
            self.stop(StopReason::ConfigurationChange, now);
            self.start(now);
        }
    }

    /// Whether the session lets us ask for routes again (RFC 2918).
    pub fn can_be_asked(&self) -> bool {
        let negotiated = self.negotiated();
        negotiated.is_some_and(|negotiated| negotiated.route_refresh)
    }

    /// Asks the neighbour for its routes.
    pub(super) fn refresh_in(&mut self) {
        let up = self.up.as_ref().filter(|up| up.negotiated.route_refresh);
        let families: Vec<Family> = up
            .into_iter()
            .flat_map(|up| up.negotiated.families())
            .collect();
        for family in families {
            self.say(family, RefreshSubtype::REQUEST);
        }
    }

    pub(super) fn refresh_out(&mut self) {
        let up = self.up.iter();
        let families: Vec<Family> = up.flat_map(|up| up.negotiated.families()).collect();
        for family in families {
            self.send_again(family);
        }
    }

    fn say(&mut self, family: Family, subtype: RefreshSubtype) {
        let Some(up) = &self.up else { return };
        let connection = up.connection;
        let message = Message::RouteRefresh(RouteRefresh { family, subtype });
        self.send(connection, MessageKind::RouteRefresh, message.encode());
    }
}
