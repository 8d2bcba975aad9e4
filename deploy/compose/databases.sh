#!/bin/sh
# Two databases with an owner each: neither service sees the other's tables.
set -eu
psql -v ON_ERROR_STOP=1 -v server="$SERVER_DB_PASSWORD" -v signer="$SIGNER_DB_PASSWORD" <<'SQL'
CREATE ROLE server LOGIN PASSWORD :'server';
CREATE ROLE signer LOGIN PASSWORD :'signer';
CREATE DATABASE notaryserver OWNER server;
CREATE DATABASE notarysigner OWNER signer;
REVOKE ALL ON DATABASE notaryserver, notarysigner FROM PUBLIC;
SQL
