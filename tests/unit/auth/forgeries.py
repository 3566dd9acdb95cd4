"""What people send instead of a token: every way of forging, bending and breaking one that we know of."""

import base64
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def forgeries(private: Ed25519PrivateKey, good: str) -> dict[str, str]:
    """Returns texts that must be refused, made from a good token and, where it says so, with the very key."""
    return _headers(good) | _other_keys(private, good) | _bent_claims(private, good) | _broken(good)


def part(value: Any) -> str:
    """Returns a token's part: bytes as they are, anything else as JSON."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _headers(good: str) -> dict[str, str]:
    # The header is read before the signature is: nothing in it may do harm.
    _, payload, signature = good.split(".")
    said = jwt.get_unverified_header(good)
    kid = said["kid"]
    heads: dict[str, Any] = {
        "alg none": {"alg": "none", "kid": kid},
        "alg None in capitals": {"alg": "NONE", "kid": kid},
        "alg as a list": {"alg": ["EdDSA"], "kid": kid},
        "alg as null": {"alg": None, "kid": kid},
        "no alg": {"kid": kid},
        "alg RS256": {"alg": "RS256", "kid": kid},
        "unknown kid": said | {"kid": "0" * 16},
        "no kid": {"alg": "EdDSA"},
        "kid as a path": said | {"kid": "../../dev/null"},
        "kid as a list": said | {"kid": [kid]},
        "kid as a number": said | {"kid": 1},
        "kid as SQL": said | {"kid": "' OR 1=1 --"},
        "huge kid": said | {"kid": "k" * 50_000},
        "a key of its own": said | {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}},
        "a place of keys": said | {"jku": "https://evil.example/jwks.json", "x5u": "https://evil.example/"},
        "unknown crit": said | {"crit": ["exp"]},
        "payload not encoded": said | {"b64": False, "crit": ["b64"]},
        "a list": [said],
        "a text": "EdDSA",
        "a number": 1,
        "null": None,
        "deep lists": b"[" * 20_000 + b"]" * 20_000,
        "deep objects": b'{"a":' * 20_000,
        "a long number": b'{"alg":"EdDSA","kid":' + b"1" * 5_000 + b"}",
        "an infinite number": b'{"alg":"EdDSA","kid":1e999}',
        "not text": b"\xff\xfe\xfd",
        "two kids": json.dumps(said).encode()[:-1] + b',"kid":"other"}',
    }
    forged = {f"header: {name}": f"{part(head)}.{payload}.{signature}" for name, head in heads.items()}
    return forged | {"alg none without a signature": f"{part({'alg': 'none', 'kid': kid})}.{payload}."}


def _other_keys(private: Ed25519PrivateKey, good: str) -> dict[str, str]:
    claims: dict[str, Any] = jwt.decode(good, options={"verify_signature": False})
    kid = {"kid": jwt.get_unverified_header(good)["kid"]}
    public = private.public_key()
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    # PyJWT refuses to sign with a public key as a secret; an attacker's tool does not.
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    hs256 = {
        f"HS256 with the public key, {name}": _hmac(claims, kid, key) for name, key in (("raw", raw), ("PEM", pem))
    }
    stranger = jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", headers=kid)
    return hs256 | {"another key of the same name": stranger}


def _hmac(claims: dict[str, Any], kid: dict[str, str], key: bytes) -> str:
    import hmac

    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'} | kid)}.{part(claims)}"
    return f"{signed}.{part(hmac.digest(key, signed.encode(), 'sha256'))}"


def _bent_claims(private: Ed25519PrivateKey, good: str) -> dict[str, str]:
    """With the very key: what no process of ours would sign, were it to sign."""
    claims: dict[str, Any] = jwt.decode(good, options={"verify_signature": False})
    kid = {"kid": jwt.get_unverified_header(good)["kid"]}
    tomorrow, past = int(time.time()) + 86_400, int(time.time()) - 60
    changes: dict[str, dict[str, Any]] = {
        "issued tomorrow": {"iat": tomorrow, "exp": tomorrow + 60},
        "not before tomorrow": {"nbf": tomorrow},
        "expired": {"exp": past},
        "of another issuer": {"iss": "somebody"},
        "for somebody else": {"aud": "elsewhere"},
        "for nobody": {"aud": []},
        "with a word as its end": {"exp": "later"},
    }
    forged = {name: jwt.encode(claims | change, private, "EdDSA", headers=kid) for name, change in changes.items()}
    for missing in ("iss", "aud", "exp", "iat", "sub"):
        less = {name: value for name, value in claims.items() if name != missing}
        forged[f"without {missing}"] = jwt.encode(less, private, "EdDSA", headers=kid)
    return forged


def _broken(good: str) -> dict[str, str]:
    header, payload, signature = good.split(".")
    return {
        "nothing": "",
        "dots": "..",
        "many dots": "." * 1_000,
        "truncated": good[: len(good) // 2],
        "without a signature": f"{header}.{payload}",
        "with an empty signature": f"{header}.{payload}.",
        "with half a signature": f"{header}.{payload}.{signature[:40]}",
        "with a signature of noughts": f"{header}.{payload}.{part(bytes(64))}",
        "another payload": f"{header}.{part({'sub': 'somebody'})}.{signature}",
        "parts exchanged": f"{payload}.{header}.{signature}",
        "four parts": f"{good}.{signature}",
        "twice": good + good,
        "oversized": good + "A" * 100_000,
        "of other letters": "é.ü.ß",
        "with NUL": good.replace(".", "\0.", 1),
    }
