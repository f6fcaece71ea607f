#!/bin/bash
# Makes a fresh Debian 13 (or newer) machine ready for docknet, as root, and runs the first verification. Idempotent.
#   provision.sh FOLDER      FOLDER: the project
set -euo pipefail
cd "${1:?usage: provision.sh FOLDER}"
export DEBIAN_FRONTEND=noninteractive

if ! command -v npm >/dev/null; then
  echo "provision: installing Node and npm"
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 nodejs npm >/dev/null
fi

# `docknet` in every shell, also under sudo; the file is there once the project is built
ln -sfn "$PWD/dist/bin/docknet.js" /usr/local/bin/docknet

npm start
