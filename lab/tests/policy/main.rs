// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Policies at work: what neighbours and the kernel see of them, and the same file with GoBGP.

mod differential;
mod kept;
mod next_hop;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::{Bgpd, Bird, Frr, GoBgp, Lab, config, until};

const SOON: Duration = Duration::from_secs(20);

/// Us with a GoBGP that feeds us and a neighbour that listens; these tables are behind theirs.
fn ours(listener: u32, import: &str, export: &str, rest: &str) -> String {
    let feed = format!("apply-policy = {{ {import}default-export-policy = \"reject-route\" }}");
    let listens = format!("apply-policy = {{ {export}default-import-policy = \"reject-route\" }}");
    "[global]\nas = 64512\nrouter-id = \"10.0.0.1\"\n".to_owned()
        + &config::neighbor("10.0.0.2", 64513, &feed)
        + &config::neighbor("10.0.1.2", listener, &listens)
        + rest
        + "\n"
}

/// One policy of this name with these statements.
fn policy(name: &str, statements: &[&str]) -> String {
    let statements = statements.join(",\n  ");
    format!("[[policy-definitions]]\nname = \"{name}\"\nstatements = [\n  {statements}\n]\n")
}

const SETS: &str = r#"
[[defined-sets.prefix-sets]]
prefix-set-name = "blocks"
prefix-list = [{ ip-prefix = "10.16.0.0/12", masklength-range = "20..24" }]
[[defined-sets.prefix-sets]]
prefix-set-name = "hosts"
prefix-list = [{ ip-prefix = "0.0.0.0/0", masklength-range = "32..32" }]
[defined-sets.bgp-defined-sets]
as-path-sets = [{ as-path-set-name = "through", as-path-list = ["65010 6502[0-9]$"] }]
community-sets = [{ community-set-name = "one", community-list = ["64513:1"] }]
"#;

struct Scene {
    us: Bgpd,
    feed: GoBgp,
    c: lab::Netns,
    a: lab::Netns,
    _lab: Lab,
}

/// Us at 10.0.0.1 and 10.0.1.1, GoBGP at 10.0.0.2; nobody at 10.0.1.2 yet.
fn scene(config: &str) -> Result<Scene> {
    let lab = Lab::new("pol")?;
    let (a, b, c) = lab.three()?;
    c.ip("route add 10.0.0.0/24 via 10.0.1.1")?;
    let us = Bgpd::start(&a, config)?;
    let feed = config::gobgp(64513, "10.0.0.2") + &config::gobgp_neighbor("10.0.0.1", 64512);
    let feed = GoBgp::start(&b, &feed)?;
    Ok(Scene {
        us,
        feed,
        c,
        a,
        _lab: lab,
    })
}

fn announce(feed: &GoBgp, prefix: &str, rest: &str) -> Result<()> {
    feed.ctl(&format!(
        "global rib add -a ipv4 {prefix} nexthop 10.0.0.2 {rest}"
    ))
    .map(drop)
}

/// What import and export change is seen by FRR, an iBGP neighbour; what they refuse is not.
#[test]
#[ignore = "needs netns"]
fn frr_sees_what_policy_makes_of_routes() -> Result<()> {
    let import = policy(
        "in",
        &[
            r#"{ conditions = { match-prefix-set = { prefix-set = "blocks", match-set-options = "invert" } }, actions = { route-disposition = "reject-route" } }"#,
            r#"{ conditions = { bgp-conditions = { match-as-path-set = { as-path-set = "through" } } }, actions = { bgp-actions = { set-local-pref = 321 } } }"#,
            r#"{ conditions = { bgp-conditions = { match-community-set = { community-set = "one" } } }, actions = { bgp-actions = { set-community = { options = "remove", set-community-method = { communities-list = ["^64513:.*$"] } } } } }"#,
        ],
    );
    let export = policy(
        "out",
        &[
            r#"{ conditions = { bgp-conditions = { local-pref-eq = 321 } }, actions = { bgp-actions = { set-next-hop = "self", set-as-path-prepend = { as = "last-as", repeat-n = 2 }, set-route-origin = "incomplete" } } }"#,
            r#"{ actions = { bgp-actions = { set-med = "+5", set-community = { options = "add", set-community-method = { communities-list = ["64512:9"] } }, set-large-community = { options = "replace", set-large-community-method = { communities-list = ["64512:1:2"] } } } } }"#,
        ],
    );
    let config = ours(
        64512,
        "import-policy-list = [\"in\"], ",
        "export-policy-list = [\"out\"], ",
        &[SETS, &import, &export].concat(),
    );
    let scene = scene(&config)?;
    let config = config::frr(64512, "10.0.1.2", &[("10.0.1.1", 64512)]);
    let frr = Frr::start(&scene.c, &config)?;
    scene.us.wait_established("10.0.0.2")?;
    scene.us.wait_established("10.0.1.2")?;
    announce(&scene.feed, "10.17.0.0/16", "")?;
    announce(&scene.feed, "10.17.16.0/25", "")?;
    announce(
        &scene.feed,
        "10.17.32.0/20",
        "med 7 community 64513:1,65000:1",
    )?;
    announce(&scene.feed, "10.17.64.0/24", "aspath 65010,65023")?;
    frr.wait_route("10.17.64.0/24")?;
    frr.wait_route("10.17.32.0/20")?;

    let path = frr.path("10.17.32.0/20")?;
    ensure!(path["community"]["string"] == "64512:9 65000:1", "{path}");
    ensure!(path["largeCommunity"]["string"] == "64512:1:2", "{path}");
    ensure!(
        path["metric"] == 12 && path["locPrf"].as_u64().is_none_or(|value| value == 100),
        "{path}"
    );
    ensure!(path["aspath"]["string"] == "64513", "{path}");
    ensure!(
        path["nexthops"][0]["ip"] == "10.0.0.2",
        "as received: {path}"
    );
    let path = frr.path("10.17.64.0/24")?;
    ensure!(
        path["aspath"]["string"] == "64513 64513 64513 65010 65023",
        "{path}"
    );
    ensure!(
        path["locPrf"] == 321 && path["origin"] == "incomplete",
        "{path}"
    );
    ensure!(path["nexthops"][0]["ip"] == "10.0.1.1", "ourselves: {path}");
    for refused in ["10.17.0.0/16", "10.17.16.0/25"] {
        ensure!(frr.paths(refused)?.is_empty(), "{refused} was refused");
    }
    Ok(())
}

fn bird_listens(asn: u32) -> String {
    let ends = [("10.0.1.2", asn), ("10.0.1.1", 64512)];
    config::bird("10.0.1.2", &[])
        + &config::bird_session(ends, "ipv4 { import all; export none; };")
}

/// Updates and withdrawals that BIRD has received.
fn received(bird: &Bird) -> Result<[u64; 2]> {
    let text = bird.ctl("show protocols all ours")?;
    let first = |name: &str| {
        let line = text.lines().find(|line| line.trim().starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(2));
        number
            .and_then(|number| number.parse().ok())
            .context(text.clone())
    };
    Ok([first("Import updates:")?, first("Import withdraws:")?])
}

/// Policies come, change and go while both sessions stay; the listener hears of exactly those routes that are different.
#[test]
#[ignore = "needs netns"]
fn a_reload_tells_exactly_the_difference() -> Result<()> {
    let import = |med: u32| {
        let statement = format!(
            r#"{{ conditions = {{ bgp-conditions = {{ match-community-set = {{ community-set = "one" }} }} }}, actions = {{ bgp-actions = {{ set-community = {{ options = "replace", set-community-method = {{ communities-list = ["64512:{med}"] }} }} }} }} }}"#
        );
        policy("in", &[&statement])
    };
    let export = policy(
        "out",
        &[
            r#"{ conditions = { match-prefix-set = { prefix-set = "hosts" } }, actions = { route-disposition = "reject-route" } }"#,
        ],
    );
    let with = |lists: [&str; 2], med: u32| {
        let list = |direction, name: &str| match name {
            "" => format!("default-{direction}-policy = \"accept-route\", "),
            name => format!("{direction}-policy-list = [\"{name}\"], "),
        };
        let (first, second) = (list("import", lists[0]), list("export", lists[1]));
        ours(
            64514,
            &first,
            &second,
            &[SETS, &import(med), &export].concat(),
        )
    };
    let scene = scene(&with(["", ""], 1))?;
    let bird = Bird::start(&scene.c, &bird_listens(64514))?;
    let us = &scene.us;
    us.wait_established("10.0.0.2")?;
    us.wait_established("10.0.1.2")?;
    for number in 0..20 {
        let community = if number < 7 { "community 64513:1" } else { "" };
        announce(&scene.feed, &format!("10.20.{number}.0/24"), community)?;
    }
    for number in 0..3 {
        announce(&scene.feed, &format!("10.21.0.{number}/32"), "")?;
    }
    let hears = |updates: u64, withdraws: u64| {
        until("BIRD has heard of it", SOON, || {
            let now = received(&bird)?;
            ensure!(now == [updates, withdraws], "{now:?}");
            Ok(())
        })
    };
    hears(23, 0)?;
    // Seven routes get another community on their way in.
    let said = us.reload(&with(["in", ""], 1))?;
    ensure!(
        said.contains("10.0.0.2 updated (import-policy)") && !said.contains("10.0.1.2"),
        "{said}"
    );
    hears(30, 0)?;
    let text = bird.ctl("show route for 10.20.3.0/24 all")?;
    ensure!(
        text.contains("(64512,1)") && !text.contains("(64513,1)"),
        "{text}"
    );
    // Another one.
    us.reload(&with(["in", ""], 2))?;
    hears(37, 0)?;
    // Three routes are refused on their way out.
    let said = us.reload(&with(["in", "out"], 2))?;
    ensure!(
        said.contains("10.0.1.2 updated (export-policy)") && !said.contains("10.0.0.2"),
        "{said}"
    );
    hears(37, 3)?;
    // A file that is wrong changes nothing.
    let wrong = with(["in", "out"], 3).replace("[\"out\"]", "[\"outt\"]");
    let error = us.reload(&wrong).unwrap_err().to_string();
    ensure!(
        error.contains("there is no policy \"outt\"") && error.contains("did you mean \"out\""),
        "{error}"
    );
    // And back: seven as they were, three again.
    us.reload(&with(["", ""], 2))?;
    hears(47, 3)?;
    // Nothing else was on its way: a route that is announced now is the next that it hears of.
    announce(&scene.feed, "10.23.0.0/24", "")?;
    bird.wait_route("10.23.0.0/24")?;
    hears(48, 3)?;
    for address in ["10.0.0.2", "10.0.1.2"] {
        ensure!(
            us.number(address, "established_count")? == 1,
            "{address}: the session has stayed"
        );
    }
    Ok(())
}

/// What policy keeps out of the kernel is still told to neighbours.
#[test]
#[ignore = "needs netns"]
fn a_kernel_policy_keeps_routes_out_of_the_kernel() -> Result<()> {
    let no_hosts = policy(
        "no-hosts",
        &[
            r#"{ conditions = { match-prefix-set = { prefix-set = "hosts" } }, actions = { route-disposition = "reject-route" } }"#,
        ],
    );
    let with = |fib: &str| {
        let accept = |direction| format!("default-{direction}-policy = \"accept-route\", ");
        let rest = [SETS, &no_hosts, fib].concat();
        ours(64514, &accept("import"), &accept("export"), &rest)
    };
    let closed = with("[fib]\napply-policy = { export-policy-list = [\"no-hosts\"] }\n");
    let scene = scene(&closed)?;
    let bird = Bird::start(&scene.c, &bird_listens(64514))?;
    scene.us.wait_established("10.0.0.2")?;
    announce(&scene.feed, "10.21.0.1/32", "")?;
    announce(&scene.feed, "10.22.0.0/24", "")?;
    bird.wait_route("10.21.0.1/32")?;
    let kernel = |host: bool| {
        until("the kernel's routes", SOON, || {
            let routes = scene.a.routes()?;
            ensure!(routes.contains("10.22.0.0/24"), "{routes}");
            ensure!(routes.contains("10.21.0.1 ") == host, "{routes}");
            Ok(())
        })
    };
    kernel(false)?;
    let said = scene.us.reload(&with("[fib]\n"))?;
    ensure!(
        said.contains("policy of the kernel's routes changed"),
        "{said}"
    );
    kernel(true)?;
    scene.us.reload(&closed)?;
    kernel(false)?;
    ensure!(
        scene.us.number("10.0.0.2", "established_count")? == 1,
        "the session has stayed"
    );
    Ok(())
}
