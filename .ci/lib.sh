# What .ci/run and .ci/long share. Source it; it sets `root`, `temp` and `tree`, and works in `tree`.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
temp=$(mktemp -d)
tree=$temp/tree # a copy of the project, so that leftovers in $root neither help nor hinder
lab_pid=
began=$SECONDS

clean_up() {
  if [ -n "$lab_pid" ]; then kill -- "$lab_pid" 2>/dev/null || true; fi
  rm -rf "$temp"
}
trap clean_up EXIT

# Prints a heading, with the seconds since the start.
say() { printf '\n== [%d s] %s\n' "$((SECONDS - began))" "$*"; }

# Prints the fenced block that follows <!-- command: NAME --> in the README.
readme_command() {
  local found
  found=$(awk -v mark="<!-- command: $1 -->" '
    index($0, mark) { wanted = 1; next }
    wanted && /^```/ { if (inside) exit; inside = 1; next }
    inside { print }' "$tree/README.md")
  if [ -z "$found" ]; then
    echo "README.md has no command marked $1" >&2
    return 1
  fi
  printf '%s\n' "$found"
}

# Runs a command of the README as a person would: in a new shell, in the repository.
run_readme_command() {
  local text
  text=$(readme_command "$1")
  printf '$ %s\n' "$text"
  (cd "$tree" && exec bash -euo pipefail -c "$text")
}

install_system_packages() {
  local missing=() sudo=
  has() { command -v "$1" >/dev/null; }
  has chromium || has chromium-browser || has google-chrome || missing+=(chromium)
  has ffmpeg || missing+=(ffmpeg)
  has jq || missing+=(jq)
  has curl || missing+=(curl ca-certificates)
  has git || missing+=(git)
  has sshfs || missing+=(sshfs openssh-sftp-server) # a network folder for tests/jobs
  [ -n "$(find /usr/share/fonts -name 'DejaVuSans*' -print -quit 2>/dev/null)" ] ||
    missing+=(fonts-dejavu-core)
  has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null ||
    missing+=(python3 python3-venv)
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing: ${missing[*]}"
  [ "$(id -u)" -eq 0 ] || sudo=sudo
  export DEBIAN_FRONTEND=noninteractive
  # Another program may be installing something at this moment.
  local apt=($sudo apt-get -q -o DPkg::Lock::Timeout=600)
  "${apt[@]}" update
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
}

# Keys and settings of this machine must not change a result; nor may an active environment.
forget_settings() {
  local name
  for name in $(compgen -e); do
    case $name in *_API_KEY | *_BASE_URL | IPYREEL_* | JUPYTER_* | PYTHON* | VIRTUAL_ENV)
      unset "$name" ;;
    esac
  done
  export CI=1 IPYREEL_SCREENSHOTS=$root/screenshots IPYREEL_HOME=$temp/home
  export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1
}

copy_tree() {
  mkdir "$tree"
  tar -C "$root" --exclude=./.git --exclude=./.venv --exclude=./screenshots --exclude='*_cache' \
    --exclude=__pycache__ --exclude=./dist --exclude=./build --exclude='*.executed.ipynb' \
    --exclude=./notebooks/videos -cf - . | tar -C "$tree" -xf -
  cd "$tree"
  python3 -m venv --without-pip "$temp/base"
  export PATH=$temp/base/bin:$PATH # the README says "python", which a bare Debian does not have
  python --version
}
