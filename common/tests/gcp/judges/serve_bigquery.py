"""Serves the package local-bigquery on a machine without internet; leaves when its standard input ends.

The package keeps each project in a DuckLake and reads time zones and shapes through extensions of DuckDB, all of
which would be downloaded. Here a project is a plain DuckDB file, the zone is set on the built-in ICU after the
connection is made, and the functions over GEOGRAPHY are left out. A job's id
is looked up and taken in two steps there, so that two at once may both run; here they take turns, as ids are unique on
BigQuery. API and SQL are the package's own.
"""

import functools
import os
import sys
import threading

import duckdb
from local_bigquery import cli
from local_bigquery.engine import database
from local_bigquery.jobs import runner
from local_bigquery.settings import settings
from local_bigquery.sql import native


def attach(con, project):
    path = settings.data_dir / f"{project}.duckdb"
    con.execute(f"ATTACH IF NOT EXISTS '{path}' AS {database.quote(project)}")
    database._attached.add(project)


@functools.cache
def connect():
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect()
    con.execute("SET GLOBAL TimeZone = 'UTC'")
    con.execute(f"ATTACH '{settings.data_dir / 'emulator.db'}' AS emulator")
    con.execute(database.EMULATOR_SCHEMA)
    con.execute("ATTACH ':memory:' AS bq")
    native.register(con)
    for source in database.FUNCTIONS:
        if "geography" not in source.name:
            con.execute(database.MACRO.sub(r"CREATE MACRO bq.main.\1", source.read_text()))
    attach(con, settings.default_project_id)
    own = database.quote(settings.default_project_id, settings.default_dataset_id)
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {own}")
    return con


def projects():
    found = database.fetch("SELECT database_name, path FROM duckdb_databases() ORDER BY 1")
    return [name for name, path in found if (path or "").endswith(".duckdb")]


def one_at_a_time(submit):
    turn = threading.Lock()

    def wrapped(*args, **kwargs):
        with turn:
            return submit(*args, **kwargs)

    return wrapped


def leave_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)


database._connect, database._attach, database.projects = connect, attach, projects
runner.submit = one_at_a_time(runner.submit)
threading.Thread(target=leave_with_parent, daemon=True).start()
cli.main()
