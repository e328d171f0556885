// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl route`: tables of routes, adding and deleting.

use std::fmt::Write as _;

use bgp_proto::{Origin, PathAttributes};

use super::{
    Client, Failure, Printer,
    arguments::{RouteArgs, RouteChange},
    columns::{Cell, Columns},
    json,
    status::elapsed,
    terminal::{Paint, Progress},
};
use crate::control::{Route, RouteQuery};

pub(super) async fn command(
    arguments: RouteArgs,
    client: &mut Client,
    print: &mut Printer<'_>,
) -> Result<(), Failure> {
    match arguments.change {
        None => show(&arguments.query()?, client, print).await,
        Some(RouteChange::Add(added)) => {
            client.add_routes(&[added.route()]).await?;
            if print.json {
                json::document(print.out, &json::Done {})
            } else {
                Ok(())
            }
        }
        Some(RouteChange::Del { prefix, path_id }) => {
            let deleted = client.delete_routes(&[(prefix.prefix, path_id)]).await?;
            if deleted == 0 {
                let text = format!(
                    "{} was not added here; only routes of source `api` can be deleted",
                    prefix.prefix
                );
                return Err(Failure::NotFound(text));
            }
            if print.json {
                json::document(print.out, &json::Deleted { deleted })
            } else {
                Ok(())
            }
        }
    }
}

/// So many rows are laid out together.
const ROWS: usize = 1024;

/// Prints what a query finds, as it comes.
pub(super) async fn show(
    query: &RouteQuery,
    client: &mut Client,
    print: &mut Printer<'_>,
) -> Result<(), Failure> {
    let mut found = false;
    let mut progress = Progress::new(print.progress.then_some(&mut *print.err), "routes");
    if print.json {
        let mut array = json::Array::default();
        let each = |routes: Vec<Route>| {
            found |= !routes.is_empty();
            progress.add(routes.len());
            routes
                .iter()
                .try_for_each(|route| array.push(print.out, &json::RouteView::from(route)))
        };
        client.routes(query, each).await?;
        array.finish(print.out)?;
    } else {
        let mut columns = Columns::new([
            "  ", "Network", "Next Hop", "From", "AS_PATH", "Age", "Attrs",
        ])
        .within(print.columns);
        let mut rows = Vec::new();
        let each = |routes: Vec<Route>| {
            found |= !routes.is_empty();
            progress.add(routes.len());
            rows.extend(routes.iter().map(|route| row(route, print.paint)));
            if rows.len() >= ROWS {
                columns.print(print.out, &rows)?;
                rows.clear();
            }
            Ok(())
        };
        let ended = client.routes(query, each).await;
        if !rows.is_empty() {
            columns.print(print.out, &rows)?;
        }
        ended?;
    }
    drop(progress);
    match query.prefix {
        Some((prefix, _)) if !found => {
            Err(Failure::NotFound(format!("{prefix} is not in the table")))
        }
        None if !found && !print.json => Ok(writeln!(print.out, "The table is empty.")?),
        _ => Ok(()),
    }
}

fn row(route: &Route, paint: Paint) -> [Cell; 7] {
    let codes = codes(route);
    let network = route.prefix.to_string();
    let network = if route.best {
        Cell::painted(network.clone(), paint.strong(network))
    } else {
        network.into()
    };
    let mut notes = summary(&route.attributes);
    if route.path_id != 0 {
        // Writing to a string can't fail.
        let _ = write!(notes, " {{Path ID: {}}}", route.path_id);
    }
    if let Some(reason) = &route.unusable {
        let _ = write!(notes, " {}", paint.bad(reason));
    }
    [
        Cell::painted(
            codes,
            if route.best {
                paint.good(codes)
            } else {
                codes.to_owned()
            },
        ),
        network,
        next_hop(route).into(),
        from(route).into(),
        route.attributes.as_path.to_string().into(),
        elapsed(route.age).into(),
        notes.into(),
    ]
}

/// `*` usable, `>` best, `=` one of the equal ones in use beside it.
pub(super) fn codes(route: &Route) -> &'static str {
    match (route.unusable.is_none(), route.best, route.multipath) {
        (_, true, _) => "*>",
        (true, false, true) => "*=",
        (true, false, false) => "* ",
        (false, false, _) => "  ",
    }
}

/// The next hop of a route that has one that means something, else what happens to packets.
fn next_hop(route: &Route) -> String {
    let next_hop = &route.attributes.next_hop;
    if next_hop.addr().is_unspecified() && !route.target.is_empty() {
        route.target.clone()
    } else {
        next_hop.addr().to_string()
    }
}

/// The neighbour it was learned from, or the word for another source.
pub(super) fn from(route: &Route) -> String {
    match json::source(route.source) {
        (_, Some(neighbor)) => neighbor.to_string(),
        (word, None) => word.to_owned(),
    }
}

/// Attributes that have no column, as GoBGP prints them.
pub(super) fn summary(attributes: &PathAttributes) -> String {
    let origin = match attributes.origin {
        Origin::Igp => "i",
        Origin::Egp => "e",
        Origin::Incomplete => "?",
    };
    let mut parts = vec![format!("{{Origin: {origin}}}")];
    let mut add = |name: &str, value: Option<String>| {
        parts.extend(value.map(|value| format!("{{{name}: {value}}}")));
    };
    let joined = |values: Vec<String>| (!values.is_empty()).then(|| values.join(", "));
    add("Med", attributes.med.map(|med| med.to_string()));
    add(
        "LocalPref",
        attributes
            .local_pref
            .map(|preference| preference.to_string()),
    );
    add(
        "Communities",
        joined(
            attributes
                .communities
                .iter()
                .map(ToString::to_string)
                .collect(),
        ),
    );
    add(
        "Extcomms",
        joined(
            attributes
                .extended_communities
                .iter()
                .map(ToString::to_string)
                .collect(),
        ),
    );
    add(
        "LargeCommunity",
        joined(
            attributes
                .large_communities
                .iter()
                .map(ToString::to_string)
                .collect(),
        ),
    );
    add(
        "Originator",
        attributes.originator_id.map(|id| id.addr().to_string()),
    );
    add(
        "ClusterList",
        joined(
            attributes
                .cluster_list
                .iter()
                .map(ToString::to_string)
                .collect(),
        ),
    );
    add(
        "Aggregate",
        attributes
            .aggregator
            .as_ref()
            .map(|by| format!("AS {}, {}", by.asn, by.address)),
    );
    add("Aigp", attributes.aigp.map(|metric| metric.to_string()));
    add(
        "OnlyToCustomer",
        attributes.only_to_customer.map(|asn| asn.to_string()),
    );
    parts.extend(
        attributes
            .atomic_aggregate
            .then(|| "{AtomicAggregate}".to_owned()),
    );
    parts.extend(
        attributes
            .unknown
            .iter()
            .map(|unknown| format!("{{Attribute {}}}", unknown.code)),
    );
    format!("[{}]", parts.join(" "))
}
