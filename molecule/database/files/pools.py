"""Shows that the transaction pool lends a session per transaction and the session pool one per client."""

import argparse

import psycopg


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("port", "user", "certificate", "transaction", "session"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()

    def connect(database: str) -> psycopg.Connection[tuple[int]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=arguments.port,
            user=arguments.user,
            dbname=database,
            sslmode="verify-full",
            sslrootcert=arguments.certificate,
            autocommit=True,
        )

    def backend(connection: psycopg.Connection[tuple[int]]) -> int:
        row = connection.execute("select pg_backend_pid()").fetchone()
        assert row is not None
        return row[0]

    with connect(arguments.transaction) as first, connect(arguments.transaction) as second:
        assert backend(first) == backend(second), "two idle clients of the transaction pool share one session"
    with connect(arguments.session) as first, connect(arguments.session) as second:
        kept = backend(first)
        assert kept != backend(second), "two clients of the session pool have their own sessions"
        first.execute("set application_name = 'kept'")
        assert first.execute("show application_name").fetchone() == ("kept",)
        assert backend(first) == kept


main()
