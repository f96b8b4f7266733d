import type { InetAddress, SocketAddress } from '#lib/contract/addresses';
import { afterAll } from 'vitest';
import { abstractSocketName, shortSocketPath } from '../support/socket-path';
import { startPython, type PythonPeer } from '../support/python';
import { AF_INET, AF_INET6, AF_UNIX, loopback } from '../unit/socket/kit';

/** The form of an address in messages to and from python: [host, port], or a Unix name in hex. */
export type WireAddress = readonly [host: string, port: number] | string;

export function toWire(address: SocketAddress): WireAddress {
  if (typeof address === 'string' || address instanceof Uint8Array)
    return Buffer.from(address).toString('hex');
  const { address: host, port } = address as InetAddress;
  return [host, port];
}

export function fromWire(address: WireAddress): SocketAddress {
  if (typeof address !== 'string')
    return {
      address: address[0],
      port: address[1],
      family: address[0].includes(':') ? 'IPv6' : 'IPv4',
    };
  const bytes = Buffer.from(address, 'hex');
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? text : new Uint8Array(bytes);
}

const prelude = `
def from_wire(address): return bytes.fromhex(address) if isinstance(address, str) else tuple(address)
def to_wire(address):
    if isinstance(address, tuple): return address[:2]
    return os.fsencode(address or b'').hex()
def make(family, kind, address=None):
    made = socket.socket(family, kind)
    if address is not None: made.bind(from_wire(address))
    return made
`;

/**
 * Starts a python process for one program. The program has `make(family, kind, address)`, which
 * takes addresses in the form of this file.
 */
export function startPeer(
  program: string,
  options?: Parameters<typeof startPython>[1],
): PythonPeer {
  return startPython(prelude + program, options);
}

let lent: { readonly python: PythonPeer; isBusy: boolean } | undefined;

/**
 * Starts a program in a python process that the programs of a test file share, one after another,
 * since python is slow to start. `end` lets the last `hear()` of the program return, and waits for
 * the end of the program. The process of a program that fails, or does not end, is not used again.
 */
export function borrowPeer(program: string): Pick<PythonPeer, 'tell' | 'hear' | 'end'> {
  if (lent?.isBusy === true) lent.python.kill();
  if (lent === undefined || lent.isBusy) {
    const python = startPeer(`
while True:
    program = hear()
    if program != 'end':
        exec(program, dict(globals()))
        say('ended')
`);
    lent = { python, isBusy: false };
  }
  const loan = lent;
  const { python } = loan;
  loan.isBusy = true;
  python.tell(program);
  return {
    tell: python.tell,
    hear: python.hear,
    end: async (timeout) => {
      python.tell('end');
      const word = await python.hear(timeout);
      if (word !== 'ended')
        throw new Error(
          `the python program has said a value that the test did not hear: ${JSON.stringify(word)}`,
        );
      loan.isBusy = false;
    },
  };
}

/**
 * To be called at the top of a file that borrows peers, after `expectNoLeaks`: hooks run in reverse
 * order.
 */
export function endBorrowedPeer(): void {
  afterAll(() => lent?.python[Symbol.asyncDispose]());
}

/**
 * Every kind of address that these tests bind, and its family. Each call of the function makes a
 * new Unix name.
 */
export const places: readonly (readonly [
  what: string,
  family: number,
  address: () => SocketAddress,
])[] = [
  ['IPv4', AF_INET, () => loopback(AF_INET)],
  ['IPv6', AF_INET6, () => loopback(AF_INET6)],
  ['a Unix path', AF_UNIX, shortSocketPath],
  [
    'a Unix path of bytes that are not UTF-8',
    AF_UNIX,
    () => Buffer.concat([Buffer.from(shortSocketPath()), Buffer.of(0xff, 0xfe)]),
  ],
  ['an abstract Unix name', AF_UNIX, abstractSocketName],
  ['an abstract Unix name that the kernel gives', AF_UNIX, () => ''],
];
