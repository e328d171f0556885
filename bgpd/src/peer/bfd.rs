// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What BFD does to a neighbour (RFC 5882 §3, §4.3; RFC 9384).

use bgp_fsm::Event;
use bgp_proto::{Code, Instant, Notification};

use super::{BfdNews, Peer};

impl Peer {
    /// A path that failed ends the session, with all routes at once: whoever lost only its control plane has lost the TCP
    /// connection before BFD notices. If the session was lost already and routes are kept for a neighbour that restarts,
    /// its BFD may have died with the rest of it, so that they stay unless it says that its BFD lives by itself.
    pub(super) fn bfd(&mut self, news: BfdNews, now: Instant) {
        // Before the end of the session, which the next one must not precede in strict mode.
        if !news.up || news.failed {
            self.session.step(Event::Bfd { up: false }, now);
        }
        if news.failed {
            if let Some(up) = &self.up {
                let connection = up.connection;
                let notification = Notification::new(Code::CEASE_BFD_DOWN);
                self.session.step(
                    Event::Fault {
                        connection,
                        notification,
                    },
                    now,
                );
                self.carry_out(now);
            } else if news.independent && self.known_to_rib {
                self.helper.forget();
                self.drop_routes();
            }
        }
        if news.up {
            self.session.step(Event::Bfd { up: true }, now);
        }
    }
}
