// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Next-hop objects of the kernel (`ip nexthop`): what many routes share is written once, and when a hop of it fails, one
//! operation moves all of them.
//!
//! As with routes, what is wanted is compared with what the kernel says it has. A route names a group, also if that has one
//! member only: the kernel lets nobody put a group in the place of a single hop. Refuses to touch an object that is not ours
//! ([`is_ours`]), and to delete one that routes name: the kernel would delete those routes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::kernel::KernelHop;
use crate::trouble::errno;
use crate::{Hop, Refusal};

/// A next-hop object as the kernel knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Object {
    /// Who wrote it.
    pub protocol: u8,
    /// What it leads to.
    pub nature: Nature,
}

/// What an object leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Nature {
    /// One way out.
    Hop(Place),
    /// Other objects, each with its share of the traffic.
    Group(Vec<(u32, u8)>),
    /// Something that we never write.
    Other,
}

/// A hop without its weight: members of groups share it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Place {
    /// The next router.
    pub gateway: IpAddr,
    /// Index of the device.
    pub ifindex: u32,
    /// The gateway counts as being on the link.
    pub onlink: bool,
}

/// One message to the kernel about an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ObjectOperation {
    /// The name of the object.
    pub id: u32,
    /// What to do.
    pub verb: ObjectVerb,
}

/// What is done with an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ObjectVerb {
    /// A new one; the kernel refuses if there is one of this name.
    Add(Object),
    /// Put this in the place of ours, in one step for all routes that name it.
    Replace(Object),
    /// Delete ours.
    Delete,
}

/// Whether a name is of those that we give. Low ones are given by the kernel and by other routing daemons.
pub(crate) fn is_ours(id: u32) -> bool {
    id > FIRST
}

/// RFC 4271.
const FIRST: u32 = 4_271_000_000;
const LAST: u32 = u32::MAX - 1;
/// An object that others took away this often goes out of use for a while: its routes are written without.
const LOSSES: u32 = 5;
/// Routes do without objects that the kernel refused, or others took away, for so long.
const REST: Duration = Duration::from_secs(60);

/// What is wanted and what there is.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    protocol: u8,
    /// The name given last.
    last: u32,
    /// Ours, and the names of others.
    there: BTreeMap<u32, Object>,
    wanted: BTreeMap<u32, Wanted>,
    members: HashMap<Place, u32>,
    groups: HashMap<Vec<Hop>, Group>,
    /// What is wanted and is not there so, or is there and is not wanted.
    dirty: BTreeSet<u32>,
    /// Targets that do without, and until when.
    resting: HashMap<Vec<Hop>, Instant>,
}

#[derive(Debug)]
struct Wanted {
    nature: Nature,
    users: usize,
    losses: u32,
}

#[derive(Debug)]
struct Group {
    id: u32,
    /// How many wants lead by it.
    users: usize,
}

impl Objects {
    pub(crate) fn new(protocol: u8) -> Self {
        Self {
            protocol,
            ..Self::default()
        }
    }

    /// Another protocol marks ours from now on.
    pub(crate) fn set_protocol(&mut self, protocol: u8) {
        self.protocol = protocol;
        self.compare_all();
    }

    /// The group of a target that leads by these hops now: taken over, made or changed. `again`: whoever asks has it already.
    /// `None` while the target is to do without.
    pub(crate) fn group(&mut self, target: &[Hop], hops: &[KernelHop], again: bool) -> Option<u32> {
        if self.resting.contains_key(target) {
            return None;
        }
        let places: Vec<(Place, u8)> = hops.iter().map(place).collect::<Option<_>>()?;
        let id = if let Some(group) = self.groups.get_mut(target) {
            group.users += usize::from(!again);
            group.id
        } else {
            let left = self.find_group(&places);
            let id = left.unwrap_or_else(|| self.new_id());
            self.groups.insert(target.to_vec(), Group { id, users: 1 });
            id
        };
        let mut members: Vec<(u32, u8)> = places
            .iter()
            .map(|(place, weight)| (self.member(*place), *weight))
            .collect();
        members.sort_unstable();
        self.want(id, Nature::Group(members));
        Some(id)
    }

    /// Whether a group leads as a target does that nobody has claimed yet.
    pub(crate) fn can_adopt(&self, target: &[Hop], hops: &[KernelHop]) -> bool {
        let places: Option<Vec<_>> = hops.iter().map(place).collect();
        self.groups.contains_key(target)
            || places.is_some_and(|places| self.find_group(&places).is_some())
    }

    /// One want less leads by the group of a target.
    pub(crate) fn release(&mut self, target: &[Hop]) {
        let Some(group) = self.groups.get_mut(target) else {
            return;
        };
        group.users -= 1;
        if group.users == 0 {
            let id = group.id;
            self.groups.remove(target);
            self.unwant(id);
        }
    }

    /// A name for a place, one user more.
    fn member(&mut self, place: Place) -> u32 {
        let nature = Nature::Hop(place);
        let id = self.members.get(&place).copied().unwrap_or_else(|| {
            let left = self.left_over(|known| *known == nature).next();
            left.unwrap_or_else(|| self.new_id())
        });
        self.members.insert(place, id);
        let wanted = self.wanted.entry(id).or_insert(Wanted {
            nature,
            users: 0,
            losses: 0,
        });
        wanted.users += 1;
        self.compare(id);
        id
    }

    /// Says what a group shall be; its former members lose a user.
    fn want(&mut self, id: u32, nature: Nature) {
        let wanted = Wanted {
            nature,
            users: 1,
            losses: self.wanted.get(&id).map_or(0, |before| before.losses),
        };
        let before = self.wanted.insert(id, wanted);
        self.leave(before);
        self.compare(id);
    }

    fn unwant(&mut self, id: u32) {
        let before = self.wanted.remove(&id);
        self.leave(before);
        self.compare(id);
    }

    /// The members of a former group lose a user.
    fn leave(&mut self, group: Option<Wanted>) {
        let Some(Nature::Group(members)) = group.map(|wanted| wanted.nature) else {
            return;
        };
        for (id, _) in members {
            let Some(member) = self.wanted.get_mut(&id) else {
                continue;
            };
            member.users -= 1;
            if member.users == 0 {
                if let Some(Wanted {
                    nature: Nature::Hop(place),
                    ..
                }) = self.wanted.remove(&id)
                {
                    self.members.remove(&place);
                }
                self.compare(id);
            }
        }
    }

    /// Objects of ours that nobody wants.
    fn left_over(&self, alike: impl Fn(&Nature) -> bool) -> impl Iterator<Item = u32> {
        let ours = self.there.range(FIRST + 1..);
        ours.filter(move |(id, object)| {
            object.protocol == self.protocol
                && !self.wanted.contains_key(id)
                && alike(&object.nature)
        })
        .map(|(id, _)| *id)
    }

    /// A group that nobody wants and that leads there.
    fn find_group(&self, places: &[(Place, u8)]) -> Option<u32> {
        let leads_there = |nature: &Nature| {
            let Nature::Group(members) = nature else {
                return false;
            };
            members.len() == places.len() && members.iter().all(|(id, weight)| {
                let nature = self.there.get(id).map(|object| &object.nature);
                matches!(nature, Some(Nature::Hop(place)) if places.contains(&(*place, *weight)))
            })
        };
        self.left_over(leads_there).next()
    }

    /// A name that nobody has. They are given in turn, so that one is not given again at once.
    fn new_id(&mut self) -> u32 {
        loop {
            self.last = match self.last {
                FIRST..LAST => self.last + 1,
                _ => FIRST + 1,
            };
            if !self.there.contains_key(&self.last) && !self.wanted.contains_key(&self.last) {
                return self.last;
            }
        }
    }

    /// Notes whether something is to be done about an object.
    fn compare(&mut self, id: u32) {
        let is_good = match (self.wanted.get(&id), self.there.get(&id)) {
            (None, None) => true,
            (None, Some(there)) => !is_ours(id) || there.protocol != self.protocol,
            (Some(wanted), Some(there)) => {
                wanted.nature == there.nature && there.protocol == self.protocol
            }
            (Some(_), None) => false,
        };
        if is_good {
            self.dirty.remove(&id);
        } else {
            self.dirty.insert(id);
        }
    }

    /// What to do next. Each operation wants its answer before it is asked again. An object that is not wanted goes only if
    /// `may_delete`, no route names it, and no group has it.
    pub(crate) fn operations(
        &self,
        may_delete: bool,
        is_used: impl Fn(u32) -> bool,
    ) -> Vec<ObjectOperation> {
        let is_hop = |nature: &Nature| matches!(nature, Nature::Hop(_));
        let (mut hops, mut groups, mut deletions) = (Vec::new(), Vec::new(), Vec::new());
        for id in self.dirty.iter().copied() {
            let there = self.there.get(&id);
            let Some(wanted) = self.wanted.get(&id) else {
                if may_delete && !is_used(id) && !self.is_member(id) {
                    deletions.push(ObjectOperation {
                        id,
                        verb: ObjectVerb::Delete,
                    });
                }
                continue;
            };
            let object = Object {
                protocol: self.protocol,
                nature: wanted.nature.clone(),
            };
            let list = if is_hop(&wanted.nature) {
                &mut hops
            } else {
                &mut groups
            };
            let verb = match there {
                Some(_) => ObjectVerb::Replace(object),
                None => ObjectVerb::Add(object),
            };
            list.push(ObjectOperation { id, verb });
        }
        hops.append(&mut groups);
        hops.append(&mut deletions);
        hops
    }

    fn is_member(&self, id: u32) -> bool {
        self.there.values().any(|object| match &object.nature {
            Nature::Group(members) => members.iter().any(|(member, _)| *member == id),
            _ => false,
        })
    }

    /// The kernel did it.
    pub(crate) fn done(&mut self, operation: &ObjectOperation) {
        match &operation.verb {
            ObjectVerb::Add(object) | ObjectVerb::Replace(object) => {
                self.there.insert(operation.id, object.clone());
            }
            ObjectVerb::Delete => {
                self.there.remove(&operation.id);
            }
        }
        self.compare(operation.id);
    }

    /// The kernel refused it. Returns the targets that do without from now on.
    pub(crate) fn refused(
        &mut self,
        operation: &ObjectOperation,
        refusal: &Refusal,
        now: Instant,
    ) -> Vec<Vec<Hop>> {
        let is_missing = refusal.errno == errno::ENOENT;
        match operation.verb {
            ObjectVerb::Replace(_) if !is_missing => self.rest(operation.id, now),
            ObjectVerb::Add(_) => self.rest(operation.id, now),
            // A resync tells if it is there after all.
            ObjectVerb::Replace(_) | ObjectVerb::Delete => {
                self.there.remove(&operation.id);
                self.compare(operation.id);
                Vec::new()
            }
        }
    }

    /// The targets of a group, or of all groups with a member, do without for a while.
    fn rest(&mut self, id: u32, now: Instant) -> Vec<Vec<Hop>> {
        let has = |group: &Group| {
            let wanted = self.wanted.get(&group.id).map(|wanted| &wanted.nature);
            group.id == id
                || matches!(wanted, Some(Nature::Group(members)) if members.iter().any(|(member, _)| *member == id))
        };
        let concerned = self.groups.iter().filter(|(_, group)| has(group));
        let targets: Vec<_> = concerned.map(|(target, _)| target.clone()).collect();
        for target in &targets {
            self.resting.insert(target.clone(), now + REST);
        }
        targets
    }

    /// When the first target may have an object again.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.resting.values().min().copied()
    }

    /// The targets that may have an object again.
    pub(crate) fn wake(&mut self, now: Instant) -> Vec<Vec<Hop>> {
        let due = self.resting.iter().filter(|(_, until)| **until <= now);
        let targets: Vec<_> = due.map(|(target, _)| target.clone()).collect();
        for target in &targets {
            self.resting.remove(target);
        }
        targets
    }
}

/// What the kernel says.
impl Objects {
    /// An object appeared or changed. Returns the targets that do without from now on, since others change it again and again.
    pub(crate) fn appeared(&mut self, id: u32, object: Object, now: Instant) -> Vec<Vec<Hop>> {
        self.there.insert(id, object);
        self.compare(id);
        self.note_loss(id, now)
    }

    /// An object went. Returns the targets that do without from now on.
    pub(crate) fn vanished(&mut self, id: u32, now: Instant) -> Vec<Vec<Hop>> {
        if self.there.remove(&id).is_none() {
            return Vec::new();
        }
        self.compare(id);
        self.note_loss(id, now)
    }

    fn note_loss(&mut self, id: u32, now: Instant) -> Vec<Vec<Hop>> {
        if !self.dirty.contains(&id) {
            return Vec::new();
        }
        let Some(wanted) = self.wanted.get_mut(&id) else {
            return Vec::new();
        };
        wanted.losses += 1;
        if wanted.losses < LOSSES {
            return Vec::new();
        }
        wanted.losses = 0;
        self.rest(id, now)
    }

    /// All that there are.
    pub(crate) fn resync(&mut self, objects: BTreeMap<u32, Object>) {
        self.there = objects;
        self.compare_all();
    }

    fn compare_all(&mut self) {
        let ids: BTreeSet<u32> = self
            .there
            .keys()
            .chain(self.wanted.keys())
            .copied()
            .collect();
        self.dirty.clear();
        for id in ids {
            self.compare(id);
        }
    }

    /// The kernel dropped the objects over a device that went down, and said nothing. Groups went on without them.
    pub(crate) fn device_down(&mut self, ifindex: u32) -> bool {
        let over = |object: &Object| matches!(object.nature, Nature::Hop(place) if place.ifindex == ifindex);
        let there = self.there.iter().filter(|(_, object)| over(object));
        let gone: BTreeSet<u32> = there.map(|(id, _)| *id).collect();
        if gone.is_empty() {
            return false;
        }
        let mut changed = gone.clone();
        self.there.retain(|id, object| {
            let Nature::Group(members) = &mut object.nature else {
                return !gone.contains(id);
            };
            let before = members.len();
            members.retain(|(member, _)| !gone.contains(member));
            if members.len() < before {
                changed.insert(*id);
            }
            !members.is_empty()
        });
        for id in changed {
            self.compare(id);
        }
        true
    }
}

fn place(hop: &KernelHop) -> Option<(Place, u8)> {
    let place = Place {
        gateway: hop.gateway?,
        ifindex: hop.ifindex,
        onlink: hop.onlink,
    };
    (hop.ifindex != 0).then_some((place, hop.weight))
}
