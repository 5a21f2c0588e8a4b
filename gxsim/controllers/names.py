"""Generated names in Kubernetes' own alphabet, derived instead of drawn: same cluster, same names."""

import hashlib
from dataclasses import replace
from functools import lru_cache

from gxsim.model.pod import PodTemplate

HASH_LABEL = "pod-template-hash"
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, no digits that look like them


@lru_cache(maxsize=4096)  # templates are compared by identity, so a hit is the very same one
def template_hash(template: PodTemplate) -> str:
    """The ``pod-template-hash`` of a template: 32 bits in decimal, each digit spelt in the safe alphabet.

    A hash that the template carries already does not count, nor does any other metadata that is no noun here.
    """
    labels = {name: value for name, value in template.labels.items() if name != HASH_LABEL}
    bare = replace(template, labels=labels, manifest=template.manifest.get("spec") or {})
    digest = hashlib.sha256(repr(bare).encode()).digest()
    return "".join(ALPHABET[ord(digit) % len(ALPHABET)] for digit in str(int.from_bytes(digest[:4], "big")))


def suffix(owner: str, count: int) -> str:
    """Five characters for the *count*-th pod of the run, made for *owner*."""
    number = int.from_bytes(hashlib.sha256(f"{owner}/{count}".encode()).digest()[:8], "big")
    letters = ""
    for _ in range(5):
        number, letter = divmod(number, len(ALPHABET))
        letters += ALPHABET[letter]
    return letters
