// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Differences between two neighbours' routes.

use serde::Serialize;

use super::routes::RouteView;
use crate::{cli::diff::Difference, control::PolicyChange};

#[derive(Serialize)]
pub(in crate::cli) struct DifferenceView<'a> {
    prefix: String,
    left: Option<RouteView<'a>>,
    right: Option<RouteView<'a>>,
    changes: Vec<ChangeView<'a>>,
}

#[derive(Serialize)]
struct ChangeView<'a> {
    what: &'a str,
    from: &'a str,
    to: &'a str,
}

impl<'a> From<&'a Difference> for DifferenceView<'a> {
    fn from(difference: &'a Difference) -> Self {
        let (left, right, changes): (_, _, &[PolicyChange]) = match difference {
            Difference::Left(route) => (Some(route), None, &[]),
            Difference::Right(route) => (None, Some(route), &[]),
            Difference::Other(both, changes) => (Some(&both.0), Some(&both.1), changes),
        };
        let change = |change: &'a PolicyChange| ChangeView {
            what: &change.what,
            from: &change.from,
            to: &change.to,
        };
        Self {
            prefix: left
                .or(right)
                .map(|route| route.prefix.to_string())
                .unwrap_or_default(),
            left: left.map(RouteView::from),
            right: right.map(RouteView::from),
            changes: changes.iter().map(change).collect(),
        }
    }
}
