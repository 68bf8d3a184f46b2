"""What a viewer runs on the login node.

Job: two scripts for `sh`. Place in the data flow: `tunnel` sends them through ssh, with the values that are in braces.
Left out: ssh.

Others may write into a shared folder: names of new files cannot be foretold, so that no link waits under them.
"""

from __future__ import annotations

PUBLISHED = "gamefleet-viewer-is-published"
NO_FOLDER_STATUS = 93

PUBLISH = """
cd {folder} || exit {no_folder}
umask 077
read port || exit 0
mkdir -p stream
rm -f stream/viewer-{viewer}-*.json
file=stream/viewer-{viewer}-$$.json
fresh=$(mktemp stream/.tmp-XXXXXX) || exit 1
printf '{{"host": "%s", "port": %s, "at": %s}}\\n' "$(uname -n)" "$port" "$(date +%s)" > "$fresh" || exit 1
mv -f "$fresh" "$file" && echo {published}
while read beat; do touch -c "$file"; done
rm -f "$file"
"""
"""Runs on the login node for as long as the tunnel is up; its input ends with the tunnel."""

AGREE = """
cd {folder} || exit {no_folder}
umask 077
if [ ! -s stream/token ]; then
  mkdir -p stream && fresh=$(mktemp stream/.tmp-XXXXXX) && cat > "$fresh" || exit 1
  [ -e stream/token ] && [ ! -s stream/token ] && rm -f stream/token
  ln "$fresh" stream/token 2> /dev/null || [ -s stream/token ] || mv -f "$fresh" stream/token || exit 1
  rm -f "$fresh"
fi
cat stream/token
"""
"""Prints the token that the folder holds; where there is none, the one that is offered on the input becomes it.

Of two viewers that come at the same time one is first, and both get its token.
"""
