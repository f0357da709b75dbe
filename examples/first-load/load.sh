#!/usr/bin/env bash
# Loads a stream into a SQLite database, then shows how far each shard is. Run it again: only what is new is loaded.
#
#   examples/first-load/load.sh STREAM [DATABASE]
#
# STREAM is a name or an ARN. Region, credentials and endpoint come from the AWS environment (AWS_REGION, AWS_PROFILE,
# AWS_ENDPOINT_URL, ...). CTK names another program than the `ctk` in the PATH.
set -euo pipefail

stream=${1:?usage: load.sh STREAM [DATABASE]}
database=${2:-${stream##*/}.db}
ctk=${CTK:-ctk}

"$ctk" load "kinesis:?table=$stream&checkpointer=target" "sqlite:$database"
"$ctk" list-checkpoints --format table "sqlite:$database"
