#!/bin/bash
set -e
if [[ $1 == serve ]]; then
  torchserve --start --ts-config /home/model-server/config.properties --disable-token-auth
else
  eval "$@"
fi
tail -f /dev/null
