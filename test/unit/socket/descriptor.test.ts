import { constants } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nativeBinding } from '#lib/binding';
import { ClosedResourceError, InvalidStateError } from '#lib/errors';
import { Descriptor, socketType } from '#lib/socket/descriptor';
import { NativeSocket } from '#lib/socket/socket';
import { EXCEPTIONAL, READABLE, WRITABLE } from '#lib/socket/reactor';
import { expectNoLeaks } from '../../support/fds';
import * as kit from './kit';

expectNoLeaks();
afterEach(() => vi.restoreAllMocks());

const { AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM, SOCK_DGRAM } = kit;
const { ECONNRESET } = constants.errno;
const { EAGAIN } = kit;

describe('Descriptor', () => {
  it('knows by its type what a short receive proves', () => {
    const typeOf = (family: number, type: number, protocol = 0): [boolean, boolean] => {
      const { isInet, isTcp } = kit.create(family, type, protocol).descriptor.type;
      return [isInet, isTcp];
    };
    expect(typeOf(AF_INET, SOCK_STREAM)).toEqual([true, true]);
    expect(typeOf(AF_INET6, SOCK_STREAM, kit.constant('IPPROTO_TCP'))).toEqual([true, true]);
    expect(typeOf(AF_INET, SOCK_DGRAM)).toEqual([true, false]);
    expect(typeOf(AF_UNIX, SOCK_STREAM)).toEqual([false, false]);
    // A stream of another protocol may have messages in it. Few kernels have SCTP, so this fd is a
    // Unix socket's.
    const fd = kit.create(AF_UNIX, SOCK_STREAM).detach();
    const sctp = new Descriptor(fd, socketType(AF_INET, SOCK_STREAM, kit.constant('IPPROTO_SCTP')));
    expect([sctp.type.isInet, sctp.type.isTcp]).toEqual([true, false]);
    nativeBinding().adopt(fd, new Int32Array(4));
    sctp.close();
  });

  it('a short receive after a hang-up or an error does not end readiness', () => {
    const { descriptor } = kit.create(AF_INET, SOCK_STREAM);
    descriptor.received(1, 2);
    expect(descriptor.isReady('read')).toBe(false);
    descriptor.notify(READABLE);
    expect([descriptor.isReady('read'), descriptor.exceptional]).toEqual([true, false]);
    descriptor.wouldBlock('write', EAGAIN);
    descriptor.notify(READABLE);
    expect(descriptor.isReady('write')).toBe(false);
    descriptor.notify(WRITABLE);
    expect(descriptor.isReady('write')).toBe(true);
    descriptor.wouldBlock('read', EAGAIN);
    descriptor.wouldBlock('write', EAGAIN);
    descriptor.notify(EXCEPTIONAL);
    expect([descriptor.isReady('read'), descriptor.isReady('write')]).toEqual([true, true]);
    descriptor.received(1, 2);
    expect(descriptor.isReady('read')).toBe(true);
  });

  it('readiness ends by EAGAIN, by poll(2) and by a short receive, and by no other result', () => {
    const { descriptor } = kit.create(AF_INET, SOCK_STREAM);
    for (const name of Object.keys(constants.errno) as (keyof typeof constants.errno)[]) {
      const code = -constants.errno[name];
      if (code === EAGAIN) continue;
      expect([descriptor.wouldBlock('read', code), descriptor.isReady('read')]).toEqual([
        false,
        true,
      ]);
    }
    expect([descriptor.wouldBlock('read', 0), descriptor.isReady('read')]).toEqual([false, true]);
    descriptor.received(2, 2);
    expect(descriptor.isReady('read')).toBe(true);
    const unix = kit.pair()[0].descriptor;
    unix.received(1, 2);
    expect(unix.isReady('read')).toBe(true);
    expect([unix.poll('write'), unix.isReady('write')]).toEqual([WRITABLE, true]);
    expect([unix.poll('read'), unix.isReady('read')]).toEqual([0, false]);
    expect([descriptor.wouldBlock('read', EAGAIN), descriptor.isReady('read')]).toEqual([
      true,
      false,
    ]);
    expect(descriptor.isReady('write')).toBe(true);
  });

  it('close and detach are idempotent, and close returns the code of close(2)', () => {
    const { descriptor } = kit.pair()[0];
    const close = vi.spyOn(nativeBinding(), 'close').mockReturnValueOnce(-5);
    expect(descriptor.close()).toBe(-5);
    expect([descriptor.close(), descriptor.detach()]).toEqual([0, -1]);
    expect(close).toHaveBeenCalledTimes(1);
    nativeBinding().close(close.mock.calls[0]?.[0] as number);
    const other = kit.pair()[0].descriptor;
    const { fd } = other;
    expect([other.detach(), other.detach(), other.close()]).toEqual([fd, -1, 0]);
    nativeBinding().adopt(fd, new Int32Array(4));
    nativeBinding().close(fd);
  });

  it('leaves its slot in the reactor when it is closed or detached', async () => {
    for (const end of ['close', 'detach'] as const) {
      const [left, right] = kit.pair();
      const waiting = kit.rejection(left.readable());
      const { descriptor, fd } = left;
      expect(descriptor.slot).toBeGreaterThanOrEqual(0);
      descriptor[end]();
      expect(descriptor.slot).toBe(-1);
      expect(await waiting).toBeInstanceOf(ClosedResourceError);
      if (end === 'detach') kit.track(NativeSocket.fromFd(fd));
      expect(right.fd).toBeGreaterThanOrEqual(0);
    }
  });

  it('closes the fd before a waiting operation settles', async () => {
    const [left, right] = kit.pair();
    let fdThen: number | undefined;
    left.descriptor.onWriteEnd = () => {
      fdThen = left.fd;
      expect(right.recv(Buffer.alloc(1))).toBe(0);
    };
    const filled = kit.fill(left);
    const waiting = kit.rejection(left.writable());
    expect(kit.drain(right).length).toBe(filled);
    left.close();
    expect(fdThen).toBe(-1);
    expect(await waiting).toBeInstanceOf(ClosedResourceError);
  });

  it('a graceful close ends receiving, and lets the send under way go on', async () => {
    const [left, right] = kit.pair();
    const filled = kit.fill(left);
    const [reading, writing] = [kit.rejection(left.readable()), left.writable()];
    left.descriptor.stopReading();
    expect(await reading).toMatchObject({
      code: 'ERR_CLOSED_RESOURCE',
      message: 'The socket was closed while a task was waiting on it (poll)',
    });
    expect(left.descriptor.usageError('write', 'send')).toBeInstanceOf(ClosedResourceError);
    expect(kit.drain(right).length).toBe(filled);
    await writing;
  });

  it('is claimed once', () => {
    const { descriptor } = kit.pair()[0];
    descriptor.claim();
    expect(descriptor.claimed).toBe(true);
    expect(() => {
      descriptor.claim();
    }).toThrow(InvalidStateError);
  });

  it('keeps an error for the next receive: once on datagrams, for good on a stream', () => {
    for (const [type, times] of [
      [SOCK_DGRAM, 1],
      [SOCK_STREAM, 3],
    ] as const) {
      const { descriptor } = kit.pair(type)[0];
      descriptor.throwReadError('recv');
      descriptor.readError = -ECONNRESET;
      for (let i = 0; i < times; i++)
        expect(
          kit.thrown(() => {
            descriptor.throwReadError('recv');
          }),
        ).toMatchObject({
          code: 'ECONNRESET',
          syscall: 'recv',
        });
      expect(descriptor.readError).toBe(type === SOCK_DGRAM ? 0 : -ECONNRESET);
    }
  });
});

it('sockets of a few types share their types, and types beyond that number are not kept', () => {
  const first = socketType(AF_INET, SOCK_STREAM, 1000);
  expect(socketType(AF_INET, SOCK_STREAM, 1000)).toBe(first);
  for (let protocol = 1001; protocol < 1200; protocol++)
    expect(socketType(AF_INET, SOCK_STREAM, protocol).protocol).toBe(protocol);
  expect(socketType(AF_INET, SOCK_STREAM, 1000)).toBe(first);
  expect(socketType(AF_INET, SOCK_STREAM, 1199)).not.toBe(socketType(AF_INET, SOCK_STREAM, 1199));
});
