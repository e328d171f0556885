// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Changes over the API: edits of the running configuration, carried out as a reload would.
//!
//! What is wrong is refused before anything has changed. The cost of adding a neighbour does not depend on how many there are.

use std::{sync::Arc, time::Duration};

use bgp_fsm::StopReason;
use rib::Input;
use tracing::{info, warn};

use super::Supervisor;
use crate::{
    api::Control as _,
    config::{self, Config, ConfigChange, Edit, Fault, Neighbor, PeerName, Plan, Refusal},
    control::{ControlError, RouteQuery, RouteSource},
    daemon::{door::Running, shard::Order},
};

/// What is known of the host's interfaces is so old at most when a change is made.
const HOST_AGE: Duration = Duration::from_secs(1);

impl Supervisor {
    /// Says what was changed; nothing if all is as it was.
    pub(super) async fn edit(&mut self, edit: Edit) -> Result<Vec<String>, ControlError> {
        if self.host_seen.elapsed() > HOST_AGE {
            self.look_at_host().map_err(|error| {
                let text = format!("can not read the interfaces of this host: {error}");
                ControlError::NotPossible(text)
            })?;
        }
        let running = Arc::clone(&self.door.read().config);
        let edit = self.layers.settled(edit)?;
        let plan = self.layers.plan(&edit, &running, &self.host)?;
        drop(running);
        let undo = self.layers.keep(&edit);
        let done = match plan {
            Plan::Whole(config) => Ok(self.put_in_force(*config).await),
            Plan::Neighbor(name, neighbor) => self.put_neighbor(name, neighbor).await,
            Plan::Begin(config) => self.begin(*config).await,
            Plan::End(config) => Ok(self.end(*config).await),
        };
        match &done {
            Ok(changes) if !changes.is_empty() => info!(?changes, "changed over the API"),
            Ok(_) => {}
            Err(_) => self.layers.put_back(undo),
        }
        done
    }

    /// `StartBgp`: it has been waited for.
    pub(super) async fn begin(&mut self, config: Config) -> Result<Vec<String>, ControlError> {
        if let Err(error) = self.listen(&config) {
            self.stop_listening();
            return Err(ControlError::NotPossible(format!("{error:#}")));
        }
        let global = &config.global;
        let speaker = Input::Speaker(rib::Speaker {
            local_as: global.asn,
            confederation: global.confederation.as_ref().map(|all| all.identifier),
            router_id: global.router_id(),
            cluster_id: global.cluster_id(),
        });
        for shard in &self.door.shards {
            for input in [speaker.clone(), Input::Selection(global.selection)] {
                // The daemon does not outlive a shard.
                let _ = shard.order(Order::Input(input)).await;
            }
        }
        let said = format!("AS {} begins, router id {}", global.asn, global.router_id());
        let config = Arc::new(config);
        self.door.write().config = Arc::clone(&config);
        if let Err(error) = self.open_for_neighbors(&config).await {
            return Err(ControlError::NotPossible(format!("{error:#}")));
        }
        Ok(vec![said])
    }

    /// `StopBgp`: every neighbour is told, and what we originate is gone.
    async fn end(&mut self, config: Config) -> Vec<String> {
        self.stop_listening();
        let old = Arc::clone(&self.door.read().config);
        let peers = std::mem::take(&mut self.door.write().peers);
        for (name, running) in &peers {
            self.look_away(*name);
            self.doors.close(&running.neighbor);
        }
        self.awaited.clear();
        let finish = |running: &Running| {
            let handle = running.handle.clone();
            async move { handle.finish(StopReason::Deconfigured).await }
        };
        futures_util::future::join_all(peers.values().map(finish)).await;
        for running in peers.values() {
            self.door.bfd.unwatch_later(running.id);
        }
        if let Err(error) = self.open_ranges(&old.dynamic_neighbors, &[]) {
            warn!(%error, "ranges of dynamic neighbours");
        }
        self.announce_statics(&[], &old.static_routes).await;
        if let Err(error) = self.withdraw_api_routes().await {
            warn!(%error, "routes of the API");
        }
        self.door.write().config = Arc::new(config);
        vec![format!(
            "AS {} ends, {} neighbours told",
            old.global.asn,
            peers.len()
        )]
    }

    async fn withdraw_api_routes(&self) -> Result<(), ControlError> {
        let mut pages = self.door.routes(RouteQuery::default()).await?;
        while let Some(page) = pages.recv().await {
            let ours = page.iter().filter(|route| route.source == RouteSource::Api);
            let ours: Vec<_> = ours.map(|route| (route.prefix, route.path_id)).collect();
            if !ours.is_empty() {
                self.door.delete_routes(ours).await?;
            }
        }
        Ok(())
    }

    fn stop_listening(&mut self) {
        self.listening.cancel();
        self.listening = self.stop.child_token();
        self.listeners.clear();
        self.door.write().listening.clear();
    }

    /// Makes one neighbour as it is to be, or removes it. If that fails, all is as before.
    async fn put_neighbor(
        &mut self,
        name: PeerName,
        new: Option<Box<Neighbor>>,
    ) -> Result<Vec<String>, ControlError> {
        let old = self.enter(name, new.as_deref());
        let change = match &new {
            Some(new) => config::neighbor_change(old.as_ref(), new),
            None => Some(ConfigChange::RemovePeer(name)),
        };
        let Some(change) = change else {
            return Ok(Vec::new());
        };
        let text = change.to_string() + self.consequence(&change).await;
        let config = Arc::clone(&self.door.read().config);
        let done = self.carry_out(change, &config).await;
        drop(config);
        if let Err(error) = done {
            self.enter(name, old.as_ref());
            if let Some(old) = old {
                // It could be started before.
                let _ = self.add_peer(&old);
            }
            return Err(ControlError::NotPossible(format!("{error:#}")));
        }
        Ok(vec![text])
    }

    /// Writes a neighbour into the running configuration; says what was there.
    fn enter(&self, name: PeerName, new: Option<&Neighbor>) -> Option<Neighbor> {
        let mut board = self.door.write();
        // Nobody keeps the configuration for long: it is hardly ever copied.
        let neighbors = &mut Arc::<Config>::make_mut(&mut board.config).neighbors;
        let place = neighbors.iter().position(|peer| peer.name == name);
        match (place, new) {
            (Some(place), Some(new)) => Some(std::mem::replace(&mut neighbors[place], new.clone())),
            (Some(place), None) => Some(neighbors.remove(place)),
            (None, Some(new)) => {
                neighbors.push(new.clone());
                None
            }
            (None, None) => None,
        }
    }
}

impl From<Refusal> for ControlError {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::Exists(..) | Refusal::Worded(Fault::Exists, _) => Self::Exists(text),
            Refusal::Missing(..) | Refusal::Worded(Fault::Missing, _) => Self::NotFound(text),
            Refusal::InUse(..) | Refusal::NotNow(_) | Refusal::Worded(Fault::NotNow, _) => {
                Self::NotPossible(text)
            }
            Refusal::Wrong(_) | Refusal::Worded(Fault::Wrong, _) => Self::Invalid(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use bgp_proto::Asn;

    use super::*;
    use crate::{
        config::{Book, Kind, Layers, PolicyEdit, SetKind, Settings, Source},
        control::PeerOrder,
        daemon::Options,
    };

    const FILE: &str = "[global]\nas = 64512\nrouter-id = \"10.0.0.1\"\nport = -1\nshards = 1\n\
         [api]\nlisten = []\nunix = \"\"\n\
         [[peer-groups]]\npeer-group-name = \"edge\"\npeer-as = 64513\ntimers.hold-time = 30\n\
         [[neighbors]]\nneighbor-address = \"192.0.2.1\"\npeer-group = \"edge\"\n";

    /// A daemon whose file can be written anew.
    struct Scene {
        supervisor: Supervisor,
        file: File,
    }

    struct File(PathBuf);

    impl Scene {
        async fn new(name: &str, text: &str) -> Self {
            let file = format!("bgpd-edits-{name}-{}.toml", std::process::id());
            let file = std::env::temp_dir().join(file);
            std::fs::write(&file, text).unwrap();
            let source = Source {
                path: file.clone(),
                ..Source::default()
            };
            let (layers, config) = Layers::load(source).unwrap();
            let supervisor = Supervisor::start(Options { layers, config }).await.unwrap();
            let file = File(file);
            Self { supervisor, file }
        }

        async fn reload(&mut self, text: &str) -> Result<Vec<String>, String> {
            std::fs::write(&self.file.0, text).unwrap();
            self.supervisor.reload().await
        }

        async fn edit(&mut self, edit: Edit) -> Result<Vec<String>, ControlError> {
            let before = self.names();
            let done = self.supervisor.edit(edit).await;
            if done.is_err() {
                assert_eq!(self.names(), before, "nothing has changed");
            }
            done
        }

        /// Neighbours of the configuration and those that run are the same.
        fn names(&self) -> Vec<String> {
            let board = self.supervisor.door.read();
            let mut configured: Vec<PeerName> = board
                .config
                .neighbors
                .iter()
                .map(|peer| peer.name)
                .collect();
            configured.sort();
            assert!(board.peers.keys().eq(configured.iter()));
            configured.iter().map(ToString::to_string).collect()
        }

        fn neighbor(&self, name: &str) -> Arc<Neighbor> {
            let board = self.supervisor.door.read();
            Arc::clone(&board.peers[&name.parse().unwrap()].neighbor)
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn said(address: &str) -> Settings {
        Settings::default().with("neighbor-address", address)
    }

    fn add(address: &str) -> Edit {
        Edit::Add(Kind::Neighbor, said(address).with("peer-group", "edge"))
    }

    fn remove(address: &str) -> Edit {
        Edit::Remove(Kind::Neighbor, address.to_owned())
    }

    #[tokio::test]
    async fn neighbours_come_change_and_go() {
        let mut scene = Scene::new("come", FILE).await;
        let done = scene.edit(add("192.0.2.9")).await.unwrap();
        assert_eq!(done, ["neighbour 192.0.2.9 added (AS 64513)"]);
        let added = scene.neighbor("192.0.2.9");
        assert_eq!((added.peer_as, added.hold_time), (Asn(64513), 30));
        assert_eq!(added.group.as_deref(), Some("edge"));

        let changed = said("192.0.2.9")
            .with("peer-group", "edge")
            .with("timers.hold-time", 9_u16);
        let done = scene
            .edit(Edit::Replace(Kind::Neighbor, changed.clone()))
            .await;
        assert_eq!(done.unwrap(), ["neighbour 192.0.2.9 restarted (hold-time)"]);
        let again = scene.edit(Edit::Replace(Kind::Neighbor, changed)).await;
        assert_eq!(again.unwrap(), [""; 0]);

        let done = scene.edit(remove("192.0.2.9")).await.unwrap();
        assert_eq!(done, ["neighbour 192.0.2.9 removed"]);
        assert_eq!(scene.names(), ["192.0.2.1"]);
        // One of the file goes as well.
        scene.edit(remove("192.0.2.1")).await.unwrap();
        assert_eq!(scene.names(), [""; 0]);
        scene.supervisor.stop().await;
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_and_changes_nothing() {
        let mut scene = Scene::new("wrong", FILE).await;
        let group = |text: &str| Settings::default().with("peer-group-name", text);
        let range = |text: &str| {
            let said = Settings::default().with("prefix", text);
            Edit::Add(Kind::Range, said.with("peer-group", "edge"))
        };
        let neighbor = |said| Edit::Add(Kind::Neighbor, said);
        let cases = [
            (add("192.0.2.1"), "there is a neighbour 192.0.2.1 already"),
            (remove("192.0.2.7"), "there is no neighbour 192.0.2.7"),
            (neighbor(said("192.0.2.7")), "`peer-as` is missing"),
            (
                neighbor(said("nobody").with("peer-as", 1_u8)),
                "\"nobody\" is not an IP address",
            ),
            (neighbor(Settings::default()), "the neighbour has no name"),
            (
                neighbor(said("192.0.2.7").with("peer-group", "egde")),
                "there is no peer group \"egde\"",
            ),
            (
                neighbor(
                    said("192.0.2.7")
                        .with("peer-as", 1_u8)
                        .with("timers.hold-time", 2_u8),
                ),
                "a hold time of 2 s is forbidden (RFC 4271)",
            ),
            (
                neighbor(said("192.0.2.7").with("peer-as", 1_u8).with("vrf", "red")),
                "`neighbors.vrf`",
            ),
            (
                Edit::Add(Kind::Group, group("edge")),
                "there is a peer group edge already",
            ),
            (
                Edit::Remove(Kind::Group, "edge".to_owned()),
                "peer group edge is not removed: 192.0.2.1 is in it",
            ),
            (range("10.0.0.1/8"), "10.0.0.1/8 has host bits set"),
            (
                Edit::Remove(Kind::Range, "10.0.0.0/8".to_owned()),
                "there is no range of dynamic neighbours 10.0.0.0/8",
            ),
        ];
        for (edit, wanted) in cases {
            let error = scene.edit(edit).await.unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        assert_eq!(scene.supervisor.layers.count(), 0);
        scene.supervisor.stop().await;
    }

    #[tokio::test]
    async fn a_group_changes_its_members_and_ranges_come_and_go() {
        let mut scene = Scene::new("group", FILE).await;
        scene.edit(add("192.0.2.9")).await.unwrap();
        let group = Settings::default()
            .with("peer-group-name", "edge")
            .with("peer-as", 64513_u32)
            .with("timers.hold-time", 60_u16);
        let mut done = scene.edit(Edit::Replace(Kind::Group, group)).await.unwrap();
        done.sort();
        let of = |name| format!("neighbour {name} restarted (hold-time)");
        assert_eq!(done, [of("192.0.2.1"), of("192.0.2.9")]);

        let range = Settings::default()
            .with("prefix", "10.0.0.0/8")
            .with("peer-group", "edge");
        let done = scene.edit(Edit::Add(Kind::Range, range)).await.unwrap();
        assert_eq!(done, ["dynamic neighbours changed (now 1)"]);
        let config = scene.supervisor.door.config();
        assert_eq!(config.dynamic_neighbors[0].template.hold_time, 60);
        let gone = Edit::Remove(Kind::Range, "10.0.0.0/8".to_owned());
        let done = scene.edit(gone).await.unwrap();
        assert_eq!(done, ["dynamic neighbours changed (now 0)"]);

        let inner = Settings::default().with("peer-group-name", "inner");
        scene.edit(Edit::Add(Kind::Group, inner)).await.unwrap();
        let groups = scene.supervisor.layers.groups();
        let name = |group: &Settings| group.text("peer-group-name").map(str::to_owned);
        let names: Vec<_> = groups.iter().filter_map(name).collect();
        assert_eq!(names, ["edge", "inner"]);
        let gone = Edit::Remove(Kind::Group, "inner".to_owned());
        scene.edit(gone).await.unwrap();
        assert_eq!(scene.supervisor.layers.groups().len(), 1);
        scene.supervisor.stop().await;
    }

    #[tokio::test]
    async fn a_reload_changes_what_the_file_has_changed_and_nothing_else() {
        let two =
            format!("{FILE}[[neighbors]]\nneighbor-address = \"192.0.2.2\"\npeer-as = 64514\n");
        let mut scene = Scene::new("reload", &two).await;
        scene.edit(add("192.0.2.9")).await.unwrap();
        scene.edit(remove("192.0.2.1")).await.unwrap();
        let changed = said("192.0.2.2").with("peer-as", 64515_u32);
        scene
            .edit(Edit::Replace(Kind::Neighbor, changed))
            .await
            .unwrap();

        // Nothing of these in the file is different: all of it stays.
        let done = scene
            .reload(&format!("{two}[log]\nlevel = \"info\"\n"))
            .await;
        assert_eq!(done.unwrap(), ["changes over the API: 3 of 3 kept"]);
        assert_eq!(scene.names(), ["192.0.2.2", "192.0.2.9"]);
        assert_eq!(scene.neighbor("192.0.2.2").peer_as, Asn(64515));

        // The file speaks of one of them: it counts from now on.
        let done = scene.reload(&two.replace("64514", "64516")).await.unwrap();
        let kept = "changes over the API: 2 of 3 kept; the file has changed the others";
        assert_eq!(done, ["neighbour 192.0.2.2 restarted (peer-as)", kept]);
        assert_eq!(scene.names(), ["192.0.2.2", "192.0.2.9"]);
        assert_eq!(scene.neighbor("192.0.2.2").peer_as, Asn(64516));

        // A file that goes without what the API needs is not taken.
        let error = scene
            .reload("[global]\nas = 64512\nrouter-id = \"10.0.0.1\"\nport = -1\n")
            .await
            .unwrap_err();
        assert!(error.contains("there is no peer group \"edge\""), "{error}");
        assert_eq!(scene.names(), ["192.0.2.2", "192.0.2.9"]);
        scene.supervisor.stop().await;
    }

    #[tokio::test]
    async fn policies_of_the_api_stay_over_a_reload_and_are_for_new_neighbours_too() {
        let set = "[[defined-sets.prefix-sets]]\nprefix-set-name = \"file\"\nprefix-list = [{ ip-prefix = \"10.0.0.0/8\" }]\n";
        let text = format!("{FILE}{set}");
        let mut scene = Scene::new("policies", &text).await;
        let edit = PolicyEdit::new(None, |book| {
            let set = book.sets.values().next().cloned().unwrap();
            let set = set.with("prefix-set-name", "api");
            book.sets.insert((SetKind::Prefix, "api".to_owned()), set);
            let statement = Settings::default()
                .with("name", "s")
                .with("conditions.match-prefix-set.prefix-set", "api")
                .with("actions.route-disposition", "accept-route");
            let mut policy = Settings::default().with("name", "p");
            Book::put_statements(&mut policy, vec![statement]);
            book.policies.insert("p".to_owned(), policy);
            let list = config::Setting::List(vec!["p".into()]);
            book.global.say("import-policy-list", list);
            Ok(())
        });
        let done = scene.edit(Edit::Policies(edit)).await.unwrap();
        assert!(!done.is_empty());
        assert_eq!(scene.neighbor("192.0.2.1").import.names(), ["p"]);
        scene.edit(add("192.0.2.9")).await.unwrap();
        assert_eq!(scene.neighbor("192.0.2.9").import.names(), ["p"]);

        let before = scene.supervisor.layers.book(None);
        let done = scene
            .reload(&format!("{text}[log]\nlevel = \"info\"\n"))
            .await;
        assert!(done.is_ok(), "{done:?}");
        assert_eq!(scene.supervisor.layers.book(None), before);
        assert_eq!(scene.neighbor("192.0.2.1").import.names(), ["p"]);

        // What is refused has changed nothing, in what single neighbours are read with neither.
        let edit = PolicyEdit::new(None, |book| {
            book.policies.clear();
            Ok(())
        });
        let error = scene.edit(Edit::Policies(edit)).await.unwrap_err();
        assert!(matches!(error, ControlError::Invalid(_)), "{error:?}");
        assert_eq!(scene.supervisor.layers.book(None), before);
        scene.edit(add("192.0.2.10")).await.unwrap();
        assert_eq!(scene.neighbor("192.0.2.10").import.names(), ["p"]);

        // The file has its say of what it has changed itself.
        let other = text
            .replace("\"file\"", "\"api\"")
            .replace("10.0.0.0/8", "10.0.0.0/9");
        scene.reload(&other).await.unwrap();
        let config = scene.supervisor.door.config();
        assert_eq!(config.policies.sets[0].members, ["10.0.0.0/9 9..9"]);
        scene.supervisor.stop().await;
    }

    #[tokio::test]
    async fn what_is_amended_keeps_what_is_not_said() {
        let text = format!(
            "{FILE}weight = 7\n[[neighbors.afi-safis]]\nafi-safi-name = \"ipv4-unicast\"\nprefix-limit.action = \"warn\"\n"
        );
        let mut scene = Scene::new("amend", &text).await;
        let family = Settings::default()
            .with("afi-safi-name", "ipv4-unicast")
            .with("prefix-limit.max-prefixes", 9_u8);
        let said = said("192.0.2.1")
            .with("description", "amended")
            .with("afi-safis", config::Setting::Tables(vec![family]));
        let done = scene.edit(Edit::Amend(Kind::Neighbor, said)).await.unwrap();
        assert_eq!(done.len(), 1, "{done:?}");
        let neighbor = scene.neighbor("192.0.2.1");
        assert_eq!((neighbor.hold_time, neighbor.weight), (30, 7));
        assert_eq!(neighbor.description.as_deref(), Some("amended"));
        let family = neighbor.families[0];
        assert_eq!(family.max_prefixes, Some(9));
        assert_eq!(family.limit_action, config::LimitAction::Warn);
        let nobody = Settings::default().with("neighbor-address", "192.0.2.7");
        let error = scene.edit(Edit::Amend(Kind::Neighbor, nobody)).await;
        assert!(matches!(error, Err(ControlError::NotFound(_))), "{error:?}");
        scene.supervisor.stop().await;
    }

    #[tokio::test]
    async fn a_speaker_begins_ends_and_begins_again() {
        let text = "[api]\nlisten = []\nunix = \"\"\n";
        let mut scene = Scene::new("begin", text).await;
        let door = scene.supervisor.door.clone();
        assert!(!door.config().global.is_given());
        let error = scene.edit(add("192.0.2.9")).await.unwrap_err();
        let wanted = ControlError::NotPossible("bgp server hasn't started yet".to_owned());
        assert_eq!(error, wanted);
        let error = scene.edit(Edit::End).await.unwrap_err();
        assert_eq!(error.to_string(), "bgp server is not running");

        // A port of ours is taken: nothing has begun.
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let local = config::Setting::List(vec!["127.0.0.1".into()]);
        let global = |asn: u32, port: i32| {
            Settings::default()
                .with("as", asn)
                .with("router-id", "10.0.0.9")
                .with("port", port)
                .with("local-address-list", local.clone())
        };
        let error = scene.edit(Edit::Begin(global(64520, port.into()))).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("can not listen on 127.0.0.1"), "{error}");
        assert!(!door.config().global.is_given());
        let error = scene.edit(Edit::Begin(global(0, -1))).await.unwrap_err();
        assert_eq!(error.to_string(), "AS 0 is never anyone's (RFC 7607)");
        drop(taken);

        let done = scene.edit(Edit::Begin(global(64520, port.into()))).await;
        assert_eq!(done.unwrap(), ["AS 64520 begins, router id 10.0.0.9"]);
        let status = door.status().await.unwrap();
        assert_eq!((status.local_as, status.listening.len()), (Asn(64520), 1));
        let error = scene.edit(Edit::Begin(global(1, -1))).await.unwrap_err();
        assert_eq!(error.to_string(), "bgp server is already running");
        let neighbor = said("192.0.2.9").with("peer-as", 64520_u32);
        scene
            .edit(Edit::Add(Kind::Neighbor, neighbor))
            .await
            .unwrap();
        assert_eq!(scene.neighbor("192.0.2.9").local_as, Asn(64520));
        // A reload changes none of it.
        scene.reload(text).await.unwrap();
        assert_eq!(scene.names(), ["192.0.2.9"]);

        let done = scene.edit(Edit::End).await.unwrap();
        assert_eq!(done, ["AS 64520 ends, 1 neighbours told"]);
        assert_eq!(scene.names(), [""; 0]);
        assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok());
        scene.edit(Edit::Begin(global(64521, -1))).await.unwrap();
        assert_eq!(door.status().await.unwrap().local_as, Asn(64521));
        assert_eq!(scene.names(), [""; 0]);
        scene.supervisor.stop().await;
    }

    #[tokio::test]
    async fn an_end_counts_for_the_file_too() {
        let mut scene = Scene::new("end", FILE).await;
        scene.edit(Edit::End).await.unwrap();
        assert_eq!(scene.names(), [""; 0]);
        scene.reload(FILE).await.unwrap();
        assert_eq!(scene.names(), [""; 0]);
        let global = Settings::default()
            .with("as", 64512_u32)
            .with("router-id", "10.0.0.1")
            .with("port", -1_i32);
        scene.edit(Edit::Begin(global)).await.unwrap();
        assert_eq!(scene.supervisor.layers.groups().len(), 0);
        scene.supervisor.stop().await;
    }

    #[tokio::test]
    async fn who_was_taken_down_stays_down_when_something_else_changes() {
        let mut scene = Scene::new("down", FILE).await;
        let name = "192.0.2.1".parse().ok();
        let door = scene.supervisor.door.clone();
        door.order(name, PeerOrder::Disable(String::new()))
            .await
            .unwrap();
        let done = scene.reload(&FILE.replace("= 30", "= 60")).await.unwrap();
        assert_eq!(done, ["neighbour 192.0.2.1 restarted (hold-time)"]);
        let status = door.peers(name).await.unwrap().remove(0);
        assert!(status.admin_down);
        door.order(name, PeerOrder::Enable).await.unwrap();
        let status = door.peers(name).await.unwrap().remove(0);
        assert!(!status.admin_down);
        scene.supervisor.stop().await;
    }
}
