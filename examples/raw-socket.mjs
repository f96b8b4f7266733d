// The raw socket: one Unix datagram is sent from two buffers, and carries the fd of an open file.
import { closeSync, openSync, readFileSync } from 'node:fs';
import { ancillaryBufferSize, constants, Socket } from 'sockscope';

const [left, right] = Socket.pair(constants.AF_UNIX, constants.SOCK_DGRAM);
const file = openSync(new URL(import.meta.url), 'r');
left.sendmsg([Buffer.from('read '), Buffer.from('this')], { ancillary: { fds: [file] } });

const buffer = Buffer.alloc(100); // the kernel writes into this memory
await right.readable(); // recvmsg never waits: without a datagram it would return null
const { bytes, ancillary } = right.recvmsg([buffer], ancillaryBufferSize(1));
const [line] = readFileSync(ancillary.fds[0], 'utf8').split('\n', 1);
console.log(`fd ${right.fd}: ${buffer.toString('utf8', 0, bytes)}: ${line}`);
[file, ...ancillary.fds].forEach((fd) => closeSync(fd));
[left, right].forEach((socket) => socket.close());
