#!/bin/bash
# Installs the database servers that the tests, the demo and the benchmarks start: MariaDB and PostgreSQL of this Debian by
# apt, other versions unpacked by debootstrap into folders of their own, from which they run without chroot (test/servers
# knows how). Safe to repeat: what is there is left alone. Needs root for whatever is missing.
#
#   scripts/servers.sh              everything
#   scripts/servers.sh required     MariaDB, PostgreSQL and MySQL only
#   scripts/servers.sh NAME...      of: apt mysql-9 postgresql-18 postgresql-13 mariadb-11
#
# Folders are below $GODWIT_SERVERS, or the user's cache. One server that cannot be had is a printed reason and no more,
# but with CI=true MariaDB, PostgreSQL and MySQL must be there in the end.
set -uo pipefail

base=${GODWIT_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/godwit/servers}
required="apt mysql-9"
optional="postgresql-18 mariadb-11 postgresql-13"
case ${1:-all} in
all) names="$required $optional" ;;
required) names=$required ;;
*) names=$* ;;
esac

say() { printf 'servers: %s\n' "$*" >&2; }

# The mirror that this machine's apt uses for Debian itself; Debian's own where apt names none.
mirror() {
	local found
	found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
		grep -v '^#' | grep -oE 'https?://[^ ]+/debian/?( |$)' | tr -d ' ')
	found=${found%%$'\n'*}
	echo "${found:-http://deb.debian.org/debian}"
}

root() {
	[ "$(id -u)" = 0 ] && return
	say "$1 needs root; run: sudo env GODWIT_SERVERS=$base scripts/servers.sh"
	return 1
}

updated=
apt_install() {
	root "apt-get install $*" || return 1
	[ -n "$updated" ] || { apt-get -q update && updated=1; } || return 1
	# No cluster and no daemon: the tests start their own.
	local policy=/usr/sbin/policy-rc.d made=
	[ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && made=1; }
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 install --no-install-recommends "$@"
	local rc=$?
	[ -z "$made" ] || rm -f $policy
	return $rc
}

have_postgres() { ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; }

get_apt() {
	local want=()
	[ -x /usr/sbin/mariadbd ] || want+=(mariadb-server)
	command -v mariadb >/dev/null || want+=(mariadb-client)
	have_postgres || want+=(postgresql)
	[ ${#want[@]} = 0 ] || apt_install "${want[@]}"
}

# bootstrap NAME SUITE BINARY PACKAGES [MIRROR] unpacks a suite with the packages into $base/NAME.
bootstrap() {
	local name=$1 suite=$2 binary=$3 packages=$4 from=${5:-$(mirror)} dir=$base/$1
	[ -x "$dir/$binary" ] && [ -e "$dir/.complete" ] && return
	root "unpacking $name" || return 1
	command -v debootstrap >/dev/null || apt_install debootstrap >&2 || return 1
	rm -rf "$dir"
	mkdir -p "$dir"
	# A suite newer than this debootstrap has no script of its own; all of Debian's are the same one.
	local script=/usr/share/debootstrap/scripts/$suite
	[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
	say "unpacking $name ($suite: $packages) from $from; about a minute"
	debootstrap --variant=minbase --include="$packages" "$suite" "$dir" "$from" "$script" >"$dir.log" 2>&1 || {
		say "debootstrap $suite ended with an error, the last lines of $dir.log:"
		tail -n3 "$dir.log" >&2
	}
	umount "$dir/proc" "$dir/sys" 2>/dev/null
	rm -rf "$dir"/var/cache/apt/archives/*.deb "$dir"/var/lib/apt/lists/*
	# A package script that cannot start its daemon in there fails the run, yet the server is unpacked: that is all we need.
	[ -x "$dir/$binary" ] && touch "$dir/.complete"
}

get_mysql-9() { bootstrap mysql-9 sid usr/sbin/mysqld mysql-server-core; }
get_postgresql-18() { bootstrap postgresql-18 sid usr/lib/postgresql/18/bin/postgres postgresql-18; }
get_mariadb-11() { bootstrap mariadb-11 trixie usr/sbin/mariadbd mariadb-server-core,mariadb-client-core; }
get_postgresql-13() {
	local file=usr/lib/postgresql/13/bin/postgres
	bootstrap postgresql-13 bullseye $file postgresql-13 || bootstrap postgresql-13 bullseye $file postgresql-13 http://archive.debian.org/debian
}

mkdir -p "$base" || exit 1
chmod 755 "$base"
exec 9>"$base/.lock" # one at a time: parallel test runs may both come here
flock 9
missing=
for name in $names; do
	declare -F "get_$name" >/dev/null || { say "unknown server $name"; exit 2; }
	if "get_$name"; then say "$name is there"; else
		say "$name could not be had"
		missing+=" $name"
	fi
done

[ "${CI:-}" = true ] || exit 0
for name in $missing; do
	case " $required " in *" $name "*) say "$name is required when CI=true"; exit 1 ;; esac
done
exit 0
