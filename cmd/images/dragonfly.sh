#!/bin/sh
# Redis under Dragonfly's name: its flags, as far as the bundled stack uses them, in Redis' words.
port=6379 memory= primary=
for flag in "$@"; do
  case "$flag" in
  --port=*) port=${flag#*=} ;;
  --maxmemory=*) memory=${flag#*=} ;;
  --replicaof=*) primary=${flag#*=} ;;
  esac
done
set -- --port "$port" --save "" --appendonly no --protected-mode no --bind "* -::*" --repl-diskless-sync yes --repl-diskless-sync-delay 0
[ -z "$memory" ] || set -- "$@" --maxmemory "$memory"
[ -z "$primary" ] || set -- "$@" --replicaof "${primary%:*} ${primary##*:}"
exec redis-server "$@"
