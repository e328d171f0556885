// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Values as what they mean. Every reader answers `None` for a value that is not there, and for one that is wrong and has
//! been noted.

mod add_paths;
mod bfd;
mod global;
mod kubernetes;
mod neighbors;
mod policies;
mod policy;
mod routes;
mod session;
mod terms;

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    ops::{Range, RangeInclusive},
    path::Path,
};

use bgp_proto::{Asn, RouterId};
use ipnetwork::IpNetwork;

use super::{
    defaults::Defaults,
    model::Config,
    neighbor::Secret,
    tree::{Node, Notes},
    value::{Data, Value},
};

/// Reads a file that holds a password.
pub(super) type Passwords<'p> = &'p dyn Fn(&Path) -> io::Result<String>;

/// A value that may be there.
type Maybe<'t> = Option<&'t Value>;

/// Where a value is looked for: a neighbour, then its group.
#[derive(Clone, Debug)]
struct Scope<'n, 't> {
    own: &'n Node<'t>,
    group: Option<&'n Node<'t>>,
    /// Keys of which the group's come first.
    group_first: &'static [&'static str],
}

impl<'n, 't> Scope<'n, 't> {
    fn get(&self, key: &str) -> Maybe<'t> {
        let group = || self.group.and_then(|group| group.get(key));
        if self.group_first.contains(&key) {
            return group().or_else(|| self.own.get(key));
        }
        self.own.get(key).or_else(group)
    }

    /// Where a value is, or else the table it is missing in.
    fn span(&self, key: &str) -> Range<usize> {
        self.get(key)
            .map_or_else(|| self.own.span.clone(), Value::span)
    }

    /// A list of the neighbour, or of its group if it has none.
    fn list(&self, key: &str) -> &'n [Node<'t>] {
        match self.group {
            Some(group) if !self.own.has_list(key) => group.list(key),
            _ => self.own.list(key),
        }
    }
}

/// Reads everything. What comes out counts only if no errors are noted.
pub(super) fn config<'t>(
    notes: &mut Notes<'t>,
    root: &Node<'t>,
    passwords: Passwords<'_>,
) -> Config {
    let global = global::read(notes, root);
    let library = policies::library(notes, root);
    let groups = neighbors::groups(notes, root);
    let context = neighbors::Context {
        global: &global,
        root,
        groups: &groups,
        library: &library,
        passwords,
    };
    neighbors::unused_groups(notes, &context);
    let neighbors = neighbors::read(notes, &context);
    let dynamic_neighbors = neighbors::dynamic(notes, &context);
    let pools = kubernetes::pools(notes, root);
    let mut mesh = kubernetes::mesh(notes, root, &pools, passwords);
    let around = (root, &global, &library);
    let both = [policies::Direction::Import, policies::Direction::Export]
        .map(|direction| policies::general(notes, around, direction));
    if let Some(mesh) = &mut mesh {
        [mesh.import, mesh.export] = both;
        kubernetes::mesh_or_neighbor(notes, root, mesh, &neighbors);
    }
    Config {
        fib: routes::fib(notes, root, &library),
        static_routes: routes::statics(notes, root),
        api: routes::api(notes, root),
        log: routes::log(notes, root),
        warnings: Vec::new(),
        global,
        neighbors,
        dynamic_neighbors,
        pools,
        mesh,
        policies: library.into_shown(),
    }
}

impl<'t> Notes<'t> {
    /// The value, if it is of the kind wanted.
    fn of_kind<T>(
        &mut self,
        value: Maybe<'t>,
        wanted: &str,
        read: impl FnOnce(&'t Data) -> Option<T>,
    ) -> Option<T> {
        let value = value?;
        let read = read(value.get_ref());
        if read.is_none() {
            self.error(
                value.span(),
                format!("this is {}, not {wanted}", value.kind()),
            );
        }
        read
    }

    /// A word, where a number may be as well.
    fn word(&self, value: Maybe<'t>) -> Option<&'t str> {
        let text = value?.get_ref().as_str()?;
        let number = self.defaults.integer(value?.get_ref());
        number.is_none().then_some(text)
    }

    fn boolean(&mut self, value: Maybe<'t>) -> Option<bool> {
        let defaults = self.defaults;
        self.of_kind(value, "true or false", |data| defaults.boolean(data))
    }

    fn text(&mut self, value: Maybe<'t>) -> Option<&'t str> {
        let defaults = self.defaults;
        self.of_kind(value, "a string", |data| defaults.text(data))
    }

    /// A text that is not empty.
    fn name(&mut self, value: Maybe<'t>) -> Option<String> {
        let text = self.text(value)?;
        if text.is_empty() {
            self.error(value?.span(), "this is empty");
            return None;
        }
        Some(text.to_owned())
    }

    fn number<T: TryFrom<i64>>(
        &mut self,
        value: Maybe<'t>,
        range: RangeInclusive<i64>,
    ) -> Option<T> {
        let defaults = self.defaults;
        let integer = self.of_kind(value, "a number", |data| defaults.integer(data))?;
        let number = integer.parse().ok().filter(|number| range.contains(number));
        let read = number.and_then(|number| T::try_from(number).ok());
        if read.is_none() {
            let (low, high) = range.into_inner();
            let message = format!("{integer} is out of range: it is from {low} to {high}");
            self.error(value?.span(), message);
        }
        read
    }

    /// Octets and seconds that have the whole range of their type.
    fn u16(&mut self, value: Maybe<'t>) -> Option<u16> {
        self.number(value, 0..=u16::MAX.into())
    }

    fn asn(&mut self, value: Maybe<'t>) -> Option<Asn> {
        let number: u32 = self.number(value, 0..=u32::MAX.into())?;
        let why = match number {
            0 => "AS 0 is never anyone's (RFC 7607)",
            23456 => "AS 23456 stands for numbers that do not fit into two octets (RFC 6793)",
            65535 => "AS 65535 is reserved (RFC 7300)",
            u32::MAX => "AS 4294967295 is reserved (RFC 7300)",
            _ => return Some(Asn(number)),
        };
        self.error(value?.span(), why);
        None
    }

    /// A text that is read by `FromStr`.
    fn parsed<T: std::str::FromStr>(&mut self, value: Maybe<'t>, what: &str) -> Option<T> {
        let text = self.text(value)?;
        let read = text.parse().ok();
        if read.is_none() {
            self.error(
                value?.span(),
                format!("\"{}\" is not {what}", text.escape_debug()),
            );
        }
        read
    }

    fn address(&mut self, value: Maybe<'t>) -> Option<IpAddr> {
        self.parsed(value, "an IP address")
    }

    fn router_id(&mut self, value: Maybe<'t>) -> Option<RouterId> {
        let address: Ipv4Addr =
            self.parsed(value, "a router id: it is written as an IPv4 address")?;
        let id = RouterId::new(address);
        if id.is_none() {
            self.error(value?.span(), "0.0.0.0 is no router id (RFC 6286)");
        }
        id
    }

    /// A prefix without host bits.
    fn prefix(&mut self, value: Maybe<'t>) -> Option<IpNetwork> {
        let text = self.text(value)?;
        let span = value?.span();
        let read = text.contains('/').then(|| text.parse::<IpNetwork>().ok());
        let Some(Some(prefix)) = read else {
            let message = format!("\"{}\" is not a prefix", text.escape_debug());
            self.error_with(
                span,
                message,
                "prefixes look like 192.0.2.0/24 or 2001:db8::/32",
            );
            return None;
        };
        if prefix.network() != prefix.ip() {
            let help = format!("the prefix is {}/{}", prefix.network(), prefix.prefix());
            self.error_with(span, format!("{prefix} has host bits set"), help);
            return None;
        }
        Some(prefix)
    }

    /// One of several words.
    fn choice<T: Copy>(&mut self, value: Maybe<'t>, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(value)?;
        let chosen = words.iter().find(|(word, _)| *word == text);
        if chosen.is_none() {
            let all: Vec<String> = words
                .iter()
                .map(|(word, _)| format!("\"{word}\""))
                .collect();
            let message = format!("\"{}\" is not known here", text.escape_debug());
            self.error_with(
                value?.span(),
                message,
                format!("it is one of {}", all.join(", ")),
            );
        }
        chosen.map(|(_, meant)| *meant)
    }

    /// Every item of a list.
    fn items(&mut self, value: Maybe<'t>) -> Option<Vec<&'t Value>> {
        // GoBGP takes one item for a list of it.
        if let (Defaults::GoBgp, Some(one)) = (self.defaults, value)
            && one
                .get_ref()
                .as_str()
                .is_some_and(|text| !text.contains(','))
        {
            return Some(vec![one]);
        }
        let items = self.of_kind(value, "a list", Data::as_list)?;
        Some(items.iter().collect())
    }

    /// A list of texts that are not empty.
    fn names(&mut self, value: Maybe<'t>) -> Option<Vec<String>> {
        let items = self.items(value)?;
        Some(
            items
                .into_iter()
                .filter_map(|item| self.name(Some(item)))
                .collect(),
        )
    }

    /// An address, or `{ interface = "…" }`.
    fn address_or_interface<T>(
        &mut self,
        value: Maybe<'t>,
        interface: impl FnOnce(String) -> T,
        address: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let Some(table) = value?.get_ref().as_table() else {
            return address(self);
        };
        for key in table
            .iter()
            .map(|(key, _)| key)
            .filter(|key| key.name != "interface")
        {
            let message = format!("unknown key `{}`", key.name);
            self.error_with(key.span.clone(), message, "did you mean `interface`?");
        }
        let name = table.get("interface");
        if name.is_none() {
            self.error(value?.span(), "`interface` is missing");
        }
        self.name(name).map(interface)
    }

    /// A TCP MD5 key, given or in a file.
    fn secret(
        &mut self,
        given: Maybe<'t>,
        file: Maybe<'t>,
        passwords: Passwords<'_>,
    ) -> Option<Secret> {
        if let (Some(_), Some(file)) = (given, file) {
            self.error(
                file.span(),
                "`auth-password` and `auth-password-file` exclude each other",
            );
            return None;
        }
        let text = match file {
            Some(value) => {
                let path = self.name(file)?;
                match passwords(Path::new(&path)) {
                    Ok(text) => text.trim_end_matches(['\r', '\n']).to_owned(),
                    Err(error) => {
                        self.error(
                            value.span(),
                            format!("the password can not be read: {error}"),
                        );
                        return None;
                    }
                }
            }
            None => self.text(given)?.to_owned(),
        };
        let span = given.or(file)?.span();
        match text.len() {
            // As GoBGP: an empty password in the file is none.
            0 if file.is_none() => None,
            0 => {
                self.error(span, "the password is empty");
                None
            }
            1..=80 => Some(Secret::new(text)),
            octets => {
                self.error(
                    span,
                    format!("the password has {octets} octets; TCP MD5 takes at most 80"),
                );
                None
            }
        }
    }

    /// A key that must be there.
    fn required<T>(&mut self, node: &Node<'_>, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            let path = super::tree::join(&node.path, key);
            self.error(node.span.clone(), format!("`{path}` is missing"));
        }
        value
    }
}
