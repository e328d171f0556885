// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names, numbers and types of GoBGP's API are a contract with clients that exist: they never change.

use std::fmt::Write as _;

use bgpd_api::{DESCRIPTORS, Message as _};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

#[test]
fn gobgps_messages_have_the_names_numbers_and_types_of_the_contract() {
    let all = FileDescriptorSet::decode(DESCRIPTORS).expect("what build.rs has written");
    let mut found = String::new();
    for package in ["apipb", "api"] {
        let mut lines = Vec::new();
        for file in all.file.iter().filter(|file| file.package() == package) {
            for message in &file.message_type {
                say_message(
                    &format!("{package}.{}", message.name()),
                    message,
                    &mut lines,
                );
            }
            let enums = file.enum_type.iter();
            lines.extend(enums.map(|it| enumeration(&format!("{package}.{}", it.name()), it)));
            for service in &file.service {
                say_service(
                    &format!("{package}.{}", service.name()),
                    service,
                    &mut lines,
                );
            }
        }
        lines.sort_unstable();
        for line in lines {
            writeln!(found, "{line}").expect("a String takes all");
        }
    }
    let wanted = include_str!("golden/gobgp.txt");
    let missing: Vec<_> = wanted
        .lines()
        .filter(|line| !found.lines().any(|it| it == *line))
        .collect();
    let new: Vec<_> = found
        .lines()
        .filter(|line| !wanted.lines().any(|it| it == *line))
        .collect();
    assert!(
        missing.is_empty() && new.is_empty(),
        "missing: {missing:#?}\nnew: {new:#?}"
    );
}

fn say_message(name: &str, message: &DescriptorProto, lines: &mut Vec<String>) {
    let fields: Vec<_> = message.field.iter().map(|it| field(message, it)).collect();
    lines.push(
        format!("{name}: {}", fields.join(", "))
            .trim_end()
            .to_owned(),
    );
    for inner in &message.nested_type {
        if !is_map_entry(inner) {
            say_message(&format!("{name}.{}", inner.name()), inner, lines);
        }
    }
    let enums = message.enum_type.iter();
    lines.extend(enums.map(|it| enumeration(&format!("{name}.{}", it.name()), it)));
}

fn is_map_entry(message: &DescriptorProto) -> bool {
    let options = message.options.as_ref();
    options.is_some_and(prost_types::MessageOptions::map_entry)
}

fn field(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let mut kind = kind(field);
    let own = kind.rsplit('.').next().unwrap_or_default();
    let entry = message
        .nested_type
        .iter()
        .find(|inner| inner.name() == own && is_map_entry(inner));
    if let Some([key, value]) = entry.map(|entry| entry.field.as_slice()) {
        kind = format!("map<{},{}>", self::kind(key), self::kind(value));
    } else if field.label() == Label::Repeated {
        kind.push('*');
    }
    if field.proto3_optional() {
        kind.push('?');
    } else if let Some(index) = field.oneof_index {
        let index = usize::try_from(index).expect("an index");
        kind = format!("{kind} @{}", message.oneof_decl[index].name());
    }
    format!("{} {} {kind}", field.number(), field.name())
}

fn kind(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum => {
            let name = field.type_name().trim_start_matches('.');
            let name = ["apipb.", "api.", "google.protobuf."]
                .iter()
                .find_map(|package| name.strip_prefix(package));
            name.expect("a package we know").to_owned()
        }
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}

fn enumeration(name: &str, enumeration: &EnumDescriptorProto) -> String {
    let value = |value: &prost_types::EnumValueDescriptorProto| {
        format!("{} {}", value.number(), value.name())
    };
    let values: Vec<_> = enumeration.value.iter().map(value).collect();
    format!("enum {name}: {}", values.join(", "))
}

fn say_service(name: &str, service: &ServiceDescriptorProto, lines: &mut Vec<String>) {
    for method in &service.method {
        let stream = |is_stream| if is_stream { "stream " } else { "" };
        let own = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        lines.push(format!(
            "rpc {name}.{}: {}{} -> {}{}",
            method.name(),
            stream(method.client_streaming()),
            own(method.input_type()),
            stream(method.server_streaming()),
            own(method.output_type()),
        ));
    }
}
