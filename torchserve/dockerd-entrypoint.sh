#!/bin/sh
# The official image's contract, in the foreground: `serve` starts TorchServe, anything else is run as it is.
# As there, TorchServe asks for no tokens unless MARDOCK_TOKEN_AUTH=true: publish its management port to nobody.
set -e
[ "${1:-serve}" = serve ] || exec "$@"
set -- --start --foreground --ncs --enable-model-api \
  --model-store /home/model-server/model-store \
  --ts-config /home/model-server/config.properties --log-config /home/model-server/log4j2.xml
[ "$MARDOCK_TOKEN_AUTH" = true ] || set -- "$@" --disable-token-auth

# Process 1 gets no signal it does not ask for. This shell does ask, ends at once, and everything with it: at SIGTERM
# Java, too, breaks off the requests in flight, and then waits two seconds for nothing.
trap 'exit 143' TERM
trap 'exit 130' INT
# `torchserve --foreground` without its last step, which waits for Java and drops its exit code: it becomes Java.
python -I -c '
import os
from types import SimpleNamespace
from ts import model_server

model_server.subprocess = SimpleNamespace(Popen=lambda command: os.execvp(command[0], command))
model_server.start()
raise SystemExit("TorchServe could not be started")
' "$@" &
wait $!
