// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests: policies over GoBGP's API, in both versions, in front of a real supervisor.

use bgpd_api::{
    v3::{self, gobgp_api_server::GobgpApi},
    v4::{self, go_bgp_service_server::GoBgpService},
};
use futures_util::{Stream, StreamExt as _};
use tonic::{Code, Request, Response, Status};

use super::super::gobgp_api::{API, Api, GLOBAL, with};
use crate::{api::Control as _, config::PeerPolicy, daemon::door::Door};

/// GoBGP's defaults, so that its policies work where they do there.
const FILE: &str = r#"
defaults = "gobgp"
[[neighbors]]
neighbor-address = "192.0.2.1"
peer-as = 64513
route-server.route-server-client = true
[[neighbors]]
neighbor-address = "192.0.2.2"
peer-as = 64514
[[defined-sets.prefix-sets]]
prefix-set-name = "of-file"
prefix-list = [{ ip-prefix = "10.0.0.0/8", masklength-range = "16..24" }, { ip-prefix = "192.0.2.0/24" }]
[[defined-sets.neighbor-sets]]
neighbor-set-name = "of-file"
neighbor-info-list = ["192.0.2.1", "2001:db8::/64"]
[defined-sets.bgp-defined-sets]
as-path-sets = [{ as-path-set-name = "of-file", as-path-list = ["^65001_", "_1_2_"] }]
community-sets = [{ community-set-name = "of-file", community-list = ["65000:1", "no-export", "^65000:.*$"] }]
ext-community-sets = [{ ext-community-set-name = "of-file", ext-community-list = ["rt:65000:1", "soo:^1:.*$"] }]
large-community-sets = [{ large-community-set-name = "of-file", large-community-list = ["1:2:3", "^1:.*$"] }]
[[policy-definitions]]
name = "of-file"
[[policy-definitions.statements]]
conditions.match-prefix-set = { prefix-set = "of-file", match-set-options = "INVERT" }
actions.route-disposition = "reject-route"
[[policy-definitions.statements]]
name = "second"
actions.bgp-actions.set-med = "+5"
actions.bgp-actions.set-community = { options = "add", set-community-method.communities-list = ["no-export"] }
actions.set-preference = 7
"#;

async fn all<T>(
    listed: Result<Response<impl Stream<Item = Result<T, Status>> + Unpin>, Status>,
) -> Vec<T> {
    let replies: Vec<_> = listed.unwrap().into_inner().collect().await;
    replies.into_iter().map(Result::unwrap).collect()
}

async fn sets(api: &Api, defined_type: v4::DefinedType) -> Vec<v4::DefinedSet> {
    let request = v4::ListDefinedSetRequest {
        defined_type: defined_type.into(),
        name: String::new(),
    };
    let listed = all(GoBgpService::list_defined_set(api, Request::new(request)).await).await;
    listed
        .into_iter()
        .filter_map(|reply| reply.defined_set)
        .collect()
}

async fn add_set(api: &Api, set: v4::DefinedSet, replace: bool) -> Result<(), Status> {
    let request = v4::AddDefinedSetRequest {
        defined_set: Some(set),
        replace,
    };
    let done = GoBgpService::add_defined_set(api, Request::new(request)).await;
    done.map(drop)
}

async fn delete_set(api: &Api, set: v4::DefinedSet, all: bool) -> Result<(), Status> {
    let request = v4::DeleteDefinedSetRequest {
        defined_set: Some(set),
        all,
    };
    let done = GoBgpService::delete_defined_set(api, Request::new(request)).await;
    done.map(drop)
}

fn prefix(ip_prefix: &str, mask_length_min: u32, mask_length_max: u32) -> v4::Prefix {
    v4::Prefix {
        ip_prefix: ip_prefix.to_owned(),
        mask_length_min,
        mask_length_max,
        ..v4::Prefix::default()
    }
}

fn prefixes(name: &str, prefixes: Vec<v4::Prefix>) -> v4::DefinedSet {
    v4::DefinedSet {
        defined_type: v4::DefinedType::Prefix.into(),
        name: name.to_owned(),
        prefixes,
        ..v4::DefinedSet::default()
    }
}

fn texts(defined_type: v4::DefinedType, name: &str, list: &[&str]) -> v4::DefinedSet {
    v4::DefinedSet {
        defined_type: defined_type.into(),
        name: name.to_owned(),
        list: list.iter().map(|text| (*text).to_owned()).collect(),
        ..v4::DefinedSet::default()
    }
}

/// Code and text of what is refused.
fn why(done: Result<(), Status>) -> (Code, String) {
    let status = done.unwrap_err();
    (status.code(), status.message().to_owned())
}

#[tokio::test]
async fn sets_of_a_file_are_listed_as_gobgp_lists_them() {
    with(&[API, GLOBAL, FILE], async |api, _| {
        use v4::DefinedType as Of;
        let ours = [prefix("10.0.0.0/8", 16, 24), prefix("192.0.2.0/24", 24, 24)];
        assert_eq!(
            sets(&api, Of::Prefix).await,
            [prefixes("of-file", ours.to_vec())]
        );
        for (of, wanted) in [
            (Of::Neighbor, vec!["192.0.2.1/32", "2001:db8::/64"]),
            (
                Of::AsPath,
                vec!["^65001_", "(^|[,{}() ]|$)1(^|[,{}() ]|$)2(^|[,{}() ]|$)"],
            ),
            (
                Of::Community,
                vec!["^65000:1$", "^65535:65281$", "^65000:.*$"],
            ),
            (Of::ExtCommunity, vec!["rt:^65000:1$", "soo:^1:.*$"]),
            (Of::LargeCommunity, vec!["^1:2:3$", "^1:.*$"]),
        ] {
            assert_eq!(sets(&api, of).await, [texts(of, "of-file", &wanted)]);
        }
        assert_eq!(sets(&api, Of::Tag).await, []);
        let request = v4::ListDefinedSetRequest::default();
        let refused = GoBgpService::list_defined_set(&api, Request::new(request)).await;
        assert_eq!(refused.err().unwrap().code(), Code::InvalidArgument);
        // In version 3 the same number is another type.
        let request = v3::ListDefinedSetRequest {
            defined_type: 0,
            name: "of-file".to_owned(),
        };
        let listed = all(GobgpApi::list_defined_set(&api, Request::new(request)).await).await;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].defined_set.as_ref().unwrap().prefixes, ours);
    })
    .await;
}

#[tokio::test]
async fn a_set_grows_shrinks_and_goes() {
    with(&[API, GLOBAL, FILE], async |api, door| {
        use v4::DefinedType as Of;
        let one = prefixes("ps", vec![prefix("10.0.0.1/8", 24, 32)]);
        add_set(&api, one, false).await.unwrap();
        let more = prefixes(
            "ps",
            vec![prefix("10.0.0.0/8", 24, 32), prefix("172.16.0.0/12", 0, 0)],
        );
        add_set(&api, more.clone(), false).await.unwrap();
        let both = vec![
            prefix("10.0.0.0/8", 24, 32),
            prefix("172.16.0.0/12", 12, 12),
        ];
        let of_name = async |name: &str| {
            let all = sets(&api, Of::Prefix).await.into_iter();
            all.filter(|set| set.name == name).collect::<Vec<_>>()
        };
        assert_eq!(of_name("ps").await, [prefixes("ps", both)]);
        let six = prefixes("ps", vec![prefix("2001:db8::/32", 32, 48)]);
        let refused = why(add_set(&api, six.clone(), false).await);
        assert_eq!(
            refused,
            (
                Code::InvalidArgument,
                "can't append different family".into()
            )
        );
        add_set(&api, six.clone(), true).await.unwrap();
        assert_eq!(of_name("ps").await, std::slice::from_ref(&six));
        add_set(&api, more.clone(), true).await.unwrap();
        delete_set(
            &api,
            prefixes("ps", vec![prefix("172.16.0.0/12", 12, 12)]),
            false,
        )
        .await
        .unwrap();
        assert_eq!(
            of_name("ps").await[0].prefixes,
            [prefix("10.0.0.0/8", 24, 32)]
        );
        // What is in force is what is listed.
        let in_force = door
            .config()
            .policies
            .sets
            .iter()
            .find(|set| set.name == "ps")
            .cloned();
        assert_eq!(in_force.unwrap().members, ["10.0.0.0/8 24..32"]);
        delete_set(&api, prefixes("ps", Vec::new()), true)
            .await
            .unwrap();
        assert_eq!(of_name("ps").await, []);
        let refused = why(delete_set(&api, prefixes("ps", Vec::new()), true).await);
        assert_eq!(
            refused,
            (Code::NotFound, "not found defined-set: ps".into())
        );
        let used = why(delete_set(&api, prefixes("of-file", Vec::new()), true).await);
        let text = "can't delete. defined-set of-file is in use";
        assert_eq!(used, (Code::FailedPrecondition, text.into()));

        // However a member is written, it is the same.
        add_set(
            &api,
            texts(Of::Community, "cs", &["no-export", "1:2"]),
            false,
        )
        .await
        .unwrap();
        add_set(
            &api,
            texts(Of::Community, "cs", &["^65535:65281$", "2:.*"]),
            false,
        )
        .await
        .unwrap();
        delete_set(&api, texts(Of::Community, "cs", &["^1:2$"]), false)
            .await
            .unwrap();
        let listed = sets(&api, Of::Community).await;
        assert_eq!(
            listed[0],
            texts(Of::Community, "cs", &["^65535:65281$", "2:.*"])
        );
        // What is listed can be sent back, and is the same.
        for of in [
            Of::Neighbor,
            Of::AsPath,
            Of::Community,
            Of::ExtCommunity,
            Of::LargeCommunity,
        ] {
            let before = sets(&api, of).await;
            for set in &before {
                add_set(&api, set.clone(), true).await.unwrap();
            }
            assert_eq!(sets(&api, of).await, before);
        }
    })
    .await;
}

#[tokio::test]
async fn sets_that_make_no_sense_change_nothing() {
    with(&[API, GLOBAL, FILE], async |api, _| {
        use v4::DefinedType as Of;
        let before = sets(&api, Of::Prefix).await;
        let cases = [
            (
                prefixes("bad", vec![prefix("10.0.0.0/33", 33, 33)]),
                Code::InvalidArgument,
            ),
            (
                prefixes("bad", vec![prefix("10.0.0.0/8", 4, 7)]),
                Code::InvalidArgument,
            ),
            (
                prefixes("", vec![prefix("10.0.0.0/8", 8, 8)]),
                Code::InvalidArgument,
            ),
            (
                texts(Of::Neighbor, "bad", &["nobody"]),
                Code::InvalidArgument,
            ),
            (texts(Of::Community, "bad", &["("]), Code::InvalidArgument),
            (
                texts(Of::ExtCommunity, "bad", &["xx:1:1"]),
                Code::InvalidArgument,
            ),
            (texts(Of::Tag, "bad", &["1"]), Code::Unimplemented),
            (
                texts(Of::NextHop, "bad", &["192.0.2.1"]),
                Code::Unimplemented,
            ),
            (texts(Of::Unspecified, "bad", &[]), Code::InvalidArgument),
        ];
        for (set, code) in cases {
            let refused = why(add_set(&api, set.clone(), false).await);
            assert_eq!(refused.0, code, "{set:?}: {}", refused.1);
            if code == Code::Unimplemented {
                assert!(refused.1.contains("neither tags nor sets of next hops"));
                let refused = why(delete_set(&api, set, true).await);
                assert_eq!(refused.0, code, "{}", refused.1);
            }
        }
        for of in [Of::Tag, Of::NextHop] {
            assert_eq!(sets(&api, of).await, [], "there are none");
        }
        assert_eq!(sets(&api, Of::Prefix).await, before);
    })
    .await;
}

fn named(name: &str) -> v4::Statement {
    v4::Statement {
        name: name.to_owned(),
        ..v4::Statement::default()
    }
}

fn asks(name: &str, set: &str) -> v4::Statement {
    let prefix_set = v4::MatchSet {
        r#type: v4::match_set::Type::Any.into(),
        name: set.to_owned(),
    };
    v4::Statement {
        conditions: Some(v4::Conditions {
            prefix_set: Some(prefix_set),
            ..v4::Conditions::default()
        }),
        ..named(name)
    }
}

fn decides(name: &str, action: v4::RouteAction) -> v4::Statement {
    v4::Statement {
        actions: Some(v4::Actions {
            route_action: action.into(),
            ..v4::Actions::default()
        }),
        ..named(name)
    }
}

async fn add_statement(api: &Api, statement: v4::Statement) -> Result<(), Status> {
    let statement = Some(statement);
    let request = Request::new(v4::AddStatementRequest { statement });
    GoBgpService::add_statement(api, request).await.map(drop)
}

async fn delete_statement(api: &Api, statement: v4::Statement, all: bool) -> Result<(), Status> {
    let statement = Some(statement);
    let request = Request::new(v4::DeleteStatementRequest { statement, all });
    GoBgpService::delete_statement(api, request).await.map(drop)
}

async fn statements(api: &Api) -> Vec<v4::Statement> {
    let request = Request::new(v4::ListStatementRequest::default());
    let listed = all(GoBgpService::list_statement(api, request).await).await;
    listed
        .into_iter()
        .filter_map(|reply| reply.statement)
        .collect()
}

async fn policies(api: &Api) -> Vec<v4::Policy> {
    let request = Request::new(v4::ListPolicyRequest::default());
    let listed = all(GoBgpService::list_policy(api, request).await).await;
    listed
        .into_iter()
        .filter_map(|reply| reply.policy)
        .collect()
}

fn policy(name: &str, statements: &[&str]) -> v4::Policy {
    v4::Policy {
        name: name.to_owned(),
        statements: statements.iter().map(|name| named(name)).collect(),
    }
}

async fn add_policy(api: &Api, policy: v4::Policy, refer: bool) -> Result<(), Status> {
    let request = v4::AddPolicyRequest {
        policy: Some(policy),
        refer_existing_statements: refer,
    };
    GoBgpService::add_policy(api, Request::new(request))
        .await
        .map(drop)
}

async fn delete_policy(api: &Api, policy: v4::Policy, all: bool) -> Result<(), Status> {
    let request = v4::DeletePolicyRequest {
        policy: Some(policy),
        preserve_statements: true,
        all,
    };
    GoBgpService::delete_policy(api, Request::new(request))
        .await
        .map(drop)
}

#[tokio::test]
async fn a_statement_is_one_wherever_it_is() {
    with(&[API, GLOBAL, FILE], async |api, door| {
        let refused = why(add_statement(&api, asks("s1", "nope")).await);
        assert_eq!(
            refused,
            (Code::NotFound, "not found prefix set nope".into())
        );
        add_statement(&api, asks("s1", "of-file")).await.unwrap();
        let refused = why(add_statement(&api, asks("s1", "of-file")).await);
        assert_eq!(
            refused,
            (Code::AlreadyExists, "condition 0 is already set".into())
        );
        // It is nobody's policy.
        let names = || -> Vec<String> {
            let config = door.config();
            let policies = config.policies.definitions.iter();
            policies.map(|policy| policy.name.clone()).collect()
        };
        assert_eq!(names(), ["of-file"]);

        add_policy(&api, policy("p1", &["s1"]), true).await.unwrap();
        add_policy(&api, policy("p2", &["s1", "second"]), true)
            .await
            .unwrap();
        assert_eq!(names(), ["of-file", "p1", "p2"]);
        let refused = why(add_policy(&api, policy("p2", &["s9"]), true).await);
        assert_eq!(refused, (Code::NotFound, "not found statement s9".into()));
        let refused = why(add_policy(&api, policy("p3", &["s1"]), false).await);
        assert_eq!(
            refused,
            (Code::AlreadyExists, "statement s1 already defined".into())
        );
        let refused = why(add_policy(&api, policy("p2", &["s1"]), true).await);
        assert_eq!(refused.0, Code::AlreadyExists);

        // A change is one in both policies.
        add_statement(&api, decides("s1", v4::RouteAction::Accept))
            .await
            .unwrap();
        let refused = why(add_statement(&api, decides("s1", v4::RouteAction::Reject)).await);
        assert_eq!(
            refused,
            (Code::AlreadyExists, "route action is already set".into())
        );
        let listed = policies(&api).await;
        let of = |policy: &str, place: usize| {
            let policy = listed.iter().find(|other| other.name == policy).unwrap();
            policy.statements[place].clone()
        };
        assert_eq!(of("p1", 0), of("p2", 0));
        assert_eq!(of("p1", 0).actions.unwrap().route_action, 1);
        assert_eq!(of("of-file", 0).name, "of-file_stmt0");
        assert_eq!(
            of("of-file", 0)
                .conditions
                .unwrap()
                .prefix_set
                .unwrap()
                .r#type,
            3
        );
        assert_eq!(of("of-file", 1), of("p2", 1));
        let second = of("of-file", 1).actions.unwrap();
        assert_eq!(second.med.unwrap().value, 5);
        assert_eq!(second.community.unwrap().communities, ["65535:65281"]);
        let names: Vec<_> = statements(&api)
            .await
            .into_iter()
            .map(|said| said.name)
            .collect();
        assert_eq!(names, ["of-file_stmt0", "s1", "second"]);

        let used = why(delete_statement(&api, named("s1"), true).await);
        let text = "can't delete. statement s1 is in use";
        assert_eq!(used, (Code::FailedPrecondition, text.into()));
        let refused = why(delete_statement(&api, named("s9"), true).await);
        assert_eq!(refused, (Code::NotFound, "not found statement: s9".into()));
        delete_policy(&api, policy("p2", &["s1"]), false)
            .await
            .unwrap();
        delete_policy(&api, policy("p1", &[]), true).await.unwrap();
        let refused = why(delete_policy(&api, policy("p1", &[]), true).await);
        assert_eq!(refused, (Code::NotFound, "not found policy: p1".into()));
        delete_statement(&api, named("s1"), true).await.unwrap();
        assert_eq!(statements(&api).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn taking_something_away_leaves_what_only_a_file_can_say() {
    with(&[API, GLOBAL, FILE], async |api, door| {
        let med = v4::Actions {
            med: Some(v4::MedAction {
                r#type: 2,
                value: 0,
            }),
            ..v4::Actions::default()
        };
        let med = v4::Statement {
            actions: Some(med),
            ..named("second")
        };
        delete_statement(&api, med.clone(), false).await.unwrap();
        let refused = why(delete_statement(&api, med, false).await);
        assert_eq!(refused, (Code::NotFound, "action 3 is not set".into()));
        let config = door.config();
        let kept = config
            .policies
            .definitions
            .iter()
            .find(|policy| policy.name == "of-file");
        let actions = kept.unwrap().statements[1].actions.iter();
        let keys: Vec<_> = actions.map(|clause| clause.key.as_str()).collect();
        assert_eq!(keys, ["set-community", "set-preference"]);
    })
    .await;
}

#[tokio::test]
async fn a_statement_of_version_3_is_listed_as_it_was_set() {
    with(&[API, GLOBAL, FILE], async |api, _| {
        let said = v3::Statement {
            name: "s".to_owned(),
            conditions: Some(v3::Conditions {
                prefix_set: Some(v3::MatchSet {
                    r#type: 2,
                    name: "of-file".to_owned(),
                }),
                as_path_length: Some(v3::AsPathLength {
                    r#type: 1,
                    length: 3,
                }),
                rpki_result: 2,
                route_type: 2,
                next_hop_in_list: vec!["10.0.0.1".to_owned(), "10.0.0.0/8".to_owned()],
                ..v3::Conditions::default()
            }),
            actions: Some(v3::Actions {
                route_action: 2,
                community: Some(v3::CommunityAction {
                    r#type: 1,
                    communities: vec!["65001:1".to_owned()],
                }),
                med: Some(v3::MedAction {
                    r#type: 0,
                    value: -5,
                }),
                ..v3::Actions::default()
            }),
        };
        let request = v3::AddStatementRequest {
            statement: Some(said.clone()),
        };
        GobgpApi::add_statement(&api, Request::new(request))
            .await
            .unwrap();
        let request = v4::ListStatementRequest {
            name: "s".to_owned(),
        };
        let listed = all(GobgpApi::list_statement(&api, Request::new(request)).await).await;
        let mut wanted = said;
        let conditions = wanted.conditions.as_mut().unwrap();
        conditions.next_hop_in_list[0] = "10.0.0.1/32".to_owned();
        let actions = wanted.actions.as_mut().unwrap();
        actions.community.as_mut().unwrap().communities = vec!["^65001:1$".to_owned()];
        assert_eq!(listed[0].statement.as_ref(), Some(&wanted));
    })
    .await;
}

fn assignment(name: &str, policies: &[&str], default: v4::RouteAction) -> v4::PolicyAssignment {
    v4::PolicyAssignment {
        name: name.to_owned(),
        direction: v4::PolicyDirection::Import.into(),
        policies: policies.iter().map(|name| policy(name, &[])).collect(),
        default_action: default.into(),
    }
}

async fn assign(api: &Api, assignment: v4::PolicyAssignment) -> Result<(), Status> {
    let assignment = Some(assignment);
    let request = Request::new(v4::AddPolicyAssignmentRequest { assignment });
    GoBgpService::add_policy_assignment(api, request)
        .await
        .map(drop)
}

async fn replace(api: &Api, assignment: v4::PolicyAssignment) -> Result<(), Status> {
    let assignment = Some(assignment);
    let request = Request::new(v4::SetPolicyAssignmentRequest { assignment });
    GoBgpService::set_policy_assignment(api, request)
        .await
        .map(drop)
}

async fn unassign(api: &Api, assignment: v4::PolicyAssignment, all: bool) -> Result<(), Status> {
    let assignment = Some(assignment);
    let request = Request::new(v4::DeletePolicyAssignmentRequest { assignment, all });
    GoBgpService::delete_policy_assignment(api, request)
        .await
        .map(drop)
}

/// Name, direction, names of policies and default of everything that is assigned.
async fn assigned(api: &Api, name: &str) -> Vec<(String, i32, Vec<String>, i32)> {
    let request = v4::ListPolicyAssignmentRequest {
        name: name.to_owned(),
        direction: 0,
    };
    let listed = all(GoBgpService::list_policy_assignment(api, Request::new(request)).await).await;
    let listed = listed
        .into_iter()
        .filter_map(|reply| reply.assignment)
        .map(|all| {
            let names = all.policies.into_iter().map(|policy| policy.name).collect();
            (all.name, all.direction, names, all.default_action)
        });
    listed.collect()
}

fn import(door: &Door, name: &str) -> PeerPolicy {
    let board = door.read();
    board.peers[&name.parse().unwrap()].neighbor.import.clone()
}

#[tokio::test]
async fn what_is_assigned_works_at_once_for_those_it_is_for() {
    use v4::RouteAction::{Accept, Reject, Unspecified};
    with(&[API, GLOBAL, FILE], async |api, door| {
        let (accept, reject) = (Accept.into(), Reject.into());
        let of = |name: &str, direction, names: &[&str], default| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            (name.to_owned(), direction, names, default)
        };
        let client = "192.0.2.1";
        let nothing = [
            of("global", 1, &[], accept),
            of("global", 2, &[], accept),
            of(client, 1, &[], accept),
            of(client, 2, &[], accept),
        ];
        assert_eq!(assigned(&api, "").await, nothing);
        add_policy(&api, policy("other", &[]), true).await.unwrap();

        assign(&api, assignment("global", &["of-file"], Unspecified))
            .await
            .unwrap();
        assign(&api, assignment("", &["other"], Reject))
            .await
            .unwrap();
        assert_eq!(import(&door, "192.0.2.2").names(), ["of-file", "other"]);
        assert!(!import(&door, "192.0.2.2").accept);
        // Not for clients of the route server.
        assert_eq!(import(&door, client).names(), [""; 0]);
        let wanted = of("global", 1, &["of-file", "other"], reject);
        assert_eq!(assigned(&api, "global").await[0], wanted);

        for (done, code, text) in [
            (
                assign(&api, assignment("global", &["other"], Unspecified)).await,
                Code::AlreadyExists,
                "duplicated policy other",
            ),
            (
                replace(&api, assignment("global", &["nope"], Unspecified)).await,
                Code::NotFound,
                "not found policy nope",
            ),
            (
                assign(&api, assignment("192.0.2.2", &["other"], Unspecified)).await,
                Code::FailedPrecondition,
                "non-rs-client peer 192.0.2.2 doesn't have per peer policy",
            ),
            (
                assign(&api, assignment("192.0.2.9", &["other"], Unspecified)).await,
                Code::NotFound,
                "not found peer 192.0.2.9",
            ),
            (
                delete_policy(&api, policy("other", &[]), true).await,
                Code::FailedPrecondition,
                "can't delete. policy other is in use",
            ),
        ] {
            assert_eq!(why(done), (code, text.to_owned()));
        }

        assign(&api, assignment(client, &["other"], Reject))
            .await
            .unwrap();
        assert_eq!(import(&door, client).names(), ["other"]);
        assert_eq!(
            assigned(&api, client).await[0],
            of(client, 1, &["other"], reject)
        );
        replace(&api, assignment("global", &["other"], Accept))
            .await
            .unwrap();
        assert_eq!(import(&door, "192.0.2.2").names(), ["other"]);
        unassign(&api, assignment("global", &["other"], Unspecified), false)
            .await
            .unwrap();
        assert_eq!(
            assigned(&api, "global").await[0],
            of("global", 1, &[], accept)
        );
        assert!(import(&door, "192.0.2.2").accept);
        // Nothing at all is left: as in GoBGP, no route passes until a default is given.
        unassign(&api, assignment("global", &[], Unspecified), true)
            .await
            .unwrap();
        assert!(!import(&door, "192.0.2.2").accept);
        assert!(import(&door, client).names() == ["other"]);
    })
    .await;
}

#[tokio::test]
async fn all_policies_at_once() {
    with(&[API, GLOBAL, FILE], async |api, door| {
        let request = v4::SetPoliciesRequest {
            defined_sets: vec![prefixes("new", vec![prefix("10.0.0.0/8", 8, 8)])],
            policies: vec![v4::Policy {
                name: "new".to_owned(),
                statements: vec![asks("", "new")],
            }],
            assignments: vec![assignment("global", &["new"], v4::RouteAction::Accept)],
        };
        GoBgpService::set_policies(&api, Request::new(request.clone()))
            .await
            .unwrap();
        let listed = policies(&api).await;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].statements[0].name, "new_stmt0");
        assert_eq!(import(&door, "192.0.2.2").names(), ["new"]);
        // A policy that is assigned can't be left out.
        let request = v4::SetPoliciesRequest {
            policies: Vec::new(),
            assignments: Vec::new(),
            ..request
        };
        let refused = GoBgpService::set_policies(&api, Request::new(request)).await;
        assert_eq!(why(refused.map(drop)).0, Code::InvalidArgument);
        assert_eq!(policies(&api).await.len(), 1);
    })
    .await;
}
