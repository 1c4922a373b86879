# What rw-clone, rw-copy and rw-publish share: their folders, the Secret of a repository, git's settings, last words and exit codes.
# They source it with their own arguments. git calls them again, for a credential and for ssh.
export LC_ALL=C

UNREACHED=75 REFUSED=77 WRONG=78
MAX_BYTES=900 # of git's words: a Run's status has 1024 characters for them and what the operator adds
FOLDER=.runwatchman-clone
SYSTEM_CAS=/etc/ssl/certs/ca-certificates.crt

workspace=${RUNWATCHMAN_WORKSPACE:-/workspace}
source_dir=${RUNWATCHMAN_SOURCE_DIR:-/source}
secret=$source_dir/secret
tmp=${TMPDIR:-/tmp}
message=${RUNWATCHMAN_MESSAGE:-/dev/termination-log}

# --- what git and ssh call -------------------------------------------------------------------------------------------------------

value() { # value KEY: a key of the Secret without its line ends
  [ -f "$secret/$1" ] && tr -d '\r\n' <"$secret/$1"
}

credential() { # git's credential helper: answers `get` for the host of the Run's own URL only
  [ "$1" = get ] || return 0
  user=$(value username)
  printf 'username=%s\npassword=%s\n' "${user:-x-access-token}" "$(value password)"
}

connect() { # ssh with the Secret's key and host keys. It refuses a user without a name, which nss_wrapper gives
  if ! getent passwd "$(id -u)" >/dev/null; then
    printf 'agent:x:%s:%s::%s:/bin/sh\n' "$(id -u)" "$(id -g)" "$tmp" >"$tmp/passwd"
    printf 'agent:x:%s:\n' "$(id -g)" >"$tmp/group"
    export LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD="$tmp/passwd" NSS_WRAPPER_GROUP="$tmp/group"
  fi
  exec ssh -F none -i "$tmp/key" -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o PreferredAuthentications=publickey \
    -o StrictHostKeyChecking=yes -o "UserKnownHostsFile=$tmp/known_hosts" -o GlobalKnownHostsFile=/dev/null -o UpdateHostKeys=no \
    -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=4 "$@"
}

case ${1-} in
credential) credential "${2-}" && exit ;;
ssh) shift && connect "$@" ;;
esac

# --- the last words --------------------------------------------------------------------------------------------------------------

without_secrets() { # the text without the Secret's values: a server may repeat what it was sent
  awk -v secret="$secret" '
    function hide(key, least,  line) {
      while ((getline line < (secret "/" key)) > 0) {
        sub(/\r$/, "", line)
        if (length(line) >= least) values[++count] = line
      }
    }
    function without(text, value,  at, before) {
      while ((at = index(text, value)) > 0) {
        before = before substr(text, 1, at - 1) "[REDACTED]"
        text = substr(text, at + length(value))
      }
      return before text
    }
    BEGIN { hide("password", 4); hide("username", 20); hide("ssh-privatekey", 20) }
    { for (i = 1; i <= count; i++) $0 = without($0, values[i]); print }'
}

finish() { # finish WORDS
  forget
  printf '%s\n' "$1" >"$message"
  exit 0
}

forget() { # the volume of these files lives as long as the pod
  rm -f "$tmp/key" "$tmp/known_hosts"
}

fail() { # fail CODE WORDS
  forget
  printf '%s\n' "$2" | without_secrets | tail -c "$MAX_BYTES" >"$message"
  printf '%s\n' "$2" | without_secrets >&2
  exit "$1"
}

judge() { # judge WORDS: the exit code for git's words
  case $1 in
  *'Authentication failed'* | *'could not read Username'* | *'could not read Password'* | *'Permission denied'* | *'Access denied'* | \
    *'error: 401'* | *'error: 403'* | *'Host key verification failed'* | *'No matching host key'* | *'invalid format'* | *'error in libcrypto'*)
    echo "$REFUSED" ;;
  *"Remote branch "*" not found"* | *"couldn't find remote ref"* | *'not our ref'* | *'unadvertised object'* | *'unable to read tree'* | \
    *'is not a commit'* | *'reference is not a tree'* | *'did not match any file'* | *"repository '"*"' not found"* | \
    *'epository not found'* | *'does not appear to be a git repository'* | *'error: 404'* | *'ertificate'* | *'not allowed'* | *'does not exist'* | *'not valid: is this a git repository'* | \
    *'No space left'* | *'quota exceeded'* | *'Read-only file system'*)
    echo "$WRONG" ;;
  *'Could not resolve'* | *'ailed to connect'* | *'onnection refused'* | *'onnection reset'* | *'onnection closed'* | *'onnection timed out'* | \
    *'imed out'* | *'peration too slow'* | *'error: 5'* | *'error: 429'* | *'early EOF'* | *'RPC failed'* | *'hung up unexpectedly'* | \
    *'unexpected disconnect'* | *'unreachable'* | *'No route to host'* | *'name resolution'* | *'TLS connect'* | *'SSL_ERROR'* | \
    *'SSL connection'* | *'Empty reply'* | *'kex_exchange_identification'* | *'onnection to '*' closed'* | *'Could not read from remote repository'*)
    echo "$UNREACHED" ;;
  *) echo 1 ;;
  esac
}

# --- git -------------------------------------------------------------------------------------------------------------------------

child=
stop() {
  trap '' TERM INT
  if [ -n "$child" ]; then
    kill "$child" 2>/dev/null
    wait "$child" # git removes what it has begun
  fi
  exit 143
}
trap stop TERM INT

try() { # try GIT-ARGUMENTS: git, which a signal to this script ends too; its words stay in $tmp/words
  git "$@" </dev/null >"$tmp/words" 2>&1 &
  child=$!
  wait "$child"
  code=$?
  child=
  return "$code"
}

must() { # must GIT-ARGUMENTS: end with git's words if it fails
  try "$@" || fail_by_words
}

fail_by_words() {
  words=$(grep -v -e '^Cloning into' -e '^$' "$tmp/words")
  fail "$(judge "$words")" "${words:-git failed without a word}"
}

settings=0
setting() { # setting KEY VALUE: git configuration by the environment; no file has it
  export "GIT_CONFIG_KEY_$settings=$1" "GIT_CONFIG_VALUE_$settings=$2"
  settings=$((settings + 1))
  export GIT_CONFIG_COUNT=$settings
}

configure() { # git reads no file of configuration, runs no hook, and reaches servers by https and ssh only
  self=$(command -v "$0")
  unset GIT_DIR GIT_WORK_TREE GIT_ASKPASS SSH_ASKPASS GIT_TRACE GIT_CURL_VERBOSE
  export HOME="$tmp" GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0 GIT_SSH_VARIANT=ssh GIT_SSH_COMMAND="'$self' ssh"
  export GIT_COMMITTER_NAME=runwatchman GIT_COMMITTER_EMAIL=runwatchman@localhost
  setting protocol.allow never
  setting protocol.https.allow always
  setting protocol.ssh.allow always
  setting core.hooksPath /dev/null
  setting safe.directory '*'
  setting advice.detachedHead false
  setting http.lowSpeedLimit 1000 # bytes a second, for
  setting http.lowSpeedTime 60    # seconds: git then ends with `Operation too slow`
}

use_server() { # use_server URL: with the Secret and the authorities that are mounted for it
  url=$1
  if [ -f "$source_dir/ca/ca.crt" ]; then
    cat "$SYSTEM_CAS" "${GIT_SSL_CAINFO:-/dev/null}" "$source_dir/ca/ca.crt" >"$tmp/ca.crt" 2>/dev/null
    export GIT_SSL_CAINFO="$tmp/ca.crt"
  fi
  [ ! -d "$secret" ] || use_secret
}

use_secret() {
  case $url in
  https://*)
    [ -n "$(value password)" ] ||
      fail "$WRONG" "the Secret has no key password, which an https:// URL needs: use one of type kubernetes.io/basic-auth (a token is its password)"
    rest=${url#https://}
    setting "credential.https://${rest%%/*}.helper" "!'$self' credential"
    ;;
  ssh://* | *@*:*)
    for key in ssh-privatekey known_hosts; do
      [ -s "$secret/$key" ] ||
        fail "$WRONG" "the Secret has no key $key, which ssh needs: use one of type kubernetes.io/ssh-auth with the host's keys in known_hosts"
    done
    (umask 077 && { tr -d '\r' <"$secret/ssh-privatekey" && echo; } >"$tmp/key" && tr -d '\r' <"$secret/known_hosts" >"$tmp/known_hosts")
    ;;
  esac
}

is_commit() { # is_commit TEXT: whether it is a full object name
  case $1 in *[!0-9a-f]*) return 1 ;; esac
  [ ${#1} -eq 40 ] || [ ${#1} -eq 64 ]
}
