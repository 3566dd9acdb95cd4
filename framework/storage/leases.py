"""Leases: who works on a row, until when, by the database's clock; a fencing token voids the writes of the late."""

from typing import Any

from framework.storage.database import Asked, Database, Transaction

LEASE_COLUMNS = {
    "lease_owner": "text NOT NULL DEFAULT ''",
    "lease_until": "timestamptz",
    "fencing_token": "bigint NOT NULL DEFAULT 0",
}

FENCE = ("fencing_token", "lease_owner")
"""What is as it was claimed while a row is held; a crash may take a token back, so the owner is a part of it."""


class Leases:
    """The leases on one table whose rows are work; `claimable` says in SQL which rows still want a worker.

    `begins` says what a claim sets beside the lease. A claim that does not wait for the disk (`durable=False`) may be
    lost in a crash of the database: its owner is in every later check of the lease, so that nobody shares a token.
    What it has held itself an owner leaves for `grace_seconds` more, and what anybody held is left for as long once the
    database has started: when it was away for longer than a lease, whoever works on the row renews it first, and nobody
    has to begin anew.
    """

    def __init__(
        self,
        database: Database,
        table: str,
        claimable: str,
        begins: str = "",
        *,
        durable: bool = True,
        grace_seconds: float = 0.0,
    ) -> None:
        self.database = database
        self.table = table
        self.durable = durable
        own = f"CASE WHEN lease_owner = %(owner)s THEN interval '{grace_seconds} seconds' ELSE interval '0' END"
        ended = "lease_until < clock_timestamp()"
        if grace_seconds:
            settled = f"pg_postmaster_start_time() < clock_timestamp() - interval '{grace_seconds} seconds'"
            ended = f"{ended} - {own} AND {settled}"
        self._claim = f"""
            UPDATE {table} SET lease_owner = %(owner)s, fencing_token = fencing_token + 1,
                   lease_until = clock_timestamp() + make_interval(secs => %(seconds)s){f", {begins}" if begins else ""}
            WHERE (organization_id, id) = (
                SELECT organization_id, id FROM {table}
                WHERE ({claimable}) AND (lease_until IS NULL OR {ended})
                ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING *"""

    async def claim(self, owner: str, seconds: float = 10.0) -> dict[str, Any] | None:
        """Takes the oldest row that nobody holds, with a higher fencing token; None when there is none."""
        rows = await self.database.once(self._claim, {"owner": owner, "seconds": seconds}, durable=self.durable)
        return rows[0] if rows else None

    async def renew(self, row: dict[str, Any], seconds: float = 10.0) -> bool:
        """Holds a row longer; False when somebody else has it, and the work must stop."""
        async with self.database.system() as tx:
            return await self.extend(tx, row, seconds)

    async def extend(self, tx: Transaction, row: dict[str, Any], seconds: float = 10.0) -> bool:
        """Does the same inside a transaction: the row is locked until it ends, so a takeover cannot slip between."""
        return await self.held(tx, row, seconds) is not None

    async def held(self, tx: Transaction, row: dict[str, Any], seconds: float = 10.0) -> dict[str, Any] | None:
        """Does the same, and returns the row as it is now; None when somebody else has it."""
        rows = await tx.answer(await self.ask(tx, row, seconds))
        return rows[0] if rows else None

    async def ask(self, tx: Transaction, row: dict[str, Any], seconds: float = 10.0) -> Asked:
        """Has what `held` does leave with the next statement, or when its answer is asked for: the row as it is now.

        There is none when somebody else has it.
        """
        return await tx.leave(
            f"""UPDATE {self.table} SET lease_until = clock_timestamp() + make_interval(secs => %(seconds)s)
                WHERE organization_id = %(organization)s AND id = %(id)s AND fencing_token = %(token)s
                  AND lease_owner = %(owner)s RETURNING *""",
            {
                "organization": row["organization_id"],
                "id": row["id"],
                "token": row["fencing_token"],
                "owner": row["lease_owner"],
                "seconds": seconds,
            },
        )

    async def release(self, row: dict[str, Any]) -> None:
        """Lets go of a row, so that another worker may take it at once."""
        async with self.database.system() as tx:
            await tx.execute(
                f"""UPDATE {self.table} SET lease_until = NULL, lease_owner = ''
                    WHERE organization_id = %(organization)s AND id = %(id)s AND fencing_token = %(token)s""",
                {"organization": row["organization_id"], "id": row["id"], "token": row["fencing_token"]},
            )
