// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The neighbours of both daemons, and what they announce: attributes of every kind.

/// What BIRD at 10.0.0.2 and `fd00::2` in AS 64513 announces, each family in a session of its own.
const BIRD: &str = "
    protocol static { ipv4; route 10.2.0.0/24 blackhole; route 10.2.1.0/24 blackhole {
        bgp_community.add((64513,100)); bgp_community.add((65535,65281)); bgp_large_community.add((64513,2,3));
        bgp_ext_community.add((rt,64513,200)); bgp_med = 50; bgp_path.prepend(65010);
    }; route 10.2.2.0/23 blackhole; route 10.9.0.0/24 blackhole; }
    protocol static { ipv6; route 2001:db8:2::/48 blackhole { bgp_med = 7; }; route 2001:db8:2:1::/64 blackhole; }
    protocol static late { disabled; ipv4; route 10.4.0.0/24 blackhole; }
    protocol static later { disabled; ipv4 { preference 300; };
        route 10.4.0.0/24 blackhole { bgp_community.add((64513,4)); }; }
    template bgp speaker { connect retry time 1; connect delay time 1; error wait time 1, 2; }
    protocol bgp four from speaker { local 10.0.0.2 as 64513; neighbor 10.0.0.1 as 64512;
        ipv4 { import all; export all; }; }
    protocol bgp six from speaker { local fd00::2 as 64513; neighbor fd00::1 as 64512;
        ipv6 { import all; export all; }; }
";
pub(crate) const LAST_OF_BIRD: &str = "10.9.0.0/24";

pub(crate) fn bird() -> String {
    "router id 10.0.0.2;\nlog stderr all;\nprotocol device {}\n".to_owned() + BIRD
}

/// What `ExaBGP` at 10.0.0.3 in AS 64514 announces. Rare attributes are octets: PMSI tunnel (22), tunnel
/// encapsulation (23), IPv6 extended communities (25), Only to Customer (35), prefix SID (40) and one that nobody
/// knows.
pub(crate) const EXABGP: &str = "
  router-id 10.0.0.3;
  local-address 10.0.0.3;
  local-as 64514;
  peer-as 64512;
  family { ipv4 unicast; ipv6 unicast; }
  static {
    route 10.3.0.0/24 next-hop 10.0.0.3 origin egp as-path [ 64514 65001 4200000003 ] med 9 community [ 64514:1 no-advertise ] \
      large-community [ 64514:1:2 4200000000:3:4 ] atomic-aggregate aggregator ( 65001:10.9.9.9 );
    route 10.3.1.0/24 next-hop 10.0.0.3 as-path [ 64514 ] attribute [ 0x63 0xc0 0xdeadbeef ];
    route 10.3.2.0/24 next-hop 10.0.0.3 as-path [ 64514 ] attribute [ 0x16 0xc0 0x0006000640c0000201 ];
    route 10.3.3.0/24 next-hop 10.0.0.3 as-path [ 64514 ] attribute [ 0x17 0xc0 0x0008000a0408030b000000000064 ];
    route 10.3.4.0/24 next-hop 10.0.0.3 as-path [ 64514 ] attribute [ 0x28 0xc0 0x0500220001001e0020010db800000000000000000000000100001200010006281810001040 ];
    route 10.3.5.0/24 next-hop 10.0.0.3 as-path [ 64514 ] attribute [ 0x19 0xc0 0x000220010db80000000000000000000000010064 ];
    route 10.3.6.0/24 next-hop 10.0.0.3 as-path [ 64514 ] attribute [ 0x23 0xc0 0x0000fc02 ];
    route 10.3.7.0/24 next-hop 10.0.0.3 as-path [ 64514 ] attribute [ 0x10 0xc0 0x0002fc02000000050003fc020000000601020a09090900070202fa56ea0300084004fc024b189680030b000000000064\
      030c000000000008030d000000000000030601020304050643000000000000020600010000000007060101000000a000\
      060200112233445506030011223344558006fc0247c3500080070000000000038008fc02000000098009000000000010\
      81080a09090900098208fa56ea0300098877665544332211 ];
    route 10.9.0.0/24 next-hop 10.0.0.3 as-path [ 64514 65020 ];
    route 10.66.1.0/24 next-hop 10.0.0.3 as-path [ 64514 ];
    route 10.3.9.0/24 next-hop 10.0.0.3 as-path [ 64514 64512 65030 ];
    route 2001:db8:3::/48 next-hop fd00::3 as-path [ 64514 65001 ] community [ 64514:3 ];
    route 10.3.255.0/24 next-hop 10.0.0.3 as-path [ 64514 ];
  }
";
pub(crate) const LAST_OF_EXABGP: &str = "10.3.255.0/24";
