"""Fills and reads tables of an emulator with Google's own client.

    tables.py URL load DATASET.TABLE SCHEMA.json FILE.ndjson
    tables.py URL copy FROM.TABLE TO.TABLE
    tables.py URL read SQL

`read` prints one JSON array of objects; every value is a text, or null.
"""

import decimal
import json
import sys

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery


def text(value):
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case decimal.Decimal():
            return f"{value.normalize():f}"
        case _:
            return value.isoformat() if hasattr(value, "isoformat") else str(value)


def load(client, table, schema, file):
    config = bigquery.LoadJobConfig(
        schema=client.schema_from_json(schema),
        source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
    )
    with open(file, "rb") as lines:
        job = client.load_table_from_file(lines, f"local.{table}", job_config=config)
    print(job.result().output_rows)


def copy(client, source, target):
    client.query_and_wait(f"CREATE TABLE {target} AS SELECT * FROM {source}")


def read(client, sql):
    rows = client.query_and_wait(sql)
    print(json.dumps([{name: text(value) for name, value in row.items()} for row in rows]))


url, verb, *rest = sys.argv[1:]
client = bigquery.Client(
    project="local",
    credentials=AnonymousCredentials(),
    client_options=ClientOptions(api_endpoint=url),
)
{"load": load, "copy": copy, "read": read}[verb](client, *rest)
