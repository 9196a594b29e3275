#!/bin/sh
# Options alone train: `docker run IMAGE --model dcgan`. Anything else is the command: `docker run IMAGE lightning-gans generate ...`.
set -eu
case "${1:-}" in
    -*) set -- lightning-gans train "$@" ;;
esac
exec "$@"
