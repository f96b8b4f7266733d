"""uvloop's protocols, streams and sockets; without uvloop, Python's own datagram sockets.

server-process.mjs describes arguments, output and end. Settings:

- style: protocol (callbacks), streams (readers and writers), sockets (loop.sock_*), or plain (a
  blocking socket, for Unix datagrams, which uvloop does not have).
- size: of the datagrams that a source sends.
"""

import asyncio
import json
import os
import socket
import sys
import threading

RECEIVE_BYTES = 65536

kind, address = sys.argv[1:3]
options = dict(setting.split("=") for setting in sys.argv[3:])
style = options.get("style", "protocol")
transport, _, rest = address.partition(":")
is_unix = transport.startswith("unix")
host, _, port = rest.rpartition(":")


def announce(bound=0):
    bound_address = address if is_unix else f"{transport}:{host}:{bound}"
    print(json.dumps({"address": bound_address, "pids": [os.getpid()]}), flush=True)


def end_with_stdin():
    """Starts a thread that sleeps in read(2) for as long as the runner lives."""

    def wait():
        while sys.stdin.buffer.raw.read(4096):
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def count_answer(count):
    return count.to_bytes(8, "little")


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    # Backpressure: what the client does not read stops what is read from it.
    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


class Lines(Echo):
    rest = b""

    def data_received(self, data):
        lines = (self.rest + data if self.rest else data).split(b"\n")
        self.rest = lines.pop()
        self.transport.writelines([line + b"\n" for line in lines])


class Sink(asyncio.BufferedProtocol):
    def connection_made(self, transport):
        self.transport = transport
        self.buffer = bytearray(RECEIVE_BYTES)
        self.count = 0

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, count):
        self.count += count

    def eof_received(self):
        self.transport.write(count_answer(self.count))


class DatagramEcho(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, sender):
        self.transport.sendto(data, sender)


async def echo_streams(reader, writer):
    try:
        while data := await reader.read(RECEIVE_BYTES):
            writer.write(data)
            await writer.drain()
        writer.close()
    except ConnectionError:
        pass  # a reset: the load generator's time is up


async def echo_sockets(loop, connection):
    buffer = memoryview(bytearray(RECEIVE_BYTES))
    try:
        with connection:
            while count := await loop.sock_recv_into(connection, buffer):
                await loop.sock_sendall(connection, buffer[:count])
    except ConnectionError:
        pass


def listening_socket():
    if is_unix:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(rest)
    else:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
    listener.listen(4096)
    listener.setblocking(False)
    return listener


async def accept_sockets(loop, listener):
    while True:
        connection, _ = await loop.sock_accept(listener)
        connection.setblocking(False)
        if not is_unix:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.create_task(echo_sockets(loop, connection))


async def serve_stream():
    loop = asyncio.get_running_loop()
    listener = listening_socket()
    announce(0 if is_unix else listener.getsockname()[1])
    if style == "sockets" and kind == "echo":
        await accept_sockets(loop, listener)
    elif style == "streams" and kind == "echo":
        start = asyncio.start_unix_server if is_unix else asyncio.start_server
        await (await start(echo_streams, sock=listener, backlog=4096)).serve_forever()
    else:
        protocol = {"echo": Echo, "lines": Lines, "sink": Sink}[kind]
        create = loop.create_unix_server if is_unix else loop.create_server
        await (await create(protocol, sock=listener, backlog=4096)).serve_forever()


async def serve_udp():
    loop = asyncio.get_running_loop()
    if kind != "echo":
        sys.exit(f'this server has no kind "{kind}"')
    endpoint, _ = await loop.create_datagram_endpoint(DatagramEcho, local_addr=(host, int(port)))
    announce(endpoint.get_extra_info("sockname")[1])
    await asyncio.Event().wait()


def serve_plain():
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(rest)
    announce()
    end_with_stdin()
    count = 0
    while True:
        data, sender = server.recvfrom(RECEIVE_BYTES)
        if kind == "sink" and len(data) > 1:
            count += 1
            continue
        try:
            server.sendto(data if kind == "echo" else count_answer(count), sender)
        except (ConnectionError, FileNotFoundError):
            pass  # the load generator has ended


class Source:
    """Sends, in another thread, from `send ADDRESS` to `stop`."""

    def __init__(self):
        self.packet = bytes((i * 7 + 3) & 255 for i in range(int(options["size"])))
        self.sending = None
        self.going = False

    def send(self, path):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        client.connect(path)
        client.settimeout(0.2)
        while self.going:
            try:
                client.send(self.packet)
            except socket.timeout:
                continue
            except ConnectionError:
                break

    def follow(self):
        announce()
        for line in sys.stdin:
            command, _, to = line.strip().partition(" ")
            self.going = False
            if self.sending:
                self.sending.join()
            if command == "send":
                self.going = True
                self.sending = threading.Thread(target=self.send, args=(to.partition(":")[2],))
                self.sending.start()
        os._exit(0)


if kind == "source":
    Source().follow()
elif style == "plain":
    serve_plain()
else:
    import uvloop

    end_with_stdin()
    uvloop.install()
    asyncio.run(serve_udp() if transport == "udp" else serve_stream())
