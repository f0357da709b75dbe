#!/usr/bin/env bash
# The tutorial of README.md, from the start of the containers to the checkpoints. Leaves the containers running.
set -euo pipefail
cd "$(dirname "$0")/../.."

CTK=${CTK:-ctk}
export AWS_DEFAULT_REGION=us-east-1 AWS_ENDPOINT_URL=http://localhost:4566
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test

docker compose up --detach --wait
aws kinesis create-stream --stream-name=demo
aws kinesis wait stream-exists --stream-name=demo
for data in \
  '{"sensor_id":1,"ts":"2025-06-01 10:00","temperature":42.42,"humidity":84.84}' \
  '{"sensor_id":2,"ts":"2025-06-01 11:00","temperature":45.21,"humidity":80.82}'; do
  aws kinesis put-record --stream-name=demo --partition-key=default \
    --cli-binary-format raw-in-base64-out --data "$data"
done

"$CTK" load \
  "kinesis:?aws_access_key_id=test&aws_secret_access_key=test&region_name=us-east-1&table=demo" \
  "crate://crate:crate@localhost:4200/testdrive/kinesis"
"$CTK" load "kinesis:?table=demo&checkpointer=cratedb" "crate://crate@localhost:4200/testdrive/kinesis"
"$CTK" kinesis list-checkpoints "crate://localhost/"
