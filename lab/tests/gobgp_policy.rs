// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Policies made by Debian's `gobgp`, with the same words to us and to gobgpd: both print the same, and both do the same with routes.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, GoBgp, Lab, Netns, config, until};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

/// Ours, gobgpd, and GoBGP in another AS that tells both the same routes.
struct Scene {
    ours: Netns,
    theirs: Netns,
    us: Bgpd,
    _gobgp: GoBgp,
    sender: GoBgp,
    _lab: Lab,
}

/// Who is asked what is also a neighbour that is never there, and a client of the route server.
fn speaker(own: &str) -> String {
    config::gobgp(64512, own)
        + &config::gobgp_neighbor("10.0.0.3", 65003)
        + &config::gobgp_neighbor("10.0.0.9", 65009)
        + "route-server = { config = { route-server-client = true } }\n"
}

impl Scene {
    fn new() -> Result<Self> {
        let lab = Lab::new("gopol")?;
        let hosts = lab.lan(3)?;
        let gobgp = "[global.config]\ndefaults = \"gobgp\"\n";
        let ours = speaker("10.0.0.1").replace("[global.config]\n", gobgp);
        let us = Bgpd::start_with_api(&hosts[0], &ours, "127.0.0.1:50051")?;
        let gobgpd = GoBgp::start(&hosts[1], &speaker("10.0.0.2"))?;
        let of_both =
            config::gobgp_neighbor("10.0.0.1", 64512) + &config::gobgp_neighbor("10.0.0.2", 64512);
        let sender = GoBgp::start(&hosts[2], &(config::gobgp(65003, "10.0.0.3") + &of_both))?;
        for (prefix, community) in [("10.3.0.0/16", "65003:1"), ("10.4.0.0/16", "65003:2")] {
            sender.ctl(&format!(
                "global rib add -a ipv4 {prefix} community {community}"
            ))?;
        }
        let scene = Self {
            ours: hosts[0].clone(),
            theirs: hosts[1].clone(),
            us,
            _gobgp: gobgpd,
            sender,
            _lab: lab,
        };
        for netns in [&scene.ours, &scene.theirs] {
            until("both routes are there", SOON, || {
                let table = table(netns)?;
                ensure!(table.len() == 2, "{table:?}");
                Ok(())
            })?;
        }
        Ok(scene)
    }

    /// What both print to these words; it has to be the same.
    fn both(&self, words: &str) -> Result<String> {
        let (ours, theirs) = (say(&self.ours, words)?, say(&self.theirs, words)?);
        ensure!(
            ours == theirs,
            "gobgp {words}\n--- ours\n{ours}--- gobgpd's\n{theirs}"
        );
        Ok(ours)
    }

    fn all(&self, lines: &str) -> Result<()> {
        for words in lines
            .lines()
            .map(str::trim)
            .filter(|words| !words.is_empty())
        {
            self.both(words)?;
        }
        Ok(())
    }

    /// Both have the same routes with the same attributes, in the end these prefixes with these.
    fn routes(&self, wanted: &[(&str, &[(u64, &str)])]) -> Result<()> {
        // gobgpd looks at what it has received only when it is told to.
        say(&self.theirs, "neighbor 10.0.0.3 softresetin")?;
        let wanted: Table = wanted
            .iter()
            .map(|(prefix, attributes)| {
                let attributes = attributes.iter();
                let attributes = attributes.map(|(kind, value)| (*kind, (*value).to_owned()));
                ((*prefix).to_owned(), attributes.collect())
            })
            .collect();
        for netns in [&self.ours, &self.theirs] {
            until("the routes are as the policy makes them", SOON, || {
                let table = table(netns)?;
                ensure!(table == wanted, "{table:?} instead of {wanted:?}");
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Exit status, output and errors of `gobgp`. Codes are left out: ours say what is wrong, gobgpd's are all "Unknown". A list
/// that GoBGP takes out of a map is sorted.
fn say(netns: &Netns, words: &str) -> Result<String> {
    let output = netns
        .command("gobgp")
        .args(words.split_whitespace())
        .output()?;
    let text = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
    let lines = text.lines().map(|line| match line.split_once(" desc = ") {
        Some((_, text)) => text.to_owned(),
        None => sorted(line),
    });
    let lines: Vec<String> = lines.collect();
    Ok(format!(
        "{}\nstatus {:?}\n",
        lines.join("\n"),
        output.status.code()
    ))
}

fn sorted(line: &str) -> String {
    match serde_json::from_str(line) {
        Ok(Value::Array(mut items)) => {
            items.sort_by_key(|item| item["name"].to_string());
            Value::Array(items).to_string()
        }
        _ => line.to_owned(),
    }
}

type Table = BTreeMap<String, BTreeMap<u64, String>>;

/// MED, `LOCAL_PREF` and communities of each prefix.
fn table(netns: &Netns) -> Result<Table> {
    let text = netns.exec(&["gobgp", "-j", "global", "rib"])?;
    let json: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    let Some(prefixes) = json.as_object() else {
        return Ok(Table::new());
    };
    let of = |paths: &Value| {
        let attributes = paths[0]["attrs"].as_array().into_iter().flatten();
        let known = attributes.filter_map(|attribute| {
            let kind = attribute["type"].as_u64()?;
            let value = match kind {
                4 => &attribute["metric"],
                5 | 8 => &attribute["value"],
                _ => return None,
            };
            let value = attribute.get("communities").unwrap_or(value);
            Some((kind, value.to_string()))
        });
        known.collect()
    };
    Ok(prefixes
        .iter()
        .map(|(prefix, paths)| (prefix.clone(), of(paths)))
        .collect())
}

const ONE: &str = "[4260036609]";
const TWO: &str = "[4260036610]";

#[test]
#[ignore = "needs netns"]
fn sets_are_made_listed_and_deleted_as_in_gobgpd() -> Result<()> {
    let scene = Scene::new()?;
    scene.all(
        "policy prefix
        -j policy prefix
        policy prefix nope
        policy prefix add ps1 10.0.0.0/8 24..32
        policy prefix add ps1 172.16.0.0/12
        policy prefix add ps1 2001:db8::/32
        policy prefix add ps6 2001:db8::/32 48..64
        policy prefix add ps2
        policy prefix
        -j policy prefix
        policy prefix ps1
        policy prefix del ps1 172.16.0.0/12
        policy prefix del ps1 9.0.0.0/8
        policy prefix ps1
        policy prefix del nope
        policy prefix del ps6
        policy prefix
        policy neighbor add ns1 10.0.0.1 2001:db8::1
        policy neighbor add ns1 10.0.0.2
        policy neighbor
        -j policy neighbor
        policy neighbor del ns1 10.0.0.1
        policy neighbor ns1
        policy as-path add as1 ^65001_ _65010$ _65020_ ^65030$ ^65001_65002 _6[0-9]+_
        policy as-path
        -j policy as-path
        policy as-path del as1 ^65001_
        policy as-path as1
        policy community add cs1 65002:100 no-export 65002:.* ^65000:1$ BLACKHOLE
        policy community
        -j policy community
        policy community del cs1 no-export
        policy community cs1
        policy ext-community add es1 rt:65002:200 soo:10.0.0.1:1 rt:^65.*$ rt:65002:.*
        policy ext-community
        -j policy ext-community
        policy ext-community del es1
        policy ext-community
        policy large-community add ls1 1:2:3 1:2:.* ^1:.*:5$
        policy large-community
        -j policy large-community
        policy large-community del ls1 1:2:3
        policy large-community ls1
        policy large-community del ls1
        policy large-community",
    )?;
    let listed = scene.us.ctl(&["policy", "prefix"])?;
    ensure!(
        listed.contains("ps1") && listed.contains("10.0.0.0/8"),
        "{listed}"
    );
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn statements_and_policies_are_put_together_as_in_gobgpd() -> Result<()> {
    let scene = Scene::new()?;
    scene.all(
        "policy statement
        -j policy statement
        policy statement add s1
        policy statement
        -j policy statement
        policy statement s1 add condition prefix ps1
        policy prefix add ps1 10.0.0.0/8 16..32
        policy neighbor add ns1 10.0.0.3
        policy as-path add as1 ^65003_
        policy community add cs1 65003:.*
        policy ext-community add es1 rt:1:1
        policy large-community add ls1 1:2:3
        policy statement s1 add condition neighbor nope
        policy statement s1 add condition as-path nope
        policy statement s1 add condition community nope
        policy statement s1 add condition ext-community nope
        policy statement s1 add condition large-community nope
        policy statement s1 add condition prefix ps1
        policy statement s1 add condition prefix ps1 invert
        policy statement s1 add condition neighbor ns1 invert
        policy statement s1 add condition as-path as1 any
        policy statement s1 add condition community cs1 all
        policy statement s1 add condition ext-community es1 invert
        policy statement s1 add condition large-community ls1
        policy statement s1 add condition as-path-length 3 ge
        policy statement s1 add condition as-path-length 4 ge
        policy statement s1 add condition route-type external
        policy statement s1 add condition rpki valid
        policy statement s1 add condition next-hop-in-list 10.0.0.1 10.0.0.0/8
        policy statement s1 add action accept
        policy statement s1 add action reject
        policy statement s1 add action med add 10
        policy statement s1 add action med sub 5
        policy statement s1 add action local-pref 200
        policy statement s1 add action community add 65001:1 no-export
        policy statement s1 add action ext-community add rt:1:1
        policy statement s1 add action large-community remove 1:2:3 1:.*:3
        policy statement s1 add action as-prepend 65010 3
        policy statement s1 add action next-hop self
        policy statement s1
        -j policy statement s1
        policy statement s1 del condition next-hop-in-list
        policy statement s1 del action med add 10
        policy statement s1 del condition rpki valid
        policy statement s1 del condition route-type external
        policy statement s1 del action community add 65001:1
        policy statement s1 del action community add 65001:1
        policy statement s1 del condition rpki valid
        policy statement s1 add action community remove 65001:.* no-export
        policy statement s1
        -j policy statement s1
        policy statement nope
        policy statement del nope
        policy statement add s2
        policy statement s2 add action med set 7
        policy statement s2 add action next-hop 10.0.0.7
        policy add p1 s1
        policy add p1 s2
        policy p1
        -j policy
        policy nope
        policy statement del s1
        policy prefix del ps1
        policy del p1 s2
        policy p1
        policy del nope
        policy add p2 s2
        policy p2
        policy statement s2 del action med set 7
        policy p2
        policy del p2
        policy
        policy statement s2
        policy statement del s2
        -j policy statement",
    )
}

#[test]
#[ignore = "needs netns"]
fn routes_follow_the_policies_that_gobgp_assigns() -> Result<()> {
    let scene = Scene::new()?;
    let as_sent: [(&str, &[(u64, &str)]); 2] =
        [("10.3.0.0/16", &[(8, ONE)]), ("10.4.0.0/16", &[(8, TWO)])];
    scene.routes(&as_sent)?;
    scene.all(
        "global policy
        -j global policy
        policy prefix add ps1 10.3.0.0/16
        policy community add cs1 65003:2
        policy statement add s1
        policy statement s1 add condition prefix ps1
        policy statement s1 add action reject
        policy statement add s2
        policy statement s2 add condition community cs1
        policy statement s2 add action med set 77
        policy statement s2 add action local-pref 300
        policy statement s2 add action community add 64512:9
        policy statement s2 add action accept
        policy add p1 s1
        policy add p2 s2
        global policy import add nope
        global policy import add p1
        global policy import add p1
        global policy import add p2 default accept
        global policy
        -j global policy
        -j global policy import",
    )?;
    // One is rejected, the other changed.
    let changed: &[(u64, &str)] = &[(4, "77"), (5, "300"), (8, "[4260036610,4227858441]")];
    scene.routes(&[("10.4.0.0/16", changed)])?;

    // The set is changed while it works, then the statement, then what is assigned.
    scene.all(
        "policy prefix add ps1 10.4.0.0/16
        policy prefix del ps1 10.3.0.0/16
        policy prefix",
    )?;
    scene.routes(&[("10.3.0.0/16", &[(8, ONE)])])?;
    scene.all(
        "policy statement s1 del action reject
        policy statement s1 add action local-pref 50
        global policy import",
    )?;
    let both: &[(u64, &str)] = &[(4, "77"), (5, "300"), (8, "[4260036610,4227858441]")];
    scene.routes(&[("10.3.0.0/16", &[(8, ONE)]), ("10.4.0.0/16", both)])?;
    scene.all(
        "global policy import set p1 default accept
        global policy import
        global policy import del p2
        global policy import del p1
        global policy import
        global policy import add p2 default reject
        global policy",
    )?;
    scene.routes(&[("10.4.0.0/16", both)])?;
    scene.all("global policy import set p2 default accept")?;
    scene.routes(&[("10.3.0.0/16", &[(8, ONE)]), ("10.4.0.0/16", both)])?;
    // Of everything nothing is left, and nothing passes.
    scene.both("global policy import del")?;
    scene.routes(&[])?;
    scene.all("global policy import add p2 default accept")?;

    // Policies of one client of the route server, and of nobody else.
    scene.all(
        "neighbor 10.0.0.9 policy
        neighbor 10.0.0.9 policy import add nope
        neighbor 10.0.0.9 policy import add p1 default reject
        neighbor 10.0.0.9 policy
        -j neighbor 10.0.0.9 policy import
        neighbor 10.0.0.9 policy import set p2 default accept
        neighbor 10.0.0.9 policy
        neighbor 10.0.0.3 policy
        neighbor 10.0.0.3 policy import add p1
        neighbor 10.0.0.7 policy",
    )?;
    // The session was not touched by any of it.
    let up = scene.sender.ctl("neighbor 10.0.0.1")?;
    ensure!(up.contains("BGP state = ESTABLISHED"), "{up}");
    Ok(())
}
