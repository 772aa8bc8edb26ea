"""Starts a program that refuses to run as root, from a process that is root, without touching a
folder's mode.

PostgreSQL does not run as root. Its program and its data lie where the user put them, often below a
folder that only root may enter (``/root``, a ``mktemp -d``), so giving up root alone is not enough.
This file is run as a program of its own by ``embedded.py``, takes on an ordinary account, and then
becomes the program it was asked to start:

    python -I unprivileged.py WAY ACCOUNT FOLDER PROGRAM ARGUMENT...

WAY says how much the program keeps, least first:

``account``   nothing: it is the account, no more. ``read``      the account, and root's right to
enter and read any folder (Linux capability DAC_READ_SEARCH). ``enter``     the account, and root's
right to enter any folder (DAC_OVERRIDE); containers often have this one only. ``namespace`` a user
namespace in which root's files belong to the account; for containers that have no capability.

``itself``    everything: for a process that is no root. ACCOUNT is passed over.

FOLDER becomes the working folder. On Linux the program is asked to end (SIGINT: PostgreSQL's fast
shutdown) when the thread that started it is gone, however that ended; nobody else would end it.
Exit code 126 means that this way does not work here; the reason is on stderr. It imports nothing of
Almoner: it must start fast, and before anything else is loaded."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys

ITSELF = "itself"
WAYS = ("account", "read", "enter", "namespace")
UNUSABLE = 126

# Numbers of the Linux interface: linux/capability.h, linux/prctl.h, linux/sched.h.
_CAPABILITY = {"read": 2, "enter": 1}
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP = 28, 1 << 2
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CLONE_NEWUSER = 0x10000000


def _call(name: str, *arguments: object) -> None:
    """Call a function of the C library; raise OSError when it fails."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _become(account: pwd.struct_passwd) -> None:
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)


def _become_keeping(account: pwd.struct_passwd, capability: int) -> None:
    """Take on the account and keep one capability, across exec and in every child."""
    # Without this, access(2), with which PostgreSQL looks for its own files, would leave the
    # capability out of account.
    _call("prctl", _PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    _call("prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
    _become(account)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    bit = 1 << capability
    # Effective, permitted and inheritable, each in two halves: the lower one first.
    sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    _call("capset", header, sets)
    # An ambient capability does not make the program a privileged one for the loader, so it still
    # finds its libraries.
    _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def _enter_namespace(account: pwd.struct_passwd) -> None:
    """Move into a user namespace where the one user is the account, and is root outside."""
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWUSER)
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{account.pw_uid} {user} 1"),
        ("gid_map", f"{account.pw_gid} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(line)


def _take_on(way: str, account: pwd.struct_passwd) -> None:
    if way == "account":
        _become(account)
    elif way == "namespace":
        _enter_namespace(account)
    else:
        _become_keeping(account, _CAPABILITY[way])


def _end_with_parent() -> None:
    # Where there is no such thing the next start ends what is left.
    if sys.platform == "linux":
        _call("prctl", _PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)


def main(arguments: list[str]) -> int:
    """Take on the account and become the program. Returns only when that failed."""
    way, name, folder, program, *rest = arguments
    try:
        if way != ITSELF:
            _take_on(way, pwd.getpwnam(name))
        # After that: taking on an account takes it away again.
        _end_with_parent()
        os.umask(0o077)
        os.chdir(folder)
        if not os.access(program, os.X_OK):
            raise PermissionError(f"{name or 'this account'} does not reach {program}")
        os.execv(program, [program, *rest])  # noqa: S606 (no shell is wanted)
    except (OSError, AttributeError) as error:
        # AttributeError: not Linux, so the C library lacks the function.
        sys.stderr.write(f"{error}\n")
    return UNUSABLE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
