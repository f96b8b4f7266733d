// The raw socket: what was gathered from two buffers arrives as one Unix datagram, and an open file
// comes with it.
import { closeSync, openSync, readFileSync } from 'node:fs';
import { ancillaryBufferSize, constants, Socket } from 'sockscope';

const [left, right] = Socket.pair(constants.AF_UNIX, constants.SOCK_DGRAM);
const file = openSync(new URL(import.meta.url), 'r');
left.sendmsg([Buffer.from('read '), Buffer.from('this')], { ancillary: { fds: [file] } });

const buffer = Buffer.alloc(100); // the kernel writes into this memory; a call that would block returns null
await right.readable();
const { bytes, ancillary } = right.recvmsg([buffer], ancillaryBufferSize(1));
console.log(
  `fd ${right.fd}: ${buffer.toString('utf8', 0, bytes)}: ${readFileSync(ancillary.fds[0], 'utf8').split('\n', 1)}`,
);
[file, ...ancillary.fds].forEach((fd) => closeSync(fd));
[left, right].forEach((socket) => socket.close());
