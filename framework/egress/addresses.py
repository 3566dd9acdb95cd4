"""Which IP addresses are the public internet's: neither ours, nor a neighbour's, nor another address in disguise."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# A cloud tells its machines their credentials here: no setting lets anybody through.
_METADATA = [
    ip_network(network)
    for network in (
        "169.254.169.254",  # AWS, Azure, Google and most others
        "169.254.170.2",  # AWS, credentials of a container's task
        "169.254.170.23",  # AWS, credentials of a pod
        "168.63.129.16",  # Azure's own channel to its machines
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS, credentials of a pod
        "fd20:ce::254",  # Google
    )
]
# Python's `is_global` says most of this, but what it says differs between its versions.
_SPECIAL = [
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "::/8",  # unspecified, loopback, IPv4 mapped, compatible and translated
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "100::/64",  # discarded
        "2001::/23",  # Teredo, benchmarks, ORCHID
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fc00::/7",  # unique local
        "fe00::/8",  # link-local, site-local
        "ff00::/8",  # multicast
    )
]
# Where one's own hosts live.
_OWN = [
    ip_network(network)
    for network in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1",
        "fc00::/7",
    )
]
_TUNNELLED = (0x00005EFE, 0x02005EFE)  # ISATAP: an IPv4 address follows


def parsed(text: str) -> Address | None:
    """Returns the address that a text is in its usual form, IPv4 in the clothes of IPv6 as IPv4; None for a name."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_metadata(address: Address) -> bool:
    """Tells whether a cloud hands out credentials at the address."""
    return _within(address, _METADATA)


def is_public(address: Address) -> bool:
    """Tells whether an address belongs to the public internet and to nothing else."""
    return address.is_global and not (_within(address, _SPECIAL) or is_metadata(address) or _is_tunnel(address))


def may_be_named(address: Address) -> bool:
    """Tells whether an own host that a setting names, its network unnamed, may have the address."""
    return is_public(address) or (_within(address, _OWN) and not is_metadata(address))


def _within(address: Address, networks: list[Network]) -> bool:
    return any(address in network for network in networks)


def _is_tunnel(address: Address) -> bool:
    return isinstance(address, IPv6Address) and (int(address) >> 32) & 0xFFFFFFFF in _TUNNELLED
