// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A look at everything, with rates.

use serde::Serialize;

use super::peers::{StatusView, state};
use crate::{
    cli::top::{Row, Top},
    config::PeerName,
};

#[derive(Serialize)]
pub(in crate::cli) struct TopView<'a> {
    status: Option<StatusView<'a>>,
    paths_per_second: f64,
    kernel_routes_per_second: f64,
    neighbors: Vec<RowView>,
}

#[derive(Serialize)]
struct RowView {
    address: PeerName,
    #[serde(rename = "as")]
    asn: u32,
    state: &'static str,
    since_seconds: Option<u64>,
    received_per_second: f64,
    sent_per_second: f64,
    routes: u64,
    routes_per_second: f64,
    advertised: u64,
    queued_octets: u64,
}

impl<'a> From<&'a Top> for TopView<'a> {
    fn from(top: &'a Top) -> Self {
        let (paths_per_second, kernel_routes_per_second) = top.totals();
        Self {
            status: top.status().map(StatusView::from),
            paths_per_second,
            kernel_routes_per_second,
            neighbors: top.rows().iter().map(RowView::from).collect(),
        }
    }
}

impl From<&Row> for RowView {
    fn from(row: &Row) -> Self {
        Self {
            address: row.name,
            asn: row.asn,
            state: state(row.state),
            since_seconds: row.since.map(|since| since.as_secs()),
            received_per_second: row.received_rate,
            sent_per_second: row.sent_rate,
            routes: row.routes,
            routes_per_second: row.route_rate,
            advertised: row.advertised,
            queued_octets: row.queued,
        }
    }
}
