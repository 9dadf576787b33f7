//! The address guard: which addresses on this network are nobody's webhook.
//!
//! Whoever may set a request URL could otherwise make the platform talk to its own neighbours. The check is on each
//! socket address at the moment of connecting, so neither a spelling such as `http://127.1` nor a name that resolves
//! differently the second time gets around it. The ranges are those of the special-purpose address registries:
//! <https://www.iana.org/assignments/iana-ipv4-special-registry> and
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// Ranges of IPv4 that are not public, the narrower one of two first.
const REFUSED_V4: [(Ipv4Net, &str); 18] = [
    (v4(0, 0, 0, 0, 32), "unspecified"),
    (v4(0, 0, 0, 0, 8), "this network's own"),
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(100, 64, 0, 0, 10), "shared by a carrier"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 0, 16), "link-local"),
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(192, 0, 0, 0, 24), "reserved for protocols"),
    (v4(192, 0, 2, 0, 24), "for documentation"),
    (v4(192, 31, 196, 0, 24), "reserved for protocols"),
    (v4(192, 52, 193, 0, 24), "reserved for protocols"),
    (v4(192, 88, 99, 0, 24), "a 6to4 relay"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(192, 175, 48, 0, 24), "reserved for protocols"),
    (v4(198, 18, 0, 0, 15), "for benchmarks"),
    (v4(198, 51, 100, 0, 24), "for documentation"),
    (v4(203, 0, 113, 0, 24), "for documentation"),
    (v4(224, 0, 0, 0, 4), "multicast"),
];

/// The top of IPv4: broadcast and what was never assigned.
const RESERVED_V4: Ipv4Net = v4(240, 0, 0, 0, 4);

/// The only part of IPv6 that is assigned to hosts of the public internet.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// Ranges of IPv6 that are not public; the name is for people, since everything outside [`GLOBAL_V6`] is refused.
const REFUSED_V6: [(Ipv6Net, &str); 14] = [
    (v6(0, 0, 0, 128), "unspecified"),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback"),
    (
        Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
        "a mapped IPv4 address",
    ),
    (v6(0, 0, 0, 96), "a compatible IPv4 address"),
    (v6(0x64, 0xff9b, 0, 96), "a translated IPv4 address"),
    (v6(0x64, 0xff9b, 1, 48), "a translated IPv4 address"),
    (v6(0x2001, 0, 0, 23), "reserved for protocols"),
    (v6(0x2001, 0xdb8, 0, 32), "for documentation"),
    (v6(0x2002, 0, 0, 16), "a 6to4 relay"),
    (v6(0x3fff, 0, 0, 20), "for documentation"),
    (v6(0xfc00, 0, 0, 7), "private"),
    (v6(0xfe80, 0, 0, 10), "link-local"),
    (v6(0xfec0, 0, 0, 10), "private"),
    (v6(0xff00, 0, 0, 8), "multicast"),
];

/// Why nobody's webhook lives at this address, as an adjective; `None` for an address of the public internet.
pub(super) fn refusal(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(ip) if RESERVED_V4.contains(&ip) => Some("reserved"),
        IpAddr::V4(ip) => REFUSED_V4
            .iter()
            .find(|(net, _)| net.contains(&ip))
            .map(|(_, why)| *why),
        IpAddr::V6(ip) => {
            let named = REFUSED_V6
                .iter()
                .find(|(net, _)| net.contains(&ip))
                .map(|(_, why)| *why);
            named.or_else(|| (!GLOBAL_V6.contains(&ip)).then_some("not public"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(address: &str) -> Option<&'static str> {
        refusal(address.parse().unwrap())
    }

    #[test]
    fn the_first_and_last_address_of_every_special_range_is_refused() {
        for (net, why) in REFUSED_V4 {
            for ip in [net.network(), net.broadcast()] {
                assert!(refusal(ip.into()).is_some(), "{ip} of {net} is {why}");
            }
        }
        for (net, why) in REFUSED_V6 {
            for ip in [net.network(), net.broadcast()] {
                assert!(refusal(ip.into()).is_some(), "{ip} of {net} is {why}");
            }
        }
    }

    #[test]
    fn special_addresses_are_named_for_what_they_are() {
        for (address, expected) in [
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "this network's own"),
            ("10.255.255.255", "private"),
            ("100.100.100.200", "shared by a carrier"),
            ("127.0.0.1", "loopback"),
            ("169.254.169.254", "link-local"),
            ("172.31.255.255", "private"),
            ("192.168.1.1", "private"),
            ("198.19.255.255", "for benchmarks"),
            ("239.1.1.1", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "reserved"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::ffff:127.0.0.1", "a mapped IPv4 address"),
            ("::ffff:8.8.8.8", "a mapped IPv4 address"),
            ("::127.0.0.1", "a compatible IPv4 address"),
            ("64:ff9b::7f00:1", "a translated IPv4 address"),
            ("64:ff9b:1::a00:1", "a translated IPv4 address"),
            ("100::1", "not public"),
            ("2001::1", "reserved for protocols"),
            ("2001:db8::1", "for documentation"),
            ("2002:7f00:1::", "a 6to4 relay"),
            ("3fff::1", "for documentation"),
            ("5f00::1", "not public"),
            ("fd00:ec2::254", "private"),
            ("fe80::1", "link-local"),
            ("fec0::1", "private"),
            ("ff02::1", "multicast"),
        ] {
            assert_eq!(why(address), Some(expected), "{address}");
        }
    }

    #[test]
    fn public_addresses_next_to_special_ranges_pass() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00:1450::1",
        ] {
            assert_eq!(why(address), None, "{address}");
        }
    }
}
