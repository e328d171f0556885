// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Policies that change while the daemon runs: sets, statements, policies, and where they are assigned.
//!
//! What GoBGP says of them becomes what a file would say, and the other way round ([`sets`], [`statements`]). A change is made
//! to all of that at once ([`changes`]), where nothing else changes it meanwhile. Statements have names of their own in GoBGP
//! and are parts of policies here: one name is one statement, in however many policies it is.

mod assignments;
mod changes;
mod sets;
mod statements;

use bgpd_api::v4;
use tonic::Status;

use self::changes::Statements;
use super::{
    Gobgp,
    stream::{Replies, list},
    wrong,
};
use crate::{
    api::Control,
    config::{Book, Edit, PeerName, PolicyEdit, Refusal, Settings},
    control::ControlError,
};

impl<C: Control> Gobgp<C> {
    async fn change(
        &self,
        neighbor: Option<PeerName>,
        change: impl Fn(&mut Book) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Result<(), Status> {
        let edit = PolicyEdit::new(neighbor.map(|name| name.to_string()), change);
        self.control.edit(Edit::Policies(edit)).await?;
        Ok(())
    }

    /// `AddDefinedSet`.
    pub(super) async fn add_defined_set(
        &self,
        request: v4::AddDefinedSetRequest,
    ) -> Result<(), Status> {
        let (kind, set) = sets::said(&required(request.defined_set, "defined_set")?)?;
        let replace = request.replace;
        self.change(None, move |book| {
            changes::add_set(book, kind, &set, replace)
        })
        .await
    }

    /// `DeleteDefinedSet`.
    pub(super) async fn delete_defined_set(
        &self,
        request: v4::DeleteDefinedSetRequest,
    ) -> Result<(), Status> {
        let (kind, set) = sets::said(&required(request.defined_set, "defined_set")?)?;
        let all = request.all;
        self.change(None, move |book| changes::remove_set(book, kind, &set, all))
            .await
    }

    /// `ListDefinedSet`.
    pub(super) async fn list_defined_set(
        &self,
        request: v4::ListDefinedSetRequest,
    ) -> Result<Replies<v4::ListDefinedSetResponse>, Status> {
        let kind = sets::kind(request.defined_type)?;
        let book = self.control.book(None).await?;
        let all = book.sets.iter();
        let wanted = all.filter(|((of, name), _)| {
            Some(*of) == kind && (request.name.is_empty() || *name == request.name)
        });
        let shown = wanted.map(|((kind, _), set)| v4::ListDefinedSetResponse {
            defined_set: Some(sets::shown(*kind, set)),
        });
        Ok(list(&self.shutdown, shown.collect()))
    }

    /// `AddStatement`.
    pub(super) async fn add_statement(
        &self,
        request: v4::AddStatementRequest,
    ) -> Result<(), Status> {
        let statement = statement(request.statement)?;
        self.change(None, move |book| changes::add_statement(book, &statement))
            .await
    }

    /// `DeleteStatement`.
    pub(super) async fn delete_statement(
        &self,
        request: v4::DeleteStatementRequest,
    ) -> Result<(), Status> {
        let statement = statement(request.statement)?;
        let all = request.all;
        self.change(None, move |book| {
            changes::remove_statement(book, &statement, all)
        })
        .await
    }

    /// `ListStatement`.
    pub(super) async fn list_statement(
        &self,
        request: v4::ListStatementRequest,
    ) -> Result<Replies<v4::ListStatementResponse>, Status> {
        let book = self.control.book(None).await?;
        let shown = changes::statements(&book).into_iter();
        let shown = shown.filter(|(name, _)| request.name.is_empty() || *name == request.name);
        let shown = shown.map(|(_, said)| v4::ListStatementResponse {
            statement: Some(statements::shown(said)),
        });
        Ok(list(&self.shutdown, shown.collect()))
    }

    /// `AddPolicy`.
    pub(super) async fn add_policy(&self, request: v4::AddPolicyRequest) -> Result<(), Status> {
        let policy = policy(request.policy)?;
        let how = if request.refer_existing_statements {
            Statements::Known
        } else {
            Statements::New
        };
        self.change(None, move |book| changes::add_policy(book, &policy, how))
            .await
    }

    /// `DeletePolicy`.
    pub(super) async fn delete_policy(
        &self,
        request: v4::DeletePolicyRequest,
    ) -> Result<(), Status> {
        let v4::DeletePolicyRequest {
            policy: said,
            preserve_statements: keep,
            all,
        } = request;
        let said = required(said, "policy")?;
        let name = said.name.clone();
        let edit = PolicyEdit::new(None, move |book| {
            changes::remove_policy(book, &said, all, keep)
        });
        let done = self.control.edit(Edit::Policies(edit)).await;
        done.map_err(|error| match error {
            // Somebody else than the policies themselves has it: nothing but what needs it is wrong then.
            ControlError::Invalid(text) if text.contains("there is no policy") => {
                ControlError::from(changes::in_use("policy", &name))
            }
            other => other,
        })?;
        Ok(())
    }

    /// `ListPolicy`.
    pub(super) async fn list_policy(
        &self,
        request: v4::ListPolicyRequest,
    ) -> Result<Replies<v4::ListPolicyResponse>, Status> {
        let book = self.control.book(None).await?;
        let all = book.policies.iter();
        let wanted = all.filter(|(name, _)| request.name.is_empty() || **name == request.name);
        let shown = wanted.map(|(name, policy)| v4::ListPolicyResponse {
            policy: Some(shown(name, policy)),
        });
        Ok(list(&self.shutdown, shown.collect()))
    }

    /// `SetPolicies`: what is assigned stays, if nothing else is said of it.
    pub(super) async fn set_policies(&self, request: v4::SetPoliciesRequest) -> Result<(), Status> {
        let new_sets = request.defined_sets.iter().map(sets::said);
        let new_sets = new_sets.collect::<Result<Vec<_>, _>>()?;
        let policies = request.policies.into_iter().map(|said| policy(Some(said)));
        let policies = policies.collect::<Result<Vec<_>, _>>()?;
        for assignment in &request.assignments {
            if self.assigned_to(&assignment.name)?.is_some() {
                let text =
                    "here only what is assigned to `global` can be set: see SetPolicyAssignment";
                return Err(Status::unimplemented(text));
            }
        }
        let assigned = request.assignments.into_iter();
        let assigned = assigned.map(assignments::Assigned::try_from);
        let assigned = assigned.collect::<Result<Vec<_>, _>>()?;
        self.change(None, move |book| {
            book.sets.clear();
            book.policies.clear();
            book.statements.clear();
            for (kind, set) in &new_sets {
                changes::add_set(book, *kind, set, false)?;
            }
            for policy in &policies {
                changes::add_policy(book, policy, Statements::New)?;
            }
            for assigned in &assigned {
                assignments::set(book, assigned)?;
            }
            Ok(())
        })
        .await
    }
}

fn required<T>(message: Option<T>, name: &str) -> Result<T, Status> {
    message.ok_or_else(|| wrong(format!("{name} is required")))
}

fn statement(message: Option<v4::Statement>) -> Result<Settings, Status> {
    let message = required(message, "statement")?;
    if message.name.is_empty() {
        return Err(wrong("statement has no name"));
    }
    statements::said(&message)
}

/// A policy as a file would say it; statements without a name are named as GoBGP does.
fn policy(message: Option<v4::Policy>) -> Result<Settings, Status> {
    let v4::Policy { name, statements } = required(message, "policy")?;
    if name.is_empty() {
        return Err(wrong("empty policy name"));
    }
    let statements = statements
        .into_iter()
        .enumerate()
        .map(|(number, mut said)| {
            if said.name.is_empty() {
                said.name = format!("{name}_stmt{number}");
            }
            statements::said(&said)
        });
    let statements = statements.collect::<Result<Vec<_>, _>>()?;
    let mut policy = Settings::default().with("name", name.as_str());
    Book::put_statements(&mut policy, statements);
    Ok(policy)
}

fn shown(name: &str, policy: &Settings) -> v4::Policy {
    let statements = Book::statements_of(policy).iter();
    v4::Policy {
        name: name.to_owned(),
        statements: statements.map(statements::shown).collect(),
    }
}
