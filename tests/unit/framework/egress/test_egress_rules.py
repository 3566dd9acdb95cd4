"""Which URLs may be named and which addresses a name may lead to; no name is looked up here."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.egress import EgressPolicy, EgressRefused
from framework.egress.addresses import is_public, parsed
from framework.egress.judging import rules_of
from framework.settings import OutsideSettings

NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2606:4700::5efe:7f00:1",
    "2606:4700::200:5efe:7f00:1",
]
PUBLIC = [
    "8.8.8.8",
    "93.184.216.34",
    "172.32.0.1",
    "100.128.0.1",
    "::ffff:8.8.8.8",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
]


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_addresses_that_are_not_the_public_internets_are_known(text: str) -> None:
    address = parsed(text)
    assert address is not None
    assert not is_public(address)


@pytest.mark.parametrize("text", PUBLIC)
def test_addresses_of_the_public_internet_are_known(text: str) -> None:
    address = parsed(text)
    assert address is not None
    assert is_public(address)


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_a_private_address_stays_one_in_the_clothes_of_ipv6(address: object) -> None:
    number = int(address)  # type: ignore[call-overload]
    for prefix in (0, 0xFFFF << 32, 0xFFFF << 48, 0x64FF9B << 96, (0x2002 << 112) | (number << 80)):
        disguised = parsed(str(ip_address(prefix + number)))
        assert disguised is not None
        assert not is_public(disguised)


REFUSED_URLS = [
    "http://models.example.com/v1",
    "ftp://models.example.com/",
    "file:///etc/hostname",
    "gopher://models.example.com/",
    "//models.example.com",
    "models.example.com",
    "https://",
    "https:///v1",
    "https://user:password@models.example.com/",
    "https://models.example.com\\@127.0.0.1/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://127.0.0.1./",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://169.254.169.254/latest/meta-data",
    "https://localhost/",
    "https://localhost./",
    "https://postgres/",
    "https://metadata.google.internal/computeMetadata/v1",
    "https://printer.local/",
    "https://models.example.com:99999/",
    "https://①②⑦.⓪.⓪.①/",
    "https://[fe80::1%25eth0]/",
    "javascript:alert(1)",
    "https://models.example.com:0x50/",
]


@pytest.mark.parametrize("url", [*REFUSED_URLS, "https://models.example.com/" + "a" * 3000, "", "https://a\0b.com/"])
def test_urls_that_may_not_be_called_are_refused_with_field_and_remedy(url: str) -> None:
    with pytest.raises(EgressRefused) as refused:
        EgressPolicy(OutsideSettings()).check(url, "connector.base_url")
    assert [v.path for v in refused.value.violations] == ["connector.base_url"]
    assert refused.value.violations[0].message.startswith(("must ", "leads to no", "choose a host"))


@pytest.mark.parametrize(
    "url",
    [
        "https://models.example.com/v1",
        "https://models.example.com:8443/v1?version=1",
        "https://8.8.8.8/",
        "https://bücher.example/",
        "HTTPS://MODELS.EXAMPLE.COM./",
    ],
)
def test_public_https_urls_pass(url: str) -> None:
    EgressPolicy(OutsideSettings()).check(url)


ALLOWED = "models.internal:8000, ollama, 10.1.0.0/16, [fd00::7]:443, 127.0.0.1:11434, *.corp.example, 169.254.0.0/16"


def allowing(**settings: str) -> EgressPolicy:
    return EgressPolicy(OutsideSettings.model_validate(settings))


@pytest.mark.parametrize(
    "url",
    [
        "http://models.internal:8000/v1",
        "http://ollama/",
        "http://OLLAMA.:11434/",
        "http://10.1.2.3:9000/",
        "https://[fd00::7]/",
        "http://127.0.0.1:11434/",
        "http://[::ffff:127.0.0.1]:11434/",
        "http://a.corp.example/",
    ],
)
def test_own_hosts_pass_with_http_too(url: str) -> None:
    allowing(egress_allow=ALLOWED).check(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://models.internal/v1",
        "http://models.internal:8001/v1",
        "http://10.2.0.1/",
        "https://[fd00::7]:8443/",
        "http://127.0.0.1:5432/",
        "http://corp.example/",
        "http://evilcorp.example/",
        "http://models.internal.example.com:8000/",
        "http://169.254.169.254/latest/meta-data",
    ],
)
def test_neighbours_of_own_hosts_do_not_pass(url: str) -> None:
    with pytest.raises(EgressRefused):
        allowing(egress_allow=ALLOWED).check(url)


def test_with_public_hosts_named_others_are_refused() -> None:
    policy = allowing(egress_hosts="api.example.com, *.models.example", egress_allow="ollama")
    for url in ("https://api.example.com/", "https://a.b.models.example/", "https://ollama/"):
        policy.check(url)
    for url in ("https://example.com/", "https://models.example/", "https://8.8.8.8/", "http://api.example.com/"):
        with pytest.raises(EgressRefused):
            policy.check(url)


@pytest.mark.parametrize(
    ("host", "address", "may"),
    [
        ("models.example.com", "8.8.8.8", True),
        ("models.example.com", "10.1.2.3", True),  # its network is allowed
        ("models.example.com", "10.2.2.3", False),
        ("ollama", "192.168.1.7", True),
        ("ollama", "127.0.0.1", True),
        ("ollama", "169.254.169.254", False),
        ("ollama", "169.254.1.1", True),  # its network is allowed
        ("ollama", "fe80::1", False),
        ("ollama", "224.0.0.1", False),
        ("ollama", "100.100.100.200", False),
        ("ollama", "fd00:ec2::254", False),
    ],
)
def test_a_name_leads_where_its_host_may_be(host: str, address: str, may: bool) -> None:
    rules = rules_of(OutsideSettings.model_validate({"egress_allow": ALLOWED}))
    found = parsed(address)
    assert found is not None
    assert rules.leads(host, 443, [found]) is may


def test_one_address_that_may_not_be_called_is_enough_to_refuse() -> None:
    rules = rules_of(OutsideSettings())
    good, bad = parsed("8.8.8.8"), parsed("10.0.0.1")
    assert good and bad
    assert rules.leads("models.example.com", 443, [good])
    assert not rules.leads("models.example.com", 443, [good, bad])
    assert not rules.leads("models.example.com", 443, [])


@pytest.mark.parametrize("word", ["https://x.example", "10.0.0.0/99", "a b", "host:0", "host:70000", "300.1.1.1", "*"])
def test_a_word_that_is_neither_host_nor_network_stops_the_start(word: str) -> None:
    with pytest.raises(ValueError, match="ASHGROVE_EGRESS_ALLOW"):
        allowing(egress_allow=word)


@given(st.text(max_size=60))
def test_no_text_breaks_the_check(text: str) -> None:
    policy = EgressPolicy(OutsideSettings())
    for url in (text, f"https://{text}", f"https://models.example.com{text}"):
        try:
            policy.check(url)
        except EgressRefused:
            continue
