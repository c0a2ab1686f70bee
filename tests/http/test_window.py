#!/usr/bin/env python3
"""What the kernel may receive for a large body before the server has read it."""
import socket
import struct

from support import Server, request, run_tests

ESTABLISHED = 1
MEMORY = 7  # INET_DIAG_SKMEMINFO: its second number is the size of the receive buffer
LARGE, SMALL = 50 << 20, 1000


def attributes(data):
    """Types and contents of netlink's attributes."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind, data[4:length]
        data = data[(length + 3) & ~3:]


def messages(query):
    """What sock_diag(7) answers to a query for sockets."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as netlink:  # NETLINK_SOCK_DIAG
        netlink.send(struct.pack("=IHHII", 16 + len(query), 20, 0x301, 1, 0) + query)  # a request for all
        while True:
            answer = netlink.recv(1 << 16)
            while answer:
                length, kind = struct.unpack_from("=IH", answer)
                if kind in (2, 3):  # an error, the end
                    return
                yield answer[16:length]
                answer = answer[(length + 3) & ~3:]


def receive_buffer(server_port, client_port):
    """The size of the receive buffer of the server's side of a connection; None where the kernel does not say."""
    query = struct.pack("=BBBxI48x", socket.AF_INET, socket.IPPROTO_TCP, 1 << (MEMORY - 1), 1 << ESTABLISHED)
    for message in messages(query):
        if struct.unpack_from(">HH", message, 4) == (server_port, client_port):
            for kind, content in attributes(message[72:]):
                if kind == MEMORY:
                    return struct.unpack_from("=II", content)[1]
    return None


def expected(server, length):
    """The receive buffer once the server has accepted the header of a body of that length, none of which was sent."""
    with server.connect() as connection:
        connection.send(request("POST", "/v1/diagnose", Content_Length=length, Content_Type="application/json",
                                Expect="100-continue"))
        assert connection.read_header()[0].startswith("HTTP/1.1 100 ")
        return receive_buffer(server.port, connection.socket.getsockname()[1])


def test_there_is_room_for_a_large_body():
    try:
        with open("/proc/sys/net/ipv4/tcp_rmem", encoding="ascii") as file:
            _, first, most = map(int, file.read().split())
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4).close()
    except OSError:
        print("skipped: this kernel does not tell of its sockets")
        return
    with Server() as server:
        small, large = expected(server, SMALL), expected(server, LARGE)
        if small is None or most < 16 * first:
            print("skipped: this kernel does not tell of its sockets, or its buffers may not grow")
            return
        assert large >= 4 * small, (small, large)
        print(f"receive buffers: {small} bytes for a small body, {large} for a large one")


if __name__ == "__main__":
    run_tests(globals())
