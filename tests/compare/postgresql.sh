#!/usr/bin/env bash
# Measures an alternative on the same machine: PostgreSQL 15 with logical replication over TLS, 64 clients, rows of 1 KiB.
#
#     sudo tests/compare/postgresql.sh [COMPLAINTS]
#
# Prints pgbench's rate at the publisher, which fdatasyncs each commit and does not wait for the subscriber, and the rate until the subscriber has
# every row. Run `load` before and after it to compare, because machines differ, and one machine's speed changes within an hour. Needs Debian's
# `postgresql-15` and root, because it runs as the user `postgres`. It leaves nothing behind.
set -euo pipefail
complaints=${1:-100000}
bin=/usr/lib/postgresql/15/bin
dir=$(mktemp -d)
chmod 755 "$dir"
chown postgres "$dir"
as_postgres() { su postgres -c "cd '$dir' && $*"; }
stop() {
    for node in a b; do as_postgres "$bin/pg_ctl -D $node -m immediate stop" >/dev/null 2>&1 || true; done
    rm -rf "$dir"
}
trap stop EXIT
sql() { as_postgres "psql -tAq -h '$dir' -p $1 -c \"$2\" postgres"; }

openssl req -x509 -newkey ed25519 -nodes -days 2 -subj /CN=localhost -keyout "$dir/key" -out "$dir/certificate" 2>/dev/null
for node in a:5601 b:5602; do
    name=${node%:*}
    as_postgres "$bin/initdb -D $name -A trust" >/dev/null
    install -o postgres -m 600 "$dir/key" "$dir/$name/server.key"
    install -o postgres -m 600 "$dir/certificate" "$dir/$name/server.crt"
    cat >>"$dir/$name/postgresql.conf" <<SETTINGS
port = ${node#*:}
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir'
ssl = on
wal_level = logical
SETTINGS
    as_postgres "$bin/pg_ctl -D $name -l $name.log -w start" >/dev/null
    sql "${node#*:}" "create table complaint (id bigserial primary key, body text)"
done
sql 5601 "create publication all_complaints for table complaint"
sql 5602 "create subscription s connection 'host=127.0.0.1 port=5601 dbname=postgres user=postgres sslmode=require' publication all_complaints" 2>/dev/null
until [ "$(sql 5602 "select srsubstate from pg_subscription_rel")" = r ]; do sleep 0.1; done

printf "insert into complaint (body) values ('%s');\n" "$(head -c 1024 /dev/zero | tr '\0' x)" >"$dir/lodge.sql"
each=$((complaints / 64))
began=$(date +%s.%N)
as_postgres "pgbench -n -h '$dir' -p 5601 -c 64 -M prepared -t $each -f lodge.sql postgres" | grep -E '^tps'
until [ "$(sql 5602 "select count(*) from complaint")" -eq $((each * 64)) ]; do sleep 0.1; done
awk -v rows=$((each * 64)) -v began="$began" -v ended="$(date +%s.%N)" 'BEGIN { printf "end to end = %.0f\n", rows / (ended - began) }'
