// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a configuration would change, before it is read: sessions by comparing it with the one that runs, routes by a
//! forecast of the shards, piece by piece, so that no shard stands still for it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use bgp_proto::Prefix;
use fib_netlink::FibConfig;
use rib::{Attributes, Difference, FibRoute, PeerId, Proposal, RouteBatch, Source};

use super::{Door, Running};
use crate::{
    config::{self, Config, ConfigChange, DynamicNeighbor, Neighbor, PeerName},
    control::{
        ControlError, Effect, Example, Forecast, PeerForecast, Plan, PlanRequest, PlannedChange,
        Tally, differences, in_words,
    },
    daemon::{
        fib_task::target,
        host::this_host,
        settings,
        shard::{Gone, Shard},
    },
    kernel::Kernel,
    peer::Peer,
};

/// A piece is so many prefixes at first, and then as many as a shard looks at in [`PIECE`].
const FIRST_PIECE: usize = 64;

/// So long a shard does nothing else.
const PIECE: Duration = Duration::from_millis(5);

impl Door {
    pub(super) async fn make_plan(&self, request: PlanRequest) -> Result<Plan, ControlError> {
        let _one = self.planning.try_lock().map_err(|_| {
            ControlError::NotPossible("another plan is being made; try again".to_owned())
        })?;
        let until = Instant::now() + request.time_limit;
        let (file, text, path) = (request.file, request.text, Arc::clone(&self.path));
        let read = move || config::parse_beside(&text, &file, &path);
        let read = tokio::task::spawn_blocking(read).await;
        let wrong = |error: config::ConfigErrors| ControlError::Invalid(error.to_string());
        let read = read.map_err(|_| ControlError::ShuttingDown)?;
        let host = this_host().map_err(|error| {
            let text = format!("can not read the interfaces of this host: {error}");
            ControlError::NotPossible(text)
        })?;
        let new = read.map_err(wrong)?.for_host(&host).map_err(wrong)?;
        let (old, peers) = {
            let board = self.read();
            (Arc::clone(&board.config), board.peers.clone())
        };
        let mut draft = PlanDraft::new(&old, &new, peers);
        for change in config::diff(&old, &new) {
            draft.change(change).await;
        }
        let names = draft.peers.iter();
        let names = names.map(|(name, running)| (running.id, *name)).collect();
        let mut accounts = Accounts {
            names,
            kernels: self.kernels(&old, &new).await,
            examples: request.examples,
            peers: BTreeMap::new(),
            best: Forecast::default(),
            kernel: Forecast::default(),
        };
        let proposal = Proposal {
            all_forwarding: accounts.kernels.is_some() && draft.is_all_forwarding(),
            ..draft.proposal
        };
        let mut plan = Plan {
            changes: draft.changes,
            notes: draft.notes,
            warnings: new.warnings.iter().map(ToString::to_string).collect(),
            ..Plan::default()
        };
        if !changes_routes(&proposal) {
            return Ok(plan);
        }
        let mut statics = proposal
            .statics
            .clone()
            .map(|all| all.deal(self.shards.len()));
        let mut statics = statics.iter_mut().flatten();
        for shard in &self.shards {
            let proposal = Proposal {
                statics: statics.next().cloned(),
                ..proposal.clone()
            };
            let (seen, is_whole);
            (accounts, seen, is_whole) = look(shard, proposal, accounts, until).await?;
            plan.prefixes += seen;
            plan.is_partial |= !is_whole;
        }
        let peers = accounts.peers.into_iter();
        let mut peers: Vec<PeerForecast> = peers
            .filter_map(|(id, (import, export))| {
                let peer = *accounts.names.get(&id)?;
                Some(PeerForecast {
                    peer,
                    import,
                    export,
                })
            })
            .collect();
        peers.sort_by_key(|peer| peer.peer);
        Ok(Plan {
            peers,
            best: accounts.best,
            kernel: accounts.kernel,
            ..plan
        })
    }

    /// How best paths become kernel routes, now and then.
    async fn kernels(&self, old: &Config, new: &Config) -> Option<[(Kernel, FibConfig); 2]> {
        let fib = self.fib.as_ref()?;
        let links = fib.links().await;
        let was = old.fib.as_ref()?;
        // Whether the kernel is written at all changes with a restart only.
        let is = new.fib.as_ref().unwrap_or(was);
        Some([(old, was), (new, is)].map(|(config, fib)| {
            let mut kernel = Kernel::new(config.pools.clone(), fib.sources);
            kernel.links_changed(&links);
            (kernel, fib.to_fib_config(&config.pools))
        }))
    }
}

fn changes_routes(proposal: &Proposal) -> bool {
    !proposal.peers.is_empty()
        || proposal.selection.is_some()
        || proposal.kernel_export.is_some()
        || proposal.statics.as_ref().is_some_and(|all| !all.is_empty())
        || proposal.all_forwarding
}

/// Looks at one shard until it is through or the time is over. Says how many prefixes that were, and whether they were all.
async fn look(
    shard: &Shard,
    proposal: Proposal,
    accounts: Accounts,
    until: Instant,
) -> Result<(Accounts, u64, bool), Gone> {
    let forecast = shard
        .ask(move |rib| rib::Forecast::new(rib, proposal))
        .await?;
    let (mut work, mut seen, mut piece) = ((forecast, accounts), 0, FIRST_PIECE);
    while !work.0.is_done() {
        if Instant::now() >= until {
            return Ok((work.1, seen, false));
        }
        let (mut forecast, mut accounts) = work;
        let question = move |rib: &rib::Rib| {
            let begun = Instant::now();
            let seen = forecast.look(rib, piece, &mut |difference| accounts.take(difference));
            ((forecast, accounts), seen, begun.elapsed())
        };
        let (some, time);
        (work, some, time) = shard.ask(question).await?;
        seen += some;
        piece = if time > PIECE {
            (piece / 2).max(1)
        } else {
            (piece * 2).min(FIRST_PIECE << 8)
        };
    }
    Ok((work.1, seen, true))
}

/// What the comparison of two configurations says.
struct PlanDraft<'a> {
    old: &'a Config,
    new: &'a Config,
    peers: BTreeMap<PeerName, Running>,
    changes: Vec<PlannedChange>,
    notes: Vec<String>,
    proposal: Proposal,
}

impl<'a> PlanDraft<'a> {
    fn new(old: &'a Config, new: &'a Config, peers: BTreeMap<PeerName, Running>) -> Self {
        let proposal = Proposal {
            statics: Some(RouteBatch::new(Source::Static)),
            ..Proposal::default()
        };
        Self {
            old,
            new,
            peers,
            changes: Vec::new(),
            notes: Vec::new(),
            proposal,
        }
    }

    /// Pools and the like decide how all routes are written.
    fn is_all_forwarding(&self) -> bool {
        (&self.old.pools, &self.old.fib) != (&self.new.pools, &self.new.fib)
    }

    async fn change(&mut self, change: ConfigChange) {
        let text = change.to_string();
        let (mut effect, mut peer, mut keys) = (Effect::Live, None, Vec::new());
        match change {
            ConfigChange::AddPeer(neighbor) => {
                peer = Some(neighbor.name);
                effect = Effect::SessionStarts;
                let note = format!(
                    "what {} sends is known when its session is up",
                    neighbor.name
                );
                self.notes.push(note);
            }
            ConfigChange::RemovePeer(name) => {
                peer = Some(name);
                effect = Effect::SessionEnds;
                self.propose(name, None);
            }
            ConfigChange::RestartPeer { neighbor, keys: of } => {
                (peer, keys) = (Some(neighbor.name), of);
                effect = if neighbor.admin_down {
                    Effect::SessionEnds
                } else {
                    Effect::SessionRestarts
                };
                self.propose(neighbor.name, (!neighbor.admin_down).then_some(&*neighbor));
            }
            ConfigChange::UpdatePeer { neighbor, keys: of } => {
                (peer, keys) = (Some(neighbor.name), of);
                effect = self.update(&neighbor).await;
            }
            ConfigChange::AddStatic(route) => self.statics(&[route], &[]),
            ConfigChange::RemoveStatic(route) => self.statics(&[], &[route]),
            ConfigChange::SelectionChanged(selection) => {
                self.proposal.selection = Some(selection);
            }
            ConfigChange::KernelPolicyChanged(policy) => {
                self.proposal.kernel_export = Some(policy.program.clone());
            }
            ConfigChange::DynamicChanged(ranges) => {
                self.say(text, effect, None, &[]);
                return self.dynamic(&ranges).await;
            }
            ConfigChange::NeedsRestart(key) => {
                keys = vec![key];
                effect = Effect::NeedsRestart;
            }
            ConfigChange::PoolsChanged(_)
            | ConfigChange::FibChanged(_)
            | ConfigChange::LogChanged(_)
            | ConfigChange::ApiFilesChanged(_) => {}
        }
        self.say(text, effect, peer, &keys);
    }

    fn say(&mut self, text: String, effect: Effect, peer: Option<PeerName>, keys: &[&str]) {
        self.changes.push(PlannedChange {
            text,
            effect,
            peer,
            keys: keys.iter().map(ToString::to_string).collect(),
        });
    }

    fn statics(&mut self, added: &[config::StaticRoute], removed: &[config::StaticRoute]) {
        if let Some(batch) = &mut self.proposal.statics {
            settings::static_routes(batch, added, removed);
        }
    }

    /// A neighbour that stays and is different.
    async fn update(&mut self, neighbor: &Neighbor) -> Effect {
        self.propose(neighbor.name, Some(neighbor));
        let Some(running) = self.peers.get(&neighbor.name) else {
            return Effect::Live;
        };
        if !config::needs_routes_again(&running.neighbor, neighbor) {
            return Effect::Live;
        }
        let can_be_asked = |peer: &Peer, _| peer.negotiated().map(|_| peer.can_be_asked());
        let effect = match running.handle.ask(can_be_asked).await.flatten() {
            Some(true) => Effect::RoutesAgain,
            Some(false) => Effect::SessionRestarts,
            None => return Effect::Live,
        };
        let note = format!(
            "what {} has sent is not kept as it sent it: what its new import policy lets in is known when it has sent it again",
            neighbor.name
        );
        self.notes.push(note);
        effect
    }

    /// Dynamic neighbours are what their ranges say.
    async fn dynamic(&mut self, ranges: &[DynamicNeighbor]) {
        let there: Vec<(PeerName, Arc<Neighbor>)> = self
            .peers
            .iter()
            .filter(|(_, running)| running.dynamic)
            .map(|(name, running)| (*name, Arc::clone(&running.neighbor)))
            .collect();
        for (name, old) in there {
            let around = ranges
                .iter()
                .filter(|range| range.prefix.contains(old.address));
            let Some(range) = around.max_by_key(|range| range.prefix.prefix()) else {
                self.propose(name, None);
                let text = format!("neighbour {name} (dynamic) is let in no longer");
                self.say(text, Effect::SessionEnds, Some(name), &[]);
                continue;
            };
            let new = range.neighbor(name);
            let effect = if config::needs_new_session(&old, &new) {
                self.propose(name, Some(&new));
                Effect::SessionRestarts
            } else if new == *old {
                continue;
            } else {
                self.update(&new).await
            };
            let text = format!("neighbour {name} (dynamic) is otherwise");
            self.say(text, effect, Some(name), &[]);
        }
    }

    fn propose(&mut self, name: PeerName, neighbor: Option<&Neighbor>) {
        let Some(running) = self.peers.get(&name) else {
            return;
        };
        let proposed = neighbor.map(|neighbor| Box::new(settings::proposed(neighbor)));
        self.proposal.peers.insert(running.id, proposed);
    }
}

/// Adds up differences.
struct Accounts {
    names: HashMap<PeerId, PeerName>,
    /// Now and then.
    kernels: Option<[(Kernel, FibConfig); 2]>,
    examples: usize,
    peers: BTreeMap<PeerId, (Forecast, Forecast)>,
    best: Forecast,
    kernel: Forecast,
}

impl Accounts {
    fn take(&mut self, difference: Difference) {
        match difference {
            Difference::Imported {
                peer,
                prefix,
                before,
                after,
                ..
            } => self.imported(peer, prefix, &before, after.as_ref()),
            Difference::Best {
                prefix,
                before,
                after,
            } => self.best(prefix, before.as_ref(), after.as_ref()),
            Difference::Sent {
                peers,
                prefix,
                before,
                after,
                ..
            } => {
                for peer in peers.iter() {
                    let is_told = |sent: &&rib::Sent| sent.0 != Source::Bgp(*peer);
                    let before = before.as_ref().filter(is_told);
                    self.sent(*peer, prefix, before, after.as_ref().filter(is_told));
                }
            }
            Difference::Forwarding {
                prefix,
                before,
                after,
            } => self.forwarding(prefix, before, after),
        }
    }

    fn imported(
        &mut self,
        peer: PeerId,
        prefix: Prefix,
        before: &rib::Imported,
        after: Option<&rib::Imported>,
    ) {
        let forecast = &mut self.peers.entry(peer).or_default().0;
        match (before, after) {
            (Ok(before), Some(Ok(after))) => {
                let text = || in_words(&differences(&before.unpack(), &after.unpack()));
                note(&mut forecast.changed, self.examples, prefix, text);
            }
            (Ok(_), after) => {
                let text = || match after {
                    Some(Err(reason)) => reason.to_string(),
                    _ => "its session ends".to_owned(),
                };
                note(&mut forecast.removed, self.examples, prefix, text);
            }
            (Err(before), Some(Ok(_))) => {
                let text = || format!("was {before}");
                note(&mut forecast.added, self.examples, prefix, text);
            }
            (Err(_), _) => {}
        }
    }

    fn best(
        &mut self,
        prefix: Prefix,
        before: Option<&(Source, Attributes)>,
        after: Option<&(Source, Attributes)>,
    ) {
        let from = |source: Source| match source {
            Source::Bgp(id) => self.names.get(&id).map_or_else(
                || "a neighbour that is gone".to_owned(),
                ToString::to_string,
            ),
            other => format!("{other:?}").to_lowercase(),
        };
        let examples = self.examples;
        match (before, after) {
            (None, Some((after, _))) => {
                let text = || format!("from {}", from(*after));
                note(&mut self.best.added, examples, prefix, text);
            }
            (Some((before, _)), None) => {
                let text = || format!("from {}", from(*before));
                note(&mut self.best.removed, examples, prefix, text);
            }
            (Some((before, was)), Some((after, is))) => {
                let text = || {
                    if before != after {
                        return format!("from {} -> {}", from(*before), from(*after));
                    }
                    let words = in_words(&differences(&was.unpack(), &is.unpack()));
                    format!("from {}: {words}", from(*before))
                };
                note(&mut self.best.changed, examples, prefix, text);
            }
            (None, None) => {}
        }
    }

    fn sent(
        &mut self,
        peer: PeerId,
        prefix: Prefix,
        before: Option<&rib::Sent>,
        after: Option<&rib::Sent>,
    ) {
        let forecast = &mut self.peers.entry(peer).or_default().1;
        let path = |sent: &rib::Sent| match sent.1.as_path.to_string() {
            path if path.is_empty() => "our own".to_owned(),
            path => format!("AS path {path}"),
        };
        match (before, after) {
            (Some(before), Some(after)) => {
                let text = || in_words(&differences(&before.1, &after.1));
                note(&mut forecast.changed, self.examples, prefix, text);
            }
            (Some(before), None) => {
                note(&mut forecast.removed, self.examples, prefix, || {
                    path(before)
                });
            }
            (None, Some(after)) => {
                note(&mut forecast.added, self.examples, prefix, || path(after));
            }
            (None, None) => {}
        }
    }

    fn forwarding(&mut self, prefix: Prefix, before: Option<FibRoute>, after: Option<FibRoute>) {
        let Some([now, then]) = &self.kernels else {
            return;
        };
        let written = |(kernel, fib): &(Kernel, FibConfig), route: Option<FibRoute>| {
            let route = kernel.written(prefix, &route?)?;
            let metric = route.metric.unwrap_or(fib.metric);
            let table = route.table.unwrap_or(fib.table);
            Some((target(&route), metric, table))
        };
        let said = |(target, metric, table): &(String, u32, u32)| {
            format!("{target} table {table} metric {metric}")
        };
        let (tally, text) = match (written(now, before), written(then, after)) {
            (before, after) if before == after => return,
            (Some(before), Some(after)) => {
                let text = format!("{} -> {}", said(&before), said(&after));
                (&mut self.kernel.changed, text)
            }
            (Some(before), None) => (&mut self.kernel.removed, said(&before)),
            (None, Some(after)) => (&mut self.kernel.added, said(&after)),
            (None, None) => return,
        };
        note(tally, self.examples, prefix, || text);
    }
}

fn note(tally: &mut Tally, examples: usize, prefix: Prefix, text: impl FnOnce() -> String) {
    tally.add(examples, || Example {
        prefix,
        text: text(),
    });
}
