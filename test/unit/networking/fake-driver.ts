import type { AddrInfo, InetAddress } from '#lib/contract/addresses';
import { type SystemError, systemErrorNamed } from '#lib/errors';
import { NetworkingBackend } from '#lib/networking/networking-backend';
import type { NetworkConstants, SocketDriver } from '#lib/networking/socket-driver';
import { VirtualClock } from '#lib/testing/virtual-clock';

/** Numbers that no platform has: only a policy that reads the driver's numbers can use them. */
export const numbers: NetworkConstants = {
  AF_INET: 1002,
  AF_INET6: 1010,
  SOCK_STREAM: 2001,
  SOCK_DGRAM: 2002,
  AI_PASSIVE: 4,
  AI_ADDRCONFIG: 32,
};

/**
 * A third backend: its sockets are what a test gives it, and only as far as the test needs them.
 */
export class FakeBackend extends NetworkingBackend {
  readonly name = 'fake';

  constructor(driver: Partial<SocketDriver>) {
    super({ constants: numbers, ...driver } as SocketDriver, { clock: new VirtualClock() });
  }
}

/** A resolver that knows some names. */
export function resolverOf(names: Record<string, readonly string[]>): SocketDriver['getaddrinfo'] {
  return async (host, port) =>
    (names[host ?? ''] ?? []).map((address): AddrInfo => {
      const isV6 = address.includes(':');
      return {
        family: isV6 ? numbers.AF_INET6 : numbers.AF_INET,
        type: numbers.SOCK_STREAM,
        proto: 0,
        canonname: '',
        address: { address, port: Number(port), family: isV6 ? 'IPv6' : 'IPv4' },
      };
    });
}

export function failed(code: string, syscall: string, address: InetAddress): SystemError {
  return systemErrorNamed(code, syscall, address);
}

/** A transport or listener that notes in `disposed` when it is disposed. */
export function disposable(name: string, disposed: string[]): never {
  return { name, [Symbol.dispose]: () => disposed.push(name) } as never;
}
