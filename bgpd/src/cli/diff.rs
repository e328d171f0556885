// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bgpctl diff`: what two neighbours have sent, or have been sent, side by side. Both lists come sorted by prefix and are
//! merged as they come: no more than a page of each is held.

use std::{collections::VecDeque, io::Write};

use bgp_proto::Prefix;

use super::{
    Client, Failure, Printer,
    arguments::DiffArgs,
    client::RoutePages,
    json,
    plan::DIFFERENT,
    terminal::{Paint, Progress},
};
use crate::control::{PolicyChange, Route, differences, in_words};

/// One side of a difference, or both.
#[derive(Debug)]
pub(super) enum Difference {
    Left(Route),
    Right(Route),
    Other(Box<(Route, Route)>, Vec<PolicyChange>),
}

/// How many there are of each.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    left: u64,
    right: u64,
    other: u64,
    same: u64,
}

pub(super) async fn command(
    arguments: &DiffArgs,
    client: &mut Client,
    print: &mut Printer<'_>,
) -> Result<(), Failure> {
    let [left, right] = arguments.queries();
    let mut left = Side::new(client.route_pages(&left).await?);
    let mut right = Side::new(client.route_pages(&right).await?);
    let names = arguments.names();
    let mut progress = Progress::new(print.progress.then_some(&mut *print.err), "prefixes");
    let mut array = print.json.then(json::Array::default);
    let mut counts = Counts::default();
    loop {
        let prefix = match (left.prefix().await?, right.prefix().await?) {
            (Some(left), Some(right)) => left.min(right),
            (Some(prefix), None) | (None, Some(prefix)) => prefix,
            (None, None) => break,
        };
        progress.add(1);
        let both = (left.take(prefix).await?, right.take(prefix).await?);
        for difference in compare(both, &arguments.ignored(), &mut counts.same) {
            match &difference {
                Difference::Left(_) => counts.left += 1,
                Difference::Right(_) => counts.right += 1,
                Difference::Other(..) => counts.other += 1,
            }
            match &mut array {
                Some(array) => array.push(print.out, &json::DifferenceView::from(&difference))?,
                None => writeln!(print.out, "{}", line(&difference, print.paint))?,
            }
        }
    }
    drop(progress);
    if counts.left + counts.right + counts.other > 0 {
        print.status = DIFFERENT;
    }
    match array {
        Some(array) => array.finish(print.out),
        None => Ok(summary(counts, &names, print.out)?),
    }
}

/// The routes of one side, a page at a time.
struct Side {
    pages: RoutePages,
    page: VecDeque<Route>,
}

impl Side {
    fn new(pages: RoutePages) -> Self {
        Self {
            pages,
            page: VecDeque::new(),
        }
    }

    /// The next prefix.
    async fn prefix(&mut self) -> Result<Option<Prefix>, Failure> {
        while self.page.is_empty() {
            match self.pages.next().await? {
                Some(page) => self.page = page.into(),
                None => return Ok(None),
            }
        }
        Ok(self.page.front().map(|route| route.prefix))
    }

    /// All routes of a prefix, if it is the next.
    async fn take(&mut self, prefix: Prefix) -> Result<Vec<Route>, Failure> {
        let mut routes = Vec::new();
        while self.prefix().await? == Some(prefix) {
            routes.extend(self.page.pop_front());
        }
        Ok(routes)
    }
}

/// Path identifiers mean nothing to another neighbour: what is equal goes together, then what is left in its order.
fn compare(
    (mut left, mut right): (Vec<Route>, Vec<Route>),
    ignored: &[String],
    same: &mut u64,
) -> Vec<Difference> {
    let different = |one: &Route, other: &Route| -> Vec<PolicyChange> {
        let mut changes = differences(&one.attributes, &other.attributes);
        changes.retain(|change| !ignored.contains(&change.what));
        changes
    };
    left.retain(|one| {
        let place = right
            .iter()
            .position(|other| different(one, other).is_empty());
        *same += u64::from(place.is_some());
        place.map(|place| right.remove(place)).is_none()
    });
    let mut left = left.into_iter();
    let mut right = right.into_iter();
    let mut found = Vec::new();
    loop {
        found.push(match (left.next(), right.next()) {
            (Some(one), Some(other)) => {
                let changes = different(&one, &other);
                Difference::Other(Box::new((one, other)), changes)
            }
            (Some(one), None) => Difference::Left(one),
            (None, Some(other)) => Difference::Right(other),
            (None, None) => return found,
        });
    }
}

fn line(difference: &Difference, paint: Paint) -> String {
    let told = |route: &Route| match route.attributes.as_path.to_string() {
        path if path.is_empty() => format!("{}  no AS path", prefix(route)),
        path => format!("{}  AS path {path}", prefix(route)),
    };
    match difference {
        Difference::Left(route) => format!("{} {}", paint.bad("-"), told(route)),
        Difference::Right(route) => format!("{} {}", paint.good("+"), told(route)),
        Difference::Other(both, changes) => {
            format!(
                "{} {}  {}",
                paint.poor("~"),
                prefix(&both.0),
                in_words(changes)
            )
        }
    }
}

/// As wide as the longest of IPv4, so that what follows is below each other.
fn prefix(route: &Route) -> String {
    format!("{:<18}", route.prefix.to_string())
}

fn summary(
    counts: Counts,
    [left, right]: &[String; 2],
    out: &mut (dyn Write + Send),
) -> std::io::Result<()> {
    let Counts {
        left: only_left,
        right: only_right,
        other,
        same,
    } = counts;
    writeln!(
        out,
        "{only_left} only {left} (-), {only_right} only {right} (+), {other} different (~), {same} the same."
    )
}
