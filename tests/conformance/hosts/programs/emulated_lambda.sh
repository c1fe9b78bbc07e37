#!/bin/sh
# AWS' emulator in the folders that a function has: the interpreter in /var/lang, the function in /var/task. Its
# arguments are this project, the folder of a Python, its packages, the emulator in these, and the emulator's options.
set -eu
project=$1 lang=$2 packages=$3 emulator=$4
shift 4
mount -t tmpfs -o mode=755 tmpfs /var
mkdir -p /var/lang /var/packages /var/task/penstock /var/task/penstock_adapters
mount --bind "$lang" /var/lang
mount --bind "$packages" /var/packages
mount --bind "$project/core/penstock" /var/task/penstock
mount --bind "$project/adapters/penstock_adapters" /var/task/penstock_adapters
cp "$project/deploy/aws/bootstrap" /var/task/bootstrap
export PATH="/var/lang/bin:$PATH" PYTHONPATH=/var/packages PYTHONDONTWRITEBYTECODE=1
exec "/var/packages/$emulator" "$@" /var/task/bootstrap
