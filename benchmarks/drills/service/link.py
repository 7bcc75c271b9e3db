"""A network of its own for a process: a namespace, a link to it whose packets are lost or late at will, and names.

Needs root, `/dev/net/tun` and `ip`. The link is a pair of TUN devices, because not every kernel has netem.
"""

import fcntl
import heapq
import os
import random
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

_TUNSETIFF: Final = 0x400454CA
_IFF_TUN_NO_PI: Final = 0x0001 | 0x1000
_HERE, _THERE = "10.99.0.1", "10.99.0.2"
_LARGEST_PACKET: Final = 65535


class ShapedLink:
    """The namespace `name`, whose only way out leads here. Close it, or it stays."""

    def __init__(self, name: str, hosts: Mapping[str, str]) -> None:
        """`hosts`: addresses of this machine by the names under which the namespace finds them."""
        self.name = name
        self.loss = 0.0
        """The share of packets that are lost, of each direction."""
        self.delay_s = 0.0
        """How late each packet comes."""
        self.cut: set[str] = set()
        """Addresses to and from which nothing comes through."""
        self.is_down = False
        self.unknown: set[str] = set()
        """Names that are not found."""
        self.dns_is_silent = False
        self._hosts = dict(hosts)
        self._closing = threading.Event()
        self._resolv = Path("/etc/netns") / name / "resolv.conf"
        self._resolv.parent.mkdir(parents=True)
        self._resolv.write_text(f"nameserver {_HERE}\noptions timeout:1 attempts:1\n", encoding="utf-8")
        _ip("netns", "add", name)
        here, there = (f"{name[:12]}{end}" for end in "ab")
        self._ends = [_open_tun(here), _open_tun(there)]
        _ip("link", "set", there, "netns", name)
        _ip("addr", "add", _HERE, "peer", _THERE, "dev", here)
        for address in hosts.values():
            _ip("addr", "add", f"{address}/32", "dev", here)
        _ip("link", "set", here, "up")
        for command in (
            ("addr", "add", _THERE, "peer", _HERE, "dev", there),
            ("link", "set", "lo", "up"),
            ("link", "set", there, "up"),
            ("route", "add", "default", "dev", there),
        ):
            _ip("-n", name, *command)
        self._names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._names.bind((_HERE, 53))
        self._names.settimeout(0.2)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._carry, self._answer_names)]
        for thread in self._threads:
            thread.start()

    @property
    def command(self) -> list[str]:
        """What runs a command in there."""
        return ["/usr/sbin/ip", "netns", "exec", self.name]

    def close(self) -> None:
        """Take it all away; whoever runs in there has no network any more."""
        self._closing.set()
        for thread in self._threads:
            thread.join()
        self._names.close()
        for end in self._ends:
            os.close(end)
        _ip("netns", "del", self.name)
        self._resolv.unlink()
        self._resolv.parent.rmdir()

    def heal(self) -> None:
        """All is well again."""
        self.loss, self.delay_s, self.is_down, self.dns_is_silent = 0.0, 0.0, False, False
        self.cut, self.unknown = set(), set()

    def _carry(self) -> None:
        dice, late = random.Random(1), list[tuple[float, int, int, bytes]]()
        for number in iter(int, 1):
            if self._closing.is_set():
                return
            wait_s = max(0.0, late[0][0] - time.monotonic()) if late else 0.05
            ready, _, _ = select.select(self._ends, [], [], min(wait_s, 0.05))
            for end in ready:
                packet = os.read(end, _LARGEST_PACKET)
                other = self._ends[1 - self._ends.index(end)]
                if not self._is_lost(packet, dice):
                    heapq.heappush(late, (time.monotonic() + self.delay_s, len(late) + number, other, packet))
            while late and late[0][0] <= time.monotonic():
                *_, other, packet = heapq.heappop(late)
                with suppress(OSError):
                    os.write(other, packet)

    def _is_lost(self, packet: bytes, dice: random.Random) -> bool:
        if self.is_down or dice.random() < self.loss:
            return True
        return bool(self.cut) and not self.cut.isdisjoint(map(socket.inet_ntoa, (packet[12:16], packet[16:20])))

    def _answer_names(self) -> None:
        while not self._closing.is_set():
            with suppress(TimeoutError):
                question, asker = self._names.recvfrom(512)
                if not self.dns_is_silent:
                    self._names.sendto(self._answer(question), asker)

    def _answer(self, question: bytes) -> bytes:
        """By RFC 1035: one address (A), or none (other types), or that there is no such name."""
        end = question.index(b"\0", 12) + 5
        name = ".".join(_labels(question[12:end])).lower()
        address = None if name in self.unknown else self._hosts.get(name)
        has_answer = address is not None and question[end - 4 : end - 2] == b"\0\1"
        flags = 0x8180 if address else 0x8183
        head = question[:2] + struct.pack(">HHHHH", flags, 1, int(has_answer), 0, 0)
        if not has_answer or address is None:
            return head + question[12:end]
        return head + question[12:end] + b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 0, 4) + socket.inet_aton(address)


def _labels(name: bytes) -> list[str]:
    labels, place = list[str](), 0
    while name[place]:
        labels.append(name[place + 1 : place + 1 + name[place]].decode("ascii", "replace"))
        place += 1 + name[place]
    return labels


def _open_tun(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH14x", name.encode(), _IFF_TUN_NO_PI))
    return descriptor


def _ip(*arguments: str) -> None:
    subprocess.run(["/usr/sbin/ip", *arguments], check=True)
