"""dlt with a resource of ours over boto3: shard after shard, message id and envelope as dlt's own Kinesis source has them.

    dlt_resource.py ENDPOINT STREAM DATABASE-URL FOLDER

That source is no package one could install, hence this one. CSV rather than dlt's default of INSERT statements, which is slower.
"""

import json
import sys

import boto3
import dlt
from dlt.common.utils import digest128

endpoint, stream, database, folder = sys.argv[1:]
kinesis = boto3.client("kinesis", endpoint_url=endpoint, region_name="us-east-1")


@dlt.resource(name="bench", write_disposition="append", primary_key="_kinesis_msg_id")
def records():
    last = dlt.current.resource_state().setdefault("last", {})
    for page in kinesis.get_paginator("list_shards").paginate(StreamName=stream):
        for shard in page["Shards"]:
            yield from read(shard["ShardId"], last)


def read(shard, last):
    begin = ({"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": last[shard]} if shard in last
             else {"ShardIteratorType": "TRIM_HORIZON"})
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, **begin)["ShardIterator"]
    while True:
        answer = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
        rows = []
        for record in answer["Records"]:
            sequence = record["SequenceNumber"]
            row = json.loads(record["Data"])
            row["_kinesis_msg_id"] = digest128(shard + sequence)
            row["_kinesis"] = {"shard_id": shard, "seq_no": sequence, "ts": record["ApproximateArrivalTimestamp"],
                               "partition": record["PartitionKey"], "stream_name": stream}
            rows.append(row)
            last[shard] = sequence
        if rows:
            yield rows
        elif answer["MillisBehindLatest"] == 0:
            return
        iterator = answer["NextShardIterator"]


pipeline = dlt.pipeline("bench", destination=dlt.destinations.postgres(database), dataset_name="dlt_bench", pipelines_dir=folder)
print(pipeline.run(records(), loader_file_format="csv"))
