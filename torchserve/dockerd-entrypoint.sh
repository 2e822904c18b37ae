#!/bin/sh
# The official image's contract, in the foreground: `serve` starts TorchServe, anything else is run as it is.
# As there, TorchServe asks for no tokens unless MARDOCK_TOKEN_AUTH=true: publish its management port to nobody.
set -e
if [ "${1:-serve}" = serve ]; then
  set -- torchserve --start --foreground --ncs --enable-model-api \
    --model-store /home/model-server/model-store \
    --ts-config /home/model-server/config.properties --log-config /home/model-server/log4j2.xml
  [ "$MARDOCK_TOKEN_AUTH" = true ] || set -- "$@" --disable-token-auth
fi
exec "$@"
