// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Generates the API's code from its protobuf, without `protoc`.
//!
//! Messages of GoBGP's version 3 that are the same on the wire in version 4 become the same Rust type: `v3` has only
//! what differs, and only that has to be converted (`src/versions.rs`).

use std::{collections::BTreeMap, env, error::Error, fs, path::Path};

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};
use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::Type,
};

fn main() -> Result<(), Box<dyn Error>> {
    for package in ["bgpd", "apipb", "api"] {
        println!("cargo::rerun-if-changed={package}");
    }
    let descriptors = protox::compile(
        [
            "bgpd/v1/bgpd.proto",
            "apipb/gobgp.proto",
            "apipb/attribute.proto",
            "apipb/capability.proto",
            "api/gobgp.proto",
        ],
        ["."],
    )?;
    let directory = env::var("OUT_DIR")?;
    // Server reflection answers from this; where comments stand in the files is for the code alone.
    let mut answers = descriptors.clone();
    for file in &mut answers.file {
        file.source_code_info = None;
    }
    fs::write(
        Path::new(&directory).join("descriptors.bin"),
        answers.encode_to_vec(),
    )?;
    let old = Package::of(&descriptors, "apipb");
    let new = Package::of(&descriptors, "api");
    let same = Same {
        old: &old,
        new: &new,
    };
    let mut code = tonic_prost_build::configure();
    let messages = old.messages.keys().filter(|name| same.message(name));
    let enums = old.enums.keys().filter(|name| same.enumeration(name, name));
    for name in messages.chain(enums) {
        code = code.extern_path(format!(".apipb.{name}"), rust_path(name));
    }
    code.compile_fds(descriptors)?;
    Ok(())
}

/// `PeerState.SessionState` is the Rust type `crate::v4::peer_state::SessionState`.
fn rust_path(name: &str) -> String {
    let (outer, own) = name.rsplit_once('.').unwrap_or(("", name));
    let modules = outer
        .split('.')
        .filter(|module| !module.is_empty())
        .fold(String::new(), |path, module| {
            path + &module.to_snake_case() + "::"
        });
    format!("crate::v4::{modules}{}", own.to_upper_camel_case())
}

/// The messages and enums of a package by their names in it.
struct Package {
    messages: BTreeMap<String, DescriptorProto>,
    enums: BTreeMap<String, EnumDescriptorProto>,
}

impl Package {
    fn of(all: &FileDescriptorSet, package: &str) -> Self {
        let mut found = Self {
            messages: BTreeMap::new(),
            enums: BTreeMap::new(),
        };
        for file in all.file.iter().filter(|file| file.package() == package) {
            found.collect("", &file.message_type, &file.enum_type);
        }
        found
    }

    fn collect(
        &mut self,
        within: &str,
        messages: &[DescriptorProto],
        enums: &[EnumDescriptorProto],
    ) {
        for message in messages {
            let name = format!("{within}{}", message.name());
            self.collect(
                &format!("{name}."),
                &message.nested_type,
                &message.enum_type,
            );
            self.messages.insert(name, message.clone());
        }
        for enumeration in enums {
            let name = format!("{within}{}", enumeration.name());
            self.enums.insert(name, enumeration.clone());
        }
    }
}

/// What is the same in both versions.
struct Same<'a> {
    old: &'a Package,
    new: &'a Package,
}

impl Same<'_> {
    /// The new message has each field of the old one; it may have more, which old clients skip.
    fn message(&self, name: &str) -> bool {
        let (Some(old), Some(new)) = (self.old.messages.get(name), self.new.messages.get(name))
        else {
            return false;
        };
        old.field.iter().all(|field| {
            let same = new.field.iter().find(|other| other.number == field.number);
            same.is_some_and(|other| self.field(field, other))
        })
    }

    fn field(&self, old: &FieldDescriptorProto, new: &FieldDescriptorProto) -> bool {
        let kind = old.label == new.label && old.r#type == new.r#type;
        let old_is_message = old.r#type() == Type::Message;
        kind && match (local(old), local(new)) {
            (Some(old), Some(new)) if old_is_message => old == new && self.message(old),
            (Some(old), Some(new)) => self.enumeration(old, new),
            (None, None) => old.type_name == new.type_name,
            _ => false,
        }
    }

    /// Each number above 0 means the same: its name ends with the same word. What 0 is called is a matter of taste,
    /// and that it is not another value follows from the rest.
    fn enumeration(&self, old: &str, new: &str) -> bool {
        let (Some(old), Some(new)) = (self.old.enums.get(old), self.new.enums.get(new)) else {
            return false;
        };
        let word = |name: &str| name.rsplit('_').next().map(str::to_ascii_uppercase);
        old.value
            .iter()
            .filter(|value| value.number() != 0)
            .all(|value| {
                let same = new.value.iter().find(|other| other.number == value.number);
                same.is_some_and(|other| word(other.name()) == word(value.name()))
            })
    }
}

/// The name of a field's type within its package; `None` for scalars and Google's messages.
fn local(field: &FieldDescriptorProto) -> Option<&str> {
    let name = field.type_name();
    name.strip_prefix(".apipb.")
        .or_else(|| name.strip_prefix(".api."))
}
