"""What one writes oneself: boto3's GetRecords, json, and COPY with psycopg2, in four threads.

    boto3_copy.py ENDPOINT STREAM DATABASE-URL

Ten columns without a key and without an envelope; no position is kept, so a second run writes all rows again.
"""

import io
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import boto3
import psycopg2

TYPES = {"id": "bigint", "device": "text", "ts": "timestamptz", "temperature": "float8", "humidity": "float8",
         "reading": "bigint", "status": "text", "location": "jsonb", "firmware": "text", "note": "text"}
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

endpoint, stream, database = sys.argv[1:]
kinesis = boto3.client("kinesis", endpoint_url=endpoint, region_name="us-east-1")
worker = threading.local()


def connect():
    worker.connection = psycopg2.connect(database)


def field(value):
    if isinstance(value, dict):
        value = json.dumps(value)
    return value.translate(ESCAPES) if isinstance(value, str) else str(value)


def load(shard):
    cursor = worker.connection.cursor()
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    while True:
        answer = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
        rows = (json.loads(record["Data"]) for record in answer["Records"])
        lines = ["\t".join(field(row[name]) for name in TYPES) + "\n" for row in rows]
        if lines:
            cursor.copy_expert("COPY boto3_bench FROM STDIN", io.StringIO("".join(lines)))
            worker.connection.commit()
        elif answer["MillisBehindLatest"] == 0:
            return
        iterator = answer["NextShardIterator"]


connect()
worker.connection.cursor().execute("CREATE TABLE boto3_bench (%s)" % ", ".join(f"{name} {kind}" for name, kind in TYPES.items()))
worker.connection.commit()
pages = kinesis.get_paginator("list_shards").paginate(StreamName=stream)
with ThreadPoolExecutor(4, initializer=connect) as pool:
    list(pool.map(load, [shard["ShardId"] for page in pages for shard in page["Shards"]]))
