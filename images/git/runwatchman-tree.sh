# What rw-copy and rw-publish share: the git tree of the files that an agent left, made without the agent's own git.
#
# The folder is hostile input. git works in a repository of our own, in $private: it reads no configuration, hook, index, alternate,
# graft or replacement of the agent's, and knows no filter, no file system monitor and no submodule. Of the agent's repository it reads
# objects, and each is named by its content again before it counts. The caller has sourced runwatchman-git.sh and called its
# `configure`. docs/repositories.md has the table of what is published.

MAX_FILE_BYTES=104857600 # 100 MiB: the limit of GitHub, and of many others
MAX_PATH_BYTES=4000      # of a path in the folder: with the folder's own it stays below the system's 4096
base=${RUNWATCHMAN_SOURCE_BASE:-} # the commit that was cloned, as the operator recorded it
directory=${RUNWATCHMAN_SOURCE_DIRECTORY:-.}
private=$tmp/runwatchman-publish
repository=$private/repository
view=$private/view
lists=$private/lists # files with a path in each line: paths with a control character are in none

find_folder() { # set $real, the path of the folder, if no symlink leads from it to another place
  real=$(realpath -m -s -- "$(realpath -e -- "$workspace")/$directory")
  [ "$(realpath -e -- "$real" 2>/dev/null)" = "$real" ] && [ -d "$real" ]
}

forget_folder() { # $private itself may be a volume of its own
  [ ! -d "$private" ] || find "$private" -mindepth 1 -delete
}

begin_repository() { # an empty repository of our own, whose history begins at $base
  forget_folder
  mkdir -p "$view/pack" "$lists" || fail 1 "cannot write to $private"
  unset GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_CONFIG GIT_CONFIG_PARAMETERS GIT_TEMPLATE_DIR \
    GIT_NAMESPACE GIT_EXTERNAL_DIFF GIT_COMMON_DIR GIT_ATTR_SOURCE GIT_REPLACE_REF_BASE GIT_SHALLOW_FILE
  for each in core.commitGraph core.multiPackIndex core.fsmonitor core.untrackedCache core.splitIndex core.sparseCheckout \
    core.autocrlf core.safecrlf core.ignoreCase core.precomposeUnicode core.logAllRefUpdates maintenance.auto submodule.recurse \
    fetch.recurseSubmodules push.recurseSubmodules push.gpgSign push.followTags; do
    setting "$each" false
  done
  for each in core.fileMode core.symlinks core.protectHFS core.protectNTFS; do
    setting "$each" true
  done
  for each in core.excludesFile core.attributesFile; do
    setting "$each" /dev/null
  done
  setting gc.auto 0
  export GIT_ATTR_NOSYSTEM=1 GIT_NO_REPLACE_OBJECTS=1 GIT_OPTIONAL_LOCKS=0 GIT_NO_LAZY_FETCH=1
  format=sha1
  [ ${#base} -eq 40 ] || format=sha256
  must init --quiet --bare --template= "--object-format=$format" "$repository"
  printf '%s\n' "$base" >"$repository/shallow"
  export GIT_DIR="$repository" GIT_WORK_TREE="$real" GIT_INDEX_FILE="$private/index"
}

# --- the agent's repository ------------------------------------------------------------------------------------------------------

is_its_own() { # is_its_own PATH: whether no symlink leads from the folder to it
  [ "$(realpath -e -- "$real/$1" 2>/dev/null)" = "$real/$1" ]
}

open_view() { # its objects as git may read them: regular files by their names, without alternates, graphs and other indexes
  objects=$real/.git/objects
  { is_its_own .git && is_its_own .git/objects && [ -d "$objects" ]; } || return 0
  find "$objects/pack" -maxdepth 1 -type f \( -name 'pack-*.pack' -o -name 'pack-*.idx' \) \
    -exec ln -s -t "$view/pack" -- {} + 2>/dev/null
  for folder in "$objects"/[0-9a-f][0-9a-f]; do
    [ -d "$folder" ] && [ ! -L "$folder" ] && mkdir "$view/${folder##*/}" &&
      find "$folder" -maxdepth 1 -type f -exec ln -s -t "$view/${folder##*/}" -- {} + 2>/dev/null
  done
  return 0
}

in_view() { # in_view GIT-ARGUMENTS
  GIT_ALTERNATE_OBJECT_DIRECTORIES="$view" git "$@" 2>>"$private/log"
}

bring() { # bring NAMES OPTIONS: objects into our own repository, which names each by its content
  names=$1
  shift
  in_view pack-objects --quiet --stdout --window=0 <"$names" | git index-pack --stdin "$@" >>"$private/log" 2>&1
}

bring_base() { # the commit that was cloned and its folders. Its files' contents are not needed: the server has them
  in_view rev-list --objects --no-object-names --filter=blob:none "$base" >"$lists/base" && bring "$lists/base" &&
    git rev-list --objects --filter=blob:none --quiet "$base" 2>>"$private/log"
}

bring_rules() { # the files of the cloned commit whose contents git checks, too
  git ls-tree -r -z "$base" | grep -azE '^100[0-9]* .*[[:space:]/]\.git(modules|attributes)$' | tr '\0' '\n' |
    cut -f1 | cut -d' ' -f3 | sort -u >"$lists/rules"
  [ ! -s "$lists/rules" ] || bring "$lists/rules"
}

bring_history() { # the agent's own commits, with git's strict check
  bring_rules && in_view rev-list --objects --no-object-names "$head" "^$base" >"$lists/own" && bring "$lists/own" --fsck-objects
}

first_line() { # first_line PATH: of a regular file of .git
  is_its_own ".git/$1" && [ -f "$real/.git/$1" ] && head -c 1000 "$real/.git/$1" | tr -d '\0\r' | head -n 1
}

head_of() { # the commit that the agent's HEAD names, read without git
  named=$(first_line HEAD) || return 1
  case $named in
  'ref: refs/heads/'*)
    named=${named#ref: }
    git check-ref-format "$named" || return 1
    first_line "$named" || { is_its_own .git/packed-refs && [ -f "$real/.git/packed-refs" ] &&
      ref=$named awk '$2 == ENVIRON["ref"] { print $1; exit }' "$real/.git/packed-refs"; }
    ;;
  *) printf '%s\n' "$named" ;;
  esac
}

descends() { # descends GIT COMMIT: whether it is a commit all of whose history begins at $base
  "$1" rev-list --parents "$2" "^$base" >"$lists/history" 2>>"$private/log" && grep -q "^$2 " "$lists/history" &&
    ! grep -qv ' ' "$lists/history"
}

keep_history() { # set $start, where the agent's own commits end, or $base and the reason why they are not kept
  start=$base reason=
  head=$(head_of) && is_commit "$head" && [ ${#head} -eq ${#base} ] || head=none
  [ "$head" != "$base" ] || return 0
  reason=$(why_not_kept) || return 0
  start=$head
}

why_not_kept() { # print why the commits that end at $head are not kept; succeed if they are
  [ "$head" != none ] || not_kept 'HEAD names no commit' || return
  descends in_view "$head" || not_kept 'they do not begin at the cloned commit' || return
  bring_history || not_kept 'git finds their objects unsound' || return
  { descends git "$head" && git rev-list --objects --quiet "$head" "^$base" 2>>"$private/log"; } ||
    not_kept 'objects of them are missing' || return
  git cat-file --batch-all-objects --batch-check='%(objectsize)' | awk -v most="$MAX_FILE_BYTES" '$1 > most { exit 1 }' ||
    not_kept 'they have a file that is too large' || return
  ours=$(git rev-list "$head" "^$base" | git diff-tree --stdin -r -m --no-commit-id --name-only -- \
    .runwatchman lost+found "$FOLDER") && [ -z "$ours" ] || not_kept 'they have files of runwatchman' || return
  submodules "$base" >"$lists/submodules" && new=$(submodules "$head" | comm -13 "$lists/submodules" -) && [ -z "$new" ] ||
    not_kept 'they change a submodule' || return
  git read-tree "$head" 2>>"$private/log" || not_kept 'they have a name that git refuses'
}

not_kept() { # not_kept REASON
  echo "$1"
  return 1
}

submodules() { # submodules COMMIT: `MODE OBJECT PATH` of each, sorted
  git ls-tree -r -z "$1" | sed -z 's/^\([0-9]*\) [a-z]* \([0-9a-f]*\)\t/\1 \2 /' | grep -az '^160000 ' | in_lines | sort
}

in_lines() { # paths that end with NUL, as lines
  grep -azv '[[:cntrl:]]' | tr '\0' '\n'
}

# --- the files -------------------------------------------------------------------------------------------------------------------

list_files() { # `KIND BYTES PATH` of all that is in the folder, without following a symlink
  # f d l p s b c as find has them; g is called .git; x is a file and X a folder that cannot be read
  (cd "$real" && find . -mindepth 1 \( -path ./.git -o -path ./.runwatchman -o -path ./lost+found -o -path "./$FOLDER" \) -prune \
    -o -name .git -prune -printf 'g 0 %P\0' -o -type d \( ! -readable -o ! -executable \) -prune -printf 'X 0 %P\0' \
    -o -type f ! -readable -printf 'x 0 %P\0' -o -printf '%y %s %P\0') >"$lists/found" || echo "find failed" >&2
  in_lines <"$lists/found" >"$lists/files"
  grep -az '[[:cntrl:]]' "$lists/found" | sed -z 's/^. [0-9]* //' | tr '\001-\037\177' '?' | tr '\0' '\n' |
    sed 's/$/\tcontrol character/' >"$lists/odd"
}

sort_out() { # of the files and what is tracked: which are candidates, which are removed, which are left out
  for each in candidates removed links left-out; do
    : >"$lists/$each"
  done
  awk -v lists="$lists" -v most="$MAX_FILE_BYTES" -v longest="$MAX_PATH_BYTES" -v own="$FOLDER" '
    function below(path, set,  at, from) { # the folder above a path that a set has, if any
      for (from = 1; (at = index(substr(path, from), "/")) > 0; from += at)
        if (substr(path, 1, from + at - 2) in set) return substr(path, 1, from + at - 2)
      return ""
    }
    function above(path) { return match(path, /\/[^\/]*$/) ? substr(path, 1, RSTART - 1) : "" }
    function leave(path, why) { print path "\t" why >>(lists "/left-out"); stays[path] }
    function link(path) { # keep the submodule whose folder this is, if it is one
      if (path in module) print module[path] "\t" path >(lists "/links")
      return path in module
    }
    BEGIN {
      kinds["p"] = "pipe"; kinds["s"] = "socket"; kinds["b"] = kinds["c"] = "device"
      closed[".runwatchman"]; closed["lost+found"]; closed[own]
    }
    { kind = $1; bytes = $2; path = $0 }
    FILENAME ~ /submodules$/ { sub(/^[^ ]* [^ ]* /, "", path); module[path] = $1 " " $2; next }
    FILENAME ~ /tracked$/ { tracked[path]; for (up = above(path); up != "" && !(up in folder); up = above(up)) folder[up]; next }
    { sub(/^. [0-9]* /, "", path) }
    !second && kind == "g" && !(above(path) in folder) && !(above(path) in module) { nested[above(path)] }
    !second { next }
    kind == "d" { link(path) }
    kind == "d" || below(path, module) != "" || below(path, closed) != "" { next }
    kind == "X" { closed[path]; if (!link(path)) leave(path, "unreadable"); next }
    kind == "g" && !((up = above(path)) in nested) { leave(path, "repository"); next }
    kind == "g" { if (below(up, nested) == "") leave(up, "repository"); next }
    below(path, nested) != "" { next }
    kind == "p" && path ~ /(^|\/)\.git(ignore|attributes)$/ { print path >(lists "/traps"); next }
    kind in kinds { leave(path, kinds[kind]); delete stays[path]; next }
    kind == "x" { leave(path, "unreadable"); next }
    kind != "f" && kind != "l" { leave(path, "unknown kind"); next }
    length(path) > longest { leave(path, "path too long"); next }
    bytes > most { leave(path, "more than " most / 1048576 " MiB"); next }
    { stays[path]; print path >(lists "/candidates") }
    END { for (path in tracked) if (!(path in stays) && below(path, closed) == "") print path >(lists "/removed") }
  ' "$lists/submodules" "$lists/tracked" "$lists/files" second=1 "$lists/files"
}

keep_pointers() { # a file that git-lfs has put in the place of its pointer is no change
  git diff-index --cached -z --no-renames --diff-filter=M --name-only "$start" | git check-attr -z --stdin filter | tr '\0' '\n' |
    awk 'NR % 3 == 1 { path = $0 } NR % 3 == 0 && $0 == "lfs" { print path }' >"$lists/large"
  while IFS= read -r path; do
    pointer=$(git rev-parse "$start:$path") && is_pointer "$pointer" "$real/$path" && printf '100644 %s\t%s\n' "$pointer" "$path"
  done <"$lists/large" | tr '\n' '\0' | git update-index -z --index-info
}

is_pointer() { # is_pointer OBJECT FILE: whether an object of the start is LFS's pointer to the content of a file
  [ "$(in_view cat-file -s "$1")" -le 1024 ] 2>/dev/null && in_view cat-file blob "$1" >"$private/pointer" &&
    [ "$(git hash-object --no-filters -- "$private/pointer")" = "$1" ] &&
    grep -qx "oid sha256:$(sha256sum <"$2" | cut -d' ' -f1)" "$private/pointer"
}

as_paths() { # lines, as paths that end with NUL
  tr '\n' '\0' <"$lists/$1"
}

make_tree() { # set $tree; what is left out is in the list reported, with the reason behind a tab
  # No pipe says that a list is cut short, for lack of space: the tools say it. What git says is in $tmp/words.
  trouble=$({ read_start && list_files && sort_out && leave_ignored; } 2>&1) || trouble="${trouble}git failed"
  case $trouble in
  '') ;;
  *'git failed')
    [ -s "$tmp/words" ] || fail "$WRONG" "git failed without a word: the volume of $private may be full"
    fail_by_words
    ;;
  *) fail "$(judge "$trouble")" "$trouble" ;;
  esac
  [ ! -f "$lists/traps" ] || fail "$WRONG" "$(head -n 1 "$lists/traps") is a pipe, and git would wait for it: remove it"
  {
    as_paths removed | git update-index -z --force-remove --stdin &&
      as_paths published | git update-index -z --info-only --add --stdin &&
      as_paths links | git update-index -z --index-info
  } 2>"$tmp/words" || fail_by_words
  sed -n 's/^Ignoring path \(.*\)/\1\tname that git refuses/p' "$tmp/words" >>"$lists/reported"
  keep_pointers
  tree=$(git write-tree --missing-ok 2>"$tmp/words") || fail_by_words
}

read_start() { # the index as $start has it, without submodules: git would run in them
  git read-tree "$start" 2>"$tmp/words" && submodules "$start" >"$lists/submodules" &&
    cut -d' ' -f3- "$lists/submodules" | tr '\n' '\0' | git update-index -z --force-remove --stdin 2>"$tmp/words" &&
    git ls-files -z | in_lines | sort >"$lists/tracked"
}

leave_ignored() { # of the candidates, and silently of what is left out. With ./ a path that begins with a colon is no pattern of git
  [ ! -f "$lists/traps" ] || return 0 # git would read them
  cut -f1 "$lists/left-out" | cat "$lists/candidates" - | sed 's|^|./|' | tr '\n' '\0' |
    git check-ignore -z --stdin >"$lists/ignored.z" 2>"$tmp/words"
  [ $? -le 1 ] || return # 1: none is
  in_lines <"$lists/ignored.z" | sed 's|^\./||' | sort >"$lists/ignored"
  sort "$lists/candidates" | comm -23 - "$lists/ignored" >"$lists/published"
  awk -F '\t' 'FILENAME ~ /ignored$/ { ignored[$0]; next } !($1 in ignored)' "$lists/ignored" "$lists/left-out" |
    cat "$lists/odd" - >"$lists/reported"
}

open_folder() { # prepare for make_tree; if it fails, $reason says why the folder has no tree
  find_folder || { reason="$directory in the workspace is gone, or a symlink leads from it to another place" && return 1; }
  begin_repository
  open_view
  if ! bring_base; then
    cp "$private/log" "$tmp/words"
    ! grep -qE 'No space left|quota exceeded|nable to (create|write|get random)|ut of memory' "$tmp/words" || fail_by_words
    reason="the repository in the workspace no longer has the cloned commit $base: the agent removed or damaged it"
    return 1
  fi
  keep_history
}

say_left_out() { # say_left_out BYTES: `left-out N: PATH (REASON), ...`, or nothing
  : >"$lists/words"
  [ -z "$reason" ] || printf "the agent's own commits\t%s\n" "$reason" >"$lists/words"
  sort "$lists/reported" >>"$lists/words"
  [ -s "$lists/words" ] || return 0
  <"$lists/words" iconv -c -f UTF-8 -t UTF-8 | awk -v most="$1" -F '\t' '
    { word = (NR > 1 ? ", " : "") $1 " (" $2 ")" }
    !cut && length(text word) > most - 40 { cut = 1; text = text (NR > 1 ? ", ..." : substr($1, 1, most - 80) "... (" $2 ")") }
    !cut { text = text word }
    END { print "left-out " NR ": " text }' | iconv -c -f UTF-8 -t UTF-8
}
