"""Claims and volumes of a cluster, and the verbs that change them."""

from collections.abc import Iterable

from gxsim.model.cluster import Claim, Volume


class Storage:
    """``claims`` by namespace/name and ``volumes`` by name; ``revision`` counts their changes."""

    def __init__(self, claims: Iterable[Claim], volumes: Iterable[Volume]):
        self.claims = {claim.key: claim for claim in claims}
        self.volumes = {volume.name: volume for volume in volumes}
        self.revision = 0

    def put_claim(self, claim: Claim) -> None:
        self.claims[claim.key] = claim
        self.revision += 1

    def put_volume(self, volume: Volume) -> None:
        self.volumes[volume.name] = volume
        self.revision += 1

    def delete_claim(self, key: str) -> None:
        del self.claims[key]
        self.revision += 1

    def delete_volume(self, name: str) -> None:
        del self.volumes[name]
        self.revision += 1

    def copy(self) -> "Storage":
        """Independent mappings of the same nouns."""
        twin = Storage(self.claims.values(), self.volumes.values())
        twin.revision = self.revision
        return twin
