// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl nexthop`: where paths lead, how packets get there, and who depends on it.

use serde::Serialize;
use std::net::IpAddr;

use super::{Failure, Printer, columns::Columns, json};
use crate::control::NextHopStatus;

pub(super) fn print(next_hops: &[NextHopStatus], print: &mut Printer<'_>) -> Result<(), Failure> {
    if print.json {
        let mut array = json::Array::default();
        for next_hop in next_hops {
            array.push(print.out, &View::from(next_hop))?;
        }
        return array.finish(print.out);
    }
    if next_hops.is_empty() {
        writeln!(print.out, "No next hop is in use.")?;
        return Ok(());
    }
    let mut columns = Columns::new(["Next Hop", "Way", ">Cost", ">Prefixes"]).within(print.columns);
    let rows: Vec<_> = next_hops
        .iter()
        .map(|next_hop| {
            let (way, cost) = match &next_hop.way {
                None => (print.paint.bad("unreachable"), "-".to_owned()),
                Some(way) => {
                    let text = match way.gateway {
                        Some(gateway) => format!("via {gateway} dev {}", way.interface),
                        None => format!("dev {}", way.interface),
                    };
                    (text, way.cost.to_string())
                }
            };
            [
                next_hop.address.to_string().into(),
                way.into(),
                cost.into(),
                next_hop.prefixes.to_string().into(),
            ]
        })
        .collect();
    Ok(columns.print(print.out, &rows)?)
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct View<'a> {
    address: IpAddr,
    reachable: bool,
    gateway: Option<IpAddr>,
    interface: Option<&'a str>,
    cost: Option<u32>,
    prefixes: u64,
}

impl<'a> From<&'a NextHopStatus> for View<'a> {
    fn from(next_hop: &'a NextHopStatus) -> Self {
        let way = next_hop.way.as_ref();
        Self {
            address: next_hop.address,
            reachable: way.is_some(),
            gateway: way.and_then(|way| way.gateway),
            interface: way.map(|way| way.interface.as_str()),
            cost: way.map(|way| way.cost),
            prefixes: next_hop.prefixes,
        }
    }
}
