// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Watches best paths over GoBGP's API (version 4), a line for each change, until Ctrl-C.
//!
//! ```text
//! best-paths [ADDRESS:PORT | unix:/PATH]
//! ```
use std::convert::Infallible;
use std::error::Error;
use std::io::{Write as _, stdout};
use std::process::ExitCode;

use bgpd_api::v4::{
    Attribute, Path, WatchEventRequest, attribute::Attr, go_bgp_service_client::GoBgpServiceClient,
    nlri::Nlri, watch_event_request::Table, watch_event_request::table::Filter,
    watch_event_request::table::filter, watch_event_response::Event,
};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

/// Where the API listens unless it is told otherwise.
const DEFAULT_TARGET: &str = "127.0.0.1:50051";

/// As GoBGP's own client has it.
const LARGEST_MESSAGE: usize = 256 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let target = std::env::args().nth(1);
    let target = target.unwrap_or_else(|| DEFAULT_TARGET.to_owned());
    tokio::select! {
        Err(error) = watch(&target) => {
            eprintln!("best-paths: {error}");
            ExitCode::FAILURE
        }
        _ = tokio::signal::ctrl_c() => ExitCode::SUCCESS,
    }
}

async fn watch(target: &str) -> Result<Infallible, Box<dyn Error>> {
    let address = if target.starts_with("unix:") {
        target.to_owned()
    } else {
        format!("http://{target}")
    };
    let channel = Endpoint::from_shared(address)?.connect().await;
    let channel = channel.map_err(|error| {
        let cause = deepest(&error);
        format!(
            "nobody answers at {target} ({cause}): is bgpd running, and does its API listen there?"
        )
    })?;
    let mut client = GoBgpServiceClient::new(channel).max_decoding_message_size(LARGEST_MESSAGE);
    loop {
        match follow(&mut client).await?.code() {
            // Who reads too slowly is told so, and begins anew with what is there now.
            Code::ResourceExhausted | Code::Aborted => {
                eprintln!("best-paths: read too slowly, asking again");
            }
            Code::Unimplemented => {
                return Err(format!("what answers at {target} does not speak this API").into());
            }
            _ => return Err(format!("{target} has ended the stream").into()),
        }
    }
}

/// Prints what there is and what comes, until the daemon ends it; says how.
async fn follow(client: &mut GoBgpServiceClient<Channel>) -> Result<Status, Box<dyn Error>> {
    let best = Filter {
        r#type: filter::Type::Best.into(),
        init: true,
        ..Filter::default()
    };
    let request = WatchEventRequest {
        table: Some(Table {
            filters: vec![best],
        }),
        ..WatchEventRequest::default()
    };
    let mut events = match client.watch_event(request).await {
        Ok(reply) => reply.into_inner(),
        Err(status) => return Ok(status),
    };
    loop {
        match events.message().await {
            Ok(Some(event)) => {
                if let Some(Event::Table(table)) = event.event {
                    for path in &table.paths {
                        writeln!(stdout(), "{}", line(path))?;
                    }
                }
            }
            Ok(None) => return Ok(Status::unavailable("the end")),
            Err(status) => return Ok(status),
        }
    }
}

/// `10.2.0.0/16 via 192.0.2.2, AS path 64513 64514`, or `10.2.0.0/16 is gone`.
fn line(path: &Path) -> String {
    let prefix = match path.nlri.as_ref().and_then(|nlri| nlri.nlri.as_ref()) {
        Some(Nlri::Prefix(prefix)) => format!("{}/{}", prefix.prefix, prefix.prefix_len),
        _ => "something that is no prefix".to_owned(),
    };
    if path.is_withdraw {
        return format!("{prefix} is gone");
    }
    let (mut next_hop, mut as_path) = ("nobody", String::new());
    for attribute in path.pattrs.iter().filter_map(attr) {
        match attribute {
            Attr::NextHop(found) => next_hop = &found.next_hop,
            // IPv6 has it here; a second address is the link-local one.
            Attr::MpReach(found) => {
                next_hop = found.next_hops.first().map_or(next_hop, String::as_str);
            }
            Attr::AsPath(found) => {
                let numbers = found.segments.iter().flat_map(|segment| &segment.numbers);
                as_path = numbers.fold(String::new(), |text, number| format!("{text} {number}"));
            }
            _ => {}
        }
    }
    format!("{prefix} via {next_hop}, AS path{as_path}")
}

fn attr(attribute: &Attribute) -> Option<&Attr> {
    attribute.attr.as_ref()
}

/// What the system said, below what the libraries make of it.
fn deepest(mut error: &dyn Error) -> String {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}
