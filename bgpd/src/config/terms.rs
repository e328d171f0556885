// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is agreed with a neighbour, in the words of the file.

use bgp_proto::Role;
use rib::PrivateAs;

use super::Neighbor;

/// In [`Neighbor::terms_in_words`]: what it tells us is kept only as import leaves it.
pub(crate) const NOT_KEPT: &str = "received routes not kept";

impl Neighbor {
    /// What is agreed with it beyond the defaults, for people.
    pub fn terms_in_words(&self) -> Vec<String> {
        let terms = &self.terms;
        let mut words = Vec::new();
        let mut say = |is_so: bool, text: &str| {
            if is_so {
                words.push(text.to_owned());
            }
        };
        say(terms.also_own.is_some(), "our own AS behind the local AS");
        say(terms.prepend_received, "local AS before received paths");
        if let Some(other) = self.other_as {
            let text = format!("our AS {} or, if that is refused, {other}", self.local_as);
            say(true, &text);
        }
        match terms.private_as {
            Some(PrivateAs::Remove) => say(true, "private ASes removed"),
            Some(PrivateAs::Replace) => say(true, "private ASes replaced"),
            None => {}
        }
        say(terms.replace_peer_as, "its AS replaced by ours");
        say(
            !terms.enforce_first_as && !self.is_internal(),
            "its AS need not be the first",
        );
        if self.allow_own_as > 0 {
            say(true, &format!("our AS allowed {} times", self.allow_own_as));
        }
        say(terms.route_server_client, "client of our route server");
        if let Some(role) = terms.role {
            let strict = if self.strict_role { ", strictly" } else { "" };
            say(true, &format!("our role {}{strict}", role_name(role)));
        }
        say(terms.graceful_shutdown, "leaving (graceful shutdown)");
        say(terms.imported_only, NOT_KEPT);
        words
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::PROVIDER => "provider",
        Role::ROUTE_SERVER => "rs-server",
        Role::ROUTE_SERVER_CLIENT => "rs-client",
        Role::CUSTOMER => "customer",
        _ => "peer",
    }
}
