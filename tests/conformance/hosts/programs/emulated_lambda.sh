#!/bin/sh
# AWS' emulator in the folders that a function has: the interpreter in /var/lang, the function in /var/task. Its
# arguments are the folder of the function, that of a Python, the emulator, and the emulator's options.
set -eu
function=$1 lang=$2 emulator=$3
shift 3
mount -t tmpfs -o mode=755 tmpfs /var
mkdir -p /var/lang /var/task
mount --bind "$lang" /var/lang
mount --bind "$function" /var/task
cp "$emulator" /var/emulator
export PATH="/var/lang/bin:$PATH" PYTHONDONTWRITEBYTECODE=1
exec /var/emulator "$@" /var/task/bootstrap
