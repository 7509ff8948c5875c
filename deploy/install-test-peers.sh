#!/bin/sh
# The real servers that the tests talk to: installed where we may, named where we may not.
set -eu
missing=""
for pair in storescu:dcmtk Orthanc:orthanc gdcmconv:libgdcm-tools pg_ctl:postgresql openssl:openssl strace:strace chromium:chromium; do
    program=${pair%%:*}
    package=${pair##*:}
    command -v "$program" >/dev/null 2>&1 && continue
    [ "$program" = pg_ctl ] && ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1 && continue
    missing="$missing $package"
done
[ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] || missing="$missing orthanc-dicomweb"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Not installed (tests that need them are skipped and counted):$missing"
    echo "To install them: sudo apt-get install$missing"
    exit 0
fi
echo "Installing test peers:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
