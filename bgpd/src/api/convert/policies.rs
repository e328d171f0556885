// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets and policies.

use bgpd_api::v1;

use super::{BadMessage, Protobuf, list};
use crate::config::{Clause, DefinedSet, PolicyDefinition, PolicyStatement, SetKind};

impl Protobuf for DefinedSet {
    type Message = v1::PolicySet;

    fn to_protobuf(&self) -> v1::PolicySet {
        v1::PolicySet {
            kind: self.kind.as_str().to_owned(),
            name: self.name.clone(),
            members: self.members.clone(),
        }
    }

    fn from_protobuf(message: v1::PolicySet) -> Result<Self, BadMessage> {
        let kind = SetKind::named(&message.kind);
        Ok(Self {
            kind: kind.ok_or_else(|| BadMessage::new("kind", "unknown"))?,
            name: message.name,
            members: message.members,
        })
    }
}

impl Protobuf for PolicyDefinition {
    type Message = v1::Policy;

    fn to_protobuf(&self) -> v1::Policy {
        v1::Policy {
            name: self.name.clone(),
            statements: (self.statements.iter())
                .map(PolicyStatement::to_protobuf)
                .collect(),
        }
    }

    fn from_protobuf(message: v1::Policy) -> Result<Self, BadMessage> {
        Ok(Self {
            name: message.name,
            statements: list(
                "statements",
                message.statements,
                PolicyStatement::from_protobuf,
            )?,
        })
    }
}

impl Protobuf for PolicyStatement {
    type Message = v1::PolicyStatement;

    fn to_protobuf(&self) -> v1::PolicyStatement {
        v1::PolicyStatement {
            name: self.name.clone(),
            conditions: self.conditions.iter().map(Clause::to_protobuf).collect(),
            actions: self.actions.iter().map(Clause::to_protobuf).collect(),
        }
    }

    fn from_protobuf(message: v1::PolicyStatement) -> Result<Self, BadMessage> {
        Ok(Self {
            name: message.name,
            conditions: list("conditions", message.conditions, Clause::from_protobuf)?,
            actions: list("actions", message.actions, Clause::from_protobuf)?,
        })
    }
}

impl Protobuf for Clause {
    type Message = v1::PolicyClause;

    fn to_protobuf(&self) -> v1::PolicyClause {
        v1::PolicyClause {
            key: self.key.clone(),
            value: self.value.clone(),
        }
    }

    fn from_protobuf(message: v1::PolicyClause) -> Result<Self, BadMessage> {
        Ok(Self {
            key: message.key,
            value: message.value,
        })
    }
}
