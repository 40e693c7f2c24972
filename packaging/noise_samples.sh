#!/bin/sh
# Fetch the sounds that are no speech by which false interruptions are counted, from Debian:
# bells (gnome-audio, CC BY and BY-SA), instruments (sound-icons, GPL-2+), a town (lincity-ng-data,
# GPL-2+). They are listened to, and nothing of them is shipped.
#
#   packaging/noise_samples.sh FOLDER
#
# From wherever apt fetches; only the sha256 decides whether it is the right file.
set -eu
folder=$1

if [ -e "$folder/.fetched" ]; then exit 0; fi
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
while read -r package sha256; do
    apt-get download -qq "$package" 2>/dev/null || { apt-get update -qq && apt-get download -qq "$package"; }
    echo "$sha256  $(ls ./*.deb)" | sha256sum --check --quiet
    dpkg-deb --extract ./*.deb .
    rm ./*.deb
done <<END
gnome-audio 05d5eb10c07dfbe251a637cb83784ec9ed44ec54a6c26339c8d8fea9a4d886c0
sound-icons cbb7defa9cab0c86c9151e72c6c8a99a0ed21d244bc4c7cffdde7a0e4d9fa5b3
lincity-ng-data 8f5e85bd42879abdc7099b035d7a3d7468eceb6b93b52a12270c28f3f3c792f9
END
touch .fetched
