#!/bin/sh
# Used by docker-compose.yml: hands every mounted secret DDE_… to a program as the environment variable of the same name,
# then becomes that program. Orthanc's image reads only secrets in its own naming, and Orthanc itself only variables.
set -eu

folder=${DDE_SECRETS:-/run/secrets}
for file in "$folder"/DDE_*; do
  if [ ! -f "$file" ]; then
    echo "with-secrets: no secret in $file: see docs/compose.md for how to make them" >&2
    exit 2
  fi
  value=$(cat "$file")
  # An Orthanc with an empty password would let everybody in.
  if [ -z "$value" ]; then
    echo "with-secrets: the secret in $file is empty" >&2
    exit 2
  fi
  export "${file##*/}=$value"
done
exec "$@"
