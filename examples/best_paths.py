#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Watches best paths over GoBGP's API (version 4), a line for each change, until Ctrl-C.

    best_paths.py [ADDRESS:PORT | unix:/PATH]

Nothing generated is kept: the messages are made from the .proto files at each start, by `protoc`, or by `grpc_tools` where that is not
installed. Debian: python3-grpcio, protobuf-compiler, libprotobuf-dev; others: pip install grpcio grpcio-tools.
"""

import importlib
import pathlib
import shutil
import subprocess
import sys
import tempfile

import grpc

PROTO = pathlib.Path(__file__).resolve().parent.parent / "proto"
DEFAULT_TARGET = "127.0.0.1:50051"
# As GoBGP's own client has it.
LARGEST_MESSAGE = 256 << 20
# More waited than is kept, or nothing was read for a while.
TOO_SLOW = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED)


def messages():
    """The module of the API's messages."""
    protoc = shutil.which("protoc")
    compiler = [protoc] if protoc else [sys.executable, "-m", "grpc_tools.protoc"]
    with tempfile.TemporaryDirectory() as folder:
        names = [path.relative_to(PROTO) for path in PROTO.glob("api/*.proto")]
        subprocess.run([*compiler, f"-I{PROTO}", f"--python_out={folder}", *names], check=True)
        sys.path.insert(0, folder)
        return importlib.import_module("api.gobgp_pb2")


def line(path):
    """`10.2.0.0/16 via 192.0.2.2, AS path 64513 64514`, or `10.2.0.0/16 is gone`."""
    prefix = f"{path.nlri.prefix.prefix}/{path.nlri.prefix.prefix_len}"
    if path.is_withdraw:
        return f"{prefix} is gone"
    next_hop, as_path = "nobody", ""
    for attribute in path.pattrs:
        kind = attribute.WhichOneof("attr")
        if kind == "next_hop":
            next_hop = attribute.next_hop.next_hop
        elif kind == "mp_reach" and attribute.mp_reach.next_hops:
            # IPv6 has it here; a second address is the link-local one.
            next_hop = attribute.mp_reach.next_hops[0]
        elif kind == "as_path":
            segments = attribute.as_path.segments
            as_path = "".join(f" {number}" for segment in segments for number in segment.numbers)
    return f"{prefix} via {next_hop}, AS path{as_path}"


def follow(channel, api):
    """Prints what there is and what comes, until the daemon ends it."""
    watch_event = channel.unary_stream(
        "/api.GoBgpService/WatchEvent",
        request_serializer=api.WatchEventRequest.SerializeToString,
        response_deserializer=api.WatchEventResponse.FromString,
    )
    request = api.WatchEventRequest()
    kind = api.WatchEventRequest.Table.Filter.TYPE_BEST
    request.table.filters.add(type=kind, init=True)
    for event in watch_event(request):
        for path in event.table.paths:
            print(line(path), flush=True)


def watch(target):
    """Ends with what went wrong."""
    api = messages()
    options = [("grpc.max_receive_message_length", LARGEST_MESSAGE)]
    with grpc.insecure_channel(target, options) as channel:
        while True:
            try:
                grpc.channel_ready_future(channel).result(timeout=3)
                follow(channel, api)
                return f"{target} has ended the stream"
            except grpc.FutureTimeoutError:
                return f"nobody answers at {target}: is bgpd running, and does its API listen there?"
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                    return f"what answers at {target} does not speak this API"
                if error.code() not in TOO_SLOW:
                    return f"{target} has ended the stream"
                # Who reads too slowly is told so, and begins anew with what is there now.
                print("best_paths.py: read too slowly, asking again", file=sys.stderr)


def main():
    target = sys.argv[1] if len(sys.argv) > 1 else DEFAULT_TARGET
    try:
        problem = watch(target)
    except KeyboardInterrupt:
        return
    sys.exit(f"best_paths.py: {problem}")


if __name__ == "__main__":
    main()
