// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Questions and orders.

use bgp_proto::{Family, Prefix};
use bgpd_api::v1::{self, order_peer_request::Whom};

use super::{BadMessage, Protobuf, peer_name, prefix};
use crate::config::PeerName;
use crate::control::{PeerOrder, PrefixMatch, RouteQuery, Table};

/// A question about routes.
///
/// # Errors
///
/// If it makes no sense.
pub fn query(message: v1::ListRoutesRequest) -> Result<RouteQuery, BadMessage> {
    let matching = matching(message.r#match)?;
    let prefix = match message.prefix {
        Some(text) => Some((prefix("prefix", &text)?, matching)),
        None if message.r#match == 0 => None,
        None => return Err(BadMessage::new("match", "needs a prefix")),
    };
    Ok(RouteQuery {
        table: table(message.table, message.neighbor.as_deref())?,
        family: message.family.map(Family::from_protobuf).transpose()?,
        prefix,
        best_only: message.best_only,
    })
}

fn table(number: i32, neighbor: Option<&str>) -> Result<Table, BadMessage> {
    let neighbor = neighbor
        .map(|text| peer_name("neighbor", text))
        .transpose()?;
    let table = match v1::Table::try_from(number) {
        Ok(v1::Table::Unspecified | v1::Table::LocRib) => {
            return match neighbor {
                None => Ok(Table::LocRib),
                Some(_) => Err(BadMessage::new(
                    "neighbor",
                    "the Loc-RIB is nobody's; choose ADJ_IN or ADJ_OUT",
                )),
            };
        }
        Ok(v1::Table::AdjIn) => Table::AdjIn,
        Ok(v1::Table::AdjOut) => Table::AdjOut,
        Err(_) => {
            return Err(BadMessage::new(
                "table",
                format!("{number} is not LOC_RIB, ADJ_IN or ADJ_OUT"),
            ));
        }
    };
    neighbor.map(table).ok_or_else(|| {
        BadMessage::new(
            "neighbor",
            "ADJ_IN and ADJ_OUT need the address of a neighbour",
        )
    })
}

fn matching(number: i32) -> Result<PrefixMatch, BadMessage> {
    match v1::PrefixMatch::try_from(number) {
        Ok(v1::PrefixMatch::Unspecified | v1::PrefixMatch::Exact) => Ok(PrefixMatch::Exact),
        Ok(v1::PrefixMatch::Longer) => Ok(PrefixMatch::Longer),
        Ok(v1::PrefixMatch::Longest) => Ok(PrefixMatch::Longest),
        Ok(v1::PrefixMatch::Shorter) => Ok(PrefixMatch::Shorter),
        Err(_) => Err(BadMessage::new(
            "match",
            format!("{number} is not EXACT, LONGER, LONGEST or SHORTER"),
        )),
    }
}

/// The request that asks `query`.
pub fn query_request(query: &RouteQuery) -> v1::ListRoutesRequest {
    let (table, neighbor) = match query.table {
        Table::LocRib => (v1::Table::LocRib, None),
        Table::AdjIn(neighbor) => (v1::Table::AdjIn, Some(neighbor)),
        Table::AdjOut(neighbor) => (v1::Table::AdjOut, Some(neighbor)),
    };
    let (prefix, matching) = query.prefix.unzip();
    v1::ListRoutesRequest {
        table: table.into(),
        neighbor: neighbor.map(|address| address.to_string()),
        family: query.family.as_ref().map(Family::to_protobuf),
        prefix: prefix.map(|prefix| prefix.to_string()),
        r#match: matching
            .map_or(v1::PrefixMatch::Unspecified, PrefixMatch::to_protobuf)
            .into(),
        best_only: query.best_only,
    }
}

impl PrefixMatch {
    /// The protobuf number.
    pub(crate) fn to_protobuf(self) -> v1::PrefixMatch {
        match self {
            Self::Exact => v1::PrefixMatch::Exact,
            Self::Longer => v1::PrefixMatch::Longer,
            Self::Longest => v1::PrefixMatch::Longest,
            Self::Shorter => v1::PrefixMatch::Shorter,
        }
    }
}

/// Which prefix is to be explained.
///
/// # Errors
///
/// If it is none, or many.
pub fn explain_request(message: &v1::ExplainRequest) -> Result<(Prefix, PrefixMatch), BadMessage> {
    match matching(message.r#match)? {
        PrefixMatch::Longer | PrefixMatch::Shorter => Err(BadMessage::new(
            "match",
            "one prefix is explained at a time: EXACT or LONGEST",
        )),
        matching => Ok((prefix("prefix", &message.prefix)?, matching)),
    }
}

/// An order to one neighbour, or with `None` to all.
///
/// # Errors
///
/// If it says not what, or to whom.
pub fn order(message: v1::OrderPeerRequest) -> Result<(Option<PeerName>, PeerOrder), BadMessage> {
    let whom = match message.whom {
        Some(Whom::Address(text)) => Some(peer_name("address", &text)?),
        Some(Whom::All(true)) => None,
        Some(Whom::All(false)) | None => {
            return Err(BadMessage::new(
                "address",
                "whom? Give the address of a neighbour, or set `all`",
            ));
        }
    };
    let number = message.order;
    let reason = message.reason;
    if reason.len() > LONGEST_REASON {
        let problem = format!(
            "is {} octets long, a NOTIFICATION carries {LONGEST_REASON} (RFC 9003)",
            reason.len()
        );
        return Err(BadMessage::new("reason", problem));
    }
    let order = match v1::PeerOrder::try_from(number) {
        Ok(v1::PeerOrder::Disable) => PeerOrder::Disable(reason),
        Ok(v1::PeerOrder::Reset) => PeerOrder::Reset(reason),
        Ok(v1::PeerOrder::Shutdown) => PeerOrder::Shutdown(reason),
        Ok(_) if !reason.is_empty() => {
            return Err(BadMessage::new(
                "reason",
                "is told to a neighbour with DISABLE, RESET and SHUTDOWN only",
            ));
        }
        Ok(v1::PeerOrder::Enable) => PeerOrder::Enable,
        Ok(v1::PeerOrder::RefreshIn) => PeerOrder::RefreshIn,
        Ok(v1::PeerOrder::RefreshOut) => PeerOrder::RefreshOut,
        Ok(v1::PeerOrder::GracefulShutdownOn) => PeerOrder::GracefulShutdown(true),
        Ok(v1::PeerOrder::GracefulShutdownOff) => PeerOrder::GracefulShutdown(false),
        Ok(v1::PeerOrder::Unspecified) | Err(_) => {
            let problem = format!(
                "{number} is none of DISABLE, ENABLE, RESET, REFRESH_IN, REFRESH_OUT, \
                 GRACEFUL_SHUTDOWN_ON, GRACEFUL_SHUTDOWN_OFF, SHUTDOWN"
            );
            return Err(BadMessage::new("order", problem));
        }
    };
    Ok((whom, order))
}

/// RFC 9003 §2.
const LONGEST_REASON: usize = 255;

/// The request that gives `order`.
pub fn order_request(whom: Option<PeerName>, order: &PeerOrder) -> v1::OrderPeerRequest {
    let (order, reason) = match order {
        PeerOrder::Disable(reason) => (v1::PeerOrder::Disable, reason.as_str()),
        PeerOrder::Enable => (v1::PeerOrder::Enable, ""),
        PeerOrder::Reset(reason) => (v1::PeerOrder::Reset, reason.as_str()),
        PeerOrder::Shutdown(reason) => (v1::PeerOrder::Shutdown, reason.as_str()),
        PeerOrder::RefreshIn => (v1::PeerOrder::RefreshIn, ""),
        PeerOrder::RefreshOut => (v1::PeerOrder::RefreshOut, ""),
        PeerOrder::GracefulShutdown(true) => (v1::PeerOrder::GracefulShutdownOn, ""),
        PeerOrder::GracefulShutdown(false) => (v1::PeerOrder::GracefulShutdownOff, ""),
    };
    let whom = whom.map_or(Whom::All(true), |address| {
        Whom::Address(address.to_string())
    });
    v1::OrderPeerRequest {
        whom: Some(whom),
        order: order.into(),
        reason: reason.to_owned(),
    }
}
