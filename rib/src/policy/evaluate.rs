// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A policy at work on one route. Looking allocates nothing; attributes are copied at the first change.

use alloc::{borrow::Cow, sync::Arc, vec::Vec};
use core::net::IpAddr;

use bgp_proto::{AsPath, Asn, Family, NextHop, PathAttributes, Prefix};

use super::{
    Action, AsPathEdit, AsRange, AsSource, CommunityKind, Comparison, Condition, Edit,
    KernelAttributes, NextHopAction, Number, Policy, Protocol, RouteType, RpkiState, Statement,
    Verdict, order::is_of_prefix,
};
use crate::{Relation, Source, attributes::DEFAULT_LOCAL_PREF};

/// What is known of a route besides what a policy can change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) prefix: Prefix,
    pub(crate) source: Source,
    /// What the neighbour is to us that it was learned from.
    pub(crate) relation: Option<Relation>,
    /// Its address.
    pub(crate) from: Option<IpAddr>,
    /// The neighbour whose policy it is.
    pub(crate) neighbor: Option<IpAddr>,
    /// As it is in the table, or was received.
    pub(crate) next_hop: NextHop,
    /// Our AS and address as the neighbour knows them.
    pub(crate) own_as: Asn,
    pub(crate) own_next_hop: Option<NextHop>,
    /// Our AS in a confederation, where the neighbour is in it too.
    pub(crate) member_as: Option<Asn>,
    /// Of the source.
    pub(crate) preference: u16,
    pub(crate) rpki: RpkiState,
}

/// What a policy can change.
#[derive(Clone, Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) attributes: Cow<'a, PathAttributes>,
    /// If it is not that of the source.
    pub(crate) preference: Option<u16>,
    pub(crate) kernel: KernelAttributes,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(attributes: &'a PathAttributes) -> Self {
        Self {
            attributes: Cow::Borrowed(attributes),
            preference: None,
            kernel: KernelAttributes::default(),
        }
    }
}

/// Who looks on.
pub(crate) trait Watch {
    /// The answer to a condition that is not about attributes but about the route itself.
    fn asked(&mut self, _condition: &Condition, _answer: bool) {}
    /// What comes of it holds for this prefix only.
    fn unrepeatable(&mut self) {}
    /// Steps with a name begin.
    fn entered(&mut self, _name: &Arc<str>) {}
    /// They end.
    fn left(&mut self) {}
    /// A condition held, or there was none, and the draft was like this when the steps behind it began.
    fn hit(&mut self) {}
    /// Something is about to be done to the draft.
    fn acts(&mut self, _draft: &Draft<'_>, _facts: &Facts) {}
    /// It has been.
    fn acted(&mut self, _draft: &Draft<'_>, _facts: &Facts) {}
    /// A statement has decided.
    fn decided(&mut self, _verdict: Verdict) {}
}

/// Nobody does.
impl Watch for () {}

/// How it goes on behind a statement.
enum Flow {
    On,
    /// Behind the innermost name.
    Next,
    Done(Verdict),
}

impl Policy {
    /// Lets the policy change a draft and says whether it passes.
    pub(crate) fn run(
        &self,
        facts: &Facts,
        draft: &mut Draft<'_>,
        watch: &mut impl Watch,
    ) -> Verdict {
        match block(self.body(), facts, draft, watch) {
            Flow::Done(verdict) => verdict,
            Flow::On | Flow::Next => self.default,
        }
    }
}

fn block(body: &[Statement], facts: &Facts, draft: &mut Draft<'_>, watch: &mut impl Watch) -> Flow {
    for statement in body {
        match step(statement, facts, draft, watch) {
            Flow::On => {}
            end => return end,
        }
    }
    Flow::On
}

fn step(
    statement: &Statement,
    facts: &Facts,
    draft: &mut Draft<'_>,
    watch: &mut impl Watch,
) -> Flow {
    match statement {
        Statement::If {
            condition,
            then,
            otherwise,
        } => {
            if holds(condition, facts, draft, watch) {
                watch.hit();
                block(then, facts, draft, watch)
            } else {
                block(otherwise, facts, draft, watch)
            }
        }
        Statement::Act(action) => {
            watch.acts(draft, facts);
            act(action, facts, draft, watch);
            watch.acted(draft, facts);
            Flow::On
        }
        Statement::Accept => {
            watch.decided(Verdict::Accept);
            Flow::Done(Verdict::Accept)
        }
        Statement::Reject => {
            watch.decided(Verdict::Reject);
            Flow::Done(Verdict::Reject)
        }
        Statement::Next => Flow::Next,
        Statement::Named { name, body } => {
            watch.entered(name);
            let flow = block(body, facts, draft, watch);
            watch.left();
            match flow {
                Flow::Next => Flow::On,
                flow => flow,
            }
        }
    }
}

fn holds(condition: &Condition, facts: &Facts, draft: &Draft<'_>, watch: &mut impl Watch) -> bool {
    let attributes = draft.attributes.as_ref();
    match condition {
        Condition::All(inner) => inner
            .iter()
            .all(|condition| holds(condition, facts, draft, watch)),
        Condition::Any(inner) => inner
            .iter()
            .any(|condition| holds(condition, facts, draft, watch)),
        Condition::Not(inner) => !holds(inner, facts, draft, watch),
        Condition::Neighbor(set) => facts.neighbor.is_some_and(|address| set.contains(address)),
        Condition::From(set) => facts.from.is_some_and(|address| set.contains(address)),
        Condition::NextHop(set) => set.contains(facts.next_hop.addr()),
        Condition::AsPath(option, set) => set.matches(&attributes.as_path, *option),
        Condition::Communities(option, set) => set.matches(&attributes.communities, *option),
        Condition::ExtendedCommunities(option, set) => {
            set.matches(&attributes.extended_communities, *option)
        }
        Condition::LargeCommunities(option, set) => {
            set.matches(&attributes.large_communities, *option)
        }
        Condition::Origin(origin) => attributes.origin == *origin,
        Condition::RouteType(kind) => *kind == route_type(facts),
        Condition::Protocol(protocol) => *protocol == of(facts.source),
        Condition::Prefix(_) | Condition::Family(_) | Condition::Rpki(_) => {
            let answer = answer(condition, facts).unwrap_or_default();
            watch.asked(condition, answer);
            answer
        }
        Condition::Compare(one, comparison, other) => {
            let answer = compare(one, *comparison, other, facts, draft);
            if is_of_prefix(one) || is_of_prefix(other) {
                // With attributes in it, too, only this prefix is known.
                match (one, other) {
                    (Number::PrefixLength, Number::Constant(_)) => watch.asked(condition, answer),
                    _ => watch.unrepeatable(),
                }
            }
            answer
        }
    }
}

/// The answer to a condition that a [`Watch`] was told of.
pub(crate) fn answer(condition: &Condition, facts: &Facts) -> Option<bool> {
    Some(match condition {
        Condition::Prefix(set) => set.contains(facts.prefix),
        Condition::Family(family) => facts.prefix.family() == *family,
        Condition::Rpki(state) => facts.rpki == *state,
        Condition::Compare(Number::PrefixLength, comparison, Number::Constant(number)) => {
            comparison.holds(facts.prefix.length().into(), *number)
        }
        _ => return None,
    })
}

impl Comparison {
    fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Self::Equal => left == right,
            Self::AtLeast => left >= right,
            Self::AtMost => left <= right,
        }
    }
}

fn compare(
    one: &Number,
    comparison: Comparison,
    other: &Number,
    facts: &Facts,
    draft: &Draft<'_>,
) -> bool {
    let both = number(one, facts, draft).zip(number(other, facts, draft));
    both.is_some_and(|(one, other)| comparison.holds(one, other))
}

fn number(wanted: &Number, facts: &Facts, draft: &Draft<'_>) -> Option<u32> {
    let attributes = draft.attributes.as_ref();
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let or_zero = |wanted: &Number| number(wanted, facts, draft).unwrap_or(0);
    Some(match wanted {
        Number::Constant(number) => *number,
        Number::AsPathLength => attributes.as_path.hop_count(),
        Number::Communities => count(attributes.communities.len()),
        Number::ExtendedCommunities => count(attributes.extended_communities.len()),
        Number::LargeCommunities => count(attributes.large_communities.len()),
        Number::LocalPref => attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF),
        Number::Med => attributes.med?,
        Number::Preference => draft.preference.unwrap_or(facts.preference).into(),
        Number::PrefixLength => facts.prefix.length().into(),
        Number::Sum(one, other) => or_zero(one).saturating_add(or_zero(other)),
        Number::Difference(one, other) => or_zero(one).saturating_sub(or_zero(other)),
    })
}

fn route_type(facts: &Facts) -> RouteType {
    match facts.relation {
        Some(Relation::External) => RouteType::External,
        Some(_) => RouteType::Internal,
        None => RouteType::Local,
    }
}

fn of(source: Source) -> Protocol {
    match source {
        Source::Bgp(_) => Protocol::Bgp,
        Source::Static => Protocol::Static,
        Source::Direct => Protocol::Direct,
        Source::Kernel => Protocol::Kernel,
        Source::Api => Protocol::Api,
    }
}

fn act(action: &Action, facts: &Facts, draft: &mut Draft<'_>, watch: &mut impl Watch) {
    if let Action::Med(Some(number)) | Action::LocalPref(number) | Action::Preference(number) =
        action
        && is_of_prefix(number)
    {
        watch.unrepeatable();
    }
    match action {
        Action::Communities(edit) => {
            edit_list(edit, draft, |attributes| &mut attributes.communities);
        }
        Action::ExtendedCommunities(edit) => {
            edit_list(edit, draft, |attributes| {
                &mut attributes.extended_communities
            });
        }
        Action::LargeCommunities(edit) => {
            edit_list(edit, draft, |attributes| &mut attributes.large_communities);
        }
        Action::Med(wanted) => {
            let med = wanted
                .as_ref()
                .and_then(|wanted| number(wanted, facts, draft));
            draft.attributes.to_mut().med = med;
        }
        Action::LocalPref(wanted) => {
            if let Some(value) = number(wanted, facts, draft) {
                draft.attributes.to_mut().local_pref = Some(value);
            }
        }
        Action::Origin(origin) => draft.attributes.to_mut().origin = *origin,
        Action::NextHop(wanted) => next_hop(*wanted, facts, draft, watch),
        Action::AsPath(edit) => {
            if let Some(path) = as_path(edit, &draft.attributes.as_path, facts) {
                draft.attributes.to_mut().as_path = path;
            }
        }
        Action::Preference(wanted) => {
            let value = number(wanted, facts, draft);
            draft.preference = value.map(|value| u16::try_from(value).unwrap_or(u16::MAX));
        }
        Action::Metric(metric) => draft.kernel.metric = Some(*metric),
        Action::PreferredSource(address) => draft.kernel.source = Some(*address),
        Action::Table(table) => draft.kernel.table = Some(*table),
        Action::Tunnel(tunnel) => draft.kernel.tunnel = Some(tunnel.clone()),
    }
}

fn edit_list<T: CommunityKind>(
    edit: &Edit<T>,
    draft: &mut Draft<'_>,
    list: impl Fn(&mut PathAttributes) -> &mut Vec<T>,
) {
    let list = list(draft.attributes.to_mut());
    match edit {
        Edit::Add(new) => {
            for community in new.iter() {
                if !list.contains(community) {
                    list.push(*community);
                }
            }
        }
        Edit::Replace(new) => *list = new.to_vec(),
        Edit::Remove(set) => list.retain(|community| !set.contains(*community)),
        Edit::Keep(set) => list.retain(|community| set.contains(*community)),
    }
}

fn next_hop(wanted: NextHopAction, facts: &Facts, draft: &mut Draft<'_>, watch: &mut impl Watch) {
    let hop = match wanted {
        NextHopAction::Address(address) => Some(address.into()),
        NextHopAction::Own => facts.own_next_hop,
        NextHopAction::Peer => facts.neighbor.map(NextHop::from),
        NextHopAction::Unchanged => Some(facts.next_hop),
    };
    let ipv6 = Condition::Family(Family::IPV6_UNICAST);
    let is_ipv6 = facts.prefix.family() == Family::IPV6_UNICAST;
    watch.asked(&ipv6, is_ipv6);
    let is_other = |hop: &NextHop| is_ipv6 && matches!(hop, NextHop::V4(_));
    let fits = |hop: &NextHop| !hop.is_unspecified() && !is_other(hop);
    if let Some(hop) = hop.filter(fits) {
        draft.attributes.to_mut().next_hop = hop;
    }
}

/// The path as it becomes; `None`: as it is.
fn as_path(edit: &AsPathEdit, path: &AsPath, facts: &Facts) -> Option<AsPath> {
    let chosen = |source: AsSource| match source {
        AsSource::Asn(asn) => Some(asn),
        AsSource::First => path.neighbor_as(),
        AsSource::Own => Some(facts.own_as),
    };
    match edit {
        AsPathEdit::Prepend(source, times) => {
            let (asn, times) = (chosen(*source)?, usize::from(*times));
            // A member is in no segment that others see, and what others see has only what they may (RFC 5065 §3).
            Some(if facts.member_as == Some(asn) {
                path.prepended_member(asn, times)
            } else {
                path.prepended(asn, times)
            })
        }
        AsPathEdit::Replace(range, source) => {
            let new = chosen(*source)?;
            Some(mapped(path, *range, Some(new)))
        }
        AsPathEdit::Remove(range) => Some(mapped(path, *range, None)),
    }
}

/// The path with another AS, or none, in the place of those in the range.
fn mapped(path: &AsPath, range: AsRange, new: Option<Asn>) -> AsPath {
    let mut out = AsPath::empty();
    for (kind, asns) in path.segments() {
        let asns: Vec<Asn> = asns
            .iter()
            .filter_map(|asn| {
                if range.contains(*asn) {
                    new
                } else {
                    Some(*asn)
                }
            })
            .collect();
        out.push_segment(kind, &asns);
    }
    out
}
