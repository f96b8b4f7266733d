import type { AncillaryData } from '#lib/contract/ancillary';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { nativeBinding } from '#lib/binding';
import {
  ancillaryBufferSize,
  closeReceivedFds,
  decodeAncillary,
  encodeAncillary,
} from '#lib/socket/ancillary';
import { expectNoLeaks, openFdCount } from '../../support/fds';
import {
  fdFlags,
  pair,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
  constant,
  thrown,
} from './kit';
import { detach } from './memory';

expectNoLeaks();

const native = nativeBinding();
const MSG_CTRUNC = constant('MSG_CTRUNC');
const decode = (control: Uint8Array | null): AncillaryData => {
  if (control === null) throw new Error('no control data');
  return decodeAncillary(control, control.length, false);
};

describe('encodeAncillary and decodeAncillary', () => {
  it('keep everything that was given, and add nothing', () => {
    const messages = [
      { level: SOL_SOCKET, type: 77, data: Uint8Array.of(1, 2, 3) },
      { level: 0x7fffffff, type: -0x80000000, data: new Uint8Array(0) },
    ];
    expect(
      decode(
        encodeAncillary({
          fds: [3, 0, 5],
          credentials: { pid: 4, uid: 0xffffffff, gid: 6 },
          messages,
        }),
      ),
    ).toEqual({
      fds: [3, 0, 5],
      credentials: { pid: 4, uid: 0xffffffff, gid: 6 },
      messages,
    });
    expect(decode(encodeAncillary({ messages: [messages[0] as never] }))).toEqual({
      messages: [messages[0]],
    });
  });

  it('no messages need no control buffer', () => {
    expect(encodeAncillary({})).toBe(null);
    expect(encodeAncillary({ fds: [], messages: [] })).toBe(null);
    expect(decodeAncillary(new Uint8Array(64), 0, true)).toEqual({ truncated: true });
  });

  it('a pid of 0 stands for this process', () => {
    expect(
      decode(encodeAncillary({ credentials: { pid: 0, uid: 1, gid: 2 } })).credentials,
    ).toEqual({ pid: process.pid, uid: 1, gid: 2 });
  });

  it('messages may be any view', () => {
    const { messages } = decode(
      encodeAncillary({
        messages: [{ level: 1, type: 50, data: new Uint16Array([0x0101, 0x0202]) as never }],
      }),
    );
    expect(messages?.[0]?.data).toEqual(Uint8Array.of(1, 1, 2, 2));
  });

  it('an invalid value is named in the error', () => {
    const gone = new Uint8Array(3);
    detach(gone);
    const credentials = { pid: 1, uid: 1, gid: 1 };
    const message = { level: 1, type: 1, data: new Uint8Array(1) };
    const types: unknown[] = [
      null,
      undefined,
      'fds',
      { fds: 5 },
      { fds: 'x' },
      { fds: null },
      { fds: new Set([1]) },
      { fds: Int32Array.of(1) },
      { fds: ['1'] },
      { fds: [1n] },
      { fds: new Array(1) },
      { credentials: null },
      { credentials: 5 },
      { credentials: {} },
      { credentials: { ...credentials, uid: '0' } },
      { messages: null },
      { messages: 5 },
      { messages: [null] },
      { messages: [5] },
      { messages: [{ ...message, data: 'x' }] },
      { messages: [{ ...message, data: gone }] },
      { messages: [{ ...message, level: undefined }] },
    ];
    for (const ancillary of types) {
      expect(
        thrown(() => encodeAncillary(ancillary as never)),
        inspect(ancillary),
      ).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    }
    const ranges: unknown[] = [
      { fds: [-1] },
      { fds: [1.5] },
      { fds: [2 ** 31] },
      { fds: [NaN] },
      { credentials: { ...credentials, pid: -1 } },
      { credentials: { ...credentials, gid: 2 ** 32 } },
      { messages: [{ ...message, type: 2 ** 31 }] },
      { messages: [{ ...message, data: new Uint8Array((1 << 24) + 1) }] },
    ];
    for (const ancillary of ranges) {
      expect(
        thrown(() => encodeAncillary(ancillary as never)),
        inspect(ancillary),
      ).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    }
  });
});

describe('ancillaryBufferSize', () => {
  it('has exactly the room that the messages need', () => {
    expect(ancillaryBufferSize(0)).toBe(0);
    expect(ancillaryBufferSize(3)).toBe(encodeAncillary({ fds: [1, 2, 3] })?.length);
    expect(ancillaryBufferSize(1, true)).toBe(
      encodeAncillary({ fds: [1], credentials: { pid: 1, uid: 1, gid: 1 } })?.length,
    );
    expect(ancillaryBufferSize(0, true)).toBe(native.controlSpace(12));
    expect(() => ancillaryBufferSize(-1)).toThrow(RangeError);
    expect(() => ancillaryBufferSize('1' as never)).toThrow(TypeError);
  });
});

describe('received fds', () => {
  const open = (): number => openSync('package.json', 'r');

  it.each([
    ['stream', SOCK_STREAM],
    ['datagram', SOCK_DGRAM],
    ['seqpacket', SOCK_SEQPACKET],
  ])('arrive open and close-on-exec, and the sender keeps its own (%s)', (_name, type) => {
    const [left, right] = pair(type);
    const fds = [open(), open()];
    expect(left.sendmsg([Buffer.from('x')], { ancillary: { fds } })).toBe(1);
    const message = right.recvmsg([Buffer.alloc(8)], ancillaryBufferSize(2));
    expect(message).toMatchObject({
      bytes: 1,
      flags: expect.any(Number) as number,
      ancillary: { fds: [expect.any(Number), expect.any(Number)] },
    });
    expect(message?.ancillary).not.toHaveProperty('truncated');
    const received = message?.ancillary.fds ?? [];
    for (const fd of received) {
      expect(fds).not.toContain(fd);
      expect(fdFlags(fd).closeOnExec).toBe(true);
      expect(fstatSync(fd).ino).toBe(fstatSync(fds[0] as number).ino);
    }
    closeReceivedFds(message?.ancillary as AncillaryData);
    fds.forEach(closeSync);
  });

  it('without room in the buffer are closed, and the result is marked as truncated', () => {
    const [left, right] = pair();
    const before = openFdCount();
    const fds = [open(), open(), open()];
    for (const [size, room] of [
      [0, 0],
      [1, 0],
      [native.controlSpace(0), 0],
      [native.controlSpace(0) + 4, 1],
      [native.controlSpace(0) + 7, 1],
      [ancillaryBufferSize(2), 2],
    ] as const) {
      left.sendmsg([Buffer.from('x')], { ancillary: { fds } });
      const message = right.recvmsg([Buffer.alloc(1)], size);
      expect(message?.ancillary.truncated, String(size)).toBe(true);
      expect((message?.flags ?? 0) & MSG_CTRUNC).toBe(MSG_CTRUNC);
      expect(message?.ancillary.fds ?? [], String(size)).toHaveLength(room);
      expect(openFdCount()).toBe(before + 3 + room);
      closeReceivedFds(message?.ancillary ?? {});
    }
    fds.forEach(closeSync);
    expect(openFdCount()).toBe(before);
  });

  it('are closed by the kernel if a plain recv skips them', () => {
    const [left, right] = pair();
    const before = openFdCount();
    const fd = open();
    left.sendmsg([Buffer.from('x')], { ancillary: { fds: [fd] } });
    closeSync(fd);
    expect(right.recv(Buffer.alloc(8))).toBe(1);
    expect(openFdCount()).toBe(before);
  });

  it('fit one message up to 253 of them', () => {
    const [left, right] = pair();
    const fd = open();
    const fds = new Array<number>(253).fill(fd);
    expect(left.sendmsg([Buffer.from('x')], { ancillary: { fds } })).toBe(1);
    const message = right.recvmsg([Buffer.alloc(1)], ancillaryBufferSize(253));
    expect(new Set(message?.ancillary.fds).size).toBe(253);
    closeReceivedFds(message?.ancillary ?? {});
    expect(
      thrown(() => left.sendmsg([Buffer.from('x')], { ancillary: { fds: [...fds, fd] } })),
    ).toMatchObject({
      code: 'EINVAL',
      syscall: 'sendmsg',
    });
    closeSync(fd);
  });

  it('must be open when they are sent', () => {
    const [left] = pair();
    const fd = open();
    closeSync(fd);
    expect(
      thrown(() => left.sendmsg([Buffer.from('x')], { ancillary: { fds: [fd] } })),
    ).toMatchObject({
      code: 'EBADF',
      syscall: 'sendmsg',
    });
  });
});

describe('closeReceivedFds', () => {
  it('tries all fds, and throws the first error', () => {
    const fds = [
      openSync('package.json', 'r'),
      openSync('package.json', 'r'),
      openSync('package.json', 'r'),
    ] as const;
    closeSync(fds[1]);
    const before = openFdCount();
    expect(thrown(() => closeReceivedFds({ fds }))).toMatchObject({
      code: 'EBADF',
      syscall: 'close',
    });
    expect(openFdCount()).toBe(before - 2);
    closeReceivedFds({});
  });
});

describe('credentials', () => {
  it("arrive if the receiver has asked for them, and are the sender's", () => {
    const [left, right] = pair(SOCK_DGRAM);
    right.setsockopt(SOL_SOCKET, constant('SO_PASSCRED'), true);
    left.send(Buffer.from('x'));
    const own = { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() };
    expect(right.recvmsg([Buffer.alloc(1)], ancillaryBufferSize(0, true))?.ancillary).toEqual({
      credentials: own,
    });
    left.sendmsg([Buffer.from('x')], {
      ancillary: { credentials: { pid: 0, uid: own.uid as number, gid: own.gid as number } },
    });
    expect(right.recvmsg([Buffer.alloc(1)], ancillaryBufferSize(0, true))?.ancillary).toEqual({
      credentials: own,
    });
    const fd = openSync('package.json', 'r');
    left.sendmsg([Buffer.from('x')], { ancillary: { fds: [fd] } });
    closeSync(fd);
    const both = right.recvmsg([Buffer.alloc(1)], ancillaryBufferSize(1, true))?.ancillary;
    expect(both).toEqual({ credentials: own, fds: [expect.any(Number)] });
    closeReceivedFds(both ?? {});
  });
});
