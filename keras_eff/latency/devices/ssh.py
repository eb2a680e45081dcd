"""The shell of another machine, over ssh."""

import functools
import re
import shlex

from keras_eff.latency.benchmark_tool.executable import ARCHITECTURES
from keras_eff.latency.devices.shell import DeviceShell

_OPTIONS = (
    # Nobody is there to type a password.
    "BatchMode=yes",
    "ConnectTimeout=10",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
)
_FACTS = """\
echo "machine=$(uname -m)"
echo "bits=$(getconf LONG_BIT)"
echo "cores=$(nproc)"
echo "board=$(cat /proc/device-tree/model | tr -d '\\0')"
echo "processor=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)"
"""


class SshShell(DeviceShell):
    """The shell of another machine, over ssh."""

    reasons = (
        (
            "Could not resolve hostname",
            "its name is unknown: correct `host` or add it to ~/.ssh/config",
        ),
        (
            "HOST IDENTIFICATION HAS CHANGED",
            "its key is not the one that is known: it was set up anew, or "
            "somebody pretends to be it. Make sure of that before you remove "
            "the old key with `ssh-keygen -R`",
        ),
        (
            "Host key verification failed",
            "its key is unknown: connect once with `ssh` by hand and accept it",
        ),
        (
            r"Permission denied \(|Too many authentication failures",
            "it refused the login: set up a key that needs no password, with "
            "`ssh-copy-id`",
        ),
        (
            "Connection refused|timed out|No route to host|is unreachable",
            "it cannot be reached: is it on, and does it run an ssh server",
        ),
    )

    def __init__(self, host: str):
        super().__init__(host)
        self._host = host

    def push(self, path, target, timeout_s):
        # Not scp: its two protocols disagree on quoting, and small devices
        # lack one or the other.
        finished = self.run(f"cat > {shlex.quote(target)}", timeout_s, path)
        self.check(f"Copying {path} to {target}", finished)

    def platform(self):
        machine = self._facts["machine"]
        architecture = ARCHITECTURES.get(machine, machine)
        # A 64-bit kernel may run a 32-bit system: Raspberry Pi OS does.
        if architecture == "aarch64" and self._facts["bits"] == "32":
            architecture = "arm"
        return f"linux_{architecture}"

    def describe(self):
        facts = self._facts
        name = facts["board"] or facts["processor"] or facts["machine"]
        cores = facts["cores"] or "?"
        noun = "core" if cores == "1" else "cores"
        return f"{name}, {cores} {noun} ({self.name})"

    @functools.cached_property
    def _facts(self):
        # Commands that a machine lacks print an error, and nothing as a fact.
        output = self.ask(_FACTS.strip().replace("\n", "; "))
        found = dict(re.findall(r"^(\w+)=(.*)$", output, re.MULTILINE))
        return {
            name: " ".join(found.get(name, "").split())
            for name in ("machine", "bits", "cores", "board", "processor")
        }

    def _argv(self, script):
        options = [part for option in _OPTIONS for part in ("-o", option)]
        # The login shell there may be another one, with another syntax.
        posix = f"sh -c {shlex.quote(script)}"
        return ["ssh", *options, self._host, posix]
