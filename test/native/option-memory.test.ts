import { afterEach, describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../support/fds';
import { startPython } from '../support/python';
import {
  AF_INET,
  AF_UNIX,
  closeAll,
  constant,
  EINVAL,
  limits,
  native,
  ok,
  outcome,
  pair,
  type Sockaddr,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  SOL_SOCKET,
  unix,
} from './kit';

expectNoLeaks();
afterEach(closeAll);

const FILL = 0xaa;

const MARGIN = 2048;
const intact = Buffer.alloc(MARGIN, FILL);

/** A view of `length` bytes in the middle of memory that nothing may change. */
class Guarded {
  readonly #memory: Buffer;
  readonly view: Uint8Array;

  constructor(length: number, content: ArrayLike<number> = []) {
    this.#memory = Buffer.alloc(length + 2 * MARGIN, FILL);
    this.view = new Uint8Array(this.#memory.buffer, this.#memory.byteOffset + MARGIN, length);
    this.view.set(content);
  }

  get isIntact(): boolean {
    const memory = this.#memory;
    return (
      intact.equals(memory.subarray(0, MARGIN)) &&
      intact.equals(memory.subarray(memory.length - MARGIN))
    );
  }
}

/** Attaches a filter of `count` instructions, which accepts everything. */
async function attachFilter(fd: number, count: number): Promise<void> {
  const peer = startPython(
    `
import ctypes
count = hear()
code = struct.pack('HBBI', 0, 0, 0, 7) * (count - 1) + struct.pack('HBBI', 6, 0, 0, 0xffff)
memory = ctypes.create_string_buffer(code)
program = struct.pack('@HP', count, ctypes.addressof(memory))
socket.socket(fileno=3).setsockopt(socket.SOL_SOCKET, 26, program)
say('attached')
# Without the end of the interpreter, which a leak checker would report on.
os._exit(0)
`,
    { fds: [fd] },
  );
  peer.tell(count);
  expect(await peer.hear()).toBe('attached');
  await peer.end();
}

describe.runIf(process.platform === 'linux')('SO_GET_FILTER', () => {
  const INSTRUCTION = 8;

  it('writes no more than its buffer, although the kernel counts instructions', async () => {
    const fd = socket(AF_INET, SOCK_DGRAM);
    await attachFilter(fd, 200);
    const option = constant('SO_GET_FILTER');
    const short = new Guarded(200);
    expect(native.getsockoptBytes(fd, SOL_SOCKET, option, short.view)).toBe(EINVAL);
    expect(short.isIntact).toBe(true);
    const exact = new Guarded(200 * INSTRUCTION);
    expect(native.getsockoptBytes(fd, SOL_SOCKET, option, exact.view)).toBe(200 * INSTRUCTION);
    expect(exact.isIntact).toBe(true);
    const words = new DataView(exact.view.buffer, exact.view.byteOffset);
    expect(words.getUint32(4, true), 'of the first instruction').toBe(7);
    expect(words.getUint32(199 * INSTRUCTION + 4, true), 'of the last instruction').toBe(0xffff);
    const long = new Guarded(4096);
    expect(native.getsockoptBytes(fd, SOL_SOCKET, option, long.view)).toBe(200 * INSTRUCTION);
    expect(long.isIntact).toBe(true);
    expect(long.view[200 * INSTRUCTION]).toBe(FILL);
    const none = new Guarded(7);
    expect(native.getsockoptBytes(fd, SOL_SOCKET, option, none.view)).toBe(0);
    expect(none.isIntact).toBe(true);
  });

  it('is no int', async () => {
    const fd = socket(AF_INET, SOCK_DGRAM);
    await attachFilter(fd, 4);
    const result = Int32Array.of(9);
    expect(native.getsockoptInt(fd, SOL_SOCKET, constant('SO_GET_FILTER'), result)).toBe(EINVAL);
    expect([...result]).toEqual([9]);
  });
});

describe.runIf(process.platform === 'linux')('an option that reads its buffer first', () => {
  it('finds zeroes: it does not believe a count of elements in there', () => {
    const fd = socket(AF_INET, SOCK_DGRAM);
    const [group, lo] = [[232, 1, 1, 1], [127, 0, 0, 1]]; // prettier-ignore
    const IP_ADD_SOURCE_MEMBERSHIP = 39;
    const IP_MSFILTER = 41;
    const level = constant('IPPROTO_IP');
    for (let i = 1; i <= 5; i++) {
      const source = Uint8Array.of(...group, ...lo, 127, 0, 0, 10 + i);
      ok(native.setsockoptBytes(fd, level, IP_ADD_SOURCE_MEMBERSHIP, source));
    }
    // struct ip_msfilter: group, interface, mode, and room for so many sources, which there is not.
    const guarded = new Guarded(16, [...group, ...lo, ...words(1, 100)]);
    expect(native.getsockoptBytes(fd, level, IP_MSFILTER, guarded.view)).toBe(EINVAL);
    expect(guarded.isIntact).toBe(true);
  });

  it('finds zeroes: it does not write to an address in there', () => {
    const [left] = pair();
    // struct tcp_zerocopy_receive: all fields, with an address of no memory.
    const guarded = new Guarded(64, new Uint8Array(64).fill(0x7f));
    const TCP_ZEROCOPY_RECEIVE = 35;
    const tcp = socket(AF_INET, SOCK_STREAM);
    for (const fd of [left, tcp])
      native.getsockoptBytes(fd, constant('IPPROTO_TCP'), TCP_ZEROCOPY_RECEIVE, guarded.view);
    expect(guarded.isIntact).toBe(true);
  });
});

function words(...values: number[]): number[] {
  return [...new Uint8Array(Uint32Array.from(values).buffer)];
}

describe('no option', () => {
  it.each(['IPPROTO_IP', 'IPPROTO_IPV6', 'IPPROTO_TCP', 'IPPROTO_UDP', 'SOL_SOCKET'])(
    'of level %s writes past its buffer, or returns more than its length',
    (level) => {
      const fds = [
        socket(AF_INET, SOCK_STREAM),
        socket(AF_INET, SOCK_DGRAM),
        socket(constant('AF_INET6'), SOCK_STREAM),
        socket(constant('AF_INET6'), SOCK_DGRAM),
        ...pair(),
      ];
      const SO_PEERPIDFD = 77;
      const wrong: string[] = [];
      for (const length of [0, 1, 3, 4, 7, 8, 16, 100]) {
        for (let option = 0; option < 140; option++) {
          // This option makes an fd, for the caller to close.
          if (level === 'SOL_SOCKET' && option === SO_PEERPIDFD) continue;
          for (const fd of fds) {
            const guarded = new Guarded(length);
            const size = native.getsockoptBytes(fd, constant(level), option, guarded.view);
            if (size > length || !guarded.isIntact)
              wrong.push(`option ${option} with ${length} bytes: ${size}`);
          }
        }
      }
      expect(wrong).toEqual([]);
    },
  );

  it.runIf(process.platform === 'linux')(
    'that returns the length that it would need returns more than it wrote',
    () => {
      const AF_NETLINK = constant('AF_NETLINK');
      const [SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS] = [270, 9];
      const fd = socket(AF_NETLINK, constant('SOCK_RAW'), 0);
      const guarded = new Guarded(2);
      const size = native.getsockoptBytes(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, guarded.view);
      expect(size).toBeLessThanOrEqual(2);
      expect(guarded.isIntact).toBe(true);
    },
  );

  it('has a value of more than 64 KiB: a longer view is used in part', () => {
    const [left] = pair();
    const view = new Uint8Array(1 << 20);
    expect(native.getsockoptBytes(left, SOL_SOCKET, constant('SO_TYPE'), view)).toBe(4);
    expect(native.getsockoptBytes(left, SOL_SOCKET, constant('SO_TYPE'), view.subarray(1))).toBe(4);
  });

  it.runIf(process.platform === 'linux')(
    'whose value holds addresses to write to can be set',
    () => {
      const fd = socket(AF_INET, SOCK_STREAM);
      const value = new Uint8Array(128);
      const [ip, ipv6] = [constant('IPPROTO_IP'), constant('IPPROTO_IPV6')];
      const [SOL_RDS, SOL_XDP] = [276, 283];
      for (const [level, option] of [
        [ip, 64],
        [ipv6, 64],
        [ip, 96],
        [ip, 128],
        [SOL_RDS, 2],
        [SOL_RDS, 7],
        [SOL_XDP, 4],
      ] as const)
        // prettier-ignore
        expect(outcome(native.setsockoptBytes(fd, level, option, value))).toBe('ENOTSUP');
      // Beside them: the same numbers on other levels.
      expect(outcome(native.setsockoptBytes(fd, SOL_SOCKET, 128, value))).toBe('ENOPROTOOPT');
    },
  );
});

describe.runIf(process.platform === 'linux')('the length of an address', () => {
  it('is at most that of the memory that it is in', () => {
    // As long as a name can be, for either end.
    const names = ['a', 'b'].map((name) => unix(`\0${name.repeat(limits.unixPathMax - 1)}`));
    const [left, right] = names.map(({ bytes, length }) => {
      const fd = socket(AF_UNIX, SOCK_DGRAM);
      ok(native.bind(fd, bytes, length));
      return fd;
    }) as [number, number];
    ok(native.connect(left, (names[1] as Sockaddr).bytes, (names[1] as Sockaddr).length));
    const out = new Uint8Array(limits.sockaddrMax);
    expect(native.getsockname(left, out)).toBe(limits.unixPathOffset + limits.unixPathMax);
    expect(native.getpeername(left, out)).toBe(limits.unixPathOffset + limits.unixPathMax);
    const result = new Int32Array(3);
    const longest = limits.unixPathOffset + limits.unixPathMax;
    const byte = new Uint8Array(1);
    for (const length of [0, 1, 3, 20, 127, limits.sockaddrMax, 200]) {
      // Of no length: for no name.
      const fits = length === 0 || length >= limits.sockaddrMax;
      for (const call of ['recvfrom', 'recvmsg'] as const) {
        ok(native.send(left, Buffer.from('x'), 0, 0));
        const guarded = new Guarded(length);
        result.fill(-1);
        const count =
          call === 'recvfrom'
            ? native.recvfrom(right, byte, guarded.view, result)
            : native.recvmsg(right, [byte], guarded.view, null, result, 0);
        expect([count, result[1]], `${call} with ${length} bytes`).toEqual(
          fits ? [1, length === 0 ? 0 : longest] : [EINVAL, -1],
        );
        expect(guarded.isIntact).toBe(true);
        if (!fits) ok(native.recv(right, byte, 0));
      }
    }
  });

  // A sanitizer would write the state of all that memory.
  const isSanitized = (process.env['LD_PRELOAD'] ?? '').includes('asan');
  it.skipIf(isSanitized)(
    'is refused if it is no C int: its lowest bits may be another length',
    () => {
      const [left] = pair(SOCK_DGRAM);
      // Untouched memory takes no room.
      const name = new Uint8Array(2 ** 32);
      const [data, length] = [Buffer.from('x'), 2 ** 32];
      expect(native.bind(left, name, length)).toBe(EINVAL);
      expect(native.connect(left, name, length)).toBe(EINVAL);
      expect(native.sendto(left, data, name, length)).toBe(EINVAL);
      expect(native.sendmsg(left, [data], 0, name, length, null, 0, 0)).toBe(EINVAL);
      expect(native.sendmmsg(left, [data], 0, name, length)).toBe(EINVAL);
    },
  );

  it('is not written into the control messages', () => {
    const [left, right] = pair(SOCK_DGRAM);
    ok(native.send(left, Buffer.from('x'), 0, 0));
    const memory = new Uint8Array(256);
    const receive = (name: Uint8Array, control: Uint8Array): number =>
      native.recvmsg(right, [new Uint8Array(1)], name, control, new Int32Array(3), 0);
    expect(receive(memory, memory)).toBe(EINVAL);
    expect(receive(memory.subarray(0, 129), memory.subarray(128))).toBe(EINVAL);
    expect(receive(memory.subarray(0, 128), memory.subarray(128))).toBe(1);
  });
});
