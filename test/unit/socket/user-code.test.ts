import { describe, expect, it } from 'vitest';
import { NativeSocket } from '#lib/socket/socket';
import { expectNoLeaks } from '../../support/fds';
import { AF_UNIX, SOCK_DGRAM } from './kit';

expectNoLeaks();

/** Reads of an element that happen before the element closes the socket. */
describe.each([0, 1, 2, 3])('a Socket that is closed at read %i of its buffers', (reads) => {
  it.each(['sendmsg', 'recvmsg'] as const)('%s does not use the new owner of the fd', (method) => {
    const [socket, peer] = NativeSocket.pair(AF_UNIX, SOCK_DGRAM);
    const { fd } = socket;
    let left = reads;
    let opened: NativeSocket[] = [];
    const buffers = [Buffer.from('secret')];
    Object.defineProperty(buffers, 0, {
      get: () => {
        if (left-- === 0) {
          socket.close();
          opened = NativeSocket.pair(AF_UNIX, SOCK_DGRAM);
          opened[1]?.send(Buffer.from('for another'));
        }
        return Buffer.alloc(6, 'secret');
      },
    });
    let error: unknown;
    try {
      socket[method](buffers);
    } catch (thrown) {
      error = thrown;
    }
    if (opened.length > 0) {
      expect(error, 'the call failed').toBeInstanceOf(Error);
      const owner = opened.find((one) => one.fd === fd);
      expect(owner, 'the number is in use again').toBeDefined();
      const [first, second] = opened as [NativeSocket, NativeSocket];
      expect(second.recv(Buffer.alloc(20))).toBeNull();
      expect(first.recv(Buffer.alloc(20))).toBe('for another'.length);
    }
    for (const one of [socket, peer, ...opened]) one.close();
  });
});

/** Arguments that run code in the middle of the call, which closes the socket. */
const calls: [string, (socket: NativeSocket, run: () => void) => unknown][] = [
  ['bind', (socket, run) => socket.bind(addressWith(run))],
  ['connect', (socket, run) => socket.connect(addressWith(run))],
  ['connect', (socket, run) => socket.connect(rawAddressWith(run))],
  ['sendmsg', (socket, run) => socket.sendmsg([new Uint8Array(1)], { address: addressWith(run) })],
  ['sendmsg', (socket, run) => socket.sendmsg([new Uint8Array(1)], optionsWith('address', run))],
  ['sendmsg', (socket, run) => socket.sendmsg([new Uint8Array(1)], optionsWith('flags', run))],
  ['sendmsg', (socket, run) => socket.sendmsg([new Uint8Array(1)], { ancillary: optionsWith('fds', run) })],
  ['send', (socket, run) => socket.send(viewWith(run))],
  ['recv', (socket, run) => socket.recv(viewWith(run))],
  ['setsockopt', (socket, run) => { socket.setsockopt(1, 2, viewWith(run)); }],
]; // prettier-ignore

function addressWith(run: () => void): { address: string; port: number; family: 'IPv4' } {
  return {
    address: '127.0.0.1',
    get port() {
      run();
      return 9;
    },
    family: 'IPv4',
  };
}

function rawAddressWith(run: () => void): { sockaddr: Uint8Array } {
  return {
    get sockaddr() {
      run();
      return new Uint8Array(16);
    },
  };
}

function optionsWith(name: string, run: () => void): object {
  return Object.defineProperty({}, name, {
    get: () => {
      run();
      return undefined;
    },
  });
}

function viewWith(run: () => void): Uint8Array {
  return Object.defineProperty(new Uint8Array(4), 'byteLength', {
    get: () => {
      run();
      return 4;
    },
  });
}

it.each(calls)('%s does not use the new owner of the fd of a socket that it closes', (_, call) => {
  const [socket, peer] = NativeSocket.pair(AF_UNIX, SOCK_DGRAM);
  const { fd } = socket;
  let opened: NativeSocket[] = [];
  const run = (): void => {
    if (opened.length > 0) return;
    socket.close();
    opened = NativeSocket.pair(AF_UNIX, SOCK_DGRAM);
    expect(opened.map((one) => one.fd)).toContain(fd);
  };
  let error: unknown;
  try {
    call(socket, run);
  } catch (thrown) {
    error = thrown;
  }
  // A view may tell its length without its getter: then nothing was closed, and the call is made.
  const hasClosed = opened.length > 0;
  expect((error as { code?: string } | undefined)?.code).toBe(
    hasClosed ? 'ERR_CLOSED_RESOURCE' : undefined,
  );
  for (const one of opened) expect(one.recv(new Uint8Array(9))).toBeNull();
  for (const one of [socket, peer, ...opened]) one.close();
});

it('shutdown takes no object that turns into a name', () => {
  const [socket, peer] = NativeSocket.pair(AF_UNIX, SOCK_DGRAM);
  let reads = 0;
  const how = { toString: () => (reads++, 'both') };
  expect(() => {
    socket.shutdown(how as never);
  }).toThrow(TypeError);
  expect(reads).toBe(0);
  for (const one of [socket, peer]) one.close();
});
